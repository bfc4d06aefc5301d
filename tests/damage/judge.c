/* damage/judge.c: one damaged store, and what it shows. */
#include "damage/judge.h"

#include "damage/guard.h"
#include "support/store_kit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Each byte may be read some hundred times over: by views, verify, dump. */
enum { MEMORY_MAX = 16 << 20, READ_MAX = 256 << 20, VIOLATIONS_TOLD_MAX = 40 };

static image_reading reading, after; /* large */

static void violation(judge *j, const attack_case *c, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void violation(judge *j, const attack_case *c, const char *format, ...)
{
    va_list arguments;
    if (j->violation_count++ >= VIOLATIONS_TOLD_MAX) return;
    fprintf(stderr, "violation: %s%s: ", c->words, c->is_same_boot ? "" : " (other boot)");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n           repeat with: --case '%s'\n", c->words);
}

/* ---- the intact store ---- */

static int run_bit(const reference *r, const steplog_id *run)
{
    return memcmp(run, &r->run_a, 16) == 0 ? 1 : memcmp(run, &r->run_b, 16) == 0 ? 2 : 4;
}

static void find_runs(judge *j)
{
    const block_map *map = &j->maps[1];
    for (size_t i = 0; i < j->image->count; i++) {
        const image_item *item = &j->image->items[i];
        int bit = run_bit(j->reference, item->kind == ITEM_POINT ? &item->point->run : &item->run);
        for (size_t copy = 0; copy < map->copy_count[i]; copy++)
            for (size_t b = 0; b < map->count; b++)
                if (block_is_in(&map->needs[i][copy], b)) j->run_bits[map->blocks[b].file] |= (uint8_t)bit;
    }
    /* The fork shows what its parent recorded. */
    for (size_t i = 0; i < MEMORY_FILES_MAX; i++)
        if (j->run_bits[i] & 1) j->run_bits[i] |= 2;
}

void judge_make(judge *out, reference *r, store_image *image)
{
    *out = (judge){.reference = r, .image = image};
    for (int same = 0; same < 2; same++) {
        block_map_make(&out->maps[same], image, same);
        memory_disk_copy(&out->work, &r->disk);
        memory_os_set_boot(same ? 1 : 2);
        memory_os_use(&out->work, 1);
        image_read(image, 0, &reading);
        HOLDS(reading.lost_count == 0 && reading.extra_count == 0 && reading.damage_count == 0,
              "the intact store after another boot: %zu lost, %zu extra", reading.lost_count, reading.extra_count);
        out->base_notices[same] = reading.notice_count;
    }
    steplog_verify_result result = {.size_bytes = sizeof result};
    OK(steplog_store_verify(MEMORY_STORE, NULL, &result, &kit_error));
    out->base_verify_notices = result.notice_count;
    find_runs(out);
}

void judge_free(judge *j)
{
    block_map_free(&j->maps[0]);
    block_map_free(&j->maps[1]);
    memory_disk_free(&j->work);
}

/* ---- what was shown ---- */

static int is_anything_seen(const judge *j, const steplog_id *run)
{
    for (size_t i = 0; i < j->image->count; i++)
        if (j->image->is_seen[i] && memcmp(&j->image->items[i].run, run, 16) == 0) return 1;
    return 0;
}

/* The map to judge by: a log's tail that is cut off is lost to readers that know of no power cut too. */
static const block_map *map_of(const judge *j, const attack_case *c)
{
    return &j->maps[c->is_same_boot && !c->is_tail_cut];
}

static int is_loss_allowed(const judge *j, const attack_case *c, size_t item, int has_history)
{
    const image_item *lost = &j->image->items[item];
    if (lost->kind == ITEM_DETAIL) return 1; /* told below */
    if (block_map_may_cost(map_of(j, c), item, &c->touched)) return 1;
    /* A run of which only tombstones are left is not listed. */
    if (lost->kind == ITEM_EVENT && has_history && !is_anything_seen(j, &lost->run)) return 1;
    if (!has_history || lost->kind != ITEM_POINT) return 0;
    /* What a fork shows of its parent is what its FORK says. */
    return lost->view == VIEW_DEFAULT || memcmp(&lost->point->run, &lost->run, 16) != 0;
}

/* Details follow from the rest: they may change only when that did, or when the blocks hold what they come from. */
static void check_seen(judge *j, const attack_case *c)
{
    const block_map *map = &j->maps[c->is_same_boot];
    int has_history = block_map_has(map, &c->touched, offsetof(block, is_history));
    int has_source = has_history || block_map_has(map, &c->touched, offsetof(block, is_description));
    size_t worse = 0, first = 0, details = 0, others = 0;
    for (size_t i = 0; i < j->image->count; i++) {
        if (j->image->is_seen[i] || (c->is_quick && !image_is_quick(&j->image->items[i]))) continue;
        if (j->image->items[i].kind == ITEM_DETAIL) details++;
        else others++;
        if (is_loss_allowed(j, c, i, has_history)) continue;
        if (worse++ == 0) first = i;
    }
    if (worse)
        violation(j, c, "%zu items are lost that the damaged blocks do not hold, first record %" PRIu64 " %s in view %d; "
                        "reader: %s", worse, j->image->items[first].sequence,
                  j->image->items[first].point ? j->image->items[first].point->metric : "(no point)",
                  j->image->items[first].view, reading.first_damage);
    for (size_t i = 0; i < reading.extra_count && i < IMAGE_EXTRA_MAX; i++) {
        const image_item *extra = &reading.extra[i];
        if (extra->kind == ITEM_DETAIL) {
            details++;
            continue;
        }
        if (extra->kind == ITEM_POINT && extra->point && has_source) {
            others++;
            continue;
        }
        violation(j, c, "record %" PRIu64 " is shown (kind %d, view %d), which was never recorded%s", extra->sequence,
                  (int)extra->kind, extra->view, extra->point ? " so" : "");
        return;
    }
    if (details && !others && !has_source) violation(j, c, "details of the views differ, although nothing is lost");
    if (!details && !others && !reading.is_m4_equal) violation(j, c, "plots differ, although nothing is lost");
}

/* Other runs than those of the changed files. A block that was brought from another file, with its checksums made right,
 * may say that the records of that file's run are here; returns whether it shows: that has to be told. */
static int check_others(judge *j, const attack_case *c)
{
    int affected = 0, of_source = 0;
    size_t lost = 0, extra = 0, claimed = 0;
    for (size_t file = 0; file < MEMORY_FILES_MAX; file++) {
        if (c->changed_files >> file & 1) affected |= j->run_bits[file];
        if (c->source_files >> file & 1) of_source |= j->run_bits[file];
    }
    if (strcmp(reading.failed, "") != 0) return 0; /* judged by the caller */
    for (size_t i = 0; i < j->image->count; i++) {
        const image_item *item = &j->image->items[i];
        if (j->image->is_seen[i] || (c->is_quick && !image_is_quick(item))) continue;
        int bit = run_bit(j->reference, &item->run);
        lost += !((affected | of_source) & bit);
        claimed += !(affected & bit) && (of_source & bit);
    }
    for (size_t i = 0; i < reading.extra_count && i < IMAGE_EXTRA_MAX; i++) {
        const image_item *item = &reading.extra[i];
        int bit = run_bit(j->reference, &item->run);
        int is_ours = bit != 4 || memcmp(&item->run, &j->reference->run_c, 16) == 0;
        extra += is_ours && !((affected | of_source) & bit);
        claimed += is_ours && !(affected & bit) && (of_source & bit);
    }
    if (lost || extra) violation(j, c, "%zu items of other runs are lost, %zu extra", lost, extra);
    return claimed > 0;
}

/* ---- the calls ---- */

static int count_item(void *context, const steplog_dump_item *item)
{
    (void)item;
    ++*(uint64_t *)context;
    return 0;
}

static void check_dump(judge *j, const attack_case *c)
{
    uint64_t count = 0;
    steplog_status status = steplog_dump(MEMORY_STORE, NULL, STEPLOG_DUMP_VALUES, count_item, &count, &kit_error);
    if (status != STEPLOG_OK && status != STEPLOG_CORRUPT && status != STEPLOG_NEWER && status != STEPLOG_MISSING)
        violation(j, c, "dump gave %s: %s", steplog_status_name(status), kit_error.text);
}

/* 1 when verify tells of damage. */
static int is_told_by_verify(judge *j, const attack_case *c)
{
    steplog_verify_result result = {.size_bytes = sizeof result};
    steplog_status status = steplog_store_verify(MEMORY_STORE, NULL, &result, &kit_error);
    int is_notice_enough = c->is_notice_enough || block_map_is_all(&j->maps[1], &c->touched, offsetof(block, is_torn));
    if (status == STEPLOG_OK) return result.notice_count != j->base_verify_notices && is_notice_enough;
    if (status == STEPLOG_CORRUPT) return 1;
    if (status == STEPLOG_NEWER || status == STEPLOG_MISSING) return 1;
    violation(j, c, "verify gave %s: %s", steplog_status_name(status), kit_error.text);
    return 1;
}

/* Opening for writing, sealing what dead writers left, compacting: in a copy. */
static void check_recovery(judge *j, const attack_case *c)
{
    static memory_disk copy;
    static uint8_t was_seen[1 << 16];
    steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_NO_THREAD};
    steplog_store *store = NULL;
    HOLDS(j->image->count <= sizeof was_seen, "an image of %zu items", j->image->count);
    memcpy(was_seen, j->image->is_seen, j->image->count);
    memory_disk_copy(&copy, &j->work);
    memory_os_use(&copy, 2);
    j->recovery_count++;
    steplog_status status = steplog_store_open(MEMORY_STORE, &options, &store, &kit_error);
    if (status == STEPLOG_OK) {
        status = steplog_store_tick(store, 1000, &kit_error);
        if (status < 0 && status != STEPLOG_CORRUPT)
            violation(j, c, "tick gave %s: %s", steplog_status_name(status), kit_error.text);
        status = steplog_store_compact(store, NULL, NULL, &kit_error);
        if (status < 0 && status != STEPLOG_CORRUPT)
            violation(j, c, "compact gave %s: %s", steplog_status_name(status), kit_error.text);
        OK(steplog_store_close(store, &kit_error));
        image_read(j->image, c->is_quick, &after);
        if (!c->is_resealed) {
            size_t lost = 0, extra = 0;
            for (size_t i = 0; i < j->image->count; i++)
                lost += was_seen[i] && !j->image->is_seen[i] && j->image->items[i].kind != ITEM_DETAIL &&
                        (!c->is_quick || image_is_quick(&j->image->items[i]));
            for (size_t i = 0; i < after.extra_count && i < IMAGE_EXTRA_MAX; i++)
                extra += after.extra[i].kind != ITEM_DETAIL && !(after.extra[i].kind == ITEM_EVENT) && !after.extra[i].point;
            if (lost) violation(j, c, "%zu items that could be read are gone after compaction", lost);
            if (extra) violation(j, c, "%zu items that were never recorded are there after compaction", extra);
        }
    } else if (status != STEPLOG_CORRUPT && status != STEPLOG_NEWER && status != STEPLOG_MISSING && status != STEPLOG_MISUSE) {
        violation(j, c, "open for writing gave %s: %s", steplog_status_name(status), kit_error.text);
    }
    memory_os_use(&j->work, 1);
}

static int touches_store_file(const judge *j, const attack_case *c)
{
    const block_map *map = &j->maps[0];
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->blocks[i].name, "STEPLOG") == 0 && block_is_in(&c->touched, i)) return 1;
    return 0;
}

/* Nothing may tell what never was read, nor that a tail without a mark was there. */
static int is_unseen(const judge *j, const attack_case *c)
{
    return block_map_is_all(&j->maps[1], &c->touched, offsetof(block, is_unused)) ||
           block_map_is_all(&j->maps[0], &c->touched, offsetof(block, is_unsynced)) || c->may_be_silent;
}

static void check_told(judge *j, const attack_case *c)
{
    int is_told = is_told_by_verify(j, c);
    j->told_count += is_told;
    if (!is_told && !is_unseen(j, c)) violation(j, c, "verify says nothing of a damaged block");
}

void judge_case(judge *j, const attack_case *c)
{
    size_t held = guard_held_bytes();
    guard_watch(c->words);
    guard_reset();
    memory_os_set_boot(c->is_same_boot ? 1 : 2);
    memory_os_use(&j->work, 1);
    j->case_count++;
    if (c->is_verified_only) {
        check_told(j, c);
        guard_watch(NULL);
        return;
    }
    j->read_count++;
    image_read(j->image, c->is_quick, &reading);
    int is_claimed = 0;
    int is_refused = touches_store_file(j, c) && (reading.status == STEPLOG_CORRUPT || reading.status == STEPLOG_NEWER ||
                                                 reading.status == STEPLOG_MISSING || reading.status == STEPLOG_MISUSE);
    if (reading.status != STEPLOG_OK && !is_refused)
        violation(j, c, "%s", reading.failed);
    else if (!c->is_resealed && !is_refused)
        check_seen(j, c);
    else if (!is_refused)
        is_claimed = check_others(j, c);
    int differs = reading.lost_count || reading.extra_count || !reading.is_m4_equal;
    int is_told_by_reader = reading.status != STEPLOG_OK || reading.damage_count ||
                            reading.notice_count > j->base_notices[c->is_same_boot];
    int is_told = is_told_by_verify(j, c);
    if (!c->is_resealed && !is_unseen(j, c)) {
        if (differs && !is_told && !is_told_by_reader) violation(j, c, "SILENT: what is shown differs");
        if (!is_told) violation(j, c, "verify says nothing of a damaged block");
    }
    if (is_claimed && !is_told && !is_told_by_reader)
        violation(j, c, "SILENT: a block of another file takes the place of what is recorded there");
    if (c->with_dump) check_dump(j, c);
    if (memory_os_write_count()) violation(j, c, "reading wrote %" PRIu64 " times", memory_os_write_count());
    if (memory_os_bytes_read() > READ_MAX) violation(j, c, "%" PRIu64 " bytes were read", memory_os_bytes_read());
    if (memory_os_bytes_read() > j->most_bytes_read) j->most_bytes_read = memory_os_bytes_read();
    j->told_count += is_told || is_told_by_reader;
    j->harmless_count += !differs;
    j->lossy_count += differs != 0;
    if (c->with_recovery) check_recovery(j, c);
    if (guard_peak_bytes() - held > MEMORY_MAX) violation(j, c, "%zu bytes of memory", guard_peak_bytes() - held);
    if (guard_peak_bytes() - held > j->most_memory) j->most_memory = guard_peak_bytes() - held;
    if (guard_held_bytes() != held || memory_os_open_count())
        violation(j, c, "%zu bytes and %zu descriptors are left over", guard_held_bytes() - held, memory_os_open_count());
    guard_watch(NULL);
}
