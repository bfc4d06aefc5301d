/* support/scenes.c: the scenes: what a process does to a store, each from a store that an earlier one left. */
#include "support/script.h"

#include <string.h>

enum { ROWS_OF_HALF_A_LOG = 950, ROWS_OF_A_LOG = 2150 /* somewhat more than one log holds */ };

static void nothing(script *s) { (void)s; }

/* A store whose writer is open, with a few rows that are durable. */
static void open_writer(script *s)
{
    size_t w;
    script_open(s, 0);
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, 3);
    script_sync(s, w);
}

/* Three writers that ended one after the other: as many segments. */
static void leave_segments(script *s)
{
    size_t w;
    for (int i = 0; i < 3; i++) {
        script_open(s, 0);
        script_writer_open(s, "run", 0, 0, &w);
        script_rows(s, w, 20);
        script_fact(s, w);
        script_blob(s, w, 300);
        script_close(s);
    }
    script_open(s, 0);
}

static void play_open(script *s)
{
    size_t w;
    script_open(s, 0);
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, 2);
}

static void play_append(script *s)
{
    script_rows(s, 0, 4);
    script_sync(s, 0);
    script_rows(s, 0, 2);
    script_fact(s, 0);
    script_tick(s);
    script_rows(s, 0, 2);
}

static void play_append_little(script *s)
{
    script_rows(s, 0, 1);
    script_sync(s, 0);
    script_rows(s, 0, 2);
}

static void play_rows(script *s) { script_rows(s, 0, 3); }

static void play_seal(script *s)
{
    script_rows(s, 0, ROWS_OF_HALF_A_LOG);
    script_tick(s);
    script_rows(s, 0, 20);
    script_sync(s, 0);
    script_rows(s, 0, ROWS_OF_HALF_A_LOG);
    script_tick(s);
    script_rows(s, 0, 5);
}

static void fill_a_log(script *s)
{
    open_writer(s);
    script_rows(s, 0, ROWS_OF_A_LOG);
}

/* A log is sealed and kept, and the next one begins in it. */
static void play_recycle(script *s)
{
    script_tick(s);
    script_rows(s, 0, ROWS_OF_A_LOG);
    script_sync(s, 0);
    script_rows(s, 0, 5);
}

/* No full log but one may wait: the append that fills the second seals the first and goes on in it. */
static void run_ahead(script *s)
{
    s->backlog_bytes = 1;
    fill_a_log(s);
    script_sync(s, 0);
}

static void play_ahead(script *s)
{
    script_rows(s, 0, ROWS_OF_A_LOG);
    script_rows(s, 0, 5);
}

static void play_close(script *s)
{
    script_rows(s, 0, 2);
    script_writer_close(s, 0);
}

static void play_compact(script *s) { script_compact(s); }

static void play_read(script *s)
{
    size_t w;
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, 5);
    script_read(s, 0);
    script_read(s, w);
}

/* Two writers that were killed: one in the middle of a log, one with a log that waits to be sealed. */
static void leave_dead_logs(script *s)
{
    size_t w;
    script_open(s, 0);
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, 30);
    script_fact(s, w);
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, ROWS_OF_HALF_A_LOG);
    script_kill(s);
}

static const char spare[] = "store/log/00112233445566778899aabbccddeeff-7.log";
static const uint8_t zeros[2 * SIM_PAGE_BYTES];

/* So long ago that their spares are nobody's any more. */
static void leave_old_logs(script *s)
{
    leave_dead_logs(s);
    sim_put_file(s->machine, spare, zeros, sizeof zeros);
    sim_move_clock(s->machine, 3600000000000ll);
}

static void play_recover(script *s)
{
    size_t w;
    script_open(s, 0);
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, 3);
    script_tick(s);
    script_compact(s);
}

/* A process is killed at some call, by the seed, wherever that is; another one goes on, and recovers what it left. */
static void play_killed(script *s)
{
    size_t w;
    sim_stop_at(s->machine, SIM_ALL, s->seed * 7919 % 140 + 1);
    script_open(s, 0);
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, 3);
    script_sync(s, w);
    script_rows(s, w, 3);
    script_close(s);
    script_open(s, 0);
    script_compact(s);
    script_kill_traced(s);
    script_open(s, 0);
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, 4);
    script_tick(s);
    script_sync(s, w);
    script_rows(s, w, 2);
    script_close(s);
}

/* The process is killed at one of the next calls that give files their names and make them last, by the seed. */
static void stop_at_naming(script *s, uint64_t calls)
{
    sim_stop_at(s->machine, SIM_RENAME | SIM_UNLINK | SIM_SYNC, (s->seed * 0x9e3779b97f4a7c15u >> 40) % calls + 1);
}

/* A process is killed while it seals; the next one recovers what it left and goes on. */
static void play_killed_sealing(script *s)
{
    size_t w;
    script_sync(s, 0);
    stop_at_naming(s, 6);
    script_writer_close(s, 0);
    script_kill_traced(s);
    script_open(s, 0);
    script_tick(s);
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, 2);
    script_sync(s, w);
    script_rows(s, w, 2);
}

/* One segment of level 1, and as many of level 0 as a light compaction takes. */
static void leave_two_levels(script *s)
{
    size_t w;
    script_open(s, 0);
    for (int i = 0; i < 10; i++) {
        script_writer_open(s, "run", 0, 0, &w);
        script_rows(s, w, 2);
        script_writer_close(s, w);
        if (i == 1) script_compact(s);
    }
}

/* A process is killed while it compacts both levels; the next one compacts one of them. */
static void play_killed_compacting(script *s)
{
    size_t w;
    steplog_compact_options light = {.size_bytes = sizeof light, .flags = STEPLOG_COMPACT_LIGHT};
    stop_at_naming(s, 8);
    script_compact(s);
    script_kill_traced(s);
    if (!script_open(s, 0)) return;
    script_tried(s, steplog_store_compact(s->store, &light, NULL, NULL));
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, 2);
    script_close(s);
}

static void play_rewind(script *s)
{
    size_t w;
    steplog_id fork;
    uint32_t attempt;
    s->may_hold_more_runs = 1;
    if (!s->store || !s->writer_count) return;
    script_tried(s, steplog_run_rewind(s->store, &s->writers[0].run, 5, &attempt, NULL));
    script_writer_open(s, "run", 0, 5, &w);
    script_rows(s, w, 3);
    script_tried(s, steplog_run_rewind(s->store, &s->writers[0].run, 2, &attempt, NULL));
    script_tried(s, steplog_run_rewind_undo(s->store, &s->writers[0].run, &attempt, NULL));
    script_tried(s, steplog_run_fork(s->store, &s->writers[0].run, 4, "fork", "fork", &fork, NULL));
}

static void play_blob(script *s)
{
    script_blob(s, 0, 100);
    script_blob(s, 0, 70000); /* longer than a record, and than a log */
    script_rows(s, 0, 2);
    script_fact(s, 0);
    script_blob(s, 0, 20000);
    script_sync(s, 0);
}

/* A second store beside the first, to be merged. */
static void leave_two_stores(script *s)
{
    const char *path = s->path;
    size_t w;
    s->path = "other";
    script_open(s, 0);
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, 20);
    script_close(s);
    script_open(s, 0);
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, 10);
    script_fact(s, w);
    script_close(s);
    s->path = path;
    s->writers[0].is_elsewhere = s->writers[1].is_elsewhere = 1;
    script_open(s, 0);
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, 5);
}

static void play_merge(script *s)
{
    if (!s->store) return;
    for (int i = 0; i < 20; i++) {
        steplog_merge_result result = {.size_bytes = sizeof result};
        if (!script_tried(s, steplog_store_merge(s->store, "other", NULL, NULL, &result, NULL))) continue;
        s->writers[0].is_elsewhere = s->writers[1].is_elsewhere = 0;
        break;
    }
    script_rows(s, 2, 3);
    script_sync(s, 2);
}

static void play_two_writers(script *s)
{
    size_t a, b;
    script_open(s, 0);
    script_writer_open(s, "run", 0, 0, &a);
    script_writer_open(s, "run", 0, 0, &b);
    for (int i = 0; i < 3; i++) {
        script_rows(s, a, 3);
        script_rows(s, b, 2);
        script_fact(s, i % 2 ? a : b);
    }
    script_sync(s, a);
    script_rows(s, b, 1);
    script_writer_close(s, a);
    script_rows(s, b, 2);
    script_sync(s, b);
}

static void play_remove(script *s)
{
    script_remove(s, 0, 3, 8);
    script_rows(s, 2, 1);
    script_compact(s);
    script_remove(s, 1, 0, 100);
}

static int pass_item(void *context, const steplog_dump_item *item)
{
    (void)context, (void)item;
    return 0;
}

static const char vanishing[] = "store/seg/9/00112233445566778899aabbccddeeff.seg";

static int let_vanish(void *context, const steplog_damage *finding)
{
    (void)finding; /* the spare, which is looked at before any segment */
    sim_remove_file(context, vanishing);
    return 0;
}

/* A live log, segments, and who looks at their bytes while one of them goes away. */
static void play_look(script *s)
{
    size_t w;
    script_writer_open(s, "run", 0, 0, &w);
    script_rows(s, w, 4);
    if (!s->is_alone) {
        sim_put_file(s->machine, spare, zeros, sizeof zeros);
        sim_put_file(s->machine, vanishing, zeros, sizeof zeros);
    }
    steplog_verify_options options = {.size_bytes = sizeof options, .callback = let_vanish, .context = s->machine};
    steplog_verify_result result = {.size_bytes = sizeof result};
    script_tried(s, steplog_store_verify(s->path, &options, &result, NULL));
    sim_remove_file(s->machine, vanishing);
    sim_remove_file(s->machine, spare);
    script_tried(s, steplog_dump(s->path, NULL, STEPLOG_DUMP_VALUES, pass_item, NULL, NULL));
    script_tried(s, steplog_dump(s->path, "STEPLOG", 0, pass_item, NULL, NULL));
    script_tried(s, steplog_dump("store/STEPLOG", NULL, 0, pass_item, NULL, NULL));
}

/* Runs whose ids are random. */
static void play_without_key(script *s)
{
    size_t w;
    steplog_id fork;
    s->may_hold_more_runs = 1;
    script_open(s, 0);
    if (!script_writer_open(s, NULL, 0, 0, &w)) return;
    script_rows(s, w, 4);
    script_tried(s, steplog_run_fork(s->store, &s->writers[w].run, 2, NULL, "fork", &fork, NULL));
    script_rows(s, w, 1);
}

const script_scene script_scenes[] = {
    {"look", leave_segments, play_look},
    {"without_key", nothing, play_without_key},
    {"open", nothing, play_open},
    {"append", open_writer, play_append},
    {"append_little", open_writer, play_append_little},
    {"rows", open_writer, play_rows},
    {"seal", open_writer, play_seal},
    {"close", open_writer, play_close},
    {"compact", leave_segments, play_compact},
    {"read", leave_segments, play_read},
    {"recover", leave_dead_logs, play_recover},
    {"recover_late", leave_old_logs, play_recover},
    {"rewind", leave_segments, play_rewind},
    {"blob", open_writer, play_blob},
    {"merge", leave_two_stores, play_merge},
    {"killed", nothing, play_killed},
    {"killed_sealing", open_writer, play_killed_sealing},
    {"two_writers", nothing, play_two_writers},
    {"remove", leave_segments, play_remove},
    {"recycle", fill_a_log, play_recycle},
    {"ahead", run_ahead, play_ahead},
    {"killed_compacting", leave_two_levels, play_killed_compacting},
};
const size_t script_all_scene_count = sizeof script_scenes / sizeof script_scenes[0];
const size_t script_scene_count = sizeof script_scenes / sizeof script_scenes[0] - 3;

const script_scene *script_find_scene(const char *name)
{
    for (size_t i = 0; i < script_all_scene_count; i++)
        if (strcmp(script_scenes[i].name, name) == 0) return &script_scenes[i];
    return NULL;
}
