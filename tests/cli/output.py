"""What the tool prints of names that are not kind: output.py TOOL LIBRARY DIRECTORY SEED

Makes stores whose names, labels, tags, notes, parameters, blobs and content types are made of escapes, controls, marks
that turn the reading direction, quotes, commas and random characters, and gives them to every command in every format,
into pipes and onto a terminal. Prints TAP lines: human formats have nothing that a terminal obeys, JSON, JSONL, CSV and
TSV give back each name as it was.
"""
import csv
import ctypes
import io
import json
import os
import pty
import random
import re
import select
import subprocess
import sys
import tty

TOOL, LIBRARY, DIRECTORY, SEED = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
csv.field_size_limit(1 << 30)
failed = 0
counts = {"commands": 0, "bytes": 0}


def ok(claim, is_good, *details):
    global failed
    failed += not is_good
    print(("ok - " if is_good else "not ok - ") + claim)
    for detail in details if not is_good else ():
        print("    " + str(detail)[:900].encode("unicode_escape").decode())
    return is_good


# ---- names ----

FIXED = [
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\", "a\x9b31mb",
    "osc\x9d0;title\x9c", "next\x85line", "bell\x07", "back\b\b\bspace", "carriage\rreturn", "two\nlines", "tab\ttab",
    "delete\x7f", "turn\u202etxt.exe", "isolate\u2066x\u2069", "mark\u200f\u200e\u061c", "line\u2028paragraph\u2029",
    "\ufeffbom", "quote\"d 'quote'", "comma,semi;colon", "=1+1", "@sum", "back\\slash\\n\\x1b", "{rank=9,k=v}", "%s%n%d",
    " lead and trail ", "wide\u4e2d\u6587\U0001f600", "e\u0301\u0302 combined", "tag\U000e0041\U000e007f", "\ufffe\uffff",
    "\ufff9note\ufffb", "*?[a-z]", "".join(map(chr, range(1, 0x20))), "".join(map(chr, range(0x7f, 0xa0))), "~" * 700,
    "\x1b[2J\x1b[H" * 40, "\u200b", "\U0010ffff", "\x01",
]


def random_name(source):
    classes = (
        lambda: chr(source.randrange(1, 0x20)), lambda: chr(source.randrange(0x7f, 0xa0)),
        lambda: chr(source.randrange(0x20, 0x7f)), lambda: chr(source.choice([0x61c, 0x200e, 0x202e, 0x2066, 0x2029])),
        lambda: chr(source.randrange(0xa0, 0xd800)), lambda: chr(source.randrange(0xe000, 0x110000)),
        lambda: source.choice(["\x1b[", "\x1b]", "\x9b", "\"", "'", ",", "\\", "\n", "=", "{", "}"]))
    return "".join(source.choice(classes)() for _ in range(source.randrange(1, 24)))


source = random.Random(SEED)
NAMES = FIXED + [random_name(source) for _ in range(40)]
WITH_ZERO = ["zero\0inside", "zero\0\x1b[31m", "\0", "zero\0"]

# ---- the library, by its C interface ----

library = ctypes.CDLL(LIBRARY)


class Pair(ctypes.Structure):
    _fields_ = [("key", ctypes.c_char_p), ("value", ctypes.c_char_p)]


class StoreOptions(ctypes.Structure):
    _fields_ = [("size_bytes", ctypes.c_size_t), ("flags", ctypes.c_uint32), ("sync_interval_ms", ctypes.c_uint32),
                ("log_bytes", ctypes.c_uint64)]


class WriterOptions(ctypes.Structure):
    _fields_ = [("size_bytes", ctypes.c_size_t), ("run_key", ctypes.c_char_p), ("run_id", ctypes.c_void_p),
                ("run_name", ctypes.c_char_p), ("project", ctypes.c_char_p), ("rank", ctypes.c_uint32),
                ("labels", ctypes.POINTER(Pair)), ("label_count", ctypes.c_size_t), ("attempt", ctypes.c_uint32),
                ("is_resume", ctypes.c_int), ("resume_step", ctypes.c_int64), ("step_axis", ctypes.c_char_p)]


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int32), ("os_errno", ctypes.c_int), ("file_offset", ctypes.c_int64),
                ("text", ctypes.c_char * 512)]


POINT = library.steplog_writer_point
POINT.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int64, ctypes.c_int64, ctypes.c_double]


def must(status, error, what):
    if status != 0:
        raise SystemExit("%s: %d %r" % (what, status, error.text))


def make_store(path, runs):
    error = Error()
    by = ctypes.byref(error)
    store = ctypes.c_void_p()
    options = StoreOptions(size_bytes=ctypes.sizeof(StoreOptions), flags=1 | 4)
    must(library.steplog_store_open(path.encode(), ctypes.byref(options), ctypes.byref(store), by), error, "store")
    for n, run in enumerate(runs):
        labels = (Pair * len(run["labels"]))(*[Pair(k.encode(), v.encode()) for k, v in run["labels"].items()])
        options = WriterOptions(size_bytes=ctypes.sizeof(WriterOptions), run_key=b"key%d" % n,
                                run_name=run["name"].encode(), project=run["project"].encode(), labels=labels,
                                label_count=len(run["labels"]), step_axis=run["axis"].encode())
        writer = ctypes.c_void_p()
        must(library.steplog_writer_open(store, ctypes.byref(options), ctypes.byref(writer), by), error, "writer")
        for m, name in enumerate(run["metrics"]):
            metric, text = ctypes.c_uint32(), name.encode()
            must(library.steplog_writer_metric(writer, text, ctypes.c_size_t(len(text)), ctypes.byref(metric), by),
                 error, "metric")
            for step in (1, 2):
                must(POINT(writer, metric, step, 1700000000000000000, m + step / 4), error, "point")
        for key, value in run["facts"].items():
            must(library.steplog_writer_set_fact(writer, key.encode(), value.encode(), by), error, "fact")
        for name, kind in run["blobs"]:
            must(library.steplog_writer_blob(writer, name.encode(), ctypes.c_int64(1), ctypes.c_int64(1), kind.encode(),
                                             b"x", ctypes.c_size_t(1), by), error, "blob")
        must(library.steplog_writer_close(writer, 0, by), error, "close")
    must(library.steplog_store_close(store, by), error, "close")


# ---- running the tool ----

ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm"}
for variable in ("STEPLOG_DIR", "STEPLOG_RUN_KEY", "NO_COLOR"):
    ENVIRONMENT.pop(variable, None)


def run(*arguments, given=b""):
    counts["commands"] += 1
    done = subprocess.run([TOOL, *arguments], input=given, capture_output=True, env=ENVIRONMENT, timeout=120)
    counts["bytes"] += len(done.stdout) + len(done.stderr)
    if done.returncode < 0 or done.returncode > 4:
        ok("no command ends by a signal", False, arguments, done.returncode, done.stderr)
    return done


def run_on_terminal(*arguments):
    """Both outputs on a terminal that changes nothing: all bytes that would reach it."""
    counts["commands"] += 1
    mine, theirs = pty.openpty()
    tty.setraw(theirs)
    child = subprocess.Popen([TOOL, *arguments], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                             env=ENVIRONMENT)
    os.close(theirs)
    seen = b""
    while True:
        try:
            if not select.select([mine], [], [], 120)[0]:
                child.kill()
                ok("a command on a terminal comes to its end", False, arguments)
                break
            part = os.read(mine, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(mine)
    child.wait()
    counts["bytes"] += len(seen)
    return seen


UNSAFE = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
                    "\U000e0000-\U000e007f]")
COLOR = re.compile(rb"\x1b\[[0-9;]*m")
PROGRESS = re.compile(rb"\r\x1b\[K")


def what_is_unsafe(data, allowed=""):
    """None, or the first thing that a terminal would obey, with what is around it."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return "not UTF-8 at %d: %r" % (error.start, data[max(0, error.start - 40):error.start + 40])
    for found in UNSAFE.finditer(text):
        if found.group() not in allowed:
            return "%r in %r" % (found.group(), text[max(0, found.start() - 60):found.start() + 40])
    return None


def unescape(text):
    """What TSV and the other human formats mean."""
    simple = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
    return re.sub(r"\\(?:x([0-9a-f]{2})|u\{([0-9a-f]+)\}|(.))",
                  lambda m: simple[m.group(3)] if m.group(3) else chr(int(m.group(1) or m.group(2), 16)), text)


# ---- the store ----

def make_runs():
    left = list(NAMES)
    source.shuffle(left)

    def some(count):
        return [left[source.randrange(len(left))] for _ in range(count)]

    runs = []
    for n in range(14):
        name = left[n]
        keys = sorted(set(k for k in some(3) if k != "rank"))
        runs.append({
            "name": name, "project": some(1)[0], "axis": some(1)[0], "labels": dict(zip(keys, some(3))),
            "metrics": sorted(set(some(9) + (WITH_ZERO if n == 0 else []))),
            "facts": {"note": some(1)[0], **{"tag." + k: v for k, v in zip(some(3), some(3))},
                      **{"param." + k: v for k, v in zip(some(3), some(3))}, "x" + some(1)[0]: some(1)[0]},
            "blobs": list(zip(some(3), some(3)))})
    # One run with one metric of each name, so that none is left out.
    runs.append({"name": "all", "project": "p", "axis": "step", "labels": {}, "metrics": sorted(set(NAMES + WITH_ZERO)),
                 "facts": {"note": "n"}, "blobs": [(name, name) for name in NAMES]})
    return runs


RUNS = make_runs()
STORE, OTHER = os.path.join(DIRECTORY, "store"), os.path.join(DIRECTORY, "other")
make_store(STORE, RUNS)
make_store(OTHER, [{**r, "metrics": r["metrics"][1:]} for r in RUNS])
BY_NAME = {r["name"]: r for r in RUNS}


def first_ids():
    listed = json.loads(run("-C", STORE, "ls", "--json").stdout)["runs"]
    ids = {}
    for one in listed:
        ids.setdefault(one["name"], one["run"])
    return ids


IDS = first_ids()


def lines_of_json(data):
    return [json.loads(line) for line in data.decode().splitlines() if line]


def rows_of_csv(data):
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


# ---- exact formats ----

def check_exact():
    names = sorted(BY_NAME)
    ok("ls --json gives back each run's name", sorted(IDS) == names, set(names) ^ set(IDS))
    ok("ls --jsonl does", sorted(r["name"] for r in lines_of_json(run("-C", STORE, "ls", "--jsonl").stdout)) == names)
    rows = rows_of_csv(run("-C", STORE, "ls", "--csv").stdout)
    at = rows[0].index("name")
    ok("ls --csv does", sorted(r[at] for r in rows[1:]) == names)
    lines = [line.split("\t") for line in run("-C", STORE, "ls", "--tsv").stdout.decode().rstrip("\n").split("\n")]
    ok("ls --tsv does, unescaped", sorted(unescape(line[lines[0].index("name")]) for line in lines[1:]) == names)
    bad = {"series": [], "query": [], "csv": [], "tsv": [], "info": [], "tail": [], "blobs": []}
    for name, one in BY_NAME.items():
        key = IDS[name]
        wanted = one["metrics"]
        got = sorted(s["series"] if "series" in s else s["metric"]
                     for s in json.loads(run("-C", STORE, "ls", "--json", key).stdout)["series"])
        if got != wanted:
            bad["series"].append((name, set(got) ^ set(wanted)))
        labels = ",".join("%s=%s" % pair for pair in sorted(one["labels"].items(), key=lambda p: p[0].encode()))
        labels = "{%s}" % labels if one["labels"] else ""
        document = json.loads(run("-C", STORE, "query", "--json", "-n", "1", key).stdout)
        columns = set(document["points"][0]) - {"step"}
        if columns != set(wanted):
            bad["query"].append((name, columns ^ set(wanted)))
        header = rows_of_csv(run("-C", STORE, "query", "--csv", "-n", "1", key).stdout)[0][1:]
        if sorted(header) != sorted(columns):
            bad["csv"].append((name, set(header) ^ columns))
        header = run("-C", STORE, "query", "--tsv", "-n", "1", key).stdout.decode().split("\n")[0].split("\t")[1:]
        if sorted(map(unescape, header)) != sorted(columns):
            bad["tsv"].append((name, set(map(unescape, header)) ^ columns))
        last = lines_of_json(run("-C", STORE, "tail", "--jsonl", key).stdout)
        seen = set().union(*last) - {"step", "time", "attempt"}
        if seen != {m + labels for m in wanted}:
            bad["tail"].append((name, seen ^ {m + labels for m in wanted}))
        told = json.loads(run("-C", STORE, "info", "--json", key).stdout)
        params = {k[6:]: v for k, v in one["facts"].items() if k.startswith("param.")}
        tags = {k[4:]: v for k, v in one["facts"].items() if k.startswith("tag.")}
        found = (told["name"], told["project"], told["note"], told.get("params", {}), told.get("tags", {}))
        if found != (name, one["project"], one["facts"]["note"], params, tags):
            bad["info"].append((name, found, params, tags))
        blobs = sorted((b["blob"], b["type"]) for b in told.get("blobs", []))
        if blobs != sorted(one["blobs"]):
            bad["blobs"].append((name, set(blobs) ^ set(one["blobs"])))
    ok("ls --json RUN gives back each metric", not bad["series"], bad["series"][:2])
    ok("query --json has a column for each metric", not bad["query"], bad["query"][:2])
    ok("query --csv has the same columns", not bad["csv"], bad["csv"][:2])
    ok("query --tsv does, unescaped", not bad["tsv"], bad["tsv"][:2])
    ok("tail --jsonl has the same", not bad["tail"], bad["tail"][:2])
    ok("info --json gives back name, project, note, params and tags", not bad["info"], bad["info"][:1])
    ok("info --json gives back blobs and content types", not bad["blobs"], bad["blobs"][:2])


def check_export():
    wanted = sorted((r["name"], m, step) for r in RUNS for m in r["metrics"] for step in (1, 2))
    rows = rows_of_csv(run("-C", STORE, "export").stdout)
    ok("export gives back run and metric of each point", sorted((r[1], r[5], int(r[7])) for r in rows[1:]) == wanted)
    points = lines_of_json(run("-C", STORE, "export", "--jsonl").stdout)[1:]
    ok("export --jsonl does", sorted((p["run"], p["metric"], p["step"]) for p in points) == wanted)
    labels = {(p["run"], tuple(sorted((k, v) for k, v in p["labels"].items() if k != "rank"))) for p in points}
    ok("with the labels", labels == {(r["name"], tuple(sorted(r["labels"].items()))) for r in RUNS})
    fields = {(r[1], r[6]) for r in rows[1:]}
    told = {(name, tuple(re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\)(?:\\\\)*[,=]", field)[2:]))
            for name, field in fields if "\\" not in field}
    want = {(r["name"], tuple(x for pair in sorted(r["labels"].items()) for x in pair)) for r in RUNS}
    ok("also as CSV", told <= want, told - want)
    header = rows_of_csv(run("-C", STORE, "export", "--wide").stdout)[0]
    ok("export --wide has a column for each metric", set(header[8:]) == {m for r in RUNS for m in r["metrics"]})
    wide = lines_of_json(run("-C", STORE, "export", "--wide", "--jsonl").stdout)[1:]
    ok("export --wide --jsonl does", {m for p in wide for m in p["values"]} == {m for r in RUNS for m in r["metrics"]})
    difference = json.loads(run("-C", STORE, "diff", "--json", "--all", IDS["all"], "all", "--store2", OTHER).stdout)
    ok("diff --json gives back each metric", {d["metric"] for d in difference["differences"]} == set(NAMES + WITH_ZERO),
       difference["differences"][:3])
    fields = json.loads(run("-C", STORE, "dump", "--json", "--values").stdout)["fields"]
    values = {f["value"] for f in fields if "value" in f}
    ok("dump --json tells names", {r["name"] for r in RUNS} <= values, {r["name"] for r in RUNS} - values)


# ---- human formats ----

def readers(key):
    """Every command that prints names, as a person calls it."""
    yield from (("ls",), ("ls", key), ("ls", "--cols", "min:*"), ("info",), ("info", key), ("info", key, "--history"),
                ("query", key), ("query", key, "-t", "-n", "1"), ("query", key, "--agg", "min,max", "--every", "1"),
                ("tail", key), ("tail", "-t", key), ("plot", key), ("plot", "--ascii", "--width", "60", key),
                ("plot", key + "," + IDS["all"]), ("diff", key, IDS["all"], "--all"), ("dump", "--values"), ("verify",),
                ("rm", "--dry-run", key), ("ls", "--sort", "name", "--name", "*"), ("ls", "--project", "*"))


MACHINE = (("ls", "--json"), ("ls", "--jsonl"), ("query", "--json"), ("query", "--jsonl"), ("tail", "--jsonl"),
           ("info", "--json"), ("export", "--jsonl"))


def check_human(store, keys, what):
    bad_pipe, bad_terminal, bad_color, bad_machine = [], [], [], []
    for n, key in enumerate(keys):
        for command in readers(key):
            if n and command[0] in ("verify", "dump"):
                continue
            done = run("-C", store, *command)
            allowed = "\t" if command[0] in ("ls", "query", "info") else ""
            for data in (done.stdout, done.stderr):
                if (found := what_is_unsafe(data, allowed)) is not None:
                    bad_pipe.append((command, found))
            seen = PROGRESS.sub(b"", run_on_terminal("--no-color", "-C", store, *command))
            if (found := what_is_unsafe(seen)) is not None:
                bad_terminal.append((command, found))
            if n == 0:
                seen = COLOR.sub(b"", PROGRESS.sub(b"", run_on_terminal("-C", store, *command)))
                if (found := what_is_unsafe(seen)) is not None:
                    bad_color.append((command, found))
        for command in MACHINE:
            target = () if command[:2] in (("ls", "--json"), ("ls", "--jsonl")) else (key,)
            if (found := what_is_unsafe(run("-C", store, *command, *target).stdout)) is not None:
                bad_machine.append((command, found))
        for command in (("ls", "--csv"), ("query", "--csv", key), ("export", key), ("export", "--wide", key),
                        ("ls", "--tsv"), ("query", "--tsv", key)):
            seen = run_on_terminal("--no-color", "-C", store, *command)
            if (found := what_is_unsafe(seen, "\t" if "--tsv" in command else "")) is not None:
                bad_terminal.append((command, found))
    ok(what + ": nothing in a pipe that a terminal obeys", not bad_pipe, *bad_pipe[:4])
    ok(what + ": nothing on a terminal", not bad_terminal, *bad_terminal[:4])
    ok(what + ": nothing but colours on a terminal with colours", not bad_color, *bad_color[:4])
    ok(what + ": nothing in JSON either", not bad_machine, *bad_machine[:4])


# ---- arguments, input, damage ----

def check_arguments():
    odd = [name.encode() for name in NAMES] + [b"\xff\xfe", b"\x9b31m", b"a\xc2", b"\xed\xa0\x80", b"\xc0\x9b"]
    commands = (("ls",), ("info",), ("query",), ("tail",), ("plot",), ("diff", "x"), ("export",), ("rm",), ("rewind",),
                ("fork",), ("set",), ("dump",), ("import", "--format"), ("import",), ("merge",), ("-C",), ())
    bad = []
    for n, text in enumerate(odd):
        # Every text with a few of the commands, so that each pair comes up over the seeds.
        for command in [commands[(n + k * 5 + SEED) % len(commands)] for k in range(2)]:
            arguments = [] if command == ("-C",) else ["-C", STORE]
            tail = [b"ls"] if command == ("-C",) else []
            for form in ([text], [b"--" + text], [b"--step", text]):
                done = run(*arguments, *command, *form, *tail)
                found = what_is_unsafe(done.stderr)
                if command not in ((), ("export",)): # its CSV is exact
                    found = found or what_is_unsafe(done.stdout, "\t")
                if found:
                    bad.append((command, form, found))
    ok("no argument comes back as it was in a message", not bad, *bad[:4])


def check_writing():
    store, bad = os.path.join(DIRECTORY, "written"), []
    metrics = [name for name in NAMES if "." not in name and name not in ("step", "time")]
    lines = [json.dumps({"step": 1, name: 0.5}) for name in metrics + WITH_ZERO]
    done = run("-C", store, "log", "-q", "--name", NAMES[0], "--project", NAMES[1], "--param", "p=" + NAMES[2],
               "--tag", "t=" + NAMES[3], "--label", "l=" + NAMES[4], given="\n".join(lines).encode())
    bad += [("log", found) for found in (what_is_unsafe(done.stdout), what_is_unsafe(done.stderr)) if found]
    got = {p["metric"] for p in lines_of_json(run("-C", store, "export", "--jsonl").stdout)[1:]}
    ok("log records each name of a JSON line", got == set(metrics + WITH_ZERO), got ^ set(metrics + WITH_ZERO))
    for n, name in enumerate(NAMES):
        if "/" in name or len(name.encode()) > 200 or n % 2 != SEED % 2:
            continue
        path = os.path.join(DIRECTORY, name + ".csv")
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["step", name, name + " text"])
            writer.writerow([1, 0.5, name])
            writer.writerow([2, "odd" + name, name])
        for form in ((), ("--json",)):
            done = run("-C", os.path.join(DIRECTORY, "imported%d" % n), "import", *form, path)
            for data in (done.stdout, done.stderr):
                bad += [("import", name, found) for found in (what_is_unsafe(data),) if found]
            if form and done.returncode == 0 and json.loads(done.stdout)["file"] != path:
                bad.append(("import --json", name, done.stdout))
        if n % 6 == SEED % 6:
            store = os.path.join(DIRECTORY, "imported%d" % n)
            seen = PROGRESS.sub(b"", run_on_terminal("--no-color", "-C", store, "import", path))
            bad += [("import on a terminal", name, found) for found in (what_is_unsafe(seen, "\r"),) if found]
    key = IDS["all"]
    for name in NAMES[SEED % 3::3] + NAMES[-1:]:
        for command in (("set", key, "note=" + name), ("set", key, "tag." + name + "=" + name),
                        ("fork", key, "1", "--name", name), ("rewind", key, "2"), ("rewind", "--undo", key)):
            done = run("-C", OTHER, *command)
            bad += [(command, found) for found in (what_is_unsafe(done.stdout), what_is_unsafe(done.stderr)) if found]
        if done.returncode != 0 and "--undo" not in command:
            bad.append((command, done.stderr))
    note = json.loads(run("-C", OTHER, "info", "--json", "all").stdout)["note"]
    ok("set keeps a note as it was", note == NAMES[-1], note, NAMES[-1])
    for command in (("compact",), ("merge", STORE), ("merge", os.path.join(DIRECTORY, "no\x1b[31mthing"))):
        done = run("-C", OTHER, *command)
        bad += [(command, found) for found in (what_is_unsafe(done.stdout), what_is_unsafe(done.stderr)) if found]
    ok("nothing that writes says what a terminal obeys", not bad, *bad[:4])


def check_damage():
    """Damage is told with names: of files, runs and series."""
    store = os.path.join(DIRECTORY, "damaged\x1b[31m")
    subprocess.run(["cp", "-a", STORE, store], check=True)
    for folder, _, files in os.walk(store):
        for name in files:
            path = os.path.join(folder, name)
            if not path.endswith(".seg"):
                continue
            with open(path, "r+b") as file:
                data = bytearray(file.read())
                for _ in range(6):
                    data[source.randrange(64, len(data))] ^= 1 << source.randrange(8)
                file.seek(0)
                file.write(data)
        for name in ("\x1b[31mforeign", "foreign\x9b\n", "foreign\u202e"):
            with open(os.path.join(folder, name), "w") as file:
                file.write("\x1b[31m")
    bad = []
    for command in (("verify",), ("verify", "--json"), ("dump",), ("ls",), ("info",), ("compact",), ("export", "--jsonl"),
                    *readers(IDS["all"])):
        done = run("-C", store, *command)
        bad += [(command, found) for found in (what_is_unsafe(done.stdout, "\t"), what_is_unsafe(done.stderr)) if found]
        if "--json" in command:
            json.loads(done.stdout)
        seen = PROGRESS.sub(b"", run_on_terminal("--no-color", "-C", store, *command))
        bad += [(command, "terminal", found) for found in (what_is_unsafe(seen),) if found]
    ok("nothing that tells of damage does", not bad, *bad[:4])


check_exact()
check_export()
keys = [IDS[r["name"]] for r in RUNS]
check_human(STORE, [keys[-1]] + keys[:1 + SEED % 2], "a store")
check_arguments()
check_writing()
check_damage()
ok("%d commands, %d bytes of output, seed %d" % (counts["commands"], counts["bytes"], SEED), True)
sys.exit(failed != 0)
