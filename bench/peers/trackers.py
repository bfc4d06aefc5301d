#!/usr/bin/env python3
"""bench/peers/trackers.py: the Python trackers on rows of W20, beside steplog's C API on the same rows.

    trackers.py measure BUILD OUT.json [NAME...]

Each tracker logs in a process of its own (`write`), which waits for a word after its imports and its init, and again
when everything is handed over and flushed; then another process reads a series back (`read`) and compares it. Between
the two words the clock runs, and the processor time of every process that descends from the measuring one: services
that a tracker starts are counted, also when they leave their parent. README.md tells what each setting is for.
"""
import array
import ctypes
import json
import os
import selectors
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

STEPS_FULL_FACTOR = 4
ROUNDS, ROUNDS_FULL = 3, 5
ANSWER_SECONDS = 180
PROJECT = "peers"


class Columns:
    """Steps, times and values as `bench-peers columns` wrote them."""

    def __init__(self, path, row_count):
        with open(path, "rb") as f:
            self.steps = self.read(f, "q", row_count)
            self.times_ns = self.read(f, "q", row_count)
            self.values = []
            while f.peek(1):
                self.values.append(self.read(f, "d", row_count))
        self.row_count = row_count
        # As in bench/workload.c.
        kinds = [("train/loss", 8), ("schedule/lr", 3), ("eval/accuracy", 3), ("progress/count", 3),
                 ("perf/tokens_per_second", 2), ("optim/weight_decay", 1)]
        self.names = [f"{name}.{i}" for name, count in kinds for i in range(count)]

    @staticmethod
    def read(f, code, count):
        column = array.array(code)
        column.fromfile(f, count)
        return column

    def row(self, i):
        return {name: values[i] for name, values in zip(self.names, self.values)}


class TensorBoard:
    title, package, steps = "tensorboardX", "tensorboardX", 2000
    durability = "kill: what was flushed (every 120 s); power: nothing; values rounded to float32"
    is_float32 = True

    def prepare(self, directory):
        from tensorboardX import SummaryWriter
        self.writer = SummaryWriter(directory, max_queue=10000, flush_secs=120)

    def log(self, data):
        add = self.writer.add_scalar
        for i, step in enumerate(data.steps):
            wall = data.times_ns[i] / 1e9
            for name, values in zip(data.names, data.values):
                add(name, values[i], step, walltime=wall)

    def finish(self):
        self.writer.close()

    def load_reader(self):
        from tensorboard.backend.event_processing import event_accumulator
        self.accumulator = event_accumulator

    def read(self, directory, name):
        events = self.accumulator.EventAccumulator(directory, size_guidance={self.accumulator.SCALARS: 0})
        events.Reload()
        return [(e.step, e.value) for e in events.Scalars(name)]


class Wandb:
    title, package, steps = "W&B offline", "wandb", 5000
    durability = "kill: what its service process got; power: nothing"
    is_float32 = False

    def prepare(self, directory):
        import wandb
        self.run = wandb.init(project=PROJECT, dir=directory, mode="offline",
                              settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False,
                                                      x_disable_stats=True, x_disable_meta=True,
                                                      x_disable_machine_info=True))

    def log(self, data):
        for i, step in enumerate(data.steps):
            self.run.log(data.row(i), step=step)

    def finish(self):
        self.run.finish()

    def load_reader(self):
        from wandb.proto import wandb_internal_pb2
        self.Record = wandb_internal_pb2.Record

    @staticmethod
    def records(path):
        """Records of a .wandb file: a 7 byte head, then blocks as in LevelDB's log."""
        with open(path, "rb") as f:
            data = f.read()
        at, parts = 7, []
        while at + 7 <= len(data):
            left = 32768 - at % 32768
            if left < 7:
                at += left
                continue
            size, kind = struct.unpack_from("<HB", data, at + 4)
            parts.append(data[at + 7:at + 7 + size])
            at += 7 + size
            if kind in (1, 4):
                yield b"".join(parts)
                parts = []

    def read(self, directory, name):
        path = next(os.path.join(where, f) for where, _, files in os.walk(directory) for f in files
                    if f.endswith(".wandb"))
        points = []
        for record in self.records(path):
            r = self.Record.FromString(record)
            if r.WhichOneof("record_type") != "history":
                continue
            for item in r.history.item:
                if (item.key or ".".join(item.nested_key)) == name:
                    points.append((r.history.step.num, json.loads(item.value_json)))
        return points


class MlflowSqlite:
    title, package, steps = "MLflow, SQLite", "mlflow", 500
    durability = "kill and power: each batch of 1000 values that log_batch took (SQLite, synchronous=FULL)"
    is_float32 = False
    batch = 1000  # the most that log_batch takes

    def uri(self, directory):
        return f"sqlite:///{directory}/mlflow.db"

    def prepare(self, directory):
        from mlflow.entities import Metric
        from mlflow.tracking import MlflowClient
        self.Metric = Metric
        self.client = MlflowClient(self.uri(directory))
        experiment = self.client.create_experiment(PROJECT, artifact_location=f"file://{directory}/artifacts")
        self.run_id = self.client.create_run(experiment).info.run_id

    def log(self, data):
        batch = []
        for i, step in enumerate(data.steps):
            milliseconds = data.times_ns[i] // 1000000
            batch += [self.Metric(name, values[i], milliseconds, step) for name, values in zip(data.names, data.values)]
            if len(batch) + len(data.names) > self.batch:
                self.client.log_batch(self.run_id, batch, synchronous=True)
                batch = []
        if batch:
            self.client.log_batch(self.run_id, batch, synchronous=True)

    def finish(self):
        self.client.set_terminated(self.run_id)

    def load_reader(self):
        from mlflow.tracking import MlflowClient
        self.MlflowClient = MlflowClient

    def read(self, directory, name):
        client = self.MlflowClient(self.uri(directory))
        experiment = client.get_experiment_by_name(PROJECT)
        run = client.search_runs([experiment.experiment_id])[0]
        return [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]


class MlflowFiles(MlflowSqlite):
    title, steps = "MLflow, files", 500
    durability = "kill: each batch of 1000 values that log_batch took; power: nothing"

    def uri(self, directory):
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
        return f"file://{directory}/mlruns"


class Aim:
    title, package, steps = "Aim", "aim", 2000
    durability = "kill: what its queue has handed to RocksDB; power: nothing"
    is_float32 = False

    def prepare(self, directory):
        from aim import Run
        from aim.sdk.index_manager import RepoIndexManager
        self.IndexManager = RepoIndexManager
        self.run = Run(repo=directory, experiment=PROJECT, system_tracking_interval=None, log_system_params=False,
                       capture_terminal_logs=False)

    def log(self, data):
        for i, step in enumerate(data.steps):
            self.run.track(data.row(i), step=step)

    def finish(self):
        self.run.close()
        # Readers find runs by an index, which its server or this call brings up to date.
        self.IndexManager.get_index_manager(self.run.repo).index(self.run.hash)

    def load_reader(self):
        from aim import Repo, Run
        self.Repo, self.Run = Repo, Run

    def read(self, directory, name):
        repo = self.Repo(directory)
        run = self.Run(repo.list_all_runs()[0], repo=repo, read_only=True)
        for metric in run.metrics():
            if metric.name == name:
                steps, columns = metric.data.numpy()  # values, epochs, times
                return list(zip(steps.tolist(), columns[0].tolist()))
        return []


class Trackio:
    title, package, steps = "Trackio", "trackio", 10000
    durability = "kill: all but the last half second; power: up to the last checkpoint (SQLite, WAL)"
    is_float32 = False

    def prepare(self, directory):
        os.environ["TRACKIO_DIR"] = directory
        import trackio
        self.trackio = trackio
        trackio.init(project=PROJECT, name="run", embed=False, auto_log_gpu=False, auto_log_cpu=False)

    def log(self, data):
        for i, step in enumerate(data.steps):
            self.trackio.log(data.row(i), step=step)

    def finish(self):
        self.trackio.finish()

    def load_reader(self):
        pass

    def read(self, directory, name):
        os.environ["TRACKIO_DIR"] = directory
        from trackio.sqlite_storage import SQLiteStorage
        return sorted((p["step"], p["value"]) for p in SQLiteStorage.get_metric_values(PROJECT, "run", name))


TRACKERS = {"tensorboardx": TensorBoard, "wandb": Wandb, "mlflow-sqlite": MlflowSqlite, "mlflow-files": MlflowFiles,
            "aim": Aim, "trackio": Trackio}


# ---- the two processes of a tracker ----

def protocol():
    """What the tracker prints goes to the log; words go through the pipe that stdout was."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return out


def write_main(name, directory, columns, row_count):
    words = protocol()
    data = Columns(columns, row_count)
    tracker = TRACKERS[name]()
    tracker.prepare(directory)
    print("ready", file=words)
    sys.stdin.readline()
    tracker.log(data)
    tracker.finish()
    print("done", file=words)
    sys.stdin.readline()


def read_main(name, directory, columns, row_count):
    words = protocol()
    data = Columns(columns, row_count)
    tracker = TRACKERS[name]()
    tracker.load_reader()
    metric = 0
    begin = time.perf_counter()
    points = tracker.read(directory, data.names[metric])
    seconds = time.perf_counter() - begin
    wanted = [(step, data.values[metric][i]) for i, step in enumerate(data.steps)]
    if points != wanted:
        print(f"wrong: {len(points)} points of {len(wanted)}", file=words)
        sys.exit(1)
    # Another series, one that needs all of a double.
    other = 17
    points = tracker.read(directory, data.names[other])
    same = all(step == a and (value == b or tracker.is_float32 and abs(value - b) <= abs(b) * 1e-7)
               for (step, value), a, b in zip(points, data.steps, data.values[other]))
    if len(points) != row_count or not same:
        print(f"wrong: {data.names[other]}", file=words)
        sys.exit(1)
    print(f"read {seconds!r}", file=words)


# ---- the measuring process ----

def descendants():
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry)] = (int(fields[1]), sum(int(x) for x in fields[11:15]))
    found, queue = {}, [os.getpid()]
    while queue:
        parent = queue.pop()
        for pid, (its_parent, ticks) in parents.items():
            if its_parent == parent and pid not in found:
                found[pid] = ticks
                queue.append(pid)
    return found


def tree_cpu_seconds():
    ended = os.times()
    return ended.children_user + ended.children_system + sum(descendants().values()) / os.sysconf("SC_CLK_TCK")


def end_descendants():
    """Waits for what a tracker started; ends, by its pid, what does not end by itself. How many had to be ended."""
    ended = set()
    deadline = time.monotonic() + 10
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        left = descendants()
        if not left:
            return len(ended)
        if time.monotonic() > deadline:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL if pid in ended else signal.SIGTERM)
                except ProcessLookupError:
                    pass
                ended.add(pid)
            deadline = time.monotonic() + 2
        time.sleep(0.05)


def environment(home):
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "TMPDIR")}
    kept.update(HOME=home, XDG_CACHE_HOME=home, XDG_CONFIG_HOME=home, DO_NOT_TRACK="1", PYTHONWARNINGS="ignore",
                WANDB_MODE="offline", WANDB_ERROR_REPORTING="false", MLFLOW_DISABLE_TELEMETRY="true",
                HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", GRADIO_ANALYTICS_ENABLED="False", AIM_UI_TELEMETRY_ENABLED="0",
                http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9", no_proxy="127.0.0.1,localhost")
    return kept


def answer(child):
    selector = selectors.DefaultSelector()
    selector.register(child.stdout, selectors.EVENT_READ)
    if not selector.select(ANSWER_SECONDS):
        raise RuntimeError("no answer")
    line = child.stdout.readline().decode().strip()
    if not line:
        raise RuntimeError("ended early")
    if line.startswith("wrong"):
        raise RuntimeError(line)
    return line


def directory_bytes(directory):
    return sum(os.lstat(os.path.join(where, f)).st_size for where, _, files in os.walk(directory) for f in files)


def measure_round(python, name, scratch, columns, row_count, log):
    directory, home = os.path.join(scratch, "data"), os.path.join(scratch, "home")
    for d in (directory, home):
        shutil.rmtree(d, ignore_errors=True)
        os.makedirs(d)
    arguments = [name, directory, columns, str(row_count)]
    start = lambda what: subprocess.Popen([python, os.path.abspath(__file__), what, *arguments], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=log, cwd=scratch, env=environment(home))
    writer = start("write")
    try:
        answer(writer)
        cpu, begin = tree_cpu_seconds(), time.perf_counter()
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
        answer(writer)
        wall, cpu = time.perf_counter() - begin, tree_cpu_seconds() - cpu
        reader = start("read")
        read = float(answer(reader).split()[1])
        reader.communicate()
        size = directory_bytes(directory)
        writer.communicate(b"end\n", timeout=60)
    finally:
        left = end_descendants()
    if left:
        print(f"  {name}: {left} processes had to be ended", file=sys.stderr)
    points = row_count * 20
    return {"wall": wall * 1e6 / points, "cpu": cpu * 1e6 / points, "size": size / points,
            "read": read * 1e6 / row_count}


UNITS = {"wall": "us/point", "cpu": "us/point", "size": "bytes/point", "read": "us/point"}


def beside(build, scratch, title, steps, out):
    """steplog on as many rows, through the C API."""
    path = os.path.join(scratch, "steplog.json")
    subprocess.run([f"{build}/bench-peers", "tracker", path, str(steps), "15"], check=True, stderr=subprocess.DEVNULL)
    with open(path) as f:
        for item in json.load(f):
            out.append({**item, "beside": title})


def measure_main(build, out_path, names):
    build = os.path.abspath(build)
    python = f"{build}/peers-venv/bin/python"
    full = os.environ.get("FULL", "0") not in ("", "0")
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans come to us, not to init
    out = []
    with tempfile.TemporaryDirectory(prefix="bench-trackers-", dir=os.environ.get("BENCH_DIR") or build) as scratch, \
         open(f"{build}/peers-trackers.log", "w") as log:
        for name in names or TRACKERS:
            tracker = TRACKERS[name]
            version = subprocess.run([python, "-c", "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))",
                                      tracker.package], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            if version.returncode:
                print(f"  skipped: {tracker.title}: {tracker.package} is not installed", file=sys.stderr)
                continue
            steps = tracker.steps * (STEPS_FULL_FACTOR if full else 1)
            columns = os.path.join(scratch, "columns.bin")
            subprocess.run([f"{build}/bench-peers", "columns", columns, str(steps)], check=True)
            try:
                rounds = [measure_round(python, name, scratch, columns, steps, log)
                          for _ in range(ROUNDS_FULL if full else ROUNDS)]
            except (RuntimeError, OSError, subprocess.SubprocessError) as e:
                print(f"  skipped: {tracker.title}: {e}; see {build}/peers-trackers.log", file=sys.stderr)
                continue
            beside(build, scratch, tracker.title, steps, out)
            for measure, unit in UNITS.items():
                values = sorted(r[measure] for r in rounds)
                value = statistics.median(values)
                print(f"  W20    {tracker.title:26} {measure:18} {value:12.4g} {unit}", file=sys.stderr)
                out.append({"name": tracker.title, "group": "tracker", "workload": "W20", "measure": measure,
                            "value": value, "unit": unit, "p10": values[0], "p90": values[-1],
                            "durability": tracker.durability, "version": version.stdout.strip(),
                            "n": steps if measure == "read" else steps * 20})
    with open(out_path, "w") as f:
        json.dump(out, f, indent=1)


def main():
    if len(sys.argv) >= 4 and sys.argv[1] == "measure" and not set(sys.argv[4:]) - set(TRACKERS):
        measure_main(sys.argv[2], sys.argv[3], sys.argv[4:])
    elif len(sys.argv) == 6 and sys.argv[1] in ("write", "read"):
        (write_main if sys.argv[1] == "write" else read_main)(*sys.argv[2:5], int(sys.argv[5]))
    else:
        sys.exit("usage: trackers.py measure BUILD OUT.json [NAME...]")


if __name__ == "__main__":
    main()
