"""python3 -m format_reader [--default] STORE: every point as CSV, as `steplog export` prints them; damage to stderr."""
import csv
import sys

from .codecs import bits_double
from .store import read_store
from .views import View
from .wire import NO_TIME, Broken, Newer

HEADER = ("run_id", "run", "attempt", "writer", "seq", "metric", "labels", "step", "time_ns", "value")
PLAIN_NAN = 0x7FF8000000000000


def format_value(bits):
    """The shortest decimal that reads back the same; a NaN of other bits shows them."""
    value = bits_double(bits)
    if value != value:
        return "nan" if bits == PLAIN_NAN else "nan:%016x" % bits
    if value == int(value) and abs(value) < 1e17 if value - value == 0 else False:
        return "-0" if bits >> 63 and value == 0 else str(int(value))
    return repr(value)


def format_labels(rank, labels):
    pairs = [("rank", str(rank))] + list(labels)
    return ",".join(escape(key) + "=" + escape(value) for key, value in pairs)


def escape(text):
    return "".join("\\" + c if c in "\\,=" else c for c in text)


def point_cells(view, point):
    time = "" if point.time == NO_TIME else str(point.time)
    return (point.run.hex(), view.setting(point.run, "name") or "", str(point.attempt), point.writer.hex(),
            str(point.sequence), point.metric, format_labels(point.rank, point.labels), str(point.step), time,
            format_value(point.bits))


def main(arguments):
    is_default = arguments[:1] == ["--default"]
    paths = arguments[is_default:]
    if len(paths) != 1:
        print("usage: python3 -m format_reader [--default] STORE", file=sys.stderr)
        return 2
    try:
        store = read_store(paths[0])
    except (OSError, Broken, Newer) as error:
        print(error, file=sys.stderr)
        return 4
    view = View(store)
    points = (p for run in view.runs() for _, p in view.default_points(run)) if is_default else view.all_points()
    sys.stdout.reconfigure(encoding="utf-8", newline="")
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(HEADER)
    out.writerows(point_cells(view, point) for point in points)
    for finding in store.report.findings:
        print(finding, file=sys.stderr)
    return 1 if store.report.damages() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
