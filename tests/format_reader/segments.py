"""Segments (FORMAT.md, section 8): pages, chunks, facts, blobs; rebuilt from the pages whatever the tables say.

The reader always walks over all pages, as section 8.8 does for a damaged trailer. When trailer and tables are valid
they are compared with what the pages say, entry by entry; their ranges count then.
"""
from dataclasses import dataclass, field

import lz4.block

from . import statistics, tables
from .bodies import BlobHead, Record, Row, decode_blob_head, decode_fact, decode_writer
from .checks import check, file_key, hash64, is_head_right
from .codecs import decode_doubles, decode_integers
from .wire import NO_TIME, Broken, Cursor, Newer, is_time, is_zero, need, pad8, u32, u64

MAGIC = b"SLSEGMNT"
HEADER_BYTES, PAGE_HEAD_BYTES, TRAILER_BYTES = 64, 24, 256
PAGE_CONTENT_BYTES_MAX = 4194304
PAYLOAD_BYTES_MAX = 65536
ORDINAL_GAP_MAX = 65536
BLOB_DATA_BYTES = 262144
WRITER, SCHEMA, COLUMN, CHUNK, FACTS, BLOB, TRAILER = 1, 2, 3, 4, 5, 6, 31
MAY_BE_LZ4 = {WRITER, SCHEMA, FACTS, BLOB} | set(range(16, 25))
BYTES_MAX = {WRITER: 1048576, SCHEMA: 4194304, COLUMN: 65536, CHUNK: 3145728, FACTS: 2097152, BLOB: 262176,
             TRAILER: 232} | {table: 49152 for table in range(16, 25)}
REFERENCE = 1 << 31
IS_SORTED, HAS_TIMES = 1, 2


@dataclass
class Page:
    offset: int
    kind: int
    index: int
    bytes: int
    raw: bytes
    is_packed: bool


@dataclass
class Chunk:
    page: Page
    writer: int
    schema: int
    flags: int
    rows: list
    extent: int
    value_count: int
    is_partial: bool
    own: list           # of the columns with a page of their own: (number, file offset)


@dataclass
class Entry:
    """A fact or blob of a FACTS page, and where it stands."""
    writer: int
    type: int
    page: int
    content_offset: int
    bytes: int
    record: Record


@dataclass
class Segment:
    path: str
    file_id: bytes
    pages: dict = field(default_factory=dict)
    writers: dict = field(default_factory=dict)         # ordinal: (page offset, Writer)
    stubs: dict = field(default_factory=dict)           # ordinal: what the writer table says of it
    schemas: dict = field(default_factory=dict)         # ordinal: (page, names)
    chunks: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    held: dict = field(default_factory=dict)            # ordinal: [(begin, end)]
    dropped: dict = field(default_factory=dict)
    is_rebuilt: bool = False
    has_damaged_pages: bool = False
    trailer: object = None
    tables: dict = field(default_factory=dict)


def read_segment(path, name_id, data, report):
    """The content of a segment as far as it can be read, or None; what is wrong goes to report."""
    try:
        file_id = decode_header(data)
    except Newer as error:
        report.newer(path, str(error))
        return None
    except Broken as error:
        report.damage(path, 0, "segment header: %s" % error)
        file_id = name_id
    segment = Segment(path, file_id)
    walk_pages(segment, data, report)
    read_dictionaries(segment, report)
    read_chunks(segment, report)
    read_facts(segment, report)
    try:
        tables.read_tables(segment, data)
    except Broken as error:
        segment.is_rebuilt = True
        report.damage(path, max(0, len(data) - TRAILER_BYTES), "%s; rebuilt from the pages" % error)
        tables.rebuild(segment)
    if not segment.is_rebuilt:
        for offset, text in tables.differences(segment):
            report.damage(path, offset, text)
        order_of_pages(segment, report)
        if not segment.has_damaged_pages:
            check_stripes(segment, report)
            for offset, text in statistics.differences(segment):
                report.damage(path, offset, text)
    return segment


def decode_header(data):
    need(len(data) >= HEADER_BYTES, "the file has %d bytes" % len(data))
    need(data[0:8] == MAGIC, "the magic is wrong")
    need(is_head_right(data[:64], 56, file_key(data[16:32]), 0), "the check is wrong")
    if u32(data, 8) > 1 or u32(data, 12) & 0xffff:
        raise Newer("version %d, features %x" % (u32(data, 8), u32(data, 12)))
    need(u32(data, 8) == 1 and u32(data, 12) == 0, "version %d, features %x" % (u32(data, 8), u32(data, 12)))
    need(is_zero(data[40:56]), "bytes that must be zero are not")
    return bytes(data[16:32])


# --- pages (8.2, 8.8) ---

def parse_page(data, at, key):
    need(at + PAGE_HEAD_BYTES <= len(data) and data[at:at + 2] == b"PG", "no page begins here")
    kind, flags = data[at + 2], data[at + 3]
    content_bytes, raw_bytes = u32(data, at + 4), u32(data, at + 8)
    need(flags & ~1 == 0, "unknown page flags %02x" % flags)
    need(max(content_bytes, raw_bytes) <= BYTES_MAX.get(kind, PAGE_CONTENT_BYTES_MAX), "a page out of bounds")
    need(content_bytes < raw_bytes if flags else content_bytes == raw_bytes, "stored and raw bytes do not fit")
    end = at + PAGE_HEAD_BYTES + pad8(content_bytes)
    need(end <= len(data), "a page goes beyond the end of the file")
    stored = data[at + PAGE_HEAD_BYTES:end]
    need(u64(data, at + 16) == check(hash64(stored), key, at, u64(data, at), u64(data, at + 8)),
         "the check of the page is wrong")
    need(is_zero(stored[content_bytes:]), "the padding of the page is not zero")
    raw = bytes(stored[:content_bytes])
    if flags:
        need(kind in MAY_BE_LZ4 or not is_known(kind), "a page of kind %d is compressed" % kind)
        raw = decompress(raw, raw_bytes)
    return Page(at, kind, u32(data, at + 12), end - at, raw, flags != 0)


def is_known(kind):
    return 1 <= kind <= 6 or 16 <= kind <= 24 or kind == 31


def decompress(stored, raw_bytes):
    try:
        raw = lz4.block.decompress(stored, uncompressed_size=raw_bytes)
    except (lz4.block.LZ4BlockError, ValueError) as error:
        raise Broken("LZ4: %s" % error) from None
    need(len(raw) == raw_bytes, "LZ4 gives %d bytes, expected %d" % (len(raw), raw_bytes))
    return raw


def walk_pages(segment, data, report):
    key, at = file_key(segment.file_id), HEADER_BYTES
    budget = 16 * len(data)
    damage_begin, why = None, None
    while at < len(data):
        page = None
        if data[at:at + 2] == b"PG" and budget > 0:
            budget -= min(len(data) - at, u32(data, at + 4) if at + 8 <= len(data) else 0)
            try:
                page = parse_page(data, at, key)
            except Broken as error:
                if damage_begin is None:
                    why = error
        if page is None:
            segment.has_damaged_pages = True
            if damage_begin is None:
                damage_begin, why = at, why or "no page begins here"
            at += 8
            continue
        if damage_begin is not None:
            report.damage(segment.path, damage_begin, "[%d, %d): %s" % (damage_begin, at, why))
            damage_begin = why = None
        segment.pages[at] = page
        at += page.bytes
    if damage_begin is not None:
        report.damage(segment.path, damage_begin, "[%d, %d): %s" % (damage_begin, len(data), why))


def pages_of(segment, kind):
    return [page for page in segment.pages.values() if page.kind == kind]


def order_of_pages(segment, report):
    """Section 8.3: data pages, tables in the order of their kinds, the trailer last."""
    kinds = [page.kind for page in segment.pages.values() if is_known(page.kind)]
    ranks = [0 if kind < 16 else kind for kind in kinds]
    if ranks != sorted(ranks) or kinds.count(TRAILER) != 1:
        report.damage(segment.path, HEADER_BYTES, "the pages are not in the order of the format")
    stated, counts = set(), {WRITER: 0, SCHEMA: 0}
    for page in segment.pages.values():
        if page.kind in (WRITER, SCHEMA):
            if page.index > counts[page.kind] + ORDINAL_GAP_MAX:
                report.damage(segment.path, page.offset, "the ordinal leaves out too many")
            counts[page.kind] += 1
            stated.add((page.kind, page.index))
        named = [] if segment.has_damaged_pages else named_ordinals(segment, page)
        if any(name not in stated for name in named):
            report.damage(segment.path, page.offset, "the page stands before its writer or schema")


def named_ordinals(segment, page):
    if page.kind == CHUNK and len(page.raw) >= 8:
        return [(WRITER, u32(page.raw, 0)), (SCHEMA, u32(page.raw, 4))]
    if page.kind == FACTS:
        return [(WRITER, entry.writer) for entry in segment.entries if entry.page == page.offset]
    return []


# --- writers and schemas ---

def read_dictionaries(segment, report):
    for page in pages_of(segment, WRITER):
        try:
            need(page.index not in segment.writers, "a second writer %d" % page.index)
            segment.writers[page.index] = (page.offset, decode_writer(page.raw))
        except Broken as error:
            report.damage(segment.path, page.offset, "WRITER page: %s" % error)
    for page in pages_of(segment, SCHEMA):
        try:
            need(page.index not in segment.schemas, "a second schema %d" % page.index)
            segment.schemas[page.index] = (page, decode_schema(page.raw))
        except Broken as error:
            report.damage(segment.path, page.offset, "SCHEMA page: %s" % error)


def decode_schema(raw):
    cursor = Cursor(raw)
    count = cursor.u32()
    need(1 <= count <= 4096, "a schema of %d names" % count)
    names = []
    for _ in range(count):
        name_bytes = cursor.u32()
        need(name_bytes >= 1, "an empty name")
        names.append(cursor.text(name_bytes, 65536, "a name"))
    cursor.done("a schema")
    need(len(set(names)) == len(names), "a schema with a name twice")
    return tuple(names)


# --- chunks and columns (8.4) ---

class ChunkHead:
    def __init__(self, page):
        cursor = Cursor(page.raw)
        self.writer, self.schema = cursor.u32(), cursor.u32()
        self.row_count, self.column_count, self.flags = cursor.u16(), cursor.u16(), cursor.u16()
        cursor.zeros(2, "bytes 14 and 15 of a chunk")
        lengths = [cursor.u32() for _ in range(3)]
        directory_bytes = cursor.u32()
        need(1 <= self.row_count <= 1024, "a chunk of %d rows" % self.row_count)
        need(1 <= self.column_count <= 4096, "a chunk of %d columns" % self.column_count)
        need(self.flags & ~3 == 0, "unknown chunk flags %04x" % self.flags)
        need(lengths[0] & ~REFERENCE and lengths[2] & ~REFERENCE, "a chunk without steps or sequences")
        need((lengths[1] != 0) == bool(self.flags & HAS_TIMES), "the times of a chunk do not fit its flags")
        self.is_reference = [bool(length & REFERENCE) for length in lengths]
        for length, is_reference in zip(lengths, self.is_reference):
            need(not is_reference or length == REFERENCE | 8, "a reference of %d bytes" % (length & ~REFERENCE))
        self.parts = [cursor.take(length & ~REFERENCE) for length in lengths]
        self.directory = Cursor(cursor.take(directory_bytes))
        self.payloads = cursor


def read_chunks(segment, report):
    for page in pages_of(segment, CHUNK):
        try:
            segment.chunks.append(decode_chunk(segment, page, report))
        except Broken as error:
            report.damage(segment.path, page.offset, "CHUNK page: %s" % error)


def decode_part(segment, page, head, place):
    """Steps, times or sequences of a chunk: place 0, 1 or 2."""
    part = head.parts[place]
    if head.is_reference[place]:
        offset = u64(part, 0)
        other = segment.pages.get(offset)
        need(other is not None and other.kind == CHUNK and offset < page.offset,
             "the chunk at %d, that this one refers to, cannot be read" % offset)
        other_head = ChunkHead(other)
        need(not other_head.is_reference[place], "a reference to a reference")
        part = other_head.parts[place]
        need(len(part), "a reference to a part that is not there")
    return decode_integers(part, head.row_count)


def decode_chunk(segment, page, report):
    head = ChunkHead(page)
    steps = decode_part(segment, page, head, 0)
    times = decode_part(segment, page, head, 1) if head.flags & HAS_TIMES else [NO_TIME] * head.row_count
    sequences = decode_part(segment, page, head, 2)
    need(sequences[0] >= 1 and all(a < b for a, b in zip(sequences, sequences[1:])), "sequences do not ascend")
    need(all(is_time(time) for time in times), "a time of -2^63")
    is_sorted = all(a <= b for a, b in zip(steps, steps[1:]))
    need(is_sorted == bool(head.flags & IS_SORTED), "the flag for sorted steps is wrong")
    columns, own, is_partial = [], [], False
    for number in range(head.column_count):
        column = ColumnEntry(head.directory, head.row_count)
        try:
            columns.append(decode_column(segment, page, head, number, column, own))
        except Broken as error:
            need(column.has_own_page, "column %d: %s" % (number, error))
            report.damage(segment.path, page.offset - column.distance, "column %d of the chunk at %d: %s"
                          % (number, page.offset, error))
            columns.append([None] * head.row_count)
            is_partial = True
    head.directory.done("the directory")
    head.payloads.done("the payloads")
    if head.schema not in segment.schemas:
        raise Broken("schema %d cannot be read; %d rows are lost" % (head.schema, head.row_count))
    names = segment.schemas[head.schema][1]
    need(len(names) == head.column_count, "%d columns for %d names" % (head.column_count, len(names)))
    rows = [Row(sequences[r], steps[r], times[r], names, tuple(column[r] for column in columns), is_partial)
            for r in range(head.row_count)]
    value_count = sum(value is not None for row in rows for value in row.values)
    extent = min([page.offset] + [offset for _, offset in own])
    return Chunk(page, head.writer, head.schema, head.flags, rows, extent, value_count, is_partial, own)


class ColumnEntry:
    """One entry of a chunk's directory."""

    def __init__(self, cursor, row_count):
        flags = cursor.u8()
        self.is_empty = flags == 0
        self.has_own_page, self.has_bitmap, self.has_positions = (bool(flags & bit) for bit in (2, 4, 8))
        self.distance = 0
        if self.is_empty:
            return
        need(flags & 1 and flags >> 4 == 0, "a column with flags %02x" % flags)
        need(not (self.has_bitmap and self.has_positions), "a column with bitmap and positions")
        self.payload_bytes = cursor.varint()
        need(1 <= self.payload_bytes <= PAYLOAD_BYTES_MAX, "a payload of %d bytes" % self.payload_bytes)
        if self.has_own_page:
            self.distance = cursor.varint()
        self.value_count, self.presence_bytes = row_count, 0
        if self.has_bitmap or self.has_positions:
            self.value_count, self.presence_bytes = cursor.varint(), cursor.varint()
            need(1 <= self.value_count <= row_count - 1, "%d values in %d rows" % (self.value_count, row_count))
            need(self.presence_bytes < self.payload_bytes, "more presence than payload")


def decode_column(segment, page, head, number, column, own_pages):
    """The values of a column, row by row, None where there is none."""
    if column.is_empty:
        return [None] * head.row_count
    if column.has_own_page:
        own_pages.append((number, page.offset - column.distance))
        own = segment.pages.get(page.offset - column.distance)
        need(column.distance and own is not None and own.kind == COLUMN, "its page cannot be read")
        need(own.index == number, "its page is that of column %d" % own.index)
        need(len(own.raw) == column.payload_bytes, "its page has %d bytes" % len(own.raw))
        payload = own.raw
    else:
        payload = head.payloads.take(column.payload_bytes)
    presence, encoded = payload[:column.presence_bytes], payload[column.presence_bytes:]
    values = decode_doubles(encoded, column.value_count)
    if not presence and not column.has_bitmap and not column.has_positions:
        return values
    rows = present_rows(column, presence, head.row_count)
    whole = [None] * head.row_count
    for row, value in zip(rows, values):
        whole[row] = value
    return whole


def present_rows(column, presence, row_count):
    if column.has_bitmap:
        need(len(presence) == (row_count + 7) // 8, "a bitmap of %d bytes" % len(presence))
        bits = int.from_bytes(presence, "little")
        need(bits >> row_count == 0, "a bitmap with bits beyond the rows")
        rows = [row for row in range(row_count) if bits >> row & 1]
        need(len(rows) == column.value_count, "a bitmap of %d rows" % len(rows))
        return rows
    rows = decode_integers(presence, column.value_count)
    need(all(a < b for a, b in zip(rows, rows[1:])) and rows[0] >= 0 and rows[-1] < row_count, "positions are wrong")
    return rows


# --- stripes (8.3) ---

STRIPE_CHUNKS = 16


def check_stripes(segment, report):
    """COLUMN pages are followed by the CHUNK pages that name them, and stand column by column, in their order."""
    chunks = {chunk.page.offset: chunk for chunk in segment.chunks}
    columns, run = [], []
    for page in list(segment.pages.values()) + [None]:
        kind = page.kind if page is not None else None
        if kind != CHUNK and (kind != COLUMN or run):
            check_stripe(segment, columns, run, report)
            columns, run = [], []
        if kind == COLUMN:
            columns.append((page.index, page.offset))
        if kind == CHUNK and page.offset in chunks:
            run.append(chunks[page.offset])


def check_stripe(segment, columns, run, report):
    naming = [place for place, chunk in enumerate(run) if chunk.own]
    named = sorted((number, place, offset) for place, chunk in enumerate(run) for number, offset in chunk.own)
    if [(number, offset) for number, _, offset in named] != columns:
        report.damage(segment.path, (columns or [(0, run[0].page.offset)])[0][1],
                      "the COLUMN pages of a stripe are not those that its chunks name, in their order")
    if any(place >= STRIPE_CHUNKS for place in naming):
        report.damage(segment.path, run[0].page.offset, "a stripe of more than %d chunks" % STRIPE_CHUNKS)
    if len({(run[place].writer, run[place].schema) for place in naming + ([0] if naming else [])}) > 1:
        report.damage(segment.path, run[0].page.offset, "a stripe of more than one writer and schema")


# --- facts and blobs (8.5) ---

def read_facts(segment, report):
    for page in pages_of(segment, FACTS):
        found = []
        try:
            need(page.index == 0, "index %d" % page.index)
            cursor = Cursor(page.raw)
            while cursor.left():
                found.append(decode_entry(segment, page, cursor, report))
        except Broken as error:
            report.damage(segment.path, page.offset, "FACTS page: %s" % error)
        else:
            segment.entries += found


def decode_prefix(cursor):
    writer, body_bytes, sequence, count, kind = cursor.u32(), cursor.u32(), cursor.u64(), cursor.u32(), cursor.u8()
    cursor.zeros(3, "bytes 21 to 23 of a record prefix")
    need(sequence >= 1 and count >= 1, "a record without a number")
    need(kind in (1, 2), "a record of type %d" % kind)
    return writer, body_bytes, sequence, count, kind, cursor.u64()


def decode_entry(segment, page, cursor, report):
    writer, body_bytes, sequence, count, kind, data_offset = decode_prefix(cursor)
    at = cursor.at
    body = cursor.take(body_bytes)
    if kind == 1:
        need(data_offset == 0, "a fact with data")
        return Entry(writer, kind, page.offset, at, body_bytes, Record(sequence, count, decode_fact(body)))
    head, _ = decode_blob_head(body)
    try:
        data = blob_data(segment, data_offset, head)
    except Broken as error:
        data = None
        report.damage(segment.path, data_offset, "blob %s: %s" % (head.name, error))
    return Entry(writer, kind, page.offset, at, body_bytes, Record(sequence, count, head, data))


def blob_data(segment, at, head: BlobHead):
    pieces, page_count, number = [], 1, 0
    while number < page_count:
        page = segment.pages.get(at)
        need(page is not None and page.kind == BLOB and page.index == number, "page %d cannot be read" % number)
        cursor = Cursor(page.raw)
        if number == 0:
            _, page_count, _, _, kind, offset = decode_prefix(cursor)
            need(kind == 2 and offset == 0 and page_count >= 1, "its prefix is wrong")
            need(page_count == max(1, -(-head.data_bytes // BLOB_DATA_BYTES)), "%d pages" % page_count)
        piece = cursor.take(cursor.left())
        need(len(piece) == BLOB_DATA_BYTES or number == page_count - 1 and len(piece) <= BLOB_DATA_BYTES,
             "a page with %d bytes" % len(piece))
        pieces.append(piece)
        at += page.bytes
        number += 1
    data = b"".join(pieces)
    need(len(data) == head.data_bytes, "%d bytes of data" % len(data))
    need(hash64(data) == head.content_hash, "the data fails its hash")
    return data
