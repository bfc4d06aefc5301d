"""Nodes and statistics of a group that is long enough to have nodes, made by the tool: every entry is what the values say,
a changed byte in these tables is told of and costs nothing, and a lie with a right check is found."""
import os
import struct
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from format_reader import checks, tables  # noqa: E402
from format_reader.segments import COLUMN, read_segment  # noqa: E402
from format_reader.store import Report, read_store  # noqa: E402
from format_reader.support import (files_of, points_of_csv, points_of_reader, read_bytes, run_tool,  # noqa: E402
                                   temporary_stores, unpack, write_bytes)
from format_reader.wire import u32, u64  # noqa: E402

NEW_TABLES = (tables.NODE_TABLE, tables.STATS_TABLE, tables.NODE_STATS_TABLE)


def long_csv(row_count):
    """Rows of a constant and of few small numbers, some of them none; one step goes back."""
    lines = ["step,flat,few"]
    for i in range(row_count):
        step = 2 * i - (100 if i == 70000 else 0)
        few = "nan" if i % 5000 == 17 else "-inf" if i % 7001 == 9 else str(i // 512 % 50)
        lines.append("%d,0.5,%s" % (step, few))
    return "\n".join(lines) + "\n"


def reseal(data, page_offset):
    """Makes the check of a page right again."""
    key = checks.file_key(data[16:32])
    end = page_offset + 24 + (u32(data, page_offset + 4) + 7) // 8 * 8
    check = checks.check(checks.hash64(data[page_offset + 24:end]), key, page_offset, u64(data, page_offset),
                         u64(data, page_offset + 8))
    data[page_offset + 16:page_offset + 24] = check.to_bytes(8, "little")


def page_of(data, kind, content, index=0):
    """Appends a page that is not compressed."""
    offset = len(data)
    head = b"PG" + bytes([kind, 0]) + struct.pack("<III", len(content), len(content), index) + bytes(8)
    data += head + content + bytes(-len(content) % 8)
    reseal(data, offset)


def with_plain_tables(data, segment, split=None):
    """The segment with none of its tables compressed, one of them in pages of 64 entries though one page can hold it."""
    pages = sorted((p for p in segment.pages.values() if p.kind in tables.TABLES), key=lambda p: p.kind)
    made, trailer = bytearray(data[:pages[0].offset]), bytearray(segment.pages[len(data) - 256].raw)
    for place, kind in enumerate(tables.TABLES):
        trailer[8 + 16 * place:16 + 16 * place] = len(made).to_bytes(8, "little")
        for page in [page for page in pages if page.kind == kind]:
            most = 64 * tables.ENTRY_BYTES[kind] if kind == split else len(page.raw)
            for index, at in enumerate(range(0, len(page.raw), most)):
                page_of(made, kind, page.raw[at:at + most], index)
    trailer[:8] = (len(made) + 256).to_bytes(8, "little")
    page_of(made, tables.TRAILER, bytes(trailer))
    return made


class nodes_and_statistics(temporary_stores):
    def long_store(self):
        path, csv = os.path.join(self.folder, "long"), os.path.join(self.folder, "long.csv")
        with open(csv, "w", encoding="utf-8") as file:
            file.write(long_csv(71000))
        run_tool("-C", path, "import", "--run", "long", csv)
        run_tool("-C", path, "compact", "--now")
        return path

    def read(self, path):
        """The only segment of a store, its bytes, and what was found wrong with it."""
        file, = [f for f in files_of(path, ".seg") if os.path.getsize(f) > 4096]
        data, report = read_bytes(file), Report()
        return file, data, read_segment(file, b"", bytes(data), report), report

    def test_every_entry_is_what_the_values_say(self):
        path = self.long_store()
        _, _, segment, report = self.read(path)
        self.assertEqual([], report.findings)
        group = segment.tables[tables.GROUP_TABLE][0]
        self.assertGreater(group.chunks[1], 64)
        self.assertEqual([1, 0], [node.flags for node in segment.tables[tables.NODE_TABLE]])
        self.assertEqual(2 * group.chunks[1], len(segment.tables[tables.STATS_TABLE]))
        self.assertEqual(4, len(segment.tables[tables.NODE_STATS_TABLE]))
        for kind in tables.TABLES:
            page, = [page for page in segment.pages.values() if page.kind == kind] or [None]
            self.assertTrue(page is None or len(page.raw) < 64 or page.bytes < 24 + len(page.raw),
                            "table %d of %d bytes is not compressed" % (kind, len(page.raw) if page else 0))
        known = [entry[64:68] != b"\xff\xff\xff\xff" for entry in segment.tables[tables.NODE_STATS_TABLE]]
        self.assertEqual([True, False, True, False], known)
        self.assert_points(points_of_csv(run_tool("-C", path, "export")), points_of_reader(read_store(path)))

    def test_a_changed_byte_is_told_of_and_costs_nothing(self):
        path = self.long_store()
        file, data, segment, _ = self.read(path)
        exported = run_tool("-C", path, "export")
        for kind in NEW_TABLES:
            pages = [page for page in segment.pages.values() if page.kind == kind]
            for page in pages[:1] + pages[-1:]:
                for at in (page.offset + 4, page.offset + 16, page.offset + 24, page.offset + page.bytes - 1):
                    changed = bytearray(data)
                    changed[at] ^= 0x10
                    write_bytes(file, changed)
                    self.assertEqual(exported, run_tool("-C", path, "export", codes=(0, 1)))
                    self.assertIn(" at %d" % page.offset, run_tool("-C", path, "verify", codes=(1,)))
                report = Report()
                damaged = read_segment(file, b"", bytes(changed), report)
                self.assertTrue(report.findings)
                self.assertFalse(damaged.is_rebuilt)
                self.assertEqual(sum(len(c.rows) for c in segment.chunks), sum(len(c.rows) for c in damaged.chunks))

    def test_a_lie_with_a_right_check_is_found(self):
        path = self.long_store()
        file, data, segment, _ = self.read(path)
        write_bytes(file, with_plain_tables(data, segment))
        run_tool("-C", path, "verify")
        file, data, segment, _ = self.read(path)
        for kind in NEW_TABLES:
            entry_bytes = tables.ENTRY_BYTES[kind]
            for page in [page for page in segment.pages.values() if page.kind == kind]:
                for at in list(range(0, entry_bytes, 4)) + [len(page.raw) - entry_bytes + 1]:
                    changed = bytearray(data)
                    changed[page.offset + 24 + at] ^= 1
                    reseal(changed, page.offset)
                    write_bytes(file, changed)
                    run_tool("-C", path, "verify", codes=(1,))
                report = Report()
                read_segment(file, b"", bytes(changed), report)
                self.assertTrue(report.findings, "kind %d" % kind)

    def test_a_small_table_in_several_pages_is_told_of_and_costs_nothing(self):
        path = self.long_store()
        file, data, segment, _ = self.read(path)
        exported = run_tool("-C", path, "export")
        for kind in (tables.CHUNK_TABLE, tables.STATS_TABLE):
            changed = with_plain_tables(data, segment, kind)
            write_bytes(file, changed)
            self.assertIn("several", run_tool("-C", path, "verify", codes=(1,)))
            self.assertEqual(exported, run_tool("-C", path, "export", codes=(0, 1)))
            report = Report()
            read_segment(file, b"", bytes(changed), report)
            self.assertTrue(report.findings, "kind %d" % kind)

    def test_the_golden_group_has_every_form_of_statistics(self):
        _, _, segment, report = self.read(unpack("statistics", self.folder))
        self.assertEqual([], report.findings)
        counts = [int.from_bytes(entry[48:50], "little") for entry in segment.tables[tables.STATS_TABLE]]
        self.assertTrue({0, 65535, 1024} <= set(counts) and any(0 < count < 600 or count == 900 for count in counts))
        smallest = [entry[16:24] for entry in segment.tables[tables.STATS_TABLE]]
        self.assertIn((0x7FF8000000000000).to_bytes(8, "little"), smallest)
        kinds = {page.kind for page in segment.pages.values()}
        self.assertTrue({COLUMN, tables.STATS_TABLE} <= kinds)


if __name__ == "__main__":
    unittest.main()
