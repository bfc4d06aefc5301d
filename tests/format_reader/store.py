"""A whole store: its files, the union of their records, which of them count (FORMAT.md, sections 3, 5, 10, 11)."""
import os
import re
from dataclasses import dataclass, field, replace

from . import tables
from .bodies import GAP, Fact, Writer
from .checks import file_key, is_head_right
from .logs import finish_row, read_log
from .segments import read_segment
from .wire import Broken, Newer, i64, is_time, is_zero, need, u32

MAGIC = b"STEPLOG\n"
LOG_NAME = re.compile(r"([0-9a-f]{32})-([1-9][0-9]*)\.log\Z")
LEVEL_NAME = re.compile(r"(0|[1-9][0-9]*)\Z")
SEGMENT_NAME = re.compile(r"([0-9a-f]{32})\.(seg|tmp)\Z")


@dataclass
class Finding:
    kind: str       # damage, newer or notice
    path: str
    offset: int
    text: str

    def __str__(self):
        return "%s: %s at %d: %s" % (self.kind, self.path, self.offset, self.text)


@dataclass
class Report:
    findings: list = field(default_factory=list)

    def add(self, kind, path, offset, text):
        self.findings.append(Finding(kind, path, offset, text))

    def damage(self, path, offset, text):
        self.add("damage", path, offset, text)

    def notice(self, path, offset, text):
        self.add("notice", path, offset, text)

    def newer(self, path, text):
        self.add("newer", path, 0, text)

    def damages(self):
        return [finding for finding in self.findings if finding.kind == "damage"]


@dataclass
class Incarnation:
    """All that the files hold of one writer."""
    id: bytes
    run: bytes = None
    writer: Writer = None
    rows: dict = field(default_factory=dict)
    records: dict = field(default_factory=dict)
    present: list = field(default_factory=list)         # ranges
    dropped: list = field(default_factory=list)
    durable: int = 0                                    # D of section 11, step 8
    end: int = None                                     # F of step 9: from here on nothing is shown


@dataclass
class Store:
    path: str
    report: Report
    incarnations: dict


def read_store(path):
    """The store as it stands. Listed again when a file went away or a number is missing: it may have been moved."""
    for _ in range(4):
        report = Report()
        decode_steplog(path)
        names, has_gone, files = list_files(path, report), False, []
        for name in names:
            try:
                files.append((name, read_file(os.path.join(path, name))))
            except FileNotFoundError:
                has_gone = True
        store = Store(path, report, {})
        join(store, files, report)
        if not has_gone and (not report.damages() or names == list_files(path, Report())):
            break
    return store


def decode_steplog(path):
    """Raises Newer or Broken for a store that is refused as a whole."""
    data = read_file(os.path.join(path, "STEPLOG"))
    need(len(data) == 64, "STEPLOG: the file has %d bytes" % len(data))
    need(data[0:8] == MAGIC, "STEPLOG: the magic is wrong")
    need(is_head_right(data, 56, file_key(data[16:32]), 0), "STEPLOG: the check is wrong")
    if u32(data, 8) > 1 or u32(data, 12) & 0xffff:
        raise Newer("STEPLOG: version %d, features %x" % (u32(data, 8), u32(data, 12)))
    need(u32(data, 8) == 1, "STEPLOG: version 0")
    need(is_zero(data[40:56]) and is_time(i64(data, 32)), "STEPLOG: bytes that must be zero are not")


def read_file(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        return file.read()


def list_files(path, report):
    """`log` first, then the levels upwards."""
    names = []
    for name in entries(path, "log"):
        match = LOG_NAME.match(name)
        keep(names, report, "log/" + name, match and int(match.group(2)) <= 4294967295)
    levels = []
    for name in entries(path, "seg"):
        if LEVEL_NAME.match(name) and int(name) <= 4294967295:
            levels.append(int(name))
        else:
            report.notice("seg/" + name, 0, "no name of the format")
    for level in sorted(levels):
        for name in entries(path, "seg/%d" % level):
            match = SEGMENT_NAME.match(name)
            if not match or match.group(2) != "tmp":
                keep(names, report, "seg/%d/%s" % (level, name), match)
    return names


def keep(names, report, name, is_right):
    if is_right:
        names.append(name)
    else:
        report.notice(name, 0, "no name of the format")


def entries(path, folder):
    """The names in a folder that no symbolic link leads to."""
    whole = os.path.join(path, folder)
    if os.path.islink(whole) or not os.path.isdir(whole):
        return []
    with os.scandir(whole) as found:
        return sorted(entry.name for entry in found if not entry.is_symlink())


# --- the union ---

def join(store, files, report):
    logs, segments = [], []
    for name, data in files:
        if name.startswith("log/"):
            logs.append(read_log(name, data, report))
        else:
            file_id = bytes.fromhex(SEGMENT_NAME.match(name.rsplit("/", 1)[1]).group(1))
            segments.append(read_segment(name, file_id, data, report))
    logs = [log for log in logs if log]
    for log in logs:
        finish_waiting(log, logs, report)
        add_log(store, log)
    for segment in filter(None, segments):
        add_segment(store, segment, report)
    for incarnation in store.incarnations.values():
        finish(incarnation, report)


def incarnation_of(store, identity, run):
    incarnation = store.incarnations.setdefault(identity, Incarnation(identity))
    incarnation.run = incarnation.run or run
    return incarnation


def finish_waiting(log, logs, report):
    """Rows whose schema was lost take it from further on or from another log of the incarnation."""
    others = [log] + [other for other in logs if other.header.incarnation == log.header.incarnation]
    for row in log.waiting:
        try:
            names = {k: v for other in reversed(others) for k, v in other.names.items()}
            schemas = {k: v for other in reversed(others) for k, v in other.schemas.items()}
            metrics = (row.metric,) if row.schema < 0 else schemas.get(row.schema)
            need(metrics is not None and all(metric in names for metric in metrics), "its names are lost")
            log.rows.append(finish_row(row, names, metrics))
        except Broken as error:
            log.present.discard(row.sequence)
            report.damage(log.path, row.offset, "record %d: %s" % (row.sequence, error))


def add_log(store, log):
    header = log.header
    incarnation = incarnation_of(store, header.incarnation, header.run)
    # Without its WRITER record the header still says run, attempt and rank.
    fallback = Writer(header.incarnation, header.run, b"", b"", header.attempt, header.rank, 0, 0, 0, 0, 0, "", "", ())
    describe(incarnation, log.writer, fallback)
    for row in log.rows:
        add_row(incarnation, row)
    open_gap = last_refusal(log.records) if log.gap else None
    for record in log.records:
        if record is open_gap:
            steps = (log.gap.step_first, min(log.gap.step_last + 1, 2**63 - 1))
            record = replace(record, body=replace(record.body, number=log.gap.refused, steps=steps))
        add_record(incarnation, record)
    incarnation.present += [(number, number + 1) for number in log.present]
    incarnation.durable = max(incarnation.durable, log.mark_sequence)


def last_refusal(records):
    gaps = [r for r in records if isinstance(r.body, Fact) and r.body.kind == GAP and r.body.key == "refused"]
    return gaps[-1] if gaps else None


def describe(incarnation, writer, fallback):
    if writer is not None:
        incarnation.writer = writer
    elif incarnation.writer is None:
        incarnation.writer = fallback


def add_row(incarnation, row):
    other = incarnation.rows.get(row.sequence)
    if other is None or other.is_partial and not row.is_partial:
        incarnation.rows[row.sequence] = row


def add_record(incarnation, record):
    """Copies are the same; of an open gap the one with the larger number counts, of a blob one with its data."""
    other = incarnation.records.get(record.sequence)
    is_better = other is None or other.data is None and record.data is not None
    if other is not None and isinstance(record.body, Fact) and record.body.kind == GAP:
        is_better = record.body.number > other.body.number
    if is_better:
        incarnation.records[record.sequence] = record


def add_segment(store, segment, report):
    ordinals = set(segment.writers) | set(segment.stubs)
    for ordinal in sorted(ordinals):
        writer = segment.writers[ordinal][1] if ordinal in segment.writers else None
        stub = segment.stubs.get(ordinal) or writer
        identity = writer.incarnation if writer else stub.incarnation
        incarnation = incarnation_of(store, identity, stub.run)
        describe(incarnation, writer, Writer(identity, stub.run, b"", b"", stub.attempt, stub.rank, stub.flags, 0, 0,
                                             stub.start, 0, "", "", ()))
        held, dropped = segment.held.get(ordinal, []), segment.dropped.get(ordinal, [])
        incarnation.present += held
        incarnation.dropped += dropped
        incarnation.durable = max([incarnation.durable] + [end - 1 for _, end in held + dropped])
        for chunk in segment.chunks:
            if chunk.writer == ordinal:
                for row in chunk.rows:
                    add_row(incarnation, row)
        for entry in segment.entries:
            if entry.writer == ordinal:
                add_record(incarnation, entry.record)
    for page, ordinal in [(c.page.offset, c.writer) for c in segment.chunks] + [(e.page, e.writer)
                                                                               for e in segment.entries]:
        if ordinal not in ordinals:
            report.damage(segment.path, page, "records of writer %d, whose description is lost" % ordinal)


def declared_lost(incarnation):
    """The ranges that GAP records with the key `lost` name (12.3)."""
    ranges = []
    for record in incarnation.records.values():
        fact = getattr(record, "body", record)
        if (isinstance(fact, Fact) and fact.kind == GAP and fact.key == "lost" and fact.target == incarnation.id
                and fact.number and fact.number > 0):
            ranges.append((fact.target_sequence, fact.target_sequence + fact.number))
    return ranges


def finish(incarnation, report):
    """Steps 8 to 10 of section 11: where the prefix ends, which numbers are missing below that."""
    known = tables.joined(incarnation.present + incarnation.dropped)
    at = 1
    missing = []
    for begin, end in known:
        if begin > at:
            missing.append((at, begin))
        at = end
    missing.append((at, 2**64))
    # Numbers that a record says a failed sync lost are no hole; what such a record says counts wherever it is.
    incarnation.end = incarnation.durable + 1
    for begin, end in tables.joined(known + declared_lost(incarnation)):
        if begin <= incarnation.end < end:
            incarnation.end = end
    for begin, end in missing:
        end = min(end, incarnation.durable + 1)
        if begin < end:
            report.damage("", 0, "run %s: the numbers [%d, %d) of writer %s are missing"
                          % (incarnation.run.hex(), begin, end, incarnation.id.hex()))
    for records in (incarnation.rows, incarnation.records):
        for sequence in [number for number in records if number >= incarnation.end]:
            del records[sequence]
