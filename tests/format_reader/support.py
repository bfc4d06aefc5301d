"""What the tests of the reader share: golden stores unpacked, the tool run, points compared bit for bit."""
import csv
import gzip
import io
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

from .__main__ import HEADER, PLAIN_NAN, point_cells
from .views import View

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STEPLOG = os.path.abspath(os.environ.get("STEPLOG") or os.path.join(TESTS, "..", "build", "steplog"))
GOLDEN = os.path.join(TESTS, "golden")


def unpack(name, folder):
    """A copy of a golden store, its logs unpacked."""
    store = os.path.join(folder, name)
    shutil.copytree(os.path.join(GOLDEN, name), store)
    for path in files_of(store):
        if path.endswith(".gz"):
            with gzip.open(path) as packed, open(path[:-3], "wb") as out:
                shutil.copyfileobj(packed, out)
            os.remove(path)
    return store


def files_of(store, ending=""):
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(store) for name in names
                  if name.endswith(ending))


def read_bytes(path):
    with open(path, "rb") as file:
        return bytearray(file.read())


def write_bytes(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def run_tool(*arguments, codes=(0,)):
    done = subprocess.run([STEPLOG, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if done.returncode not in codes:
        raise AssertionError("steplog %s: exit code %d\n%s" % (" ".join(arguments), done.returncode,
                                                               done.stderr.decode()))
    return done.stdout.decode("utf-8")


def value_bits(text):
    if text.startswith("nan"):
        return int(text[4:], 16) if text != "nan" else PLAIN_NAN
    return struct.unpack("<Q", struct.pack("<d", float(text)))[0]


def points_by_writer(rows):
    """Lists of cells, values as bits, of each (run, writer) in their order; the order of writers is no part of it."""
    points = {}
    for cells in rows:
        points.setdefault((cells[0], cells[3]), []).append(tuple(cells[:-1]) + (value_bits(cells[-1]),))
    return points


def points_of_csv(text):
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert tuple(rows[0]) == HEADER, rows[0]
    return points_by_writer(rows[1:])


def points_of_reader(store):
    view = View(store)
    return points_by_writer(point_cells(view, point) for point in view.all_points())


class temporary_stores(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def assert_points(self, expected, found):
        self.assertEqual(sorted(expected), sorted(found), "other writers")
        for writer in expected:
            if expected[writer] != found[writer]:
                pairs = zip(expected[writer] + [None], found[writer] + [None])
                self.fail("expected %s, found %s" % next(pair for pair in pairs if pair[0] != pair[1]))
