"""Logs made from FORMAT.md alone, with the records that the tool by itself would not write, read by reader and tool."""
import struct
import unittest
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from format_reader import checks, codecs  # noqa: E402
from format_reader.logs import decode_header, read_log  # noqa: E402
from format_reader.store import Report, read_store  # noqa: E402
from format_reader.support import (files_of, points_of_csv, points_of_reader, run_tool, temporary_stores,  # noqa: E402
                                   write_bytes)
from format_reader.views import View  # noqa: E402
from format_reader.wire import Broken, u64  # noqa: E402


class LogMaker:
    """Writes a log by the page, with the records that the tool alone would not write."""

    def __init__(self, first_sequence=1, rank=0, ordinal=1, capacity=1 << 16, inode=0):
        self.capacity, self.inode = capacity, inode
        self.log_id, self.incarnation, self.run = bytes([9] * 15 + [ordinal]), bytes([7] * 16), bytes([5] * 16)
        self.rank, self.ordinal, self.first_sequence = rank, ordinal, first_sequence
        self.key, self.next, self.records, self.slots = checks.file_key(self.log_id), first_sequence, bytearray(), {}

    def add(self, kind, index, body, flags=0):
        at = 4096 + len(self.records)
        word = struct.pack("<HBBI", (len(body) + 16) // 8, kind, flags, index)
        check = checks.record_check(checks.hash64(body), self.key, at, u64(word, 0), self.next)
        self.records += word + struct.pack("<Q", check) + body
        self.next += kind < 16
        return at

    def add_text(self, kind, index, content, part_bytes=65504, is_cut=False):
        pieces = [content[at:at + part_bytes] for at in range(0, len(content), part_bytes)] or [b""]
        for number, piece in enumerate(pieces[:-1] if is_cut else pieces):
            flags = (number + 1 < len(pieces)) | (number == 0) << 1
            self.add(kind, index, struct.pack("<II", len(piece), len(content)) + piece + bytes(-len(piece) % 8), flags)

    def add_writer(self):
        labels = [("größe", "µ"), ("split", "a=b,c")]
        body = (self.incarnation + self.run + bytes(32) + struct.pack("<IIIIqqq", 1, self.rank, 0, 1, 0, 5, 5)
                + sized("host") + sized("step") + struct.pack("<I", len(labels))
                + b"".join(sized(key) + sized(value) for key, value in labels))
        self.add_text(16, 0, body, 32)

    def slot(self, at, body):
        self.slots[at] = body + struct.pack("<Q", checks.check(checks.hash64(body), self.key, at, 0, 0))

    def mark(self):
        self.slot(1024, struct.pack("<QQQ", 1, 4096 + len(self.records), self.next - 1) + bytes(32))

    def data(self):
        head = b"SLROWLOG" + struct.pack("<II", 1, 0) + self.log_id + self.incarnation + self.run + bytes(32)
        head += struct.pack("<QQIIIII4xqq", self.first_sequence, self.capacity, self.ordinal, 2, 1, self.rank, 1, 5, 5)
        head += struct.pack("<Q", self.inode) + bytes(344)
        head += struct.pack("<Q", checks.check(checks.hash64(head), self.key, 0, 0, 0))
        whole = bytearray(head + bytes(2048) + head + bytes(1024)) + self.records
        for at, slot in self.slots.items():
            whole[at:at + 64] = slot
        return whole + bytes(self.capacity - len(whole))


def sized(text):
    return struct.pack("<I", len(text.encode())) + text.encode()


def fact_body(kind, key=None, value=None, lamport=1, number=0):
    key_bytes, value_bytes = (key or "").encode(), (value or "").encode()
    return struct.pack("<BBHIQqqIIII", kind, (key is not None) | (value is not None) << 1, 0, 1, lamport, 5, number, 0,
                       len(key_bytes), len(value_bytes), 0) + key_bytes + value_bytes


class logs_made_by_the_page(temporary_stores):
    """Records that no verb of the tool writes, read by both."""

    def store_of(self, *logs):
        path = os.path.join(self.folder, "made")
        head = b"STEPLOG\n" + struct.pack("<II", 1, 0) + bytes([3] * 16) + struct.pack("<q", 5) + bytes(16)
        head += struct.pack("<Q", checks.check(checks.hash64(head), checks.file_key(bytes([3] * 16)), 0, 0, 0))
        write_bytes(os.path.join(path, "STEPLOG"), head)
        for log in logs:
            name = "%s-%d.log" % (log.incarnation.hex(), log.ordinal)
            write_bytes(os.path.join(path, "log", name), log.data())
        return path

    def points(self, path, codes=(0,)):
        """(sequence, metric, step, time, value) of the reader, which are those of the tool."""
        found = points_of_reader(read_store(path))
        self.assert_points(points_of_csv(run_tool("-C", path, "export", codes=codes)), found)
        return [(int(point[4]), point[5], int(point[7]), point[8], codecs.bits_double(point[9]))
                for points in found.values() for point in points]

    def full_log(self, capacity=1 << 16):
        log = LogMaker(capacity=capacity)
        log.add_writer()
        for metric in range(70):
            log.add_text(17, metric, ("m%d/ü" % metric).encode())
        log.add_text(18, 0, struct.pack("<70I", *range(70)), 64)
        log.add_text(18, 1, struct.pack("<2I", 3, 1))
        return log

    def test_points_and_continuations(self):
        log = self.full_log()
        log.add(2, 5, struct.pack("<qqd", -4, 100, 1.5))
        log.add(3, 6, struct.pack("<d", 2.5))
        log.add(3, 7, struct.pack("<qd", 101, 3.5), 1)
        log.add_text(17, 70, b"late")
        log.add(3, 70, struct.pack("<d", -0.0))
        log.add(2, 5, struct.pack("<qqd", 9, -2**63 + 1, 4.5))
        log.add(3, 6, struct.pack("<d", 5.5))
        self.assertEqual([(1, "m5/ü", -4, "100", 1.5), (2, "m6/ü", -4, "100", 2.5), (3, "m7/ü", -4, "101", 3.5),
                          (4, "late", -4, "100", -0.0), (5, "m5/ü", 9, "", 4.5), (6, "m6/ü", 9, "", 5.5)],
                         self.points(self.store_of(log)))

    def test_rows_with_presence(self):
        log = self.full_log()
        log.add(1, 0, struct.pack("<qqQQ3d", 1, 2, 1 << 3 | 1 << 63, 1 << 5, 0.5, 0.25, 0.125), 1)
        log.add(1, 1, struct.pack("<qq2d", 2, 2, 3.0, 1.0))
        log.add(1, 0, struct.pack("<qq70d", 3, 2, *range(70)))
        points = self.points(self.store_of(log))
        self.assertEqual([(1, "m3/ü", 1, "2", 0.5), (1, "m63/ü", 1, "2", 0.25), (1, "m69/ü", 1, "2", 0.125),
                          (2, "m1/ü", 2, "2", 1.0), (2, "m3/ü", 2, "2", 3.0)], points[:5])
        self.assertEqual(70, len(points[5:]))

    def test_facts_and_blobs_in_parts(self):
        log = self.full_log()
        log.add_text(4, 0, fact_body(1, "name", "n" * 1000), 64)
        picture = bytes(range(256)) * 9
        head = struct.pack("<qqIIQQ", 7, 8, 1, 9, len(picture), checks.hash64(picture)) + b"bimage/png"
        log.add_text(5, 0, head + picture, 1024)
        log.add_text(4, 0, fact_body(1, "note", "never complete"), 16, is_cut=True)
        log.add(1, 1, struct.pack("<qq2d", 2, 2, 3.0, 1.0))
        log.mark()
        path = self.store_of(log)
        self.assertEqual(2, len(self.points(path)))
        store = read_store(path)
        self.assertEqual([], store.report.findings)
        view = View(store)
        self.assertEqual("n" * 1000, view.setting(log.run, "name"))
        self.assertIsNone(view.setting(log.run, "note"))
        blobs = [r for i in store.incarnations.values() for r in i.records.values() if r.data is not None]
        self.assertEqual([picture], [blob.data for blob in blobs])

    def test_a_mark_of_the_largest_number_hides_nothing(self):
        log = self.full_log()
        log.add(2, 5, struct.pack("<qqd", 1, 100, 1.5))
        log.slot(1024, struct.pack("<QQQ", 1, 4096 + len(log.records), 2**64 - 1) + bytes(32))
        path = self.store_of(log)
        self.assertEqual([(1, "m5/ü", 1, "100", 1.5)], self.points(path))
        self.assertIn("more than the log can hold", str(read_store(path).report.findings))

    def test_an_open_gap_takes_its_numbers_from_the_slot(self):
        log = self.full_log()
        log.add_text(4, 0, fact_body(7, "refused"))
        log.slot(1536, struct.pack("<QQqqqq8x", 1, 42, 10, 2**63 - 1, 5, 6))
        store = read_store(self.store_of(log))
        self.assertEqual([], store.report.findings)
        fact = [r.body for i in store.incarnations.values() for r in i.records.values()][0]
        self.assertEqual((42, (10, 2**63 - 1)), (fact.number, fact.steps))

    def test_what_compact_makes_of_a_log_reads_as_the_log_did(self):
        log = self.full_log(1 << 20)
        picture = b"".join(struct.pack("<I", number * number & 0xffffffff) for number in range(150000))
        for name in (b"b", b"c"):       # the same data twice: the segment may share its pages
            head = struct.pack("<qqIIQQ", 7, 8, 1, 9, len(picture), checks.hash64(picture)) + name + b"image/png"
            log.add_text(5, 0, head + picture if name == b"b" else head[:24] + struct.pack("<QQ", 0, checks.hash64(b""))
                         + head[40:], 40000)
        log.add_text(4, 0, fact_body(1, "note", "long " * 30000, 1))
        log.add_text(4, 0, fact_body(200, "unknown", "kept", 2))
        incomplete = log.next
        log.add_text(4, 0, fact_body(1, "note", "never complete"), 16, is_cut=True)
        complete = log.next
        log.add(2, 5, struct.pack("<qqd", -4, 100, 1.5))
        log.add(3, 6, struct.pack("<qd", 101, 3.5), 1)
        log.add(1, 0, struct.pack("<qqQQ3d", 1, 2, 1 << 3 | 1 << 63, 1 << 5, 0.5, 0.25, 0.125), 1)
        log.add_text(4, 0, fact_body(7, "refused", None, 4))
        log.slot(2048, struct.pack("<QQqqqq8x", 1, 42, 10, 19, 5, 6))
        log.mark()
        path = self.store_of(log)
        before = read_store(path)
        points = self.points(path)
        run_tool("-C", path, "compact", "--adopt")
        self.assertEqual([], files_of(path, ".log"))
        after = read_store(path)
        self.assertEqual([], after.report.findings)
        self.assertEqual(points, self.points(path))
        self.assertEqual([[(incomplete, complete)]], [i.dropped for i in after.incarnations.values() if i.dropped])
        records = [{r.sequence: r for i in store.incarnations.values() for r in i.records.values()
                    if not (hasattr(r.body, "kind") and r.body.kind == 2)} for store in (before, after)]
        self.assertEqual(sorted(records[0]), sorted(records[1]))
        for sequence, record in records[0].items():
            self.assertEqual(record, records[1][sequence])

    def test_a_continuation_behind_damage_is_lost_and_the_next_point_is_not(self):
        log = self.full_log()
        log.add(2, 5, struct.pack("<qqd", 1, 100, 1.5))
        at = log.add(3, 6, struct.pack("<d", 2.5))
        log.add(3, 7, struct.pack("<d", 3.5))
        log.add(2, 5, struct.pack("<qqd", 2, 100, 4.5))
        log.mark()
        log.records[at - 4096 + 17] ^= 1
        path = self.store_of(log)
        self.assertEqual([1, 4], [point[0] for point in self.points(path, (1,))])

    def test_a_continuation_behind_a_damaged_name_is_lost(self):
        log = self.full_log()
        log.add(2, 5, struct.pack("<qqd", 1, 100, 1.5))
        log.add_text(17, 900000, b"far beyond")
        log.add(3, 6, struct.pack("<d", 2.5))
        log.add(2, 5, struct.pack("<qqd", 2, 100, 4.5))
        log.mark()
        self.assertEqual([1, 3], [point[0] for point in self.points(self.store_of(log), (1,))])

    def test_a_part_that_does_not_fit_is_missing_and_the_parts_before_it_are_not(self):
        log = self.full_log()
        log.add(4, 0, struct.pack("<II16x", 16, 48), 3)
        log.add(4, 0, struct.pack("<II16x", 16, 56), 1)
        log.add(2, 5, struct.pack("<qqd", 1, 100, 1.5))
        log.mark()
        path = self.store_of(log)
        self.assertEqual([3], [point[0] for point in self.points(path, (1,))])
        texts = [finding.text for finding in read_store(path).report.damages()]
        self.assertEqual(1, sum("[2, 3)" in text and "missing" in text for text in texts), texts)

    def test_a_tombstone_covers_no_writer_of_another_run(self):
        first, second, third = self.full_log(), LogMaker(), LogMaker()
        second.incarnation, third.incarnation, third.run = bytes([8] * 16), bytes([6] * 16), bytes([4] * 16)
        first.add(2, 5, struct.pack("<qqd", 1, 100, 1.5))
        first.add(2, 6, struct.pack("<qqd", 2, 100, 1.5))
        for log, key in ((second, "m5/ü"), (third, "m6/ü")):
            log.add_writer()
            body = bytearray(fact_body(6, key))
            body[1] |= 8
            body[48:48] = first.incarnation + struct.pack("<Q", 9)
            log.add_text(4, 0, bytes(body))
        self.assertEqual([2], [point[0] for point in self.points(self.store_of(first, second, third))])

    def test_the_inode_of_a_log_is_read_and_what_follows_is_zero(self):
        log = LogMaker(inode=2**63 + 7)
        log.add_writer()
        log.add_text(17, 5, b"m5")
        log.add(2, 5, struct.pack("<qqd", 1, 100, 1.5))
        self.assertEqual(2**63 + 7, decode_header(log.data()).inode)
        self.assertEqual([1], [point[0] for point in self.points(self.store_of(log))])
        data = log.data()
        data[160] = 1
        data[504:512] = struct.pack("<Q", checks.check(checks.hash64(bytes(data[:504])), log.key, 0, 0, 0))
        self.assertRaises(Broken, decode_header, data)

    def test_a_record_above_a_missing_number_ends_the_prefix(self):
        first, second = self.full_log(), LogMaker(3, ordinal=2)
        first.add(2, 5, struct.pack("<qqd", 1, 100, 1.5))
        second.add_writer()
        second.add_text(17, 5, "m5/ü".encode())
        second.add(2, 5, struct.pack("<qqd", 3, 100, 3.5))
        self.assertEqual([1], [point[0] for point in self.points(self.store_of(first, second), (0, 1))])
        second.mark()
        path = self.store_of(first, second)
        self.assertTrue(any("missing" in finding.text for finding in read_store(path).report.damages()))
        self.assertEqual([1, 3], [point[0] for point in self.points(path, (0, 1))])

    def test_a_schema_lost_to_damage_is_taken_from_a_restatement(self):
        log = self.full_log()
        log.add_text(17, 70, b"late")
        at = log.add(18, 2, struct.pack("<III4x", 4, 4, 70), 2)
        log.add(1, 2, struct.pack("<qqd", 1, 100, 1.5))
        log.add_text(18, 2, struct.pack("<I", 70))
        log.add(1, 2, struct.pack("<qqd", 2, 100, 2.5))
        log.mark()
        log.records[at - 4096 + 24] ^= 1
        store = read_store(self.store_of(log))
        self.assertTrue(store.report.damages())
        self.assertEqual({1, 2}, {row.sequence for i in store.incarnations.values() for row in i.rows.values()})

    def test_a_spare_and_a_newer_log_hold_nothing(self):
        log = self.full_log()
        log.add(2, 5, struct.pack("<qqd", 1, 100, 1.5))
        data = log.data()
        spare = data[:16] + bytes(16) + data[32:2576] + bytes(16) + data[2592:]
        self.assertIsNone(read_log("spare", spare, Report()))
        report = Report()
        newer = data[:8] + b"\x02" + data[9:504]
        newer += struct.pack("<Q", checks.check(checks.hash64(newer), log.key, 0, 0, 0)) + data[512:]
        self.assertIsNone(read_log("newer", newer, report))
        self.assertEqual(["newer"], [finding.kind for finding in report.findings])
        self.assertEqual(1, decode_header(data).first_sequence)


if __name__ == "__main__":
    unittest.main()
