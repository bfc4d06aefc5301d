"""Adds up what gcov counted for store/: lines and branches a file, and every branch never taken with its reason.

coverage.py BUILD. Reasons are in tests/coverage/reasons.txt. BUILD/coverage.txt lists the branches never taken. Ends with 1
when one of them has no reason.
"""
import fnmatch
import json
import os
import re
import subprocess
import sys
from collections import defaultdict

HERE = os.path.dirname(os.path.abspath(__file__))
SHOWN = 40


class Reason:
    """One line of reasons.txt: place, expression for the source line, why."""

    def __init__(self, line):
        place, pattern, self.why = line.split("\t", 2)
        self.file, _, self.function = place.partition(":")
        self.function = self.function or "*"
        self.pattern = re.compile(pattern)
        self.branches = 0

    def explains(self, name, function, text):
        return (fnmatch.fnmatchcase(name, "store/" + self.file) and fnmatch.fnmatchcase(function, self.function)
                and self.pattern.search(text))


class Line:
    def __init__(self):
        self.count = 0
        self.function = ""
        self.branches = {}


def read_reasons():
    with open(os.path.join(HERE, "reasons.txt")) as lines:
        return [Reason(line.rstrip("\n")) for line in lines if line.strip() and not line.startswith("#")]


def read_counts(build):
    """file -> line number -> Line"""
    found = []
    for directory, _, names in os.walk(os.path.join(build, "gcov", "store")):
        found += [os.path.join(directory, name) for name in names if name.endswith(".gcda")]
    files = defaultdict(lambda: defaultdict(Line))
    for path in sorted(found):
        printed = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", path],
                                 capture_output=True, check=False)
        if printed.returncode:
            sys.exit("%s does not belong to this build, or is torn: make coverage counts anew" % path)
        for text in printed.stdout.splitlines():
            for entry in json.loads(text)["files"]:
                if not entry["file"].startswith("store/"):
                    continue
                for line in entry["lines"]:
                    known = files[entry["file"]][line["line_number"]]
                    known.count += line["count"]
                    known.function = line.get("function_name", known.function)
                    for number, branch in enumerate(b for b in line["branches"] if not b["throw"]):
                        known.branches[number] = known.branches.get(number, 0) + branch["count"]
    return files


def main():
    build = sys.argv[1]
    files, reasons = read_counts(build), read_reasons()
    if not files:
        sys.exit("nothing was counted: make coverage builds and runs what counts")
    total = [0, 0, 0, 0]
    listed, unexplained = [], []
    print("%-32s %14s %7s %18s %7s" % ("file", "lines", "", "branches", ""))
    for name in sorted(files):
        with open(name) as source:
            text = [""] + source.read().split("\n")
        lines = files[name]
        counts = [len(lines), sum(1 for line in lines.values() if line.count), 0, 0]
        for number, line in sorted(lines.items()):
            counts[2] += len(line.branches)
            never = sum(1 for taken in line.branches.values() if not taken)
            counts[3] += len(line.branches) - never
            if not never:
                continue
            shown = text[number].strip()
            why = next((reason for reason in reasons if reason.explains(name, line.function, shown)), None)
            told = "%s:%d: %s: %d of %d never taken: %s" % (name, number, line.function, never, len(line.branches), shown)
            if why:
                why.branches += never
                listed.append("%s [%s]" % (told, why.why))
            else:
                unexplained.append((told, never))
                listed.append("%s [NO REASON]" % told)
        total = [a + b for a, b in zip(total, counts)]
        print("%-32s %5d of %5d %6.1f%% %7d of %7d %6.1f%%" % (
            name, counts[1], counts[0], 100.0 * counts[1] / counts[0], counts[3], counts[2],
            100.0 * counts[3] / max(counts[2], 1)))
    out = os.path.join(build, "coverage.txt")
    with open(out, "w") as report:
        report.write("\n".join(listed) + "\n")
    print("lines %d of %d (%.1f%%), branches %d of %d (%.1f%%)" % (
        total[1], total[0], 100.0 * total[1] / total[0], total[3], total[2], 100.0 * total[3] / total[2]))
    for reason in reasons:
        if reason.branches:
            print("%5d never taken: %s" % (reason.branches, reason.why))
    count = sum(never for _, never in unexplained)
    print("%d branches never taken, %d of them without a reason: %s" % (total[2] - total[3], count, out))
    for told, _ in unexplained[:SHOWN]:
        print(told)
    if len(unexplained) > SHOWN:
        print("... and %d lines more" % (len(unexplained) - SHOWN))
    sys.exit(1 if unexplained else 0)


main()
