/* bench/peers/peer_lmdb.c: LMDB in two shapes: a record a step, and a key a metric with its points as sorted duplicates
 * of fixed size, which LMDB packs without headers and lends a page at a time.
 *
 * Steps: NOSYNC and WRITEMAP, one transaction a step, appended in key order. Load: one transaction, appended, then
 * mdb_env_sync. Compaction: mdb_env_copy2 with MDB_CP_COMPACT. */
#include "peer.h"

#include "timing.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAP_BYTES ((size_t)8 << 30)
#define POINTS_AT_ONCE 4096u

typedef struct environment {
    MDB_env *env;
    MDB_dbi dbi;
    uint32_t metric_count;
    const peer_data *data;
} environment;

typedef struct point {
    uint8_t step[8]; /* big-endian: duplicates are sorted as bytes */
    int64_t time_ns;
    double value;
} point;

static const char *version(void)
{
    static char text[32];
    int major, minor, patch;
    mdb_version(&major, &minor, &patch);
    snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    return text;
}

static void must(int answer, const char *what)
{
    if (answer != 0) die("LMDB: %s: %s", what, mdb_strerror(answer));
}

static environment *open_environment(const char *directory, const peer_data *data, unsigned flags, unsigned dbi_flags)
{
    static environment e;
    MDB_txn *txn;
    e = (environment){.metric_count = data ? data->metric_count : 0, .data = data};
    must(mdb_env_create(&e.env), "env_create");
    must(mdb_env_set_mapsize(e.env, MAP_BYTES), "set_mapsize");
    must(mdb_env_open(e.env, directory, flags, 0644), "env_open");
    must(mdb_txn_begin(e.env, NULL, flags & MDB_RDONLY, &txn), "txn_begin");
    must(mdb_dbi_open(txn, NULL, dbi_flags, &e.dbi), "dbi_open");
    must(mdb_txn_commit(txn), "txn_commit");
    return &e;
}

static void put_row(environment *e, MDB_txn *txn, int64_t step, int64_t time_ns, const double *values)
{
    uint64_t key_number = (uint64_t)step;
    double record[PEER_RECORD_VALUES_MAX];
    MDB_val key = {sizeof key_number, &key_number};
    MDB_val value = {peer_record(record, time_ns, values, e->metric_count), record};
    must(mdb_put(txn, e->dbi, &key, &value, MDB_APPEND), "put");
}

static void *open_steps(const char *directory, const peer_data *data)
{
    return open_environment(directory, data, MDB_NOSYNC | MDB_WRITEMAP | MDB_NOMEMINIT, MDB_INTEGERKEY);
}

static void step(void *handle, int64_t step, int64_t time_ns, const double *values)
{
    environment *e = handle;
    MDB_txn *txn;
    must(mdb_txn_begin(e->env, NULL, 0, &txn), "txn_begin");
    put_row(e, txn, step, time_ns, values);
    must(mdb_txn_commit(txn), "txn_commit");
}

static void load(const char *directory, const peer_data *data)
{
    environment *e = open_steps(directory, data);
    MDB_txn *txn;
    must(mdb_txn_begin(e->env, NULL, 0, &txn), "txn_begin");
    for (size_t i = 0; i < data->row_count; i++) put_row(e, txn, data->steps[i], data->times_ns[i], peer_row(data, i));
    must(mdb_txn_commit(txn), "txn_commit");
    must(mdb_env_sync(e->env, 1), "env_sync");
    mdb_env_close(e->env);
}

static void load_series(const char *directory, const peer_data *data)
{
    static point points[POINTS_AT_ONCE];
    environment *e = open_environment(directory, data, MDB_NOSYNC | MDB_WRITEMAP | MDB_NOMEMINIT,
                                      MDB_INTEGERKEY | MDB_DUPSORT | MDB_DUPFIXED);
    MDB_txn *txn;
    MDB_cursor *cursor;
    must(mdb_txn_begin(e->env, NULL, 0, &txn), "txn_begin");
    must(mdb_cursor_open(txn, e->dbi, &cursor), "cursor_open");
    for (uint32_t m = 0; m < data->metric_count; m++)
        for (size_t row = 0; row < data->row_count; row += POINTS_AT_ONCE) {
            size_t count = data->row_count - row < POINTS_AT_ONCE ? data->row_count - row : POINTS_AT_ONCE;
            for (size_t i = 0; i < count; i++) {
                peer_put_big_endian(points[i].step, (uint64_t)data->steps[row + i]);
                points[i].time_ns = data->times_ns[row + i];
                points[i].value = peer_row(data, row + i)[m];
            }
            MDB_val key = {sizeof m, &m};
            MDB_val values[2] = {{sizeof *points, points}, {count, NULL}};
            must(mdb_cursor_put(cursor, &key, values, MDB_MULTIPLE | MDB_APPENDDUP), "cursor_put");
        }
    mdb_cursor_close(cursor);
    must(mdb_txn_commit(txn), "txn_commit");
    must(mdb_env_sync(e->env, 1), "env_sync");
    mdb_env_close(e->env);
}

static void compact(const char *directory)
{
    char from[1024], to[1024];
    MDB_env *env;
    must(mdb_env_create(&env), "env_create");
    must(mdb_env_set_mapsize(env, MAP_BYTES), "set_mapsize");
    must(mdb_env_open(env, directory, MDB_RDONLY, 0644), "env_open");
    peer_path(from, directory, "compacted.mdb");
    peer_path(to, directory, "data.mdb");
    FILE *f = fopen(from, "w");
    if (!f) die("cannot make '%s'", from);
    must(mdb_env_copyfd2(env, fileno(f), MDB_CP_COMPACT), "env_copyfd2");
    fclose(f);
    mdb_env_close(env);
    if (rename(from, to) != 0) die("cannot rename '%s'", from);
}

static void *open_reader(const char *directory, const peer_data *data)
{
    return open_environment(directory, data, MDB_RDONLY, MDB_INTEGERKEY);
}

static void *open_series_reader(const char *directory, const peer_data *data)
{
    return open_environment(directory, data, MDB_RDONLY, MDB_INTEGERKEY | MDB_DUPSORT | MDB_DUPFIXED);
}

static void scan(void *reader, uint32_t metric, peer_sink *out)
{
    environment *e = reader;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    int answer;
    must(mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn), "txn_begin");
    must(mdb_cursor_open(txn, e->dbi, &cursor), "cursor_open");
    while ((answer = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        int64_t step, time_ns;
        double number;
        memcpy(&step, key.mv_data, sizeof step);
        memcpy(&time_ns, value.mv_data, sizeof time_ns);
        memcpy(&number, (const char *)value.mv_data + 8 * (1 + metric), sizeof number);
        peer_sink_row(out, step, time_ns, number);
    }
    if (answer != MDB_NOTFOUND) must(answer, "cursor_get");
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
}

static void scan_series(void *reader, uint32_t metric, peer_sink *out)
{
    environment *e = reader;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key = {sizeof metric, &metric}, value;
    must(mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn), "txn_begin");
    must(mdb_cursor_open(txn, e->dbi, &cursor), "cursor_open");
    must(mdb_cursor_get(cursor, &key, &value, MDB_SET), "cursor_get");
    int answer = mdb_cursor_get(cursor, &key, &value, MDB_GET_MULTIPLE);
    for (; answer == 0; answer = mdb_cursor_get(cursor, &key, &value, MDB_NEXT_MULTIPLE))
        for (size_t at = 0; at + sizeof(point) <= value.mv_size; at += sizeof(point)) {
            point p;
            memcpy(&p, (const char *)value.mv_data + at, sizeof p);
            peer_sink_row(out, (int64_t)peer_get_big_endian(p.step), p.time_ns, p.value);
        }
    if (answer != MDB_NOTFOUND) must(answer, "cursor_get");
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
}

const peer peer_lmdb = {.name = "LMDB, a record a step",
                        .key = "lmdb",
                        .durability = "kill: all steps; power: the file may be corrupt (NOSYNC, WRITEMAP)",
                        .version = version,
                        .open = open_steps,
                        .step = step,
                        .load = load,
                        .compact = compact,
                        .open_reader = open_reader,
                        .scan = scan};

const peer peer_lmdb_series = {.name = "LMDB, fixed duplicates",
                               .key = "lmdb-series",
                               .durability = "load only",
                               .version = version,
                               .load = load_series,
                               .compact = compact,
                               .open_reader = open_series_reader,
                               .scan = scan_series};
