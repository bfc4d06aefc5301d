#!/usr/bin/env python3
"""bench/peers/columns.py: pcodec, Parquet + zstd and DuckDB on the same columns: bytes and the scan of one series.

    columns.py measure BUILD OUT.json [DATA_DIR...]    with the Python of BUILD/peers-venv

W20: the rows of bench/workload.c as whole columns. WR: the real logs in the directories, imported by steplog, exported
again, every series a column of its own, the steps and times of series that share them counted once.
Values are read back by another process and compared bit for bit. README.md tells what each setting is for.
"""
import csv
import importlib
import importlib.metadata
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROWS, ROWS_FULL = 200000, 2000000
PASSES = 7
METRIC = 0
WANTED = (".csv", ".tsv", ".jsonl", ".log", ".txt")
WANTED_NAMES = ("result.json", "trainer_state.json")


def read_columns(path, row_count):
    raw = np.fromfile(path, dtype="<u8").reshape(-1, row_count)
    return [raw[0].view("<i8"), raw[1].view("<i8")] + [c.view("<f8") for c in raw[2:]]


def names_of(columns):
    return ["step", "time"] + [f"m{i}" for i in range(len(columns) - 2)]


# ---- what is compared: each has write(directory, columns) and read(directory) of step, time and one metric ----

class Pcodec:
    title, module = "pcodec, whole columns", "pcodec"

    def write(self, directory, columns):
        from pcodec import ChunkConfig, standalone
        for name, column in zip(names_of(columns), columns):
            with open(f"{directory}/{name}.pco", "wb") as f:
                f.write(standalone.simple_compress(column, ChunkConfig()))

    def read(self, directory):
        from pcodec import standalone
        out = []
        for name in ("step", "time", f"m{METRIC}"):
            with open(f"{directory}/{name}.pco", "rb") as f:
                out.append(standalone.simple_decompress(f.read()))
        return out


class Parquet:
    title, module = "Parquet + zstd", "pyarrow"
    options = {}

    def write(self, directory, columns):
        import pyarrow as pa
        import pyarrow.parquet as pq
        pq.write_table(pa.table(dict(zip(names_of(columns), columns))), f"{directory}/rows.parquet", compression="zstd",
                       **self.options)

    def read(self, directory):
        import pyarrow.parquet as pq
        table = pq.read_table(f"{directory}/rows.parquet", columns=["step", "time", f"m{METRIC}"], memory_map=True)
        return [table.column(i).combine_chunks().to_numpy() for i in range(3)]


class ParquetSplit(Parquet):
    title = "Parquet, split + zstd 9"

    def write(self, directory, columns):
        names = names_of(columns)
        self.options = {"compression_level": 9, "use_dictionary": False,
                        "column_encoding": {n: "DELTA_BINARY_PACKED" if i < 2 else "BYTE_STREAM_SPLIT"
                                            for i, n in enumerate(names)}}
        super().write(directory, columns)


class DuckDB:
    title, module = "DuckDB", "duckdb"

    def write(self, directory, columns):
        import duckdb
        import pyarrow as pa
        rows = pa.table(dict(zip(names_of(columns), columns)))
        connection = duckdb.connect(f"{directory}/rows.duckdb")
        connection.register("source", rows)
        connection.execute("CREATE TABLE rows AS SELECT * FROM source")
        connection.execute("FORCE CHECKPOINT")
        connection.close()

    def read(self, directory):
        import duckdb
        connection = duckdb.connect(f"{directory}/rows.duckdb", read_only=True)
        got = connection.execute(f"SELECT step, time, m{METRIC} FROM rows").fetchnumpy()
        return [got["step"], got["time"], got[f"m{METRIC}"]]


PEERS = {"pcodec": Pcodec, "parquet": Parquet, "parquet-split": ParquetSplit, "duckdb": DuckDB}


def scan_main(name, directory, columns_path, row_count):
    """In a process of its own: a first pass, then the passes that count; every one is compared."""
    columns = read_columns(columns_path, row_count)
    peer, seconds = PEERS[name](), []
    for i in range(1 + PASSES):
        begin = time.perf_counter()
        got = peer.read(directory)
        seconds.append(time.perf_counter() - begin)
        for a, b in zip(got, (columns[0], columns[1], columns[2 + METRIC])):
            if len(a) != row_count or not np.array_equal(np.ascontiguousarray(a).view("<u8"), b.view("<u8")):
                sys.exit(f"{name}: a column reads back wrong")
    print(json.dumps(seconds[1:]))


def directory_bytes(directory):
    return sum(os.lstat(os.path.join(where, f)).st_size for where, _, files in os.walk(directory) for f in files)


def package_version(module):
    importlib.import_module(module)
    return importlib.metadata.version(module)


def measure_w20(build, scratch, out):
    full = os.environ.get("FULL", "0") not in ("", "0")
    row_count = ROWS_FULL if full else ROWS
    path = f"{scratch}/columns.bin"
    subprocess.run([f"{build}/bench-peers", "columns", path, str(row_count)], check=True)
    columns = read_columns(path, row_count)
    for name, peer in PEERS.items():
        try:
            version = package_version(peer.module)
        except ImportError:
            print(f"  skipped: {peer.title}: {peer.module} is not installed", file=sys.stderr)
            continue
        directory = f"{scratch}/{name}"
        os.makedirs(directory)
        begin = time.perf_counter()
        peer().write(directory, columns)
        wrote = time.perf_counter() - begin
        scans = json.loads(subprocess.run([sys.executable, os.path.abspath(__file__), "scan", name, directory, path,
                                           str(row_count)], check=True, stdout=subprocess.PIPE).stdout)
        rates = sorted(row_count / s / 1e6 for s in scans)
        points = row_count * (len(columns) - 2)
        for measure, value, unit in (("bulk", points / wrote / 1e6, "Mpoint/s"),
                                     ("size", directory_bytes(directory) / points, "bytes/point"),
                                     ("scan", statistics.median(rates), "Mpoint/s")):
            print(f"  W20    {peer.title:26} {measure:18} {value:12.4g} {unit}", file=sys.stderr)
            out.append({"name": peer.title, "group": "columns", "workload": "W20", "measure": measure, "value": value,
                        "unit": unit, "durability": "a file written whole", "version": version,
                        "n": row_count if measure == "scan" else points})
        shutil.rmtree(directory)


# ---- the real logs ----

def log_files(root):
    for where, directories, files in sorted(os.walk(root)):
        directories.sort()
        for f in sorted(files):
            if f.endswith(WANTED) or f in WANTED_NAMES:
                yield os.path.join(where, f)


def number(text):
    return float("nan") if text.startswith("nan") else float(text)


def exported_series(steplog, store):
    """{run: {(attempt, metric, labels): [steps, times, values]}}"""
    runs = {}
    process = subprocess.Popen([steplog, "-C", store, "export", "--csv"], stdout=subprocess.PIPE, text=True)
    for line in csv.DictReader(process.stdout):
        series = runs.setdefault(line["run_id"], {}).setdefault((line["attempt"], line["metric"], line["labels"]),
                                                                ([], [], []))
        series[0].append(int(line["step"]))
        series[1].append(int(line["time_ns"]) if line["time_ns"] else None)
        series[2].append(number(line["value"]))
    if process.wait() != 0:
        sys.exit("steplog export failed")
    return runs


def pcodec_bytes(runs):
    from pcodec import ChunkConfig, standalone
    compressed = lambda column: len(standalone.simple_compress(column, ChunkConfig()))
    values = axis = points = series_count = 0
    for series in runs.values():
        axes = set()
        for steps, times, numbers in series.values():
            values += compressed(np.array(numbers, dtype="<f8"))
            points += len(numbers)
            series_count += 1
            times = None if None in times else np.array(times, dtype="<i8")
            steps = np.array(steps, dtype="<i8")
            key = (steps.tobytes(), b"" if times is None else times.tobytes())
            if key not in axes:
                axes.add(key)
                axis += compressed(steps) + (0 if times is None else compressed(times))
    return values, axis, points, series_count


def measure_logs(build, scratch, title, files, out):
    steplog, store = f"{build}/steplog", f"{scratch}/store"
    shutil.rmtree(store, ignore_errors=True)
    subprocess.run([steplog, "-C", store, "import", "-q", *files], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not os.path.exists(store):
        return
    subprocess.run([steplog, "-C", store, "compact"], check=True, stdout=subprocess.DEVNULL)
    values, axis, points, series_count = pcodec_bytes(exported_series(steplog, store))
    if not points:
        return
    stored = directory_bytes(store)
    print(f"  {title:22} {len(files):5} files {series_count:6} series {points:9} points   pcodec {values / points:6.3f} + "
          f"axis {axis / points:6.3f}   steplog {stored / points:6.3f} bytes/point   ratio {stored / (values + axis):.2f}",
          file=sys.stderr)
    common = {"workload": title, "measure": "size", "unit": "bytes/point", "n": points, "series": series_count}
    out.append({**common, "name": "pcodec, whole columns", "group": "columns", "value": (values + axis) / points,
                "axis": axis / points, "durability": "a file written whole", "version": package_version("pcodec")})
    version = subprocess.run([steplog, "--version"], stdout=subprocess.PIPE, text=True).stdout.split()[-1]
    out.append({**common, "name": "steplog", "group": "steplog", "value": stored / points, "version": version,
                "durability": "compacted"})


def measure_main(build, out_path, roots):
    build = os.path.abspath(build)
    out = []
    with tempfile.TemporaryDirectory(prefix="bench-columns-", dir=os.environ.get("BENCH_DIR") or build) as scratch:
        measure_w20(build, scratch, out)
        try:
            package_version("pcodec")
        except ImportError:
            roots = []
        kinds, everything = {}, []
        for root in roots:
            for f in log_files(root):
                kinds.setdefault(os.path.relpath(f, root).split(os.sep)[0], []).append(f)
                everything.append(f)
        for kind, files in kinds.items():
            measure_logs(build, scratch, f"WR {kind}", files, out)
        if everything:
            measure_logs(build, scratch, "WR", everything, out)
    with open(out_path, "w") as f:
        json.dump(out, f, indent=1)


def main():
    if len(sys.argv) >= 4 and sys.argv[1] == "measure":
        measure_main(sys.argv[2], sys.argv[3], sys.argv[4:])
    elif len(sys.argv) == 6 and sys.argv[1] == "scan":
        scan_main(*sys.argv[2:5], int(sys.argv[5]))
    else:
        sys.exit("usage: columns.py measure BUILD OUT.json [DATA_DIR...]")


if __name__ == "__main__":
    main()
