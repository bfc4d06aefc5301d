#!/usr/bin/env python3
"""bench/peers/report.py: the table and BUILD/peers.json from what the parts of the comparison left in BUILD/peers/.

    report.py BUILD
"""
import json
import os
import sys

STORES = ("SQLite", "LMDB", "LevelDB", "RocksDB")


def load(build):
    items = []
    for part in ("steps", "load", "trackers", "columns"):
        path = f"{build}/peers/{part}.json"
        if os.path.exists(path):
            with open(path) as f:
                items += json.load(f)
    return items


def value(items, name, measure, workload="W20", **more):
    for i in items:
        if (i["name"], i["measure"], i["workload"]) == (name, measure, workload) and \
           all(i.get(k) == v for k, v in more.items()) and (more or "beside" not in i):
            return i["value"]
    return None


def show(x, form="{:.4g}"):
    return "" if x is None else form.format(x)


def ratio(a, b):
    return None if a is None or not b else a / b


def titles(items, groups):
    seen = {}
    for i in items:
        if i["group"] in groups and "beside" not in i:
            seen.setdefault(i["name"], i)
    return seen


def print_stores(items, workload):
    print(f"\n{workload}: C stores, and plain files as floors; ratio: to steplog, above 1 where steplog is ahead")
    print(f"{'':26} {'paced':>8} {'ratio':>6} {'flat out':>8} {'ratio':>6} {'mean':>8} {'ratio':>6} {'bulk':>8} "
          f"{'size':>8} {'ratio':>6} {'scan':>8} {'ratio':>6} {'with open':>9}")
    print(f"{'':26} {'ns/step':>8} {'':6} {'ns/step':>8} {'':6} {'ns/step':>8} {'':6} {'Mpoint/s':>8} "
          f"{'bytes/pt':>8} {'':6} {'Mpoint/s':>8} {'':6} {'Mpoint/s':>9}")
    ours = lambda measure: value(items, "steplog", measure, workload)
    for name in titles(items, ("steplog", "c-store", "floor", "columns")):
        get = lambda measure: value(items, name, measure, workload)
        steps = [(get(m), ratio(get(m), ours(m))) for m in ("step, paced", "step, flat out", "step, flat out, mean")]
        if not any(get(m) for m in ("step, paced", "size", "scan")):
            continue
        print(f"{name:26} " + " ".join(f"{show(v, '{:8.0f}'):>8} {show(r, '{:6.1f}'):>6}" for v, r in steps) +
              f" {show(get('bulk'), '{:.1f}'):>8} {show(get('size'), '{:.2f}'):>8} "
              f"{show(ratio(get('size'), ours('size')), '{:.2f}'):>6} {show(get('scan'), '{:.1f}'):>8} "
              f"{show(ratio(ours('scan'), get('scan')), '{:.1f}'):>6} {show(get('open and scan'), '{:.1f}'):>9}")


def print_trackers(items):
    found = titles(items, ("tracker",))
    if not found:
        return
    print("\nW20: Python trackers, beside steplog's C API on as many points: until another process has read it")
    print(f"{'':18} {'points':>8} {'wall':>8} {'cpu':>8} {'steplog':>8} {'ratio':>7} {'size':>8} {'steplog':>8} "
          f"{'ratio':>6} {'read':>8} {'steplog':>8} {'ratio':>7}")
    print(f"{'':18} {'':8} {'us/pt':>8} {'us/pt':>8} {'us/pt':>8} {'':7} {'bytes/pt':>8} {'bytes/pt':>8} "
          f"{'':6} {'us/pt':>8} {'us/pt':>8}")
    for name, first in found.items():
        get = lambda measure: value(items, name, measure)
        ours = lambda measure: value(items, "steplog", measure, beside=name)
        line = f"{name:18} {first['n']:8} {get('wall'):8.2f}"
        for measure, form in (("cpu", 7), ("size", 6), ("read", 7)):
            line += f" {get(measure):8.2f} {ours(measure):8.3f} {ratio(get(measure), ours(measure)):{form}.0f}"
        print(line)


def print_logs(items):
    rows = [i for i in items if i["workload"].startswith("WR") and i["name"].startswith("pcodec")]
    if not rows:
        return
    print("\nWR: real logs in one store each, compacted, beside pcodec of every series and its axis")
    print(f"{'':24} {'series':>7} {'points':>10} {'pcodec':>8} {'of it axis':>10} {'steplog':>8} {'ratio':>6}")
    for i in rows:
        ours = value(items, "steplog", "size", i["workload"])
        print(f"{i['workload']:24} {i['series']:7} {i['n']:10} {i['value']:8.3f} {i['axis']:10.3f} {ours:8.3f} "
              f"{ours / i['value']:6.2f}")


def print_line(text, figure, wanted, is_most=False):
    if figure is None:
        print(f"  {'not run':8} {text}")
        return
    held = figure <= wanted if is_most else figure >= wanted
    bound = "at most" if is_most else "at least"
    print(f"  {'held' if held else 'MISSED':8} {text}: {figure:.3g} x, wanted {bound} {wanted:g} x")


def print_lines(items):
    print("\nLines")
    ours = lambda measure: value(items, "steplog", measure)
    names = list(titles(items, ("c-store",)))
    for store in STORES:
        shapes = [n for n in names if n.startswith(store)]
        best = lambda measure, choose: choose((v for n in shapes if (v := value(items, n, measure)) is not None),
                                              default=None)
        for measure, what in (("step, paced", "a step handed over, paced"),
                              ("step, flat out", "the same flat out, median")):
            print_line(f"{store}: {what}", ratio(best(measure, min), ours(measure)), 10)
        print_line(f"{store}: size, its smallest shape", ratio(best("size", min), ours("size")), 2)
        print_line(f"{store}: scan of a series, its fastest shape", ratio(ours("scan"), best("scan", max)), 8)
    for name in titles(items, ("tracker",)):
        beside = lambda measure: ratio(value(items, name, measure), value(items, "steplog", measure, beside=name))
        print_line(f"{name}: processor time per point", beside("cpu"), 100)
        print_line(f"{name}: bytes per point", beside("size"), 10)
    pcodec = value(items, "pcodec, whole columns", "size", "WR")
    print_line("WR: store to pcodec and axis", ratio(value(items, "steplog", "size", "WR"), pcodec), 1.10, is_most=True)


def print_notes(items):
    print("\nVersions and what a kill and a power cut leave of what was handed over")
    seen = set()
    for i in items:
        if i["name"] not in seen and "beside" not in i:
            seen.add(i["name"])
            print(f"  {i['name']:26} {i['version']:10} {i['durability']}")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: report.py BUILD")
    build = sys.argv[1]
    items = load(build)
    print()
    with open(f"{build}/peers/machine.txt") as f:
        print(f.read(), end="")
    for workload in ("W20", "W1 us"):
        print_stores(items, workload)
    print_trackers(items)
    print_logs(items)
    print_notes(items)
    print_lines(items)
    with open(f"{build}/peers.json", "w") as f:
        json.dump(items, f, indent=1)
    print(f"\n{build}/peers.json has every number")


if __name__ == "__main__":
    main()
