"""Adds up what gcov counted for store/: lines, branches, and every branch never taken with its reason.

coverage.py BUILD. Reasons are in tests/coverage/reasons.txt: a regular expression for the source line, a tab, why.
"""
import json
import os
import re
import subprocess
import sys
from collections import defaultdict

HERE = os.path.dirname(os.path.abspath(__file__))


def read_reasons():
    reasons = []
    with open(os.path.join(HERE, "reasons.txt")) as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                pattern, why = line.rstrip("\n").split("\t", 1)
                reasons.append((re.compile(pattern), why))
    return reasons


def read_counts(build):
    """file -> line -> [count, {branch number: taken}]"""
    found = []
    for directory, _, names in os.walk(os.path.join(build, "gcov", "store")):
        found += [os.path.join(directory, name) for name in names if name.endswith(".gcda")]
    files = defaultdict(lambda: defaultdict(lambda: [0, {}]))
    for path in sorted(found):
        printed = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", path],
                                 capture_output=True, check=True).stdout
        for text in printed.splitlines():
            for entry in json.loads(text)["files"]:
                if not entry["file"].startswith("store/"):
                    continue
                for line in entry["lines"]:
                    known = files[entry["file"]][line["line_number"]]
                    known[0] += line["count"]
                    for number, branch in enumerate(b for b in line["branches"] if not b["throw"]):
                        known[1][number] = known[1].get(number, 0) + branch["count"]
    return files


def main():
    build = sys.argv[1]
    files, reasons = read_counts(build), read_reasons()
    if not files:
        sys.exit("nothing was counted: build with make coverage")
    total = [0, 0, 0, 0]
    missing, unexplained = [], 0
    print("%-32s %14s %18s" % ("file", "lines", "branches"))
    for name in sorted(files):
        with open(name) as source:
            text = [""] + source.read().split("\n")
        lines = files[name]
        counts = [len(lines), sum(1 for count, _ in lines.values() if count), 0, 0]
        for number, (count, branches) in sorted(lines.items()):
            counts[2] += len(branches)
            counts[3] += sum(1 for taken in branches.values() if taken)
            never = sum(1 for taken in branches.values() if not taken)
            if not never:
                continue
            why = next((why for pattern, why in reasons if pattern.search(text[number])), "")
            unexplained += never if not why else 0
            missing.append("%s:%d: %d of %d never taken%s: %s" % (name, number, never, len(branches),
                                                                " [%s]" % why if why else "", text[number].strip()))
        total = [a + b for a, b in zip(total, counts)]
        print("%-32s %5d of %5d %6d of %6d  %5.1f%%" % (name, counts[1], counts[0], counts[3], counts[2],
                                                      100.0 * counts[3] / max(counts[2], 1)))
    out = os.path.join(build, "coverage.txt")
    with open(out, "w") as report:
        report.write("\n".join(missing) + "\n")
    print("lines %d of %d (%.1f%%), branches %d of %d (%.1f%%)" % (
        total[1], total[0], 100.0 * total[1] / total[0], total[3], total[2], 100.0 * total[3] / total[2]))
    print("%d branches never taken, %d of them without a reason: %s" % (total[2] - total[3], unexplained, out))


main()
