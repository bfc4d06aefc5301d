"""The reader, written from FORMAT.md alone, against the golden stores, the samples and the example of FORMAT.md, and
against the tool: where they differ, one of the page, the reader and the library is wrong."""
import gzip
import json
import re
import struct
import unittest
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from format_reader import checks, codecs  # noqa: E402
from format_reader.store import read_store  # noqa: E402
from format_reader.support import (GOLDEN, TESTS, points_of_csv, points_of_reader, read_bytes, run_tool,  # noqa: E402
                                   temporary_stores, unpack, value_bits, write_bytes)
from format_reader.views import View  # noqa: E402
from format_reader.wire import Broken  # noqa: E402

FORMAT = os.path.join(TESTS, "..", "FORMAT.md")
NAMES = sorted(name for name in os.listdir(GOLDEN) if os.path.isdir(os.path.join(GOLDEN, name)))
SAMPLE = r"^\| (integer|value) \| `([0-9a-f ]+)` \| (\d+) \| (.+?) \|$"


def format_section(number):
    with open(FORMAT, encoding="utf-8") as file:
        text = file.read()
    return re.search(r"^## %d .*?(?=^## |\Z)" % number, text, re.M | re.S).group(0)


class golden_stores(temporary_stores):
    """Each golden store, one claim for each, made below."""

    def decodes(self, name):
        path = unpack(name, self.folder)
        with gzip.open(os.path.join(GOLDEN, name + ".csv.gz"), "rt", encoding="utf-8", newline="") as file:
            saved = points_of_csv(file.read())
        store = read_store(path)
        self.assertEqual([], store.report.findings)
        self.assert_points(saved, points_of_reader(store))
        self.assert_points(saved, points_of_csv(run_tool("-C", path, "export", codes=(0, 1))))

    def shows_default_view(self, name):
        path = unpack(name, self.folder)
        view = View(read_store(path))
        for run in view.runs():
            found = {}
            for _, point in view.default_points(run):
                # Query names a series for people: unlike export it escapes nothing in the labels.
                labels = ",".join("%s=%s" % pair for pair in (("rank", point.rank),) + point.labels)
                series = "%s{%s}" % (point.metric, labels)
                found.setdefault((series, point.step), []).append(point.bits)
            if not found:
                continue
            self.assertEqual(self.queried(path, run, {series for series, _ in found}), found, run.hex())

    def queried(self, path, run, all_series):
        """What `steplog query` says, in the shape of the default view above."""
        points = {}
        for line in run_tool("-C", path, "query", run.hex(), "--jsonl").splitlines():
            cells = json.loads(line)
            step = int(cells.pop("step"))
            for name, value in cells.items():
                full = [s for s in all_series if s == name or s.startswith(name + "{") and "{" not in name]
                self.assertEqual(1, len(full), "series %s" % name)
                points.setdefault((full[0], step), []).append(value_bits(str(value)))
        return points


def add_golden_claims():
    for name in NAMES:
        def decodes(self, name=name):
            self.decodes(name)

        def shows(self, name=name):
            self.shows_default_view(name)
        setattr(golden_stores, "test_store_%s_decodes_as_saved_and_as_exported" % name, decodes)
        if name in ("attempts", "removed", "merged", "names", "killed", "example"):
            setattr(golden_stores, "test_store_%s_has_the_default_view_that_query_shows" % name, shows)


add_golden_claims()


class samples_of_format(unittest.TestCase):
    def test_checks_of_section_4(self):
        section = format_section(4)
        key = checks.file_key(bytes(range(16)))
        computed = {
            "XXH3-64 of no bytes": checks.hash64(b""),
            "`scramble(0x0123456789abcdef)`": checks.scramble(0x0123456789ABCDEF),
            "file key": key,
            '`check(XXH3-64("steplog!"), key, 64, 1, 2)`': checks.check(checks.hash64(b"steplog!"), key, 64, 1, 2),
            "`record_check(XXH3-64(0a and 15 zero bytes), key, 4096, 0x00010004, 7)`":
                checks.record_check(checks.hash64(b"\x0a" + bytes(15)), key, 4096, 0x00010004, 7),
        }
        found = re.findall(r"^\| (.+?) \| (0x[0-9a-f]{16}) \|$", section, re.M)
        stated = {what: int(value, 16) for what, value in found}
        self.assertEqual(stated, computed)
        self.assertEqual(0x0123456789ABCDEF, checks.unscramble(checks.scramble(0x0123456789ABCDEF)))

    def test_encodings_of_section_9_6(self):
        rows = re.findall(SAMPLE, format_section(9), re.M)
        self.assertGreaterEqual(len(rows), 14)
        for codec, data, count, values in rows:
            with self.subTest(data=data):
                decode = codecs.decode_integers if codec == "integer" else codecs.decode_doubles
                self.assertEqual(stated_values(codec, values), decode(bytes.fromhex(data), int(count)))

    def test_encodings_cut_or_lengthened_are_refused(self):
        for codec, data, count, _ in re.findall(SAMPLE, format_section(9), re.M):
            decode = codecs.decode_integers if codec == "integer" else codecs.decode_doubles
            whole = bytes.fromhex(data)
            for wrong in [whole[:end] for end in range(len(whole))] + [whole + b"\0"]:
                with self.subTest(data=wrong.hex()), self.assertRaises(Broken):
                    decode(wrong, int(count))

    def test_run_key_demo_of_section_12_1(self):
        import xxhash
        stated = re.search(r"The key `demo` gives ([0-9a-f]{32})", format_section(12)).group(1)
        self.assertEqual(stated, xxhash.xxh3_128_hexdigest(b"demo"))


def stated_values(codec, text):
    if text == "0 1 2 .. 1023":
        return list(range(1024))
    if text.startswith("i mod 4"):
        return [1000 if i == 13 else i % 4 for i in range(20)]
    is_float = text.endswith(", each rounded to a 32-bit float")
    words = text.split(",")[0].split()
    if codec == "integer":
        return [int(word) for word in words]
    values = [float(word.replace("Inf", "inf").replace("NaN", "nan")) for word in words]
    if is_float:
        values = [struct.unpack("<f", struct.pack("<f", value))[0] for value in values]
    return [struct.unpack("<Q", struct.pack("<d", value))[0] for value in values]


class example_of_format(temporary_stores):
    def test_hex_dump_of_section_17_is_the_golden_store_and_decodes(self):
        section = format_section(17)
        files = re.findall(r"^`(\S+)`, (\d+) bytes:\n\n```\n(.*?)^```", section, re.M | re.S)
        self.assertEqual(3, len(files))
        golden = unpack("example", self.folder)
        for name, size, dump in files:
            data = bytes_of_dump(dump)
            self.assertEqual(int(size), len(data), name)
            self.assertEqual(read_bytes(os.path.join(golden, name)), data, name)
            write_bytes(os.path.join(self.folder, "dumped", name), data)
        store = read_store(os.path.join(self.folder, "dumped"))
        self.assertEqual([], store.report.findings)
        stated = re.search(r"^```csv\n(.*?)^```", section, re.M | re.S).group(1)
        self.assert_points(points_of_csv(stated), points_of_reader(store))


def bytes_of_dump(dump):
    data = bytearray()
    for line in dump.splitlines():
        offset, words = re.match(r"([0-9a-f]{6})  (\.\.\.  .*$|(?:[0-9a-f]{2} ?)+(?= |$))", line).groups()
        assert int(offset, 16) == len(data), line
        same = re.match(r"\.\.\.  (\d+) (?:zero bytes|bytes, the copy of those at ([0-9a-f]{6}))$", words)
        if not same:
            data += bytes.fromhex(words)
        elif same.group(2):
            data += data[int(same.group(2), 16):][:int(same.group(1))]
        else:
            data += bytes(int(same.group(1)))
    return data


if __name__ == "__main__":
    unittest.main()
