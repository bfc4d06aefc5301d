"""What logs and segments share: facts, blob heads, writer descriptions (FORMAT.md, section 7), and the records."""
from dataclasses import dataclass
from typing import Optional

from .wire import Cursor, need

SET, END, REWIND, UNDO, FORK, TOMBSTONE, GAP = range(1, 8)
RESUME, MAPPED, FACTS_ONLY = 1, 2, 4


@dataclass
class Fact:
    kind: int
    attempt: int
    lamport: int
    time: int
    number: int
    parent_attempt: int
    steps: Optional[tuple] = None
    target: Optional[bytes] = None
    target_sequence: int = 0
    key: Optional[str] = None
    value: Optional[str] = None


@dataclass
class BlobHead:
    step: int
    time: int
    name: str
    content_type: str
    data_bytes: int
    content_hash: int


@dataclass
class Writer:
    incarnation: bytes
    run: bytes
    host_id: bytes
    boot_id: bytes
    attempt: int
    rank: int
    flags: int
    process_id: int
    resume_step: int
    start: int
    process_start: int
    host: str
    step_axis: str
    labels: tuple

    def is_facts_only(self):
        return bool(self.flags & FACTS_ONLY)


@dataclass
class Row:
    """A row or point: `values` holds the bits of each name's value, None where the row has none."""
    sequence: int
    step: int
    time: int
    names: tuple
    values: tuple
    is_partial: bool = False    # a damaged page has taken some of its values


@dataclass
class Record:
    """A fact or blob: body is a Fact or BlobHead; data the bytes of a blob, None where they are damaged."""
    sequence: int
    sequence_count: int
    body: object
    data: Optional[bytes] = None


def decode_fact(data):
    cursor = Cursor(data)
    kind, flags = cursor.u8(), cursor.u8()
    need(kind != 0, "a fact of kind 0")
    need(flags < 16, "a fact with unknown flags %02x" % flags)
    cursor.zeros(2, "bytes 2 and 3 of a fact")
    attempt, lamport, time, number = cursor.u32(), cursor.u64(), cursor.time(), cursor.i64()
    parent_attempt, key_bytes, value_bytes = cursor.u32(), cursor.u32(), cursor.u32()
    cursor.zeros(4, "bytes 44 to 47 of a fact")
    need(flags & 1 or key_bytes == 0, "a fact without a key that has key bytes")
    need(flags & 2 or value_bytes == 0, "a fact without a value that has value bytes")
    fact = Fact(kind, attempt, lamport, time, number, parent_attempt)
    if flags & 4:
        fact.steps = (cursor.i64(), cursor.i64())
    if flags & 8:
        fact.target, fact.target_sequence = cursor.id(), cursor.u64()
    if flags & 1:
        fact.key = cursor.text(key_bytes, 65536, "a fact's key")
    if flags & 2:
        fact.value = cursor.text(value_bytes, 1048576, "a fact's value")
    cursor.done("a fact")
    need(kind != SET or flags & 1, "a SET without a key")
    return fact


def decode_blob_head(data, is_whole=True):
    """Returns the head and how many bytes it takes; with is_whole it must take all."""
    cursor = Cursor(data)
    step, time = cursor.i64(), cursor.time()
    name_bytes, type_bytes = cursor.u32(), cursor.u32()
    data_bytes, content_hash = cursor.u64(), cursor.u64()
    need(name_bytes >= 1, "a blob without a name")
    need(data_bytes <= 67108864, "a blob of %d bytes" % data_bytes)
    name = cursor.text(name_bytes, 65536, "a blob's name")
    content_type = cursor.text(type_bytes, 65536, "a blob's content type")
    if is_whole:
        cursor.done("a blob head")
    return BlobHead(step, time, name, content_type, data_bytes, content_hash), cursor.at


def decode_writer(data):
    need(len(data) <= 1048576, "a writer description of %d bytes" % len(data))
    cursor = Cursor(data)
    ids = [cursor.id() for _ in range(4)]
    attempt, rank, flags, process_id = (cursor.u32() for _ in range(4))
    need(attempt >= 1, "a writer of attempt 0")
    resume_step, start, process_start = cursor.i64(), cursor.time(), cursor.time()
    host = decode_sized_text(cursor, "a host's name")
    step_axis = decode_sized_text(cursor, "a step axis")
    label_count = cursor.u32()
    need(label_count <= 64, "%d labels" % label_count)
    labels, before = [], None
    for _ in range(label_count):
        key = decode_sized_text(cursor, "a label's key")
        value = decode_sized_text(cursor, "a label's value")
        need(before is None or before < key.encode(), "labels are not in order")
        before = key.encode()
        labels.append((key, value))
    cursor.done("a writer description")
    return Writer(*ids, attempt, rank, flags, process_id, resume_step, start, process_start, host, step_axis,
                  tuple(labels))


def decode_sized_text(cursor, what):
    return cursor.text(cursor.u32(), 65536, what)
