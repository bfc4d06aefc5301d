#!/usr/bin/env python3
"""Imports every file of a folder of real logs and compares what `export` gives back with what others read.

CSV, TSV, JSON lines and trainer_state.json: with facts.json, which an independent reader made (points, first, last,
smallest, largest value, NaN counts of every series; steps where it has a step column), and every value with Python's
own reading of the file, bit for bit. Text logs: with the parsers below, which share nothing with the tool.

    import_facts.py STEPLOG DATA_DIR [--quick]

Each file is imported, exported, imported again (nothing may be added), then a new store gets its first half and then
the whole of it (the same points must come out). Exit code 1 when anything differs."""

import calendar
import collections
import csv
import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

STEP_NAMES = ["step", "_step", "global_step", "training_iteration", "iteration", "current_steps", "iter", "epoch"]
differences = []


def differ(path, *words):
    differences.append((path, words))
    if len(differences) <= 40:
        print("DIFFERS", path, *words)


def bits(value):
    return "nan" if value != value else struct.pack("<d", value)


# ---- the tool ----

class Tool:
    def __init__(self, program, store):
        self.program, self.store = program, store

    def run(self, *arguments, ok=(0,)):
        done = subprocess.run([self.program, "-C", self.store] + list(arguments), capture_output=True, text=True)
        if done.returncode not in ok:
            raise SystemExit("%s: exit %d\n%s" % (" ".join(arguments), done.returncode, done.stderr))
        return done.stdout

    def load(self, path, *options):
        return json.loads(self.run("import", "--json", "-q", *options, path, ok=(0, 1)).splitlines()[-1])

    def points(self, run):
        """Every point of a run as (metric, step, time or None, value), in the order recorded."""
        rows = csv.reader(self.run("export", run, ok=(0, 1)).splitlines())
        assert next(rows) == "run_id,run,attempt,writer,seq,metric,labels,step,time_ns,value".split(",")
        return [(r[5], int(r[7]), int(r[8]) if r[8] else None, float(r[9])) for r in rows]


# ---- CSV and JSON: facts.json ----

def same_number(left, right):
    left, right = float(left), float(right)
    return left == right or (left != left and right != right)


def check_series(path, name, fact, points, has_steps):
    values = [p[3] for p in points]
    finite = [v for v in values if v == v]
    found = {"points": len(values), "first": values[0], "last": values[-1], "nan": len(values) - len(finite)}
    if finite:
        found.update(min=min(finite), max=max(finite))
    if has_steps:
        found.update(first_step=points[0][1], last_step=points[-1][1],
                     min_step=min(p[1] for p in points), max_step=max(p[1] for p in points))
    for key, value in found.items():
        expected = fact.get(key, 0 if key == "nan" else None)
        if expected is not None and not same_number(expected, value):
            differ(path, name, key, "expected", expected, "found", value)


def read_csv_column(path, fact, name):
    """The cells of a column as Python reads them: (row number, value)."""
    delimiter = "\t" if fact["format"] == "tsv" else ","
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.reader((line for line in file if not line.startswith("#")), delimiter=delimiter)
        header = [h.strip() for h in next(rows)]
        place = header.index(name)
        cells = []
        for number, row in enumerate(row for row in rows if row):
            try:
                cells.append((number, float(row[place].strip())))
            except ValueError:
                pass
    return cells


def check_facts(path, fact, by_name, step_column, is_csv):
    series = fact.get("columns") or fact.get("series")
    checked = 0
    for name, expected in series.items():
        if name == step_column:
            continue
        points = by_name.get(name)
        if not points:
            differ(path, name, "is missing;", expected["points"], "points expected")
            continue
        check_series(path, name, expected, points, not is_csv)
        checked += len(points)
        if not is_csv:
            continue
        cells = read_csv_column(path, fact, name)
        if [bits(v) for _, v in cells] != [bits(p[3]) for p in points]:
            differ(path, name, "bits differ")
        if step_column is None:
            if [n for n, _ in cells] != [p[1] for p in points]:
                differ(path, name, "steps are not the record numbers")
        else:
            steps = dict((n, int(v)) for n, v in read_csv_column(path, fact, step_column))
            if [steps[n] for n, _ in cells] != [p[1] for p in points]:
                differ(path, name, "steps differ from column", step_column)
    if step_column in series and is_csv and series[step_column]["points"] != fact["rows"]:
        differ(path, step_column, "has empty cells")
    return checked


# ---- text logs: independent parsers; each yields (metric, step, time, value) ----

FLOAT = r"[-+]?(?:[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|nan|inf)"


def parse_llm_c(lines):
    for line in lines:
        step = re.match(r"s:(\d+) ", line)
        if step:
            for key, value in re.findall(r"(\w+):(%s)" % FLOAT, line)[1:]:
                yield key, int(step[1]), None, float(value)


def parse_modded_nanogpt(lines):
    step = 0
    for line in lines:
        found = re.match(r"step:(\d+)/\d+ (.*)", line)
        if found:
            step = int(found[1])
            for field in found[2].split():
                key, value = field.split(":")
                yield key, step, None, float(value[:-2] if value.endswith("ms") else value)
        elif line.startswith("peak memory consumption: "):
            yield "peak_memory_consumption", step, None, float(line.split()[3])
        elif line.startswith("peak memory allocated: "):
            yield "peak_memory_allocated", step, None, float(line.split()[3])
            yield "reserved", step, None, float(line.split()[6])


def parse_cyclegan(lines):
    for line in lines:
        found = re.match(r"\(epoch: (\d+), iters: (\d+), time: ([\d.]+), data: ([\d.]+)\) (.*)", line)
        if found:
            step = int(found[1])
            for key, value in zip(("iters", "time", "data"), found.groups()[1:4]):
                yield key, step, None, float(value)
            words = found[5].split()
            for key, value in zip(words[::2], words[1::2]):
                yield key[:-1], step, None, float(value)


def parse_mlperf(lines):
    records = []
    for line in lines:
        at = line.find(":::MLLOG ")
        if at >= 0:
            record = json.loads(line[at + 9:])
            if record["value"] is not None and record["value"] != "":
                records.append(record)

    def steps(name):
        found = [r["metadata"][name] for r in records if name in r["metadata"] and not isinstance(r["value"], (str, list))]
        numbers = [v for v in found if isinstance(v, (int, float))]
        return bool(numbers) and all(isinstance(v, (int, float)) and v == int(v) for v in found)

    axis = "step" if steps("step") else "epoch_num" if steps("epoch_num") else None
    step = 0
    for number, record in enumerate(records):
        value, metadata = record["value"], record["metadata"]
        if axis is None:
            step = number
        elif isinstance(metadata.get(axis), (int, float)) and not isinstance(value, (str, list)):
            step = int(metadata[axis])
        if isinstance(value, (str, list)):
            continue
        time = record["time_ms"] * 1000000
        if isinstance(value, dict):
            for key, member in value.items():
                if isinstance(member, (int, float)):
                    yield record["key"] + "." + key, step, time, float(member)
        else:
            yield record["key"], step, time, float(value)
        for key, member in metadata.items():
            if isinstance(member, (int, float)) and key not in ("lineno", axis):
                yield key, step, time, float(member)


def parse_deepspeed(lines):
    """The line shapes that carry training: the rest of these logs is prose and configuration."""
    step = 0
    for line in lines:
        time = None
        stamp = re.match(r"\[(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+),(\d+)\] ", line)
        if stamp:
            n = [int(x) for x in stamp.groups()]
            time = calendar.timegm((n[0], n[1], n[2], n[3], n[4], n[5])) * 10**9 + n[6] * 10**6
        found = re.search(r"\] step=(\d+), skipped=(\d+), lr=\[", line)
        if found:
            step = int(found[1])
            yield "skipped", step, time, float(found[2])
        found = re.search(r"\] epoch=(\d+)/micro_step=(\d+)/global_step=(\d+), (.*)", line)
        if found:
            step = int(found[3])
            yield "epoch", step, time, float(found[1])
            yield "micro_step", step, time, float(found[2])
            for field in found[4].split(", "):
                key, value = field.split("=")
                yield key, step, time, float(value.replace("GB", ""))
        found = re.match(r"epoch: (\d+)\|step: (\d+)\|(.*)", line)
        if found:
            step = int(found[2])
            yield "epoch", step, None, float(found[1])
            for field in found[3].split("|"):
                key, value = field.split(": ")
                yield key, step, None, float(value)
        found = re.match(r"average reward score: (\S+)$", line)
        if found:
            yield "average_reward_score", step, None, float(found[1])
        found = re.match(r"ppl: ([\d.]+)$", line)
        if found:
            yield "ppl", step, None, float(found[1])
        for key, value in re.findall(r"\|(E2E latency|Gather latency|Generate time|Training time)=([\d.]+)s", line):
            yield key.replace(" ", "_"), step, None, float(value)
        for key, value in re.findall(r"\|(CurSamplesPerSec|AvgSamplesPerSec)=([\d.]+)", line):
            yield key, step, None, float(value)
        found = re.match(r"Model Parameters: ([\d.]+) B, Latency: ([\d.]+)s, TFLOPs: ([\d.]+), Samples/sec: ([\d.]+), "
                         r"Time/seq [\d.]+s, Batch Size: (\d+), Sequence Length: (\d+)$", line)
        if found:
            names = ("Model_Parameters", "Latency", "TFLOPs", "Samples/sec", "Batch_Size", "Sequence_Length")
            for key, value in zip(names, found.groups()):
                yield key, step, None, float(value)


TEXT_PARSERS = [("llm-pretraining/Siddanth", parse_llm_c, True), ("llm-pretraining/Keller", parse_modded_nanogpt, True),
                ("text-logs/", parse_cyclegan, True), ("mlperf/", parse_mlperf, True),
                ("deepspeed/", parse_deepspeed, False)]


def check_text(name, path, points):
    for prefix, parser, is_complete in TEXT_PARSERS:
        if not name.startswith(prefix):
            continue
        with open(path, encoding="utf-8", newline="") as file:
            expected = list(parser(line.rstrip("\n") for line in file))
        names = set(p[0] for p in expected)
        found = points if is_complete else [p for p in points if p[0] in names]
        key = lambda p: (p[1], p[2], bits(p[3]))
        for metric in sorted(names | set(p[0] for p in found)):
            left = [key(p) for p in expected if p[0] == metric]
            right = [key(p) for p in found if p[0] == metric]
            if left != right:
                first = next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right)))
                differ(name, metric, "expected", len(left), "points, found", len(right), "first difference at", first,
                       left[first:first + 1], right[first:first + 1])
        return len(expected)
    differ(name, "no independent parser")
    return 0


# ---- all files ----

def files_of(data, facts):
    for name, fact in sorted(facts.items()):
        if not os.path.isfile(os.path.join(data, name)):
            continue
        if fact["format"] in ("csv", "tsv", "jsonl", "trainer_state"):
            yield name, fact, False
        elif any(name.startswith(prefix) and name.endswith((".txt", ".log")) for prefix, _, _ in TEXT_PARSERS):
            yield name, fact, True


def check_file(tool, data, name, fact, is_text):
    path = os.path.join(data, name)
    report = tool.load(path)
    points = tool.points(report["run_id"])
    if report["new_points"] != report["points"] or len(points) < report["points"]:
        differ(name, "imported", report["new_points"], "of", report["points"], "points; exported", len(points))
    if is_text:
        checked = check_text(name, path, points)
    else:
        by_name = collections.defaultdict(list)
        for point in points:
            by_name[point[0]].append(point)
        checked = check_facts(path, fact, by_name, report["step_column"], fact["format"] in ("csv", "tsv"))
    again = tool.load(path)
    if again["new_points"] != 0 or again["run_id"] != report["run_id"]:
        differ(name, "importing it again added", again["new_points"], "points")
    return points, checked, report


def check_growth(program, directory, path, name, points, step_column):
    """The first half of the lines, then all of them under another name: the same points. Steps stay where the first
    half had them."""
    if name.endswith("trainer_state.json"):
        return
    store = tempfile.mkdtemp(dir=directory)
    half = os.path.join(store, "half" + os.path.splitext(name)[1])
    with open(path, "rb") as file:
        lines = file.readlines()
    with open(half, "wb") as file:
        file.writelines(lines[:max(2, len(lines) // 2)])
    tool = Tool(program, os.path.join(store, "store"))
    first = tool.load(half)
    second = tool.load(path)
    if first["rows"] > 0 and second["run_id"] != first["run_id"]:
        differ(name, "a longer copy went to another run")
    has_same_steps = first["step_column"] == step_column
    key = lambda p: (p[0], p[1] if has_same_steps else None, p[2], bits(p[3]))
    found = [key(p) for p in tool.points(second["run_id"]) if has_same_steps or p[0] != step_column]
    if found != [key(p) for p in points if has_same_steps or p[0] != first["step_column"]]:
        differ(name, "half of it, then all of it, gives other points")
    shutil.rmtree(store)


def main():
    program, data = os.path.abspath(sys.argv[1]), sys.argv[2]
    is_quick = "--quick" in sys.argv
    with open(os.path.join(data, "facts.json"), encoding="utf-8") as file:
        facts = json.load(file)
    total = checked = count = 0
    growth_seen = collections.Counter()
    with tempfile.TemporaryDirectory() as directory:
        for name, fact, is_text in files_of(data, facts):
            if name.endswith("checkpoint-4000/trainer_state.json"):
                continue  # checked below: one run with the other two
            store = tempfile.mkdtemp(dir=directory)
            tool = Tool(program, os.path.join(store, "store"))
            points, compared, report = check_file(tool, data, name, fact, is_text)
            shutil.rmtree(store)
            kind = name.split("/")[0]
            growth_seen[kind] += 1
            if not is_quick and growth_seen[kind] <= 3:
                check_growth(program, directory, os.path.join(data, name), name, points, report["step_column"])
            count += 1
            total += len(points)
            checked += compared
        check_moments(program, directory, data, facts)
        check_alike(program, directory, data, facts)
    print("%d files, %d points, %d compared, %d differences" % (count, total, checked, len(differences)))
    return 1 if differences or count == 0 else 0


def check_moments(program, directory, data, facts):
    """trainer_state.json of several moments of one run, in any order, is one run."""
    names = sorted(n for n in facts if n.endswith("trainer_state.json") and os.path.isfile(os.path.join(data, n)))
    if len(names) < 2:
        return
    whole = max(names, key=lambda n: facts[n]["rows"])
    expected = sum(s["points"] for s in facts[whole]["series"].values())
    for order in (names, names[::-1], names[1:] + names[:1]):
        for options in ([], ["--run", "moments"]):
            store = tempfile.mkdtemp(dir=directory)
            tool = Tool(program, os.path.join(store, "store"))
            runs = set(tool.load(os.path.join(data, n), *options)["run_id"] for n in order)
            points = sum(len(tool.points(run)) for run in runs)
            if len(runs) != 1 or points != expected:
                differ("trainer_state.json", order, "gives", len(runs), "runs,", points, "points, expected", expected)
            shutil.rmtree(store)


def check_alike(program, directory, data, facts):
    """Files that begin alike are runs of their own, twice over."""
    names = sorted(n for n in facts if "MFUTweaks" in n and os.path.isfile(os.path.join(data, n)))[:6]
    store = tempfile.mkdtemp(dir=directory)
    tool = Tool(program, os.path.join(store, "store"))
    first = [tool.load(os.path.join(data, n)) for n in names]
    second = [tool.load(os.path.join(data, n)) for n in reversed(names)][::-1]
    if len(set(r["run_id"] for r in first)) != len(names):
        differ("MFUTweaks", "files that begin alike share a run")
    if [r["run_id"] for r in first] != [r["run_id"] for r in second] or any(r["new_points"] for r in second):
        differ("MFUTweaks", "importing files that begin alike again does not find their runs")
    shutil.rmtree(store)


if __name__ == "__main__":
    sys.exit(main())
