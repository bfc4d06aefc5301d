/* bench/peers/peer_leveldb.c: LevelDB in two shapes: a record a step, and a record a point with its key by metric, then
 * step.
 *
 * Steps: one put a step, sync=false: the log is written by the time put returns. Load: batches of 1000 records in key
 * order, 64 MiB write buffer, closed, then fsync. 64 KiB blocks, as its documentation says for bulk scans. */
#include "peer.h"

#include "timing.h"

#include <leveldb/c.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH_RECORDS 1000u

typedef struct database {
    leveldb_t *db;
    leveldb_writeoptions_t *write;
    const peer_data *data;
} database;

static const char *version(void)
{
    static char text[32];
    snprintf(text, sizeof text, "%d.%d", leveldb_major_version(), leveldb_minor_version());
    return text;
}

static void must(char *error)
{
    if (error) die("LevelDB: %s", error);
}

static database *open_database(const char *directory, const peer_data *data)
{
    static database d;
    char *error = NULL;
    leveldb_options_t *options = leveldb_options_create();
    leveldb_options_set_create_if_missing(options, 1);
    leveldb_options_set_write_buffer_size(options, 64u << 20);
    leveldb_options_set_block_size(options, 64u << 10);
    leveldb_options_set_compression(options, leveldb_snappy_compression);
    d = (database){.write = leveldb_writeoptions_create(), .data = data};
    leveldb_writeoptions_set_sync(d.write, 0);
    d.db = leveldb_open(options, directory, &error);
    must(error);
    leveldb_options_destroy(options);
    return &d;
}

static void *open_steps(const char *directory, const peer_data *data) { return open_database(directory, data); }

static void step(void *handle, int64_t step, int64_t time_ns, const double *values)
{
    const database *d = handle;
    double record[PEER_RECORD_VALUES_MAX];
    uint8_t key[8];
    char *error = NULL;
    size_t bytes = peer_record(record, time_ns, values, d->data->metric_count);
    peer_put_big_endian(key, (uint64_t)step);
    leveldb_put(d->db, d->write, (const char *)key, sizeof key, (const char *)record, bytes, &error);
    must(error);
}

static void write_batch(database *d, leveldb_writebatch_t *batch)
{
    char *error = NULL;
    leveldb_write(d->db, d->write, batch, &error);
    must(error);
    leveldb_writebatch_clear(batch);
}

static void load(const char *directory, const peer_data *data)
{
    database *d = open_database(directory, data);
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    double record[PEER_RECORD_VALUES_MAX];
    uint8_t key[8];
    for (size_t i = 0; i < data->row_count; i++) {
        size_t bytes = peer_record(record, data->times_ns[i], peer_row(data, i), data->metric_count);
        peer_put_big_endian(key, (uint64_t)data->steps[i]);
        leveldb_writebatch_put(batch, (const char *)key, sizeof key, (const char *)record, bytes);
        if ((i + 1) % BATCH_RECORDS == 0) write_batch(d, batch);
    }
    write_batch(d, batch);
    leveldb_writebatch_destroy(batch);
    leveldb_close(d->db);
    peer_sync_directory(directory);
}

static void load_points(const char *directory, const peer_data *data)
{
    database *d = open_database(directory, data);
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    double record[PEER_RECORD_VALUES_MAX];
    uint8_t key[PEER_POINT_KEY_BYTES];
    for (uint32_t m = 0; m < data->metric_count; m++)
        for (size_t i = 0; i < data->row_count; i++) {
            size_t bytes = peer_record(record, data->times_ns[i], peer_row(data, i) + m, 1);
            peer_point_key(key, m, data->steps[i]);
            leveldb_writebatch_put(batch, (const char *)key, sizeof key, (const char *)record, bytes);
            if ((i + 1) % BATCH_RECORDS == 0) write_batch(d, batch);
        }
    write_batch(d, batch);
    leveldb_writebatch_destroy(batch);
    leveldb_close(d->db);
    peer_sync_directory(directory);
}

static void compact(const char *directory)
{
    database *d = open_database(directory, NULL);
    leveldb_compact_range(d->db, NULL, 0, NULL, 0);
    leveldb_close(d->db);
}

static void *open_reader(const char *directory, const peer_data *data) { return open_database(directory, data); }

/* Passes over all records of the database, or of one metric. */
static void scan_records(database *d, const uint8_t *prefix, size_t prefix_bytes, size_t column, peer_sink *out)
{
    leveldb_readoptions_t *options = leveldb_readoptions_create();
    leveldb_readoptions_set_fill_cache(options, 0);
    leveldb_iterator_t *i = leveldb_create_iterator(d->db, options);
    char *error = NULL;
    if (prefix_bytes)
        leveldb_iter_seek(i, (const char *)prefix, prefix_bytes);
    else
        leveldb_iter_seek_to_first(i);
    for (; leveldb_iter_valid(i); leveldb_iter_next(i)) {
        size_t key_bytes, value_bytes;
        const char *key = leveldb_iter_key(i, &key_bytes), *record = leveldb_iter_value(i, &value_bytes);
        int64_t time_ns;
        double value;
        if (prefix_bytes && memcmp(key, prefix, prefix_bytes) != 0) break;
        memcpy(&time_ns, record, sizeof time_ns);
        memcpy(&value, record + column * sizeof value, sizeof value);
        peer_sink_row(out, (int64_t)peer_get_big_endian(key + key_bytes - 8), time_ns, value);
    }
    leveldb_iter_get_error(i, &error);
    must(error);
    leveldb_iter_destroy(i);
    leveldb_readoptions_destroy(options);
}

static void scan(void *reader, uint32_t metric, peer_sink *out) { scan_records(reader, NULL, 0, 1 + metric, out); }

static void scan_points(void *reader, uint32_t metric, peer_sink *out)
{
    uint8_t key[PEER_POINT_KEY_BYTES];
    peer_point_key(key, metric, 0);
    scan_records(reader, key, 2, 1, out);
}

const peer peer_leveldb = {.name = "LevelDB, a record a step",
                           .key = "leveldb",
                           .durability = "kill: all steps; power: what the kernel wrote of its log, a prefix",
                           .version = version,
                           .open = open_steps,
                           .step = step,
                           .load = load,
                           .compact = compact,
                           .open_reader = open_reader,
                           .scan = scan};

const peer peer_leveldb_points = {.name = "LevelDB, a record a point",
                                  .key = "leveldb-points",
                                  .durability = "load only",
                                  .version = version,
                                  .load = load_points,
                                  .compact = compact,
                                  .open_reader = open_reader,
                                  .scan = scan_points};
