/* bench/peers/peers_load.c: many rows at the best batching, bytes after the store's own compaction, one series
 * read back by another process; and steplog as the Python trackers are measured.
 *
 * Every step of every round runs in a process of its own. A load ends when its data is on the disk. A scan's first
 * pass includes opening; later passes are of the open store in the same process. All passes add up every step, time
 * and value and must come to the right sums; one pass of the first round compares every value of every metric. */
#include "peers.h"

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#define LATER_PASSES 5u
#define READERS 3u /* processes that scan, a round */

typedef struct load_context {
    const peer *p;
    const char *directory;
    const peer_data *data;
    struct load_times {
        int64_t load_ns, compact_ns, first_ns, pass_ns[LATER_PASSES];
    } * times;
} load_context;

static void run_load(void *context)
{
    const load_context *c = context;
    int64_t begin = monotonic_ns();
    c->p->load(c->directory, c->data);
    c->times->load_ns = monotonic_ns() - begin;
}

static void run_compact(void *context)
{
    const load_context *c = context;
    c->p->compact(c->directory);
}

static void check_sums(const load_context *c, const peer_sink *got)
{
    static peer_sink wanted;
    if (wanted.count == 0)
        for (size_t i = 0; i < c->data->row_count; i++)
            peer_sink_row(&wanted, c->data->steps[i], c->data->times_ns[i], peer_row(c->data, i)[0]);
    if (got->count != wanted.count || got->step_sum != wanted.step_sum || got->time_sum != wanted.time_sum ||
        got->value_sum != wanted.value_sum)
        die("%s: a scan read something else", c->p->name);
}

static void run_scan(void *context)
{
    const load_context *c = context;
    peer_sink sink = {0};
    int64_t begin = monotonic_ns();
    void *reader = c->p->open_reader(c->directory, c->data);
    c->p->scan(reader, 0, &sink);
    c->times->first_ns = monotonic_ns() - begin;
    check_sums(c, &sink);
    for (uint32_t i = 0; i < LATER_PASSES; i++) {
        sink = (peer_sink){0};
        begin = monotonic_ns();
        c->p->scan(reader, 0, &sink);
        c->times->pass_ns[i] = monotonic_ns() - begin;
        check_sums(c, &sink);
    }
}

static void run_workload(const char *parent, workload_kind kind, size_t row_count, uint32_t round_count)
{
    static rounds load[PEERS_MAX], first[PEERS_MAX], later[PEERS_MAX], size[PEERS_MAX];
    const peer_data *data = peers_make_data(kind, row_count);
    struct load_times *times = peers_shared_memory(sizeof *times);
    double points = (double)row_count * data->metric_count;
    char directory[1024];
    for (size_t i = 0; i < peers_linked_count; i++) load[i].count = first[i].count = later[i].count = size[i].count = 0;
    for (uint32_t round = 0; round < round_count; round++)
        for (size_t i = 0; i < peers_linked_count; i++) {
            const peer *p = peers_linked[i];
            load_context c = {p, directory, data, times};
            peers_fresh_directory(directory, parent, p);
            peers_run_child(run_load, &c, 0);
            if (p->compact) peers_run_child(run_compact, &c, 0);
            rounds_add(&load[i], points * 1e3 / (double)times->load_ns);
            rounds_add(&size[i], (double)directory_bytes(directory) / points);
            for (uint32_t reader = 0; reader < READERS; reader++) {
                peers_run_child(run_scan, &c, 0);
                rounds_add(&first[i], (double)row_count * 1e3 / (double)times->first_ns);
                for (uint32_t pass = 0; pass < LATER_PASSES; pass++)
                    rounds_add(&later[i], (double)row_count * 1e3 / (double)times->pass_ns[pass]);
            }
            if (round == 0) peers_check(p, directory, data, row_count);
            remove_directory(directory);
        }
    for (size_t i = 0; i < peers_linked_count; i++) {
        const peer *p = peers_linked[i];
        peers_json(p, "bulk", kind, "Mpoint/s", rounds_spread(&load[i]), (size_t)points);
        peers_json(p, "size", kind, "bytes/point", rounds_spread(&size[i]), (size_t)points);
        peers_json(p, "scan", kind, "Mpoint/s", rounds_spread(&later[i]), row_count);
        peers_json(p, "open and scan", kind, "Mpoint/s", rounds_spread(&first[i]), row_count);
    }
    peers_free_data(data);
}

void peers_load(const char *parent, const effort *e)
{
    run_workload(parent, W20, e->load_rows, e->load_rounds);
    run_workload(parent, W1_US, e->load_rows, (e->load_rounds + 2) / 3);
}

typedef struct tracker_context {
    const char *directory;
    const peer_data *data;
    struct tracker_times {
        int64_t wall_ns, cpu_ns, read_ns;
    } * times;
} tracker_context;

/* Row by row, as a job does, from opening to closed: sealed, compressed, durable. */
static void run_tracker(void *context)
{
    const tracker_context *c = context;
    steplog_store *store;
    steplog_writer *writer;
    steplog_schema schema;
    steplog_metric metrics[WORKLOAD_METRICS_MAX];
    steplog_error err = {0};
    const steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_CREATE};
    int64_t begin = monotonic_ns(), cpu_begin = cpu_ns();
    check(steplog_store_open(c->directory, &options, &store, &err), &err, "store_open");
    check(steplog_writer_open(store, NULL, &writer, &err), &err, "writer_open");
    for (uint32_t i = 0; i < c->data->metric_count; i++)
        check(steplog_writer_metric(writer, c->data->names[i], strlen(c->data->names[i]), &metrics[i], &err), &err,
              "metric");
    check(steplog_writer_schema(writer, metrics, c->data->metric_count, &schema, &err), &err, "schema");
    for (size_t i = 0; i < c->data->row_count; i++)
        check(steplog_writer_append(writer, schema, c->data->steps[i], c->data->times_ns[i], peer_row(c->data, i)),
              NULL, "append");
    check(steplog_writer_close(writer, 0, &err), &err, "writer_close");
    check(steplog_store_close(store, &err), &err, "store_close");
    c->times->cpu_ns = cpu_ns() - cpu_begin;
    c->times->wall_ns = monotonic_ns() - begin;
}

static void run_tracker_read(void *context)
{
    const tracker_context *c = context;
    peer_sink sink = {.expected = c->data};
    int64_t begin = monotonic_ns();
    peer_steplog.scan(peer_steplog.open_reader(c->directory, c->data), 0, &sink);
    c->times->read_ns = monotonic_ns() - begin;
    if (sink.count != c->data->row_count || sink.different_count) die("steplog: a series reads back wrong");
}

void peers_tracker(const char *parent, size_t row_count, uint32_t repeat_count)
{
    static rounds wall, cpu, size, read;
    const peer_data *data = peers_make_data(W20, row_count);
    struct tracker_times *times = peers_shared_memory(sizeof *times);
    double points = (double)row_count * data->metric_count;
    char directory[1024];
    for (uint32_t i = 0; i < repeat_count; i++) {
        tracker_context c = {directory, data, times};
        peers_fresh_directory(directory, parent, &peer_steplog);
        peers_run_child(run_tracker, &c, 0);
        peers_run_child(run_tracker_read, &c, 0);
        if (i == 0) peers_check(&peer_steplog, directory, data, row_count);
        rounds_add(&wall, (double)times->wall_ns / 1e3 / points);
        rounds_add(&cpu, (double)times->cpu_ns / 1e3 / points);
        rounds_add(&size, (double)directory_bytes(directory) / points);
        rounds_add(&read, (double)times->read_ns / 1e3 / (double)row_count);
        remove_directory(directory);
    }
    peers_json(&peer_steplog, "wall", W20, "us/point", rounds_spread(&wall), (size_t)points);
    peers_json(&peer_steplog, "cpu", W20, "us/point", rounds_spread(&cpu), (size_t)points);
    peers_json(&peer_steplog, "size", W20, "bytes/point", rounds_spread(&size), (size_t)points);
    peers_json(&peer_steplog, "read", W20, "us/point", rounds_spread(&read), row_count);
    peers_free_data(data);
}
