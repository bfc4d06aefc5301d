"""The reader on damaged copies of golden stores: what a changed byte costs, and that nothing makes it crash."""
import shutil
import struct
import unittest
import os
import sys
import xxhash

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from format_reader import checks  # noqa: E402
from format_reader.logs import read_log  # noqa: E402
from format_reader.segments import COLUMN, ChunkHead, read_segment  # noqa: E402
from format_reader.store import Report, read_store  # noqa: E402
from format_reader.support import (files_of, points_of_csv, points_of_reader, read_bytes, run_tool,  # noqa: E402
                                   temporary_stores, unpack, write_bytes)
from format_reader.wire import Broken, u64  # noqa: E402


def without_name(point):
    """A point without the run's name, which is a fact and may be lost for itself."""
    return point[:1] + point[2:]


def chunks_of_key(segment, key):
    """The offsets of the chunks of the run of a key."""
    run = xxhash.xxh3_128_digest(key.encode())
    return [c.page.offset for c in segment.chunks if segment.writers[c.writer][1].run == run]


def referring(segment, offset):
    """The offsets of the chunks with a part that is a reference to the chunk at offset."""
    heads = [(chunk.page.offset, ChunkHead(chunk.page)) for chunk in segment.chunks]
    return [at for at, head in heads
            if any(is_reference and u64(part, 0) == offset
                   for part, is_reference in zip(head.parts, head.is_reference))]


class damaged_copies(temporary_stores):
    """A changed byte is reported and costs what FORMAT.md says it costs, in the reader and in the tool."""

    def damaged(self, name, ending, choose):
        """A copy of a golden store with one byte changed where choose(data, segment) says; and what it held before."""
        path = unpack(name, self.folder)
        before = points_of_reader(read_store(path))
        file = max(files_of(path, ending), key=os.path.getsize)
        data = read_bytes(file)
        report = Report()
        segment = read_segment(file, b"", bytes(data), report) if ending == ".seg" else read_log(file, data, report)
        data[choose(data, segment)] ^= 0x10
        write_bytes(file, data)
        return path, before

    def lost(self, path, before, compare_tool=True):
        """Reads a damaged store; the points that are gone, as (metric, step). Nothing new may appear."""
        store = read_store(path)
        self.assertTrue(store.report.findings)
        found = points_of_reader(store)
        if compare_tool:
            codes = (1,) if store.report.damages() else (0,)
            self.assert_points(found, points_of_csv(run_tool("-C", path, "export", codes=codes)))
        gone = []
        for writer, points in before.items():
            kept = {without_name(point) for point in found.get(writer, ())}
            self.assertLessEqual(kept, {without_name(point) for point in points})
            gone += [(point[5], int(point[7])) for point in points if without_name(point) not in kept]
        return gone

    def page(self, kind, number=0, at=24):
        return lambda data, segment: [p.offset for p in segment.pages.values() if p.kind == kind][number] + at

    def test_a_byte_in_a_column_page_costs_one_metric_of_one_chunk(self):
        path, before = self.damaged("values", ".seg", self.page(COLUMN, 0, 40))
        gone = self.lost(path, before)
        self.assertEqual(1, len({metric for metric, _ in gone}))
        self.assertTrue(0 < len(gone) <= 1024)

    def test_a_byte_in_a_chunk_page_costs_its_rows(self):
        rows = []

        def second_of_many(data, segment):
            chunk = [chunk for chunk in segment.chunks if len(chunk.rows) > 16][1]
            rows.extend(chunk.rows)
            return chunk.page.offset + 24
        path, before = self.damaged("values", ".seg", second_of_many)
        values = {(name, row.step) for row in rows for name, value in zip(row.names, row.values) if value is not None}
        self.assertEqual(values, set(self.lost(path, before)))

    def test_a_byte_in_one_of_two_copies_costs_nothing(self):
        def chunk_of_one(data, segment):
            return next(offset for offset in chunks_of_key(segment, "one") if not referring(segment, offset)) + 24
        path, before = self.damaged("merged", ".seg", chunk_of_one)
        self.assertEqual([], self.lost(path, before, compare_tool=False))   # the tool need not look for the other

    def test_a_byte_in_a_part_that_others_refer_to_costs_their_rows_as_well(self):
        rows = []

        def chunk_of_one(data, segment):
            """One that has a copy, while a chunk that refers to it has none."""
            of_two = chunks_of_key(segment, "two")
            for offset in chunks_of_key(segment, "one"):
                hurt = set(referring(segment, offset)) & set(of_two)
                if hurt:
                    rows.extend(row for chunk in segment.chunks if chunk.page.offset in hurt for row in chunk.rows)
                    return offset + 24
            self.fail("no chunk of two refers to one of one")
        path, before = self.damaged("merged", ".seg", chunk_of_one)
        values = [(name, row.step) for row in rows for name, value in zip(row.names, row.values) if value is not None]
        self.assertEqual(sorted(values), sorted(self.lost(path, before, compare_tool=False)))

    def test_a_byte_in_any_table_costs_nothing(self):
        for kind in range(16, 22):
            with self.subTest(kind=kind):
                path, before = self.damaged("merged", ".seg", self.page(kind))
                self.assertEqual([], self.lost(path, before))
                shutil.rmtree(path)

    def test_a_byte_in_the_trailer_costs_nothing(self):
        for at in (2, 30, 100, 255):
            path, before = self.damaged("values", ".seg", lambda data, _: len(data) - 256 + at)
            self.assertEqual([], self.lost(path, before))
            shutil.rmtree(path)

    def test_a_byte_in_the_segment_header_costs_nothing(self):
        path, before = self.damaged("values", ".seg", lambda data, _: 17)
        self.assertEqual([], self.lost(path, before))       # the file's name says its id

    def test_a_byte_in_the_file_steplog_makes_the_store_refused(self):
        path = unpack("example", self.folder)
        file = os.path.join(path, "STEPLOG")
        data = read_bytes(file)
        data[20] ^= 0x10
        write_bytes(file, data)
        self.assertRaises(Broken, read_store, path)
        self.assertEqual("", run_tool("-C", path, "export", codes=(1, 2, 3, 4, 5)))

    def test_a_byte_in_a_table_keeps_dropped_ranges_dropped(self):
        path, before = self.damaged("removed", ".seg", self.page(19))
        self.assertEqual([], self.lost(path, before))
        self.assertFalse([finding for finding in read_store(path).report.findings if "missing" in finding.text])

    def test_a_cut_segment_keeps_the_pages_before_the_cut(self):
        path, before = self.damaged("values", ".seg", lambda data, _: 0)
        file = max(files_of(path, ".seg"), key=os.path.getsize)
        data = read_bytes(file)
        data[0] ^= 0x10     # as it was
        write_bytes(file, data[:len(data) - 300])
        self.assertEqual([], self.lost(path, before))

    def test_a_byte_in_a_record_below_the_mark_costs_that_record(self):
        path, before = self.damaged("killed", ".log", lambda data, log: log.mark_offset - 9)
        self.assertEqual(1, len(self.lost(path, before)))

    def test_a_byte_in_a_record_at_the_mark_ends_the_log(self):
        path, before = self.damaged("killed", ".log", lambda data, log: log.mark_offset + 17)
        # Without knowing that the machine has not restarted since, what lies behind the mark was never durable.
        store = read_store(path)
        self.assertEqual([], store.report.damages())
        self.assertTrue(any("torn" in finding.text for finding in store.report.findings))
        found = points_of_reader(store)
        gone = [point for writer in before for point in before[writer] if point not in found.get(writer, ())]
        self.assertTrue(gone)
        self.assertTrue(all(int(point[7]) >= 40 for point in gone))

    def test_a_byte_in_the_log_header_or_in_its_copy_costs_nothing(self):
        path, before = self.damaged("killed", ".log", lambda data, _: 2570)
        file = files_of(path, ".log")[0]
        data = read_bytes(file)
        data[2570] ^= 0x10  # as it was
        for at in (0, 8, 16, 31, 100, 200, 504, 511, 2560, 2576, 2600, 3071):
            data[at] ^= 0x10
            write_bytes(file, data)
            self.assertEqual([], self.lost(path, before))
            data[at] ^= 0x10

    def test_a_byte_in_the_log_header_and_one_in_its_copy_cost_the_log(self):
        path, before = self.damaged("killed", ".log", lambda data, _: 100)
        file = files_of(path, ".log")[0]
        data = read_bytes(file)
        data[2560 + 300] ^= 1
        write_bytes(file, data)
        self.assertTrue(self.lost(path, before))

    def test_a_log_header_of_zeros_costs_nothing(self):
        path, before = self.damaged("killed", ".log", lambda data, _: 0)
        file = files_of(path, ".log")[0]
        data = read_bytes(file)
        data[:512] = bytes(512)
        write_bytes(file, data)
        self.assertEqual([], self.lost(path, before))

    def test_a_log_without_the_copy_is_read_with_a_notice(self):
        path, before = self.damaged("killed", ".log", lambda data, _: 2560)
        file = files_of(path, ".log")[0]
        data = read_bytes(file)
        data[2560:3072] = bytes(512)
        write_bytes(file, data)
        self.assertEqual([], self.lost(path, before))
        self.assertEqual([], read_store(path).report.damages())

    def test_a_byte_in_a_mark_slot_costs_nothing(self):
        path, before = self.damaged("killed", ".log", lambda data, _: 1024 + 9)
        self.assertEqual([], self.lost(path, before))

    def test_a_mark_slot_with_a_byte_that_should_be_zero_does_not_count(self):
        path = unpack("killed", self.folder)
        file = files_of(path, ".log")[0]
        data = read_bytes(file)
        key, slot = checks.file_key(data[16:32]), struct.pack("<QQQB31x", 99, 5 << 20, 1 << 40, 1)
        data[512:576] = slot + struct.pack("<Q", checks.check(checks.hash64(slot), key, 512, 0, 0))
        before = points_of_reader(read_store(unpack("killed", os.path.join(self.folder, "whole"))))
        write_bytes(file, data)
        self.assertEqual([], self.lost(path, before))

    def test_a_byte_in_a_name_below_the_mark_costs_what_it_names(self):
        def first_name(data, _):
            at = 4096
            while data[at + 2] != 17:
                at += 8 * struct.unpack_from("<H", data, at)[0]
            return at + 24
        path, before = self.damaged("killed", ".log", first_name)
        # Above the mark the tool may show more: it can know that this machine has not restarted since.
        self.assertTrue(self.lost(path, before, compare_tool=False))

    def test_no_changed_byte_of_the_example_goes_unnoticed(self):
        path = unpack("example", self.folder)
        segment = read_bytes(files_of(path, ".seg")[0])
        whole = {row.sequence: row for chunk in read_segment("s", b"", bytes(segment), Report()).chunks
                 for row in chunk.rows}
        name_id = bytes.fromhex(os.path.basename(files_of(path, ".seg")[0])[:32])
        for at in range(len(segment)):
            changed = bytearray(segment)
            changed[at] ^= 1 << at % 8
            report = Report()
            found = read_segment("s", name_id, bytes(changed), report)
            self.assertTrue(report.findings, "byte %d of the segment" % at)
            for row in (row for chunk in (found.chunks if found else ()) for row in chunk.rows):
                self.assertEqual(whole[row.sequence], row)
        data = read_bytes(files_of(path, ".log")[0])
        end = read_log("l", bytes(data), Report()).end
        for at in [*range(0, 3100), *range(4096, end)]:
            if data[16:32] != bytes(16):
                self.check_changed_log(data[:end + 8], at)

    def check_changed_log(self, data, at):
        data[at] ^= 1 << at % 8
        report = Report()
        read_log("l", bytes(data), report)
        self.assertTrue(report.findings, "byte %d of the log" % at)

    def test_no_cut_crashes_the_reader(self):
        path = unpack("example", self.folder)
        segment = bytes(read_bytes(files_of(path, ".seg")[0]))
        for end in range(0, len(segment), 3):
            report = Report()
            read_segment("s", bytes(16), segment[:end], report)
            self.assertTrue(report.findings)
        log = bytes(read_bytes(files_of(path, ".log")[0])[:4600])
        for end in range(0, len(log), 5):
            read_log("l", log[:end], Report())


if __name__ == "__main__":
    unittest.main()
