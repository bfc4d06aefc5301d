"""Trailer and tables of a segment (FORMAT.md, 8.6 and 8.7), compared with what its pages say."""
from dataclasses import dataclass

from .bodies import Fact
from .wire import NO_TIME, Broken, Cursor, is_zero, need

WRITER_TABLE, SCHEMA_TABLE, GROUP_TABLE, CHUNK_TABLE, RANGE_TABLE, RECORD_TABLE = 16, 17, 18, 19, 20, 21
NODE_TABLE, STATS_TABLE, NODE_STATS_TABLE, TRAILER = 22, 23, 24, 31
TABLES = (WRITER_TABLE, SCHEMA_TABLE, GROUP_TABLE, CHUNK_TABLE, RANGE_TABLE, RECORD_TABLE, NODE_TABLE, STATS_TABLE,
          NODE_STATS_TABLE)
# What a segment is read with; the others only tell sooner.
NEEDED = TABLES[:6]
ENTRY_BYTES = dict(zip(TABLES, (96, 16, 80, 80, 24, 48, 48, 56, 80)))
PAGE_CONTENT_BYTES = 49152   # a table of no more is one page
ENTRIES_IN_PAGE = dict(zip(TABLES, (512, 512, 512, 64, 512, 512, 512, 64, 512)))
NODE_CHUNKS, NO_STATS = 64, 2**32 - 1
TRAILER_BYTES, TRAILER_CONTENT_BYTES, PAGE_HEAD_BYTES = 256, 232, 24
OWN_PAGE_BYTES_MIN = 32      # a head, and content
HELD, DROPPED = 1, 2


@dataclass
class Trailer:
    places: list
    row_count: int
    value_count: int
    lamport_max: int
    step_min: int
    step_max: int
    time_min: int
    time_max: int


@dataclass
class WriterEntry:
    run: bytes
    incarnation: bytes
    attempt: int
    rank: int
    flags: int
    page_offset: int
    ranges: tuple
    groups: tuple
    records: tuple
    start: int


@dataclass
class SchemaEntry:
    page_offset: int
    name_count: int
    page_bytes: int


@dataclass
class GroupEntry:
    writer: int
    schema: int
    chunks: tuple
    row_count: int
    value_count: int
    step_min: int
    step_max: int
    time_min: int
    time_max: int
    node_first: int = 0
    stats_first: int = NO_STATS
    node_stats_first: int = NO_STATS


@dataclass
class ChunkEntry:
    page_offset: int
    page_bytes: int
    row_count: int
    flags: int
    sequence_first: int
    sequence_last: int
    step_min: int
    step_max: int
    time_min: int
    time_max: int
    value_count: int
    extent: int


@dataclass
class NodeEntry:
    flags: int
    row_count: int
    sequence_first: int
    sequence_last: int
    step_min: int
    step_max: int


@dataclass
class RangeEntry:
    writer: int
    kind: int
    begin: int
    end: int


@dataclass
class RecordEntry:
    writer: int
    type: int
    fact_kind: int
    page_offset: int
    content_offset: int
    bytes: int
    sequence: int
    lamport: int
    sequence_count: int


# --- one entry each ---

def decode_writer_entry(c):
    entry = WriterEntry(c.id(), c.id(), c.u32(), c.u32(), c.u32(), 0, (), (), (), 0)
    need(entry.attempt >= 1, "attempt 0")
    c.zeros(4, "bytes 44 to 47 of a writer entry")
    entry.page_offset = c.u64()
    entry.ranges, entry.groups, entry.records = [(c.u32(), c.u32()) for _ in range(3)]
    entry.start = c.i64()
    c.zeros(8, "bytes 88 to 95 of a writer entry")
    return entry


def decode_schema_entry(c):
    entry = SchemaEntry(c.u64(), c.u32(), c.u32())
    need(1 <= entry.name_count <= 4096, "a schema of %d names" % entry.name_count)
    return entry


def decode_group_entry(c):
    entry = GroupEntry(c.u32(), c.u32(), (c.u32(), c.u32()), c.u64(), c.u64(), c.i64(), c.i64(), c.i64(),
                       c.i64(), c.u32(), c.u32(), c.u32())
    c.zeros(4, "bytes 76 to 79 of a group entry")
    need((entry.stats_first == NO_STATS) == (entry.node_stats_first == NO_STATS), "half of a group's statistics")
    need(entry.chunks[1] >= 1 and entry.step_min <= entry.step_max, "a group entry is out of bounds")
    return entry


def decode_chunk_entry(c):
    entry = ChunkEntry(c.u64(), c.u32(), c.u16(), c.u16(), c.u64(), c.u64(), c.i64(), c.i64(), c.i64(), c.i64(),
                       c.u32(), 0)
    c.zeros(4, "bytes 68 to 71 of a chunk entry")
    entry.extent = c.u64()
    need(1 <= entry.row_count <= 1024 and 1 <= entry.sequence_first <= entry.sequence_last
         and entry.step_min <= entry.step_max, "a chunk entry is out of bounds")
    return entry


def decode_range_entry(c):
    entry = RangeEntry(c.u32(), c.u32(), c.u64(), c.u64())
    need(entry.kind in (HELD, DROPPED) and 1 <= entry.begin < entry.end, "a range entry is out of bounds")
    return entry


def decode_record_entry(c):
    entry = RecordEntry(c.u32(), c.u8(), c.u8(), 0, 0, 0, 0, 0, 0)
    c.zeros(2, "bytes 6 and 7 of a record entry")
    entry.page_offset, entry.content_offset, entry.bytes = c.u64(), c.u32(), c.u32()
    entry.sequence, entry.lamport, entry.sequence_count = c.u64(), c.u64(), c.u32()
    c.zeros(4, "bytes 44 to 47 of a record entry")
    need(entry.type in (1, 2) and entry.sequence >= 1 and entry.sequence_count >= 1, "a record entry is out of bounds")
    return entry


def decode_node_entry(c):
    flags = c.u32()
    c.zeros(4, "bytes 4 to 7 of a node entry")
    entry = NodeEntry(flags, c.u64(), c.u64(), c.u64(), c.i64(), c.i64())
    need(entry.flags <= 1 and 1 <= entry.row_count <= 65536 and 1 <= entry.sequence_first <= entry.sequence_last
         and entry.step_min <= entry.step_max, "a node entry is out of bounds")
    return entry


def decode_stats_entry(c):
    """The 56 bytes, which are compared as they are; here only what holds for any."""
    entry = c.take(56)
    rest = Cursor(entry)
    rest.take(48)
    counts = [rest.u16() for _ in range(4)]
    return checked_stats(entry, 48, counts, 1024, 2**16 - 1)


def decode_node_stats_entry(c):
    entry = c.take(80)
    rest = Cursor(entry)
    rest.take(64)
    counts = [rest.u32() for _ in range(4)]
    return checked_stats(entry, 64, counts, 65536, 2**32 - 1)


def checked_stats(entry, at, counts, most, none):
    if counts[0] in (0, none):
        need(is_zero(entry[:at]) and not any(counts[1:]), "statistics of nothing that say something")
    else:
        need(counts[0] <= most and sum(counts[1:]) <= counts[0], "counts of statistics are out of bounds")
    return bytes(entry)


DECODERS = dict(zip(TABLES, (decode_writer_entry, decode_schema_entry, decode_group_entry, decode_chunk_entry,
                             decode_range_entry, decode_record_entry, decode_node_entry, decode_stats_entry,
                             decode_node_stats_entry)))


# --- trailer and whole tables ---

def read_trailer(segment, data):
    page = segment.pages.get(len(data) - TRAILER_BYTES)
    need(page is not None and page.kind == TRAILER and len(page.raw) == TRAILER_CONTENT_BYTES,
         "the trailer cannot be read")
    c = Cursor(page.raw)
    need(c.u64() == len(data), "the trailer is that of a file of another size")
    places = [(c.u64(), c.u64()) for _ in TABLES]
    trailer = Trailer(places, c.u64(), c.u64(), c.u64(), c.i64(), c.i64(), c.i64(), c.i64())
    c.zeros(24, "the rest of the trailer")
    need(page.index == 0, "the trailer has index %d" % page.index)
    counts = {kind: count for kind, (_, count) in zip(TABLES, places)}
    own = counts[WRITER_TABLE] + counts[SCHEMA_TABLE] + counts[CHUNK_TABLE]
    need(own * OWN_PAGE_BYTES_MIN <= len(data), "%d pages of %d bytes at least in a file of %d bytes"
         % (own, OWN_PAGE_BYTES_MIN, len(data)))
    at = places[0][0]
    for (offset, count), kind in zip(places, TABLES):
        need(count < 2**32, "a table of %d entries" % count)
        need(at in (offset, None), "table %d is at %d, expected at %s" % (kind, offset, at))
        at = table_end(segment, offset, count, kind)
    need(at in (page.offset, None), "the tables do not end at the trailer")
    return trailer


def page_entries(count, kind):
    """How many entries the pages of a table but the last one have."""
    return max(count, 1) if count * ENTRY_BYTES[kind] <= PAGE_CONTENT_BYTES else ENTRIES_IN_PAGE[kind]


def table_end(segment, offset, count, kind):
    """Where a table ends; None when its one page is damaged, which may have been compressed."""
    if count == 0:
        return offset
    if page_entries(count, kind) == count:
        page = segment.pages.get(offset)
        return offset + page.bytes if page is not None else None
    return offset + -(-count // ENTRIES_IN_PAGE[kind]) * PAGE_HEAD_BYTES + count * ENTRY_BYTES[kind]


def read_table(segment, kind, offset, count):
    entries, number, most = [], 0, page_entries(count, kind)
    while len(entries) < count:
        wanted = min(most, count - len(entries))
        page = segment.pages.get(offset)
        need(page is not None and page.kind == kind and len(page.raw) == wanted * ENTRY_BYTES[kind],
             "page %d of table %d cannot be read" % (number, kind))
        need(most >= count or not page.is_packed,
             "page %d of table %d is compressed beside others" % (number, kind))
        need(page.index == number, "page %d of table %d has index %d" % (number, kind, page.index))
        cursor = Cursor(page.raw)
        entries += [DECODERS[kind](cursor) for _ in range(wanted)]
        offset += page.bytes
        number += 1
    return entries


def read_tables(segment, data):
    """Fills in the ranges from the tables; raises Broken when any of those that are needed cannot be read."""
    trailer = read_trailer(segment, data)
    tables = {}
    for kind, place in zip(TABLES, trailer.places):
        try:
            tables[kind] = read_table(segment, kind, *place)
        except Broken:
            if kind in NEEDED:
                raise
            need(segment.has_damaged_pages, "table %d breaks a rule" % kind)
            tables[kind] = None     # its damaged page was told of
    check_order(tables)
    segment.trailer, segment.tables = trailer, tables
    segment.stubs = dict(enumerate(tables[WRITER_TABLE]))
    for entry in tables[RANGE_TABLE]:
        ranges = segment.held if entry.kind == HELD else segment.dropped
        ranges.setdefault(entry.writer, []).append((entry.begin, entry.end))


def check_order(tables):
    writers, schemas, groups = tables[WRITER_TABLE], tables[SCHEMA_TABLE], tables[GROUP_TABLE]
    ascends([(e.run, e.incarnation) for e in writers], "writers")
    ascends([(e.writer, e.schema) for e in groups], "groups")
    ascends([(e.writer, e.sequence) for e in tables[RECORD_TABLE]], "records")
    ascends([(e.writer, e.kind, e.begin) for e in tables[RANGE_TABLE]], "ranges")
    need(all(e.writer < len(writers) and e.schema < len(schemas) for e in groups), "a group of an unknown ordinal")
    for ordinal, entry in enumerate(writers):
        for kind, (first, count) in ((RANGE_TABLE, entry.ranges), (GROUP_TABLE, entry.groups),
                                     (RECORD_TABLE, entry.records)):
            need(first + count <= len(tables[kind]), "a writer's part of table %d goes beyond it" % kind)
            need([i for i, e in enumerate(tables[kind]) if e.writer == ordinal] == list(range(first, first + count)),
                 "a writer's part of table %d is not its own" % kind)
        ranges = sorted((e.begin, e.end) for e in tables[RANGE_TABLE] if e.writer == ordinal)
        need(all(a[1] <= b[0] for a, b in zip(ranges, ranges[1:])), "ranges of a writer overlap")
        for wanted in (HELD, DROPPED):
            ranges = [(e.begin, e.end) for e in tables[RANGE_TABLE] if (e.writer, e.kind) == (ordinal, wanted)]
            need(joined(ranges) == ranges, "ranges of a writer touch")
    for kind in (RANGE_TABLE, GROUP_TABLE, RECORD_TABLE):
        need(all(e.writer < len(writers) for e in tables[kind]), "an entry of an unknown writer")
    next_chunk = 0
    for entry in groups:
        first, count = entry.chunks
        need(first == next_chunk and first + count <= len(tables[CHUNK_TABLE]), "the chunks of a group are not its own")
        next_chunk += count
        ascends([e.sequence_first for e in tables[CHUNK_TABLE][first:first + count]], "chunks")
    need(next_chunk == len(tables[CHUNK_TABLE]), "chunks of no group")


def ascends(keys, what):
    need(all(a < b for a, b in zip(keys, keys[1:])), "the %s are not in order" % what)


def rebuild(segment):
    """What 8.8 says: held ranges are the numbers found, dropped ones come from the range tables that can be read."""
    for page in segment.pages.values():
        if page.kind in (WRITER_TABLE, RANGE_TABLE) and len(page.raw) % ENTRY_BYTES[page.kind] == 0:
            cursor = Cursor(page.raw)
            for place in range(len(page.raw) // ENTRY_BYTES[page.kind]):
                entry = DECODERS[page.kind](cursor)
                if page.kind == WRITER_TABLE:
                    segment.stubs[page.index * ENTRIES_IN_PAGE[WRITER_TABLE] + place] = entry
                elif entry.kind == DROPPED:
                    segment.dropped.setdefault(entry.writer, []).append((entry.begin, entry.end))
    numbers = {}
    for chunk in segment.chunks:
        numbers.setdefault(chunk.writer, []).extend((row.sequence, row.sequence + 1) for row in chunk.rows)
    for entry in segment.entries:
        begin = entry.record.sequence
        numbers.setdefault(entry.writer, []).append((begin, begin + entry.record.sequence_count))
    segment.held = {writer: joined(ranges) for writer, ranges in numbers.items()}


def joined(ranges):
    """Sorted ranges, those that touch made one."""
    whole = []
    for begin, end in sorted(ranges):
        if whole and begin <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(end, whole[-1][1]))
        else:
            whole.append((begin, end))
    return whole


# --- what tables and pages must agree on ---

def differences(segment):
    """Yields (offset, text) for whatever a table says that the pages do not."""
    yield from writer_differences(segment)
    yield from schema_differences(segment)
    yield from chunk_differences(segment)
    yield from record_differences(segment)
    if not segment.has_damaged_pages:
        yield from range_differences(segment)
        yield from trailer_differences(segment)


def writer_differences(segment):
    for ordinal, entry in enumerate(segment.tables[WRITER_TABLE]):
        if ordinal not in segment.writers:
            yield entry.page_offset, "the description of writer %s is lost" % entry.incarnation.hex()
            continue
        offset, writer = segment.writers[ordinal]
        stated = (entry.page_offset, entry.run, entry.incarnation, entry.attempt, entry.rank, entry.flags, entry.start)
        if stated != (offset, writer.run, writer.incarnation, writer.attempt, writer.rank, writer.flags, writer.start):
            yield offset, "the writer table differs from writer %d" % ordinal
    if len(segment.writers) > len(segment.tables[WRITER_TABLE]):
        yield 0, "more WRITER pages than the table says"


def schema_differences(segment):
    for ordinal, entry in enumerate(segment.tables[SCHEMA_TABLE]):
        if ordinal not in segment.schemas:
            yield entry.page_offset, "schema %d is lost" % ordinal
            continue
        page, names = segment.schemas[ordinal]
        if (entry.page_offset, entry.page_bytes, entry.name_count) != (page.offset, page.bytes, len(names)):
            yield page.offset, "the schema table differs from schema %d" % ordinal
    if len(segment.schemas) > len(segment.tables[SCHEMA_TABLE]):
        yield 0, "more SCHEMA pages than the table says"


def chunk_differences(segment):
    found = {chunk.page.offset: chunk for chunk in segment.chunks}
    if len(found) > len(segment.tables[CHUNK_TABLE]):
        yield 0, "more CHUNK pages than the table says"
    for group in segment.tables[GROUP_TABLE]:
        first, count = group.chunks
        run = segment.tables[WRITER_TABLE][group.writer].run.hex()
        chunks = segment.tables[CHUNK_TABLE][first:first + count]
        for entry in chunks:
            chunk = found.get(entry.page_offset)
            if chunk is None:
                yield entry.page_offset, "%d rows of run %s are lost, steps %d to %d" % (
                    entry.row_count, run, entry.step_min, entry.step_max)
            elif (chunk.writer, chunk.schema) != (group.writer, group.schema):
                yield entry.page_offset, "the chunk is of another group"
            elif not chunk.is_partial and entry != chunk_entry(chunk):
                yield entry.page_offset, "the chunk table differs from the chunk"
        timed = [e for e in chunks if e.time_min != NO_TIME]
        sums = (sum(e.row_count for e in chunks), sum(e.value_count for e in chunks),
                min(e.step_min for e in chunks), max(e.step_max for e in chunks),
                min((e.time_min for e in timed), default=NO_TIME), max((e.time_max for e in timed), default=NO_TIME))
        if sums != (group.row_count, group.value_count, group.step_min, group.step_max, group.time_min,
                    group.time_max):
            yield 0, "a group differs from its chunks"
    yield from node_differences(segment)


def node_count(chunk_count):
    """How many nodes have entries: none where there would be only one."""
    return -(-chunk_count // NODE_CHUNKS) if chunk_count > NODE_CHUNKS else 0


def node_differences(segment):
    nodes = []
    for group in segment.tables[GROUP_TABLE]:
        first, count = group.chunks
        if group.node_first != len(nodes):
            yield 0, "the nodes of a group do not follow those before"
        for begin in range(0, count if node_count(count) else 0, NODE_CHUNKS):
            nodes.append(node_entry(segment.tables[CHUNK_TABLE][first + begin:first + min(count, begin + NODE_CHUNKS)]))
    if segment.tables[NODE_TABLE] is not None and segment.tables[NODE_TABLE] != nodes:
        yield segment.trailer.places[TABLES.index(NODE_TABLE)][0], "the node table differs from the chunks"


def node_entry(chunks):
    is_ascending = (all(chunk.flags & 1 for chunk in chunks)
                    and all(a.step_max < b.step_min for a, b in zip(chunks, chunks[1:])))
    return NodeEntry(int(is_ascending), sum(e.row_count for e in chunks), min(e.sequence_first for e in chunks),
                     max(e.sequence_last for e in chunks), min(e.step_min for e in chunks),
                     max(e.step_max for e in chunks))


def chunk_entry(chunk):
    """The entry that the chunk table must have for a chunk."""
    steps = [row.step for row in chunk.rows]
    times = [row.time for row in chunk.rows if row.time != NO_TIME] or [NO_TIME]
    return ChunkEntry(chunk.page.offset, chunk.page.bytes, len(chunk.rows), chunk.flags, chunk.rows[0].sequence,
                      chunk.rows[-1].sequence, min(steps), max(steps), min(times), max(times), chunk.value_count,
                      chunk.extent)


def record_differences(segment):
    found = {(entry.writer, entry.record.sequence): entry for entry in segment.entries}
    for entry in segment.tables[RECORD_TABLE]:
        record = found.pop((entry.writer, entry.sequence), None)
        if record is None:
            yield entry.page_offset, "record %d of writer %d is lost" % (entry.sequence, entry.writer)
            continue
        body = record.record.body
        kind, lamport = (body.kind, body.lamport) if isinstance(body, Fact) else (0, 0)
        expected = RecordEntry(record.writer, record.type, kind, record.page, record.content_offset, record.bytes,
                               record.record.sequence, lamport, record.record.sequence_count)
        if entry != expected:
            yield entry.page_offset, "the record table differs from record %d" % entry.sequence
    for writer, sequence in found:
        yield 0, "record %d of writer %d is in no table" % (sequence, writer)


def range_differences(segment):
    found = {}
    for chunk in segment.chunks:
        found.setdefault(chunk.writer, []).extend((row.sequence, row.sequence + 1) for row in chunk.rows)
    for entry in segment.entries:
        begin = entry.record.sequence
        found.setdefault(entry.writer, []).append((begin, begin + entry.record.sequence_count))
    for writer in set(found) | set(segment.held):
        if joined(found.get(writer, [])) != joined(segment.held.get(writer, [])):
            yield 0, "the held ranges of writer %d are not the numbers found" % writer


def trailer_differences(segment):
    rows = [row for chunk in segment.chunks for row in chunk.rows]
    times = [row.time for row in rows if row.time != NO_TIME] or [NO_TIME]
    lamport = max((entry.record.body.lamport for entry in segment.entries if entry.type == 1), default=0)
    trailer = segment.trailer
    stated = (trailer.row_count, trailer.value_count, trailer.lamport_max, trailer.time_min, trailer.time_max)
    if stated != (len(rows), sum(chunk.value_count for chunk in segment.chunks), lamport, min(times), max(times)):
        yield 0, "the trailer's sums differ from the pages"
    if rows and (trailer.step_min, trailer.step_max) != (min(r.step for r in rows), max(r.step for r in rows)):
        yield 0, "the trailer's steps differ from the pages"
