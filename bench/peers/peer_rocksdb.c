/* bench/peers/peer_rocksdb.c: RocksDB in two shapes: a record a step, and a record a point with its key by metric, then
 * step.
 *
 * Steps: one put a step, sync=false: the log is written by the time put returns. Load: a table file written in key
 * order and ingested, which its documentation says is the fastest way in. Its tuning guide's options: LZ4 above, zstd
 * at the bottom level, 32 KiB blocks, background work on every core; read-ahead for scans. */
#include "peer.h"

#include "timing.h"

#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef ROCKSDB_VERSION /* no C header tells it */
#define ROCKSDB_VERSION ""
#endif

typedef struct database {
    rocksdb_t *db;
    rocksdb_writeoptions_t *write;
    const peer_data *data;
} database;

static const char *version(void) { return ROCKSDB_VERSION; }

static void must(char *error)
{
    if (error) die("RocksDB: %s", error);
}

static rocksdb_options_t *make_options(void)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_increase_parallelism(options, 2);
    rocksdb_options_set_write_buffer_size(options, 64u << 20);
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_bottommost_compression(options, rocksdb_zstd_compression);
    rocksdb_block_based_options_set_block_size(table, 32u << 10);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
    return options;
}

static database *open_database(const char *directory, const peer_data *data)
{
    static database d;
    char *error = NULL;
    rocksdb_options_t *options = make_options();
    d = (database){.write = rocksdb_writeoptions_create(), .data = data};
    rocksdb_writeoptions_set_sync(d.write, 0);
    d.db = rocksdb_open(options, directory, &error);
    must(error);
    rocksdb_options_destroy(options);
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
    rocksdb_put(d->db, d->write, (const char *)key, sizeof key, (const char *)record, bytes, &error);
    must(error);
}

/* The table file of a load, and how it becomes a database. */
typedef struct table_file {
    char path[1024];
    rocksdb_options_t *options;
    rocksdb_envoptions_t *env;
    rocksdb_sstfilewriter_t *writer;
} table_file;

static void begin_load(table_file *t, const char *directory)
{
    char *error = NULL;
    snprintf(t->path, sizeof t->path, "%s-load.sst", directory);
    t->options = make_options();
    rocksdb_options_set_compression(t->options, rocksdb_zstd_compression);
    t->env = rocksdb_envoptions_create();
    t->writer = rocksdb_sstfilewriter_create(t->env, t->options);
    rocksdb_sstfilewriter_open(t->writer, t->path, &error);
    must(error);
}

static void add(table_file *t, const uint8_t *key, size_t key_bytes, const double *record, size_t record_bytes)
{
    char *error = NULL;
    rocksdb_sstfilewriter_put(t->writer, (const char *)key, key_bytes, (const char *)record, record_bytes, &error);
    must(error);
}

static void end_load(table_file *t, const char *directory)
{
    char *error = NULL;
    const char *files[] = {t->path};
    rocksdb_sstfilewriter_finish(t->writer, &error);
    must(error);
    rocksdb_sstfilewriter_destroy(t->writer);
    rocksdb_envoptions_destroy(t->env);
    rocksdb_options_destroy(t->options);
    database *d = open_database(directory, NULL);
    rocksdb_ingestexternalfileoptions_t *ingest = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(ingest, 1);
    rocksdb_ingest_external_file(d->db, files, 1, ingest, &error);
    must(error);
    rocksdb_ingestexternalfileoptions_destroy(ingest);
    rocksdb_close(d->db);
    remove(t->path);
    peer_sync_directory(directory);
}

static void load(const char *directory, const peer_data *data)
{
    table_file t;
    double record[PEER_RECORD_VALUES_MAX];
    uint8_t key[8];
    begin_load(&t, directory);
    for (size_t i = 0; i < data->row_count; i++) {
        size_t bytes = peer_record(record, data->times_ns[i], peer_row(data, i), data->metric_count);
        peer_put_big_endian(key, (uint64_t)data->steps[i]);
        add(&t, key, sizeof key, record, bytes);
    }
    end_load(&t, directory);
}

static void load_points(const char *directory, const peer_data *data)
{
    table_file t;
    double record[PEER_RECORD_VALUES_MAX];
    uint8_t key[PEER_POINT_KEY_BYTES];
    begin_load(&t, directory);
    for (uint32_t m = 0; m < data->metric_count; m++)
        for (size_t i = 0; i < data->row_count; i++) {
            size_t bytes = peer_record(record, data->times_ns[i], peer_row(data, i) + m, 1);
            peer_point_key(key, m, data->steps[i]);
            add(&t, key, sizeof key, record, bytes);
        }
    end_load(&t, directory);
}

static void compact(const char *directory)
{
    database *d = open_database(directory, NULL);
    rocksdb_compact_range(d->db, NULL, 0, NULL, 0);
    rocksdb_close(d->db);
}

static void *open_reader(const char *directory, const peer_data *data)
{
    static database d;
    char *error = NULL;
    rocksdb_options_t *options = make_options();
    d = (database){.data = data};
    d.db = rocksdb_open_for_read_only(options, directory, 0, &error);
    must(error);
    rocksdb_options_destroy(options);
    return &d;
}

/* Passes over all records of the database, or of one metric. */
static void scan_records(database *d, const uint8_t *prefix, size_t prefix_bytes, size_t column, peer_sink *out)
{
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_readahead_size(options, 2u << 20);
    rocksdb_readoptions_set_fill_cache(options, 0);
    rocksdb_iterator_t *i = rocksdb_create_iterator(d->db, options);
    char *error = NULL;
    if (prefix_bytes)
        rocksdb_iter_seek(i, (const char *)prefix, prefix_bytes);
    else
        rocksdb_iter_seek_to_first(i);
    for (; rocksdb_iter_valid(i); rocksdb_iter_next(i)) {
        size_t key_bytes, value_bytes;
        const char *key = rocksdb_iter_key(i, &key_bytes), *record = rocksdb_iter_value(i, &value_bytes);
        int64_t time_ns;
        double value;
        if (prefix_bytes && memcmp(key, prefix, prefix_bytes) != 0) break;
        memcpy(&time_ns, record, sizeof time_ns);
        memcpy(&value, record + column * sizeof value, sizeof value);
        peer_sink_row(out, (int64_t)peer_get_big_endian(key + key_bytes - 8), time_ns, value);
    }
    rocksdb_iter_get_error(i, &error);
    must(error);
    rocksdb_iter_destroy(i);
    rocksdb_readoptions_destroy(options);
}

static void scan(void *reader, uint32_t metric, peer_sink *out) { scan_records(reader, NULL, 0, 1 + metric, out); }

static void scan_points(void *reader, uint32_t metric, peer_sink *out)
{
    uint8_t key[PEER_POINT_KEY_BYTES];
    peer_point_key(key, metric, 0);
    scan_records(reader, key, 2, 1, out);
}

const peer peer_rocksdb = {.name = "RocksDB, a record a step",
                           .key = "rocksdb",
                           .durability = "kill: all steps; power: what the kernel wrote of its log, a prefix",
                           .version = version,
                           .open = open_steps,
                           .step = step,
                           .load = load,
                           .compact = compact,
                           .open_reader = open_reader,
                           .scan = scan};

const peer peer_rocksdb_points = {.name = "RocksDB, a record a point",
                                  .key = "rocksdb-points",
                                  .durability = "load only",
                                  .version = version,
                                  .load = load_points,
                                  .compact = compact,
                                  .open_reader = open_reader,
                                  .scan = scan_points};
