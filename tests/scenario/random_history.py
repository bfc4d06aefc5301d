#!/usr/bin/env python3
"""Random histories through the command line, compared with a model of what FORMAT.md says a view shows.

    random_history.py STEPLOG DIRECTORY SEED OPERATIONS

Runs are logged to (whole, killed, resumed), rewound, forked, partly removed, taken back, compacted and merged into
other stores, in random order; after every few operations each view of each run is compared with the model, value for
value. The seed is printed, and gives the same history again. Exits 1 at the first difference.
"""
import csv
import io
import os
import random
import shutil
import signal
import struct
import subprocess
import sys

TOOL, DIRECTORY = sys.argv[1], sys.argv[2]
SEED, OPERATIONS = int(sys.argv[3]), int(sys.argv[4])
METRICS = ["loss", "lr", "grad/norm", "acc"]
rng = random.Random(SEED)
history = []


def stop(what):
    print("not ok - seed %d, after %d operations: %s" % (SEED, len(history), what))
    for line in history[-int(os.environ.get("HISTORY_LINES", "40")):]:
        print("    " + line)
    sys.exit(1)


def run_tool(store, *arguments, code=0, text=None):
    done = subprocess.run([TOOL, "-C", store, *arguments], input=text, capture_output=True, text=True)
    allowed = code if isinstance(code, tuple) else (code,)
    if done.returncode not in allowed:
        stop("%s ended with %d: %s" % (" ".join(arguments), done.returncode, done.stderr[-2000:]))
    return done


def bits(value):
    return "nan" if value != value else struct.pack(">d", value).hex()


class Row:
    def __init__(self, step, values):
        self.step, self.values = step, values
        self.removed = {metric: 0 for metric in values}  # tombstones in force that cover the value
        self.freed = set()

    def has(self, metric):
        return metric in self.values and self.removed[metric] == 0 and metric not in self.freed


class Writer:
    def __init__(self, attempt, rank, resume):
        self.attempt, self.rank, self.resume, self.rows = attempt, rank, resume, []


class Run:
    def __init__(self, name, run_id=None):
        self.name, self.id = name, run_id
        self.writers, self.rewinds, self.tombstones = [], [], []
        self.parent = None  # run, attempt, rewinds in force then, step

    def attempts(self, limit=None, undone=lambda rewind: rewind["undone"]):
        opened = {rewind["attempt"]: undone(rewind) for rewind in self.rewinds}
        numbers = {writer.attempt for writer in self.writers} | set(opened)
        return sorted(a for a in numbers if not opened.get(a, False) and (limit is None or a <= limit))

    def cut(self, attempt, rank, undone):
        steps = [r["step"] for r in self.rewinds if r["attempt"] == attempt and not undone(r)]
        mine = [w for w in self.writers if w.attempt == attempt and w.rank == rank]
        every = [w for w in self.writers if w.attempt == attempt]
        steps += [w.resume for w in (mine or every) if w.resume is not None]
        if not steps:
            steps = [row.step for w in (mine or every) for row in w.rows]
        return min(steps) if steps else None

    def shown(self, metric, rank, limit=None, undone=lambda rewind: rewind["undone"], below=None):
        found = []
        if self.parent:
            parent, attempt, known, step = self.parent
            # What the parent undoes later, the fork does not see.
            def undone_then(rewind):
                return known.get(id(rewind), True)
            found += parent.shown(metric, rank, attempt, undone_then, step)
        numbers = self.attempts(limit, undone)
        for writer in self.writers:
            if writer.rank != rank or writer.attempt not in numbers:
                continue
            cuts = [self.cut(a, rank, undone) for a in numbers if a > writer.attempt]
            cuts = [c for c in cuts if c is not None]
            for row in writer.rows:
                if row.has(metric) and all(row.step < c for c in cuts):
                    found.append((row.step, row.values[metric]))
        return [(s, v) for s, v in found if below is None or s < below]

    def everything(self, metric, rank):
        found = []
        if self.parent:
            parent, _, _, step = self.parent
            found += parent_all(self, metric, rank)
        for writer in self.writers:
            if writer.rank == rank:
                found += [(row.step, row.values[metric]) for row in writer.rows if row.has(metric)]
        return found


def parent_all(run, metric, rank):
    parent, attempt, known, step = run.parent
    return parent.shown(metric, rank, attempt, lambda r: known.get(id(r), True), step)


class World:
    def __init__(self):
        self.runs, self.store_count = [], 0
        self.store = os.path.join(DIRECTORY, "store0")
        self.name_count = 0


world = World()


def random_value():
    kind = rng.randrange(12)
    if kind == 0:
        return rng.choice([float("nan"), float("inf"), float("-inf"), -0.0, 0.0, 5e-324, 1.7976931348623157e308])
    if kind < 4:
        return rng.randrange(-1000, 1000) / 100
    if kind == 4:
        return float(rng.randrange(-(1 << 53), 1 << 53))
    return rng.gauss(0, 1)


def make_rows(first):
    count = rng.choice([1, 2, 3, 10, 100, 1000, 1024, 1025, 2500])
    metrics = rng.sample(METRICS, rng.randrange(1, len(METRICS) + 1))
    rows, step, ragged = [], first, rng.random() < 0.4
    constant = random_value()
    for _ in range(count):
        some = [m for m in metrics if not ragged or rng.random() < 0.8] or metrics[:1]
        rows.append(Row(step, {m: constant if m == "lr" else random_value() for m in some}))
        step += rng.choice([1, 1, 1, 1, 0, 3]) if ragged else 1
        if ragged and rng.random() < 0.01:
            step -= rng.randrange(20)
    return rows


def number(value):
    if value != value:
        return "nan"
    return repr(value)


def line(row):
    return "step=%d %s\n" % (row.step, " ".join("%s=%s" % (m, number(v)) for m, v in row.values.items()))


def log_rows(run, writer, options):
    lines = "".join(line(row) for row in writer.rows)
    arguments = ["log", "--run-key", run.name, "--name", run.name, "--rank", str(writer.rank), *options]
    if rng.random() < 0.3:
        history.append("log, killed: %s %d rows" % (" ".join(arguments), len(writer.rows)))
        child = subprocess.Popen([TOOL, "-C", world.store, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        if os.fork() == 0:
            child.stdin.write(lines)
            child.stdin.flush()
            os._exit(0)
        for _ in writer.rows:
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.wait()
        os.wait()
    else:
        history.append("log: %s %d rows from step %d" % (" ".join(arguments), len(writer.rows), writer.rows[0].step))
        run_tool(world.store, *arguments, "-q", text=lines)


def op_log():
    if len(world.runs) < 3 or rng.random() < 0.05:
        world.name_count += 1
        run = Run("run%d" % world.name_count)
        world.runs.append(run)
    else:
        run = rng.choice(world.runs)
    numbers = run.attempts()
    rank = rng.randrange(2)
    attempt, resume, options = (numbers[-1] if numbers else 1), None, []
    existing = {w.attempt for w in run.writers} | {r["attempt"] for r in run.rewinds}
    steps = [row.step for w in run.writers for row in w.rows]
    first = rng.choice([0, max(steps, default=0) + 1, rng.randrange(-50, 3000)])
    if numbers and rng.random() < 0.4:
        attempt = max(existing) + 1
        options += ["--attempt", str(attempt)]
        if rng.random() < 0.7:
            first = resume = rng.randrange(0, max(max(steps, default=0), 1) + 1)
            options += ["--resume", str(resume)]
    writer = Writer(attempt, rank, resume)
    writer.rows = make_rows(first)
    log_rows(run, writer, options)
    run.writers.append(writer)
    if run.id is None:
        run.id = run_tool(world.store, "ls", "--name", run.name, "--no-header", "--tsv").stdout.split("\t")[0]


def op_rewind():
    run = rng.choice(world.runs)
    if rng.random() < 0.35:
        history.append("rewind --undo %s" % run.name)
        live = [r for r in run.rewinds if not r["undone"]]
        run_tool(world.store, "rewind", "--undo", run.name, code=0 if live else 3)
        if live:
            live[-1]["undone"] = True
        return
    step = rng.randrange(-10, 3000)
    history.append("rewind %s %d" % (run.name, step))
    existing = {w.attempt for w in run.writers} | {r["attempt"] for r in run.rewinds} | {0}
    run_tool(world.store, "rewind", run.name, "--", str(step))
    run.rewinds.append({"attempt": max(existing) + 1, "step": step, "undone": False})


def op_remove():
    run = rng.choice(world.runs)
    if rng.random() < 0.3:
        live = [t for t in run.tombstones if not t["undone"] and not t["freed"]]
        history.append("rm --undo %s" % run.name)
        run_tool(world.store, "rm", "--undo", run.name, code=(0, 3))
        for tombstone in live:
            tombstone["undone"] = True
            for row, metric in tombstone["cells"]:
                row.removed[metric] -= 1
        return
    metric, rank = rng.choice(METRICS), rng.choice([None, 0, 1])
    begin = rng.choice([None, rng.randrange(0, 2000)])
    end = rng.choice([None, (begin or 0) + rng.randrange(1, 1000)])
    selector = metric if rank is None else "%s{rank=%d}" % (metric, rank)
    arguments = ["rm", run.name, selector]
    if begin is not None or end is not None:
        arguments.append("--step=%s:%s" % ("" if begin is None else begin, "" if end is None else end))
    cells = [(row, metric) for w in run.writers if rank in (None, w.rank) for row in w.rows if row.has(metric)
             and (begin is None or row.step >= begin) and (end is None or row.step < end)]
    history.append(" ".join(arguments) + " (%d points)" % len(cells))
    done = run_tool(world.store, *arguments, code=0 if cells else (0, 3, 1))
    if done.returncode == 0:
        for row, name in cells:
            row.removed[name] += 1
        run.tombstones.append({"cells": cells, "undone": False, "freed": False})


def op_compact():
    now = rng.random() < 0.4
    history.append("compact --now" if now else "compact")
    run_tool(world.store, "compact", *(["--now"] if now else []))
    if now:
        for run in world.runs:
            for tombstone in run.tombstones:
                if not tombstone["undone"] and not tombstone["freed"]:
                    tombstone["freed"] = True
                    for row, metric in tombstone["cells"]:
                        row.freed.add(metric)


def op_merge():
    old = world.store
    world.store_count += 1
    world.store = os.path.join(DIRECTORY, "store%d" % world.store_count)
    history.append("merge into store%d" % world.store_count)
    run_tool(world.store, "log", "-q", "--name", "other", text="step=1 x=1\n")
    run_tool(world.store, "merge", old)
    run_tool(world.store, "merge", old)
    shutil.rmtree(old)


def op_fork():
    parent = rng.choice(world.runs)
    world.name_count += 1
    name, step = "run%d" % world.name_count, rng.randrange(0, 2000)
    history.append("fork %s %d: %s" % (parent.name, step, name))
    made = run_tool(world.store, "fork", parent.name, str(step), "--name", name, "--run-key", name)
    run = Run(name, made.stdout.strip())
    numbers = parent.attempts()
    run.parent = (parent, numbers[-1] if numbers else 0, {id(r): r["undone"] for r in parent.rewinds}, step)
    world.runs.append(run)


def query(run, metric, rank, *options):
    done = run_tool(world.store, "query", run.name, "%s{rank=%d}" % (metric, rank), "--csv", "--no-header", *options,
                    code=(0, 1, 3))
    rows = list(csv.reader(io.StringIO(done.stdout)))
    return [(int(cells[0]), bits(float(cells[-1]))) for cells in rows]


def compare(what, expected, found):
    if sorted(expected) != sorted(found):
        from collections import Counter
        missing, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
        stop("%s: %d expected, %d found; missing %s; not expected %s" % (
            what, len(expected), len(found), sorted(missing.elements())[:5], sorted(extra.elements())[:5]))


def check_views():
    for run in world.runs:
        for metric in METRICS:
            for rank in (0, 1):
                expected = [(s, bits(v)) for s, v in run.shown(metric, rank)]
                what = "%s %s{rank=%d}" % (run.name, metric, rank)
                found = query(run, metric, rank)
                compare(what, expected, found)
                if [s for s, _ in found] != sorted(s for s, _ in found):
                    stop(what + ": steps are not in order")
                if rng.random() < 0.3:
                    count = rng.choice([1, 7, 1000])
                    compare(what + " --last %d" % count, found[-count:], query(run, metric, rank, "--last", str(count)))
                if rng.random() < 0.3:
                    a = rng.randrange(-10, 2500)
                    b = a + rng.randrange(1, 1500)
                    compare(what + " --step=%d:%d" % (a, b), [p for p in found if a <= p[0] < b],
                            query(run, metric, rank, "--step=%d:%d" % (a, b)))
                if not run.parent:
                    expected = [(s, bits(v)) for s, v in run.everything(metric, rank)]
                    compare(what + " --attempts", expected, query(run, metric, rank, "--attempts"))


def check_export():
    done = run_tool(world.store, "export", code=(0, 1))
    found = [(c["run_id"], int(c["attempt"]), c["metric"], c["labels"], int(c["step"]), bits(float(c["value"])))
             for c in csv.DictReader(io.StringIO(done.stdout)) if c["metric"] != "x"]
    expected = [(run.id, w.attempt, metric, "rank=%d" % w.rank, row.step, bits(row.values[metric]))
                for run in world.runs for w in run.writers for row in w.rows for metric in row.values if row.has(metric)]
    labels = {e[3] for e in expected} | {f[3] for f in found}
    if "" in labels:  # rank 0 alone may be left out
        expected = [e[:3] + (e[3].replace("rank=0", ""),) + e[4:] for e in expected]
        found = [f[:3] + (f[3].replace("rank=0", ""),) + f[4:] for f in found]
    compare("export", expected, found)


OPERATION_TABLE = [(op_log, 10), (op_rewind, 4), (op_remove, 4), (op_compact, 3), (op_merge, 1), (op_fork, 1)]


def main():
    print("seed %d" % SEED)
    os.makedirs(DIRECTORY, exist_ok=True)
    for count in range(OPERATIONS):
        operation = op_log if count < 3 else rng.choices([o for o, _ in OPERATION_TABLE], [w for _, w in OPERATION_TABLE])[0]
        operation()
        if rng.random() < 0.3 or count + 1 == OPERATIONS:
            check_views()
            check_export()
            if run_tool(world.store, "verify", code=(0, 1)).returncode != 0:
                stop("verify found damage")
    points = sum(len(row.values) for run in world.runs for w in run.writers for row in w.rows)
    print("ok - %d operations on %d runs of %d points" % (len(history), len(world.runs), points))


main()
