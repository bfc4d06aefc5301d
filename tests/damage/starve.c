/* damage/starve.c: the intact store and damaged ones, while memory runs out or the disk gives an error.
 *
 * Every way to read, verify, dump, follow, and recovery with compaction are gone through; the Nth allocation, or the Nth
 * read, fails. Demanded: no crash, nothing left over, no writing by those who read, nothing shown that was never recorded,
 * and after a recovery that met this all is there that was there before. */
#include "damage/attacks.h"

#include "damage/guard.h"
#include "support/store_kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SHORTAGE_MEMORY, SHORTAGE_DISK, SHORTAGES };
static const char *const shortages[] = {"allocation", "read of the disk"};

static image_reading reading;

static int count_item(void *context, const steplog_dump_item *item)
{
    (void)item;
    ++*(uint64_t *)context;
    return 0;
}

static void look(judge *j) { image_read(j->image, 0, &reading); }

static void check(judge *j)
{
    steplog_verify_result result = {.size_bytes = sizeof result};
    (void)j;
    steplog_store_verify(MEMORY_STORE, NULL, &result, &kit_error);
}

static void dump(judge *j)
{
    uint64_t count = 0;
    (void)j;
    steplog_dump(MEMORY_STORE, NULL, STEPLOG_DUMP_VALUES, count_item, &count, &kit_error);
}

/* All that a follower is given first, of every run. */
static void follow(judge *j)
{
    const steplog_id *runs[] = {&j->reference->run_a, &j->reference->run_b, &j->reference->run_c};
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_READ_ONLY};
    steplog_view view = {.size_bytes = sizeof view, .flags = STEPLOG_VIEW_FOLLOW, .has_begin = 1, .step_begin = 100};
    steplog_store *store;
    steplog_reader *reader;
    if (steplog_store_open(MEMORY_STORE, &options, &store, &kit_error) != STEPLOG_OK) return;
    if (steplog_reader_open(store, &reader, &kit_error) == STEPLOG_OK) {
        for (size_t i = 0; i < 3; i++) {
            steplog_cursor *cursor;
            steplog_batch batch;
            if (steplog_cursor_open_matching(reader, runs[i], "[!q]*", &view, &cursor, &kit_error) != STEPLOG_OK) continue;
            for (int n = 0; n < 100 && steplog_cursor_next(cursor, &batch, 0, &kit_error) == STEPLOG_OK; n++) continue;
            steplog_cursor_close(cursor);
        }
        steplog_reader_close(reader);
    }
    OK(steplog_store_close(store, &kit_error));
}

static void recover(judge *j)
{
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_NO_THREAD};
    steplog_compact_options compact = {.size_bytes = sizeof compact, .flags = STEPLOG_COMPACT_NOW};
    steplog_store *store;
    (void)j;
    if (steplog_store_open(MEMORY_STORE, &options, &store, &kit_error) != STEPLOG_OK) return;
    steplog_store_tick(store, 1000, &kit_error);
    steplog_store_compact(store, &compact, NULL, &kit_error);
    steplog_store_close(store, &kit_error);
}

static const struct {
    const char *name;
    void (*run)(judge *j);
    int may_write;
} works[] = {{"read", look, 0}, {"verified", check, 0}, {"dumped", dump, 0}, {"followed", follow, 0}, {"compacted", recover, 1}};
enum { WORKS = sizeof works / sizeof *works };

static int is_shortage_met(int shortage) { return shortage == SHORTAGE_MEMORY ? guard_has_failed() : memory_os_has_failed(); }

static void violation(judge *j, const char *words, const char *what, uint64_t number)
{
    j->violation_count++;
    fprintf(stderr, "violation: %s: %s: %" PRIu64 "\n           repeat with: --case '%s'\n", words, what, number, words);
}

/* What compaction must not lose: all that can be read but what follows from the rest. */
static size_t count_lost(const judge *j, const uint8_t *before)
{
    size_t lost = 0;
    for (size_t i = 0; i < j->image->count; i++)
        lost += before[i] && !j->image->is_seen[i] && j->image->items[i].kind != ITEM_DETAIL;
    return lost;
}

/* 1 while the store is large enough for the shortage to be met. */
static int starve(judge *j, size_t work, int shortage, uint64_t at, const char *words, const uint8_t *before)
{
    static memory_disk copy;
    memory_disk_copy(&copy, &j->work);
    memory_os_set_boot(1);
    memory_os_use(&copy, 1);
    size_t held = guard_held_bytes();
    guard_watch(words);
    guard_fail(shortage == SHORTAGE_MEMORY ? at : 0);
    memory_os_fail(shortage == SHORTAGE_DISK ? at : 0);
    works[work].run(j);
    int is_met = is_shortage_met(shortage);
    guard_fail(0);
    memory_os_fail(0);
    j->case_count++;
    if (guard_held_bytes() != held) violation(j, words, "bytes left over", guard_held_bytes() - held);
    if (memory_os_open_count()) violation(j, words, "descriptors left over", memory_os_open_count());
    if (!works[work].may_write && memory_os_write_count()) violation(j, words, "writes", memory_os_write_count());
    if (work == 0) {
        for (size_t i = 0; i < reading.extra_count && i < IMAGE_EXTRA_MAX; i++)
            if (reading.extra[i].kind == ITEM_POINT && !reading.extra[i].point)
                violation(j, words, "shown, and never recorded: record", reading.extra[i].sequence);
    }
    if (works[work].may_write) {
        memory_os_use(&copy, 2);
        image_read(j->image, 0, &reading);
        if (count_lost(j, before)) violation(j, words, "items gone", count_lost(j, before));
    }
    guard_watch(NULL);
    memory_os_use(&j->work, 1);
    return is_met;
}

static void starve_store(judge *j, const attack_options *o, const char *store, uint64_t stride)
{
    static uint8_t before[1 << 16];
    HOLDS(j->image->count <= sizeof before, "an image of %zu items", j->image->count);
    memory_os_set_boot(1);
    memory_os_use(&j->work, 1);
    image_read(j->image, 0, &reading);
    memcpy(before, j->image->is_seen, j->image->count);
    for (size_t work = 0; work < WORKS; work++)
        for (int shortage = 0; shortage < SHORTAGES; shortage++)
            for (uint64_t at = 1 + (stride > 1 ? o->seed % stride : 0), is_met = 1; is_met; at += stride) {
                char words[JUDGE_WORDS];
                snprintf(words, sizeof words, "%s %s, %s %" PRIu64 " fails", store, works[work].name, shortages[shortage], at);
                if (o->only_case && strcmp(o->only_case, words) != 0) {
                    if (at > 1000000) break;
                    continue;
                }
                is_met = (uint64_t)starve(j, work, shortage, at, words, before);
                if (o->only_case) break;
            }
}

void attack_starved(judge *j, const attack_options *o)
{
#ifdef __SANITIZE_ADDRESS__
    uint64_t intact_stride = 37, stride = 401, one_of = 8;
#else
    uint64_t intact_stride = 1, stride = 23, one_of = 4;
#endif
    if (o->is_long) intact_stride = stride = one_of = 1;
    if (o->only_case) intact_stride = stride = one_of = 1;
    starve_store(j, o, "the intact store", intact_stride);
    const block_map *map = &j->maps[1];
    for (size_t i = o->seed % one_of; i < map->count; i += one_of) {
        const block *b = &map->blocks[i];
        const memory_file *intact = &j->reference->disk.files[b->file];
        char store[JUDGE_WORDS / 2];
        snprintf(store, sizeof store, "%s at %u of %s zeroed", b->name, b->begin, intact->name);
        memset(memory_disk_find(&j->work, intact->name)->node->data + b->begin, 0, b->end - b->begin);
        starve_store(j, o, store, stride);
        memory_disk_put(&j->work, intact->name, intact->node->data, intact->node->bytes);
    }
}
