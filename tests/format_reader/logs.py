"""Row logs (FORMAT.md, section 6) and the steps of section 11 that concern one log."""
from dataclasses import dataclass, field

from .bodies import Record, Row, decode_blob_head, decode_fact, decode_writer
from .checks import file_key, hash64, is_head_right, record_number
from .wire import (Broken, Cursor, Newer, decode_text, i64, is_time, is_zero, need, pad8, u16, u32, u64)

MAGIC = b"SLROWLOG"
HEADER_BYTES = 4096
RECORD_BYTES_MIN = 24
ROW, POINT, CONTINUATION, FACT, BLOB, WRITER, NAME, SCHEMA = 1, 2, 3, 4, 5, 16, 17, 18
NUMBERED = {ROW, POINT, CONTINUATION, FACT, BLOB}
TEXTS = {FACT, BLOB, WRITER, NAME, SCHEMA}
HAS_MORE, IS_FIRST = 1, 2
ZEROS_OUTSIDE_CHECK = ((576, 1024), (1088, 1536), (1600, 2048), (2112, 2560), (3072, 4096))
COPY = slice(2560, 3072)


@dataclass
class Header:
    log_id: bytes
    incarnation: bytes
    run: bytes
    first_sequence: int
    capacity: int
    ordinal: int
    attempt: int
    rank: int
    inode: int


@dataclass
class Gap:
    refused: int
    step_first: int
    step_last: int
    time_first: int
    time_last: int


@dataclass
class Waiting:
    """A whole row or point whose schema or name was lost before it; a restatement elsewhere may tell."""
    sequence: int
    schema: int         # -1: a point
    metric: int
    step: int
    time: int
    body: bytes         # what stands behind the time
    has_presence: bool
    offset: int


@dataclass
class Log:
    path: str
    header: Header
    mark_offset: int
    mark_sequence: int
    gap: Gap = None
    writer: object = None
    names: dict = field(default_factory=dict)
    schemas: dict = field(default_factory=dict)
    rows: list = field(default_factory=list)
    records: list = field(default_factory=list)
    waiting: list = field(default_factory=list)
    present: set = field(default_factory=set)
    end: int = HEADER_BYTES


def read_log(path, data, report):
    """The content of a log, or None for a spare, a newer one, one without a header; what is wrong goes to report."""
    if len(data) < HEADER_BYTES:
        report.notice(path, 0, "a log of %d bytes is being made, or was cut" % len(data))
        return None
    try:
        header = choose_header(path, data, report)
    except Newer as error:
        report.newer(path, str(error))
        return None
    except Broken as error:
        if not is_zero(data[16:32]):
            report.damage(path, 0, "log header: %s" % error)
        return None
    for begin, end in ZEROS_OUTSIDE_CHECK:
        if not is_zero(data[begin:end]):
            report.damage(path, begin, "bytes of the log header that must be zero are not")
    key = file_key(header.log_id)
    mark = choose_slot(path, data, 512, key, 24, report)
    gap = choose_slot(path, data, 1536, key, 48, report)
    log = Log(path, header, *((u64(mark, 8), u64(mark, 16)) if mark else (HEADER_BYTES, 0)))
    if mark and log.mark_sequence > header.first_sequence - 1 + max(log.mark_offset - HEADER_BYTES, 0) // 24:
        report.damage(path, 512, "the mark's sequence %d is more than the log can hold" % log.mark_sequence)
    if gap:
        log.gap = Gap(u64(gap, 8), i64(gap, 16), i64(gap, 24), i64(gap, 32), i64(gap, 40))
    Walk(log, data, key, report).go()
    return log


def choose_header(path, data, report):
    """The fixed part or its copy, whichever counts."""
    first, copy = data[:512], data[COPY]
    try:
        header = decode_header(first)
        counts, other, at, text = first, copy, 2560, "the copy of the log header is not the same"
    except Broken:
        try:
            header, counts, other = decode_header(copy), copy, first
        except Broken:
            header = decode_header(first)   # tells what is wrong with it
        at, text = 0, "log header is damaged: its copy is used"
    if counts != other:
        is_partial = all(not byte or byte == right for byte, right in zip(other, counts))
        (report.notice if is_partial else report.damage)(path, at, text)
    return header


def decode_header(data):
    need(not is_zero(data[16:32]), "no log id")
    key = file_key(data[16:32])
    need(data[0:8] == MAGIC, "the magic is wrong")
    need(is_head_right(data[:512], 504, key, 0), "the check is wrong")
    if u32(data, 8) > 1 or u32(data, 12) & 0xffff:
        raise Newer("version %d, features %x" % (u32(data, 8), u32(data, 12)))
    need(u32(data, 8) == 1, "version 0")
    header = Header(bytes(data[16:32]), bytes(data[32:48]), bytes(data[48:64]), u64(data, 96), u64(data, 104),
                    u32(data, 112), u32(data, 120), u32(data, 124), u64(data, 152))
    need(1 <= header.first_sequence < 2**63, "first sequence %d" % header.first_sequence)
    need(65536 <= header.capacity <= 2**32, "capacity %d" % header.capacity)
    need(header.ordinal >= 1, "ordinal 0")
    need(u32(data, 116) in (1, 2), "mode %d" % u32(data, 116))
    need(header.attempt >= 1, "attempt 0")
    need(is_zero(data[132:136]) and is_zero(data[160:504]), "bytes that must be zero are not")
    need(is_time(i64(data, 136)) and is_time(i64(data, 144)), "a time of -2^63")
    return header


def choose_slot(path, data, first, key, zeros_from, report):
    """The valid one of two slots 512 bytes apart, the one with the larger counter if both are; else None."""
    chosen = None
    for at in (first, first + 512):
        slot = data[at:at + 64]
        if is_zero(slot):
            continue
        if not is_head_right(slot, 56, key, at):
            report.notice(path, at, "a mark or gap slot fails its check; it may have been in writing")
            continue
        if not is_zero(slot[zeros_from:56]):
            report.notice(path, at, "a mark or gap slot has bytes that are not zero; it does not count")
            continue
        if chosen is None or u64(slot, 0) > u64(chosen, 0):
            chosen = slot
    return chosen


class Walk:
    """Goes through the records of one log (section 11, steps 2 to 7)."""

    def __init__(self, log, data, key, report):
        self.log, self.data, self.key, self.report = log, data, key, report
        self.limit = min(len(data), log.header.capacity)
        self.expected = log.header.first_sequence
        self.hash_budget = 16 * log.header.capacity
        self.base = None            # (step, time) of the nearest POINT, while continuations may follow
        self.text = None            # the text record under way
        self.had_damage = False

    def damage(self, at, text):
        self.had_damage = True
        self.report.damage(self.log.path, at, "run %s: %s" % (self.log.header.run.hex(), text))

    def go(self):
        at, mark = HEADER_BYTES, self.log.mark_offset
        while True:
            if self.limit - at < 8:
                if at < mark:
                    self.damage(at, "the log ends at %d, below the mark's offset %d" % (at, mark))
                break
            length = self.whole_length(at)
            if length and self.number_at(at, length) == self.expected:
                self.take(at, length)
                at += length
                continue
            if at >= mark:
                if not is_zero(self.data[at:at + 8]):
                    self.report.notice(self.log.path, at, "the log ends here; not yet durable bytes behind are torn")
                break
            found, number = self.search(at)
            if found is None:
                self.damage(at, "no valid record in [%d, %d)" % (at, mark))
                break
            self.damage(at, "[%d, %d) and the numbers [%d, %d) are lost" % (at, found, self.expected, number))
            self.base = self.text = None
            at, self.expected = found, number
        self.log.end = at

    def whole_length(self, at):
        """Bytes of the record at `at` if it keeps rules 1 and 2 of 6.4, else 0."""
        if self.limit - at < 8 or is_zero(self.data[at:at + 8]):
            return 0
        length, kind = u16(self.data, at) * 8, self.data[at + 2]
        is_whole = length >= RECORD_BYTES_MIN and u16(self.data, at) <= 8191 and at + length <= self.limit
        return length if is_whole and (kind in NUMBERED or kind in TEXTS) else 0

    def number_at(self, at, length):
        return record_number(u64(self.data, at + 8), hash64(self.data[at + 16:at + length]), self.key, at,
                             u64(self.data, at))

    def search(self, begin):
        for at in range(begin + 8, self.limit - 7, 8):
            length = self.whole_length(at)
            if not length:
                continue
            self.hash_budget -= length
            if self.hash_budget < 0:
                return None, 0
            number = self.number_at(at, length)
            if self.expected <= number <= self.expected + (at - begin) // 24 + 1:
                return at, number
        return None, 0

    def take(self, at, length):
        """One record that keeps rules 1 to 3; one that breaks rule 4 is damage alone."""
        kind, flags, index = self.data[at + 2], self.data[at + 3], u32(self.data, at + 4)
        body = self.data[at + 16:at + length]
        sequence = self.expected
        if kind in NUMBERED:
            self.expected += 1
        try:
            if self.text and kind != self.text.kind:
                self.text = None    # incomplete: it means nothing, its numbers are present
            if kind in TEXTS:
                if kind in NUMBERED:
                    self.base = None
                self.take_part(kind, flags, index, body, sequence)
            elif kind == ROW:
                self.base = None
                self.take_row(flags, index, body, sequence, at)
            else:
                self.take_point(kind, flags, index, body, sequence, at)
        except Broken as error:
            self.base = None
            self.text = None
            self.damage(at, "record %d of kind %d: %s" % (sequence, kind, error))
            return
        if kind in NUMBERED:
            self.log.present.add(sequence)

    # --- rows and points (6.5) ---

    def take_row(self, flags, index, body, sequence, at):
        need(flags & ~1 == 0, "flags %02x" % flags)
        need(len(body) >= 24, "a row of %d bytes" % len(body))
        row = Waiting(sequence, index, -1, i64(body, 0), i64(body, 8), body[16:], bool(flags & 1), at)
        need(is_time(row.time), "a time of -2^63")
        if index not in self.log.schemas:
            self.wait(row, "its schema %d is not known" % index)
            return
        self.log.rows.append(finish_row(row, self.log.names, self.log.schemas[index]))

    def take_point(self, kind, flags, index, body, sequence, at):
        if kind == POINT:
            need(flags == 0, "flags %02x" % flags)
            need(len(body) == 24, "a point of %d bytes" % len(body))
            step, time = i64(body, 0), i64(body, 8)
        else:
            need(flags & ~1 == 0, "flags %02x" % flags)
            need(len(body) == (16 if flags else 8), "a continuation of %d bytes" % len(body))
            need(self.base is not None, "a continuation without its base")
            step, time = self.base[0], i64(body, 0) if flags else self.base[1]
        need(is_time(time), "a time of -2^63")
        if kind == POINT:
            self.base = (step, time)
        point = Waiting(sequence, -1, index, step, time, body[-8:], False, at)
        if index not in self.log.names:
            self.wait(point, "its metric %d has no name" % index)
            return
        self.log.rows.append(finish_row(point, self.log.names, (index,)))

    def wait(self, row, why):
        need(self.had_damage, why)
        self.log.waiting.append(row)

    # --- text records (6.6) ---

    def take_part(self, kind, flags, index, body, sequence):
        need(flags & ~3 == 0, "flags %02x" % flags)
        cursor = Cursor(body)
        part_bytes, total_bytes = cursor.u32(), cursor.u32()
        need(part_bytes <= 65504 and total_bytes <= 2**26 + 2**20, "a part of %d of %d" % (part_bytes, total_bytes))
        data = cursor.take(part_bytes)
        need(cursor.left() == pad8(part_bytes) - part_bytes, "a part's padding of %d bytes" % cursor.left())
        cursor.zeros(cursor.left(), "a part's padding")
        if flags & HAS_MORE:
            need(part_bytes and part_bytes % 8 == 0, "a part of %d bytes that has more" % part_bytes)
        if flags & IS_FIRST:
            self.text = Text(kind, index, total_bytes, sequence)
        text = self.text
        need(text is not None, "a part without the part before it")
        need((text.index, text.total_bytes) == (index, total_bytes), "parts that do not belong together")
        text.parts.append(data)
        text.bytes += part_bytes
        if flags & HAS_MORE:
            need(text.bytes < total_bytes, "parts that are longer than their total")
            return
        need(text.bytes == total_bytes, "parts of %d bytes, total %d" % (text.bytes, total_bytes))
        self.text = None
        self.take_text(text, b"".join(text.parts))

    def take_text(self, text, content):
        if text.kind == NAME:
            self.take_name(text.index, content)
        elif text.kind == SCHEMA:
            self.take_schema(text.index, content)
        elif text.kind == WRITER:
            self.take_writer(content)
        elif text.kind == FACT:
            self.log.records.append(Record(text.sequence, len(text.parts), decode_fact(content)))
        else:
            head, head_bytes = decode_blob_head(content, False)
            data = content[head_bytes:]
            need(len(data) == head.data_bytes, "a blob with %d bytes of data" % len(data))
            if hash64(data) != head.content_hash:
                self.report.damage(self.log.path, 0, "the data of blob %s fails its hash" % head.name)
                data = None
            self.log.records.append(Record(text.sequence, len(text.parts), head, data))

    def take_name(self, index, content):
        names = self.log.names
        need(1 <= len(content) <= 65536, "a name of %d bytes" % len(content))
        need(index < 1048576 and index <= 65536 + max(names, default=-1) + 1, "metric %d is far beyond" % index)
        name = decode_text(content)
        need(all(other == index for other, known in names.items() if known == name), "metric %d has another's name" % index)
        need(names.setdefault(index, name) == name, "metric %d has two names" % index)

    def take_schema(self, index, content):
        need(len(content) % 4 == 0 and 1 <= len(content) // 4 <= 4096, "a schema of %d bytes" % len(content))
        need(index < 65536, "schema %d" % index)
        metrics = tuple(u32(content, at) for at in range(0, len(content), 4))
        need(all(metric in self.log.names for metric in metrics), "schema %d has a metric without a name" % index)
        need(len(set(metrics)) == len(metrics), "schema %d has a metric twice" % index)
        need(self.log.schemas.setdefault(index, metrics) == metrics, "schema %d is stated in two ways" % index)

    def take_writer(self, content):
        writer = decode_writer(content)
        header = self.log.header
        need((writer.incarnation, writer.run) == (header.incarnation, header.run), "a writer of another log")
        need(self.log.writer in (None, writer), "the writer is described in two ways")
        self.log.writer = writer


class Text:
    """A text record whose parts are being collected."""

    def __init__(self, kind, index, total_bytes, sequence):
        self.kind, self.index, self.total_bytes, self.sequence = kind, index, total_bytes, sequence
        self.parts, self.bytes = [], 0


def finish_row(row, names, metrics):
    """The row with its values under their names; raises Broken when it is not as long as the schema says."""
    cursor = Cursor(row.body)
    present = [True] * len(metrics)
    if row.has_presence:
        words = (len(metrics) + 63) // 64
        bits = int.from_bytes(cursor.take(8 * words), "little")
        need(bits >> len(metrics) == 0, "presence of metrics that are not in the schema")
        present = [bool(bits >> place & 1) for place in range(len(metrics))]
    need(any(present), "a row without values")
    values = tuple(cursor.u64() if is_there else None for is_there in present)
    cursor.done("a row")
    return Row(row.sequence, row.step, row.time, tuple(names[metric] for metric in metrics), values)
