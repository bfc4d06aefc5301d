"""Statistics of chunks and of nodes (FORMAT.md, 8.6): made again from the values, and compared byte for byte."""
import struct

from . import tables
from .codecs import bits_double

ONLY_NAN = 0x7FF8000000000000


def differences(segment):
    """Yields (offset, text) where an entry of the two tables is not what the values say. All pages must be whole."""
    chunks = {chunk.page.offset: chunk for chunk in segment.chunks}
    stats, node_stats = [], []
    for group in segment.tables[tables.GROUP_TABLE]:
        if group.stats_first == tables.NO_STATS:
            continue
        if (group.stats_first, group.node_stats_first) != (len(stats), len(node_stats)):
            yield 0, "the statistics of a group do not follow those before"
            return
        first, count = group.chunks
        entries = segment.tables[tables.CHUNK_TABLE][first:first + count]
        rows = [chunks[entry.page_offset].rows for entry in entries]
        for column in range(len(segment.schemas[group.schema][1])):
            found = [column_statistics(chunk_rows, column) for chunk_rows in rows]
            stats += [encode_statistics(one, min(row.step for row in chunk_rows))
                      for one, chunk_rows in zip(found, rows)]
            if tables.node_count(count):
                for begin in range(0, count, tables.NODE_CHUNKS):
                    end = min(count, begin + tables.NODE_CHUNKS)
                    node_stats.append(node_statistics(found[begin:end], entries[begin:end], stats[-count:][begin:end]))
    for kind, expected in ((tables.STATS_TABLE, stats), (tables.NODE_STATS_TABLE, node_stats)):
        offset = segment.trailer.places[tables.TABLES.index(kind)][0]
        if len(segment.tables[kind]) != len(expected):
            yield offset, "table %d has %d entries, expected %d" % (kind, len(segment.tables[kind]), len(expected))
        for place, (stated, made) in enumerate(zip(segment.tables[kind], expected)):
            if stated != made:
                yield offset, "entry %d of table %d is not what the values say" % (place, kind)


class ColumnStatistics:
    """first, last, smallest, largest: (bits, step); the latter two None where no value is finite."""

    def __init__(self, points):
        self.points = points
        values = [(bits_double(bits), bits, step) for bits, step in points]
        finite = [v for v in values if v[0] - v[0] == 0]
        self.smallest = min(finite, key=lambda v: v[0])[1:] if finite else None
        self.largest = max(finite, key=lambda v: v[0])[1:] if finite else None
        numbers = [v[0] for v in values]
        self.odd = (sum(v != v for v in numbers), numbers.count(float("inf")), numbers.count(float("-inf")))

    def places(self):
        return [self.points[0], self.points[-1]] + ([self.smallest, self.largest] if self.smallest else [])


def column_statistics(rows, column):
    points = [(row.values[column], row.step) for row in rows if row.values[column] is not None]
    return ColumnStatistics(points) if points else None


def encode_statistics(found, step_min):
    if found is None:
        return bytes(56)
    places = found.places()
    distances = [step - step_min for _, step in places]
    if max(distances) >= 2**32:
        return bytes(48) + b"\xff\xff" + bytes(6)
    if len(places) == 2:
        distances += [0, 0]
    bits = [bits for bits, _ in places] + [ONLY_NAN] * (4 - len(places))
    return struct.pack("<4Q4I4H", *bits, *distances, len(found.points), *found.odd)


def node_statistics(found, entries, stats):
    node = tables.node_entry(entries)
    is_known = node.flags & 1 and not any(entry[48:50] == b"\xff\xff" for entry in stats)
    if not is_known:
        return bytes(64) + b"\xff\xff\xff\xff" + bytes(12)
    there = [one for one in found if one is not None]
    if not there:
        return bytes(80)
    whole = ColumnStatistics([point for one in there for point in one.points])
    places = whole.places()
    bits = [bits for bits, _ in places] + [ONLY_NAN] * (4 - len(places))
    steps = [step for _, step in places] + [0] * (4 - len(places))
    return struct.pack("<4Q4q4I", *bits, *steps, len(whole.points), *whole.odd)
