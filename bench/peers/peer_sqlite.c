/* bench/peers/peer_sqlite.c: SQLite in two shapes: a table with a row a step and a column a metric (what is handed over
 * step by step), and a table with a row a point, clustered by metric and step, which reads one series without the
 * others.
 *
 * Steps: WAL, synchronous=NORMAL, one prepared INSERT, one transaction a step. Load: no journal, synchronous=OFF, one
 * transaction, rows in key order, then fsync. Reads: memory-mapped. */
#include "peer.h"

#include "timing.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct database {
    sqlite3 *db;
    sqlite3_stmt *insert;
    uint32_t metric_count;
} database;

static const char *version(void) { return sqlite3_libversion(); }

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) die("SQLite: %s: %s", sql, sqlite3_errmsg(db));
}

static sqlite3 *open_database(const char *directory, int flags)
{
    char path[1024];
    sqlite3 *db;
    peer_path(path, directory, "rows.db");
    if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        die("SQLite: %s", sqlite3_errmsg(db));
    return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) die("SQLite: %s: %s", sql, sqlite3_errmsg(db));
    return statement;
}

static void create_wide(database *d, const peer_data *data)
{
    char create[8192], insert[2048];
    char *c = create, *i = insert;
    c += sprintf(c, "CREATE TABLE rows(step INTEGER PRIMARY KEY, time INTEGER NOT NULL");
    i += sprintf(i, "INSERT INTO rows VALUES(?,?");
    for (uint32_t m = 0; m < data->metric_count; m++) {
        c += sprintf(c, ", \"%s\" REAL", data->names[m]);
        i += sprintf(i, ",?");
    }
    strcpy(c, ")");
    strcpy(i, ")");
    run(d->db, create);
    d->insert = prepare(d->db, insert);
    d->metric_count = data->metric_count;
}

static void insert_row(database *d, int64_t step, int64_t time_ns, const double *values)
{
    sqlite3_bind_int64(d->insert, 1, step);
    sqlite3_bind_int64(d->insert, 2, time_ns);
    for (uint32_t i = 0; i < d->metric_count; i++) sqlite3_bind_double(d->insert, (int)i + 3, values[i]);
    if (sqlite3_step(d->insert) != SQLITE_DONE) die("SQLite: %s", sqlite3_errmsg(d->db));
    sqlite3_reset(d->insert);
}

static void *open_steps(const char *directory, const peer_data *data)
{
    static database d;
    d.db = open_database(directory, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    run(d.db, "PRAGMA journal_mode=WAL");
    run(d.db, "PRAGMA synchronous=NORMAL");
    create_wide(&d, data);
    return &d;
}

static void step(void *handle, int64_t step, int64_t time_ns, const double *values)
{
    insert_row(handle, step, time_ns, values);
}

static void begin_load(database *d, const char *directory)
{
    d->db = open_database(directory, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    run(d->db, "PRAGMA journal_mode=OFF");
    run(d->db, "PRAGMA synchronous=OFF");
    run(d->db, "PRAGMA locking_mode=EXCLUSIVE");
    run(d->db, "PRAGMA cache_size=-65536");
}

static void end_load(database *d, const char *directory)
{
    run(d->db, "COMMIT");
    sqlite3_finalize(d->insert);
    if (sqlite3_close(d->db) != SQLITE_OK) die("SQLite: close");
    peer_sync_directory(directory);
}

static void load(const char *directory, const peer_data *data)
{
    database d;
    begin_load(&d, directory);
    create_wide(&d, data);
    run(d.db, "BEGIN");
    for (size_t i = 0; i < data->row_count; i++) insert_row(&d, data->steps[i], data->times_ns[i], peer_row(data, i));
    end_load(&d, directory);
}

static void load_points(const char *directory, const peer_data *data)
{
    database d;
    begin_load(&d, directory);
    run(d.db, "CREATE TABLE points(metric INTEGER, step INTEGER, time INTEGER, value REAL, PRIMARY KEY(metric, step)) "
              "WITHOUT ROWID");
    d.insert = prepare(d.db, "INSERT INTO points VALUES(?,?,?,?)");
    run(d.db, "BEGIN");
    for (uint32_t m = 0; m < data->metric_count; m++) {
        sqlite3_bind_int64(d.insert, 1, m);
        for (size_t i = 0; i < data->row_count; i++) {
            sqlite3_bind_int64(d.insert, 2, data->steps[i]);
            sqlite3_bind_int64(d.insert, 3, data->times_ns[i]);
            sqlite3_bind_double(d.insert, 4, peer_row(data, i)[m]);
            if (sqlite3_step(d.insert) != SQLITE_DONE) die("SQLite: %s", sqlite3_errmsg(d.db));
            sqlite3_reset(d.insert);
        }
    }
    end_load(&d, directory);
}

static void compact(const char *directory)
{
    sqlite3 *db = open_database(directory, SQLITE_OPEN_READWRITE);
    run(db, "VACUUM");
    sqlite3_close(db);
}

typedef struct reading {
    sqlite3 *db;
    const peer_data *data;
} reading;

static void *open_reader(const char *directory, const peer_data *data)
{
    static reading r;
    r = (reading){open_database(directory, SQLITE_OPEN_READONLY), data};
    run(r.db, "PRAGMA mmap_size=4294967296");
    return &r;
}

static void scan_rows(reading *r, const char *sql, peer_sink *out)
{
    sqlite3_stmt *statement = prepare(r->db, sql);
    int answer;
    while ((answer = sqlite3_step(statement)) == SQLITE_ROW)
        peer_sink_row(out, sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1),
                      sqlite3_column_double(statement, 2));
    if (answer != SQLITE_DONE) die("SQLite: %s", sqlite3_errmsg(r->db));
    sqlite3_finalize(statement);
}

static void scan(void *reader, uint32_t metric, peer_sink *out)
{
    reading *r = reader;
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT step, time, \"%s\" FROM rows ORDER BY step", r->data->names[metric]);
    scan_rows(r, sql, out);
}

static void scan_points(void *reader, uint32_t metric, peer_sink *out)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT step, time, value FROM points WHERE metric=%u ORDER BY step", (unsigned)metric);
    scan_rows(reader, sql, out);
}

const peer peer_sqlite = {.name = "SQLite, a row a step",
                          .key = "sqlite",
                          .durability = "kill: all steps; power: up to the last checkpoint, consistent",
                          .version = version,
                          .open = open_steps,
                          .step = step,
                          .load = load,
                          .compact = compact,
                          .open_reader = open_reader,
                          .scan = scan};

const peer peer_sqlite_points = {.name = "SQLite, a row a point",
                                 .key = "sqlite-points",
                                 .durability = "load only",
                                 .version = version,
                                 .load = load_points,
                                 .compact = compact,
                                 .open_reader = open_reader,
                                 .scan = scan_points};
