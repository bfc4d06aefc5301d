/* fuzz/fuzz_store.c: a whole store directory, of which every byte may lie (promise P6).
 *
 * Input: an archive (fuzz/archive.h) of the files. They are put into a file system in memory and read in every way
 * there is, verified, dumped: nothing may change there. Then the store is compacted. Where verify found no damage, and
 * no record was there twice, the points must be the same afterwards. */
#include "fuzz/archive.h"
#include "fuzz/fuzz.h"
#include "fuzz/repair.h"
#include "fuzz/store_look.h"
#include "support/sim_os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MACHINE_SEED = 1, DUMP_ITEMS_MAX = 200000 };

static const char root[] = "store";

/* ---- the directory ---- */

/* Names that the file system takes: parts that are not empty, not dots, and not of a file. */
static int is_good_name(const fuzz_archive *archive, size_t index)
{
    const char *name = archive->files[index].name;
    size_t bytes = strlen(name), part = 0;
    for (size_t i = 0; i <= bytes; i++) {
        if (name[i] != '/' && name[i] != 0) continue;
        if (i == part || name[part] == '.' || i - part > 200) return 0;
        part = i + 1;
    }
    for (size_t i = 0; i < archive->count; i++) {
        const char *other = archive->files[i].name;
        size_t other_bytes = strlen(other);
        if (i != index && bytes < other_bytes && memcmp(name, other, bytes) == 0 && other[bytes] == '/') return 0;
    }
    return 1;
}

static sim *make_machine(const fuzz_archive *archive)
{
    sim *machine = sim_new(MACHINE_SEED);
    sim_put_file(machine, "outside", "untouched", 9);
    for (size_t i = 0; i < archive->count; i++) {
        char path[512];
        if (!is_good_name(archive, i)) continue;
        snprintf(path, sizeof path, "%s/%s", root, archive->files[i].name);
        sim_put_file(machine, path, archive->files[i].data, archive->files[i].file_bytes);
    }
    return machine;
}

static void must_be_inside(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    while (*path == '/') path++;
    int is_outside = strcmp(path, "outside") == 0;
    *(int *)context |= is_outside && bytes == 9 && memcmp(data, "untouched", 9) == 0;
    FUZZ_HOLDS(is_outside || strncmp(path, "store/", 6) == 0, "'%s' appeared", path);
}

/* ---- the calls ---- */

static int take_finding(void *context, const steplog_damage *finding)
{
    FUZZ_HOLDS(finding->what, "a finding without a word");
    *(uint64_t *)context += 1;
    return 0;
}

static steplog_status verify(steplog_verify_result *result)
{
    uint64_t findings = 0;
    steplog_verify_options options = {.size_bytes = sizeof options, .callback = take_finding, .context = &findings};
    *result = (steplog_verify_result){.size_bytes = sizeof *result};
    fuzz_memory_begin(FUZZ_MEMORY_BYTES_MAX);
    steplog_status status = steplog_store_verify(root, &options, result, NULL);
    fuzz_memory_end();
    if (status == STEPLOG_OK || status == STEPLOG_CORRUPT) {
        FUZZ_HOLDS((status == STEPLOG_CORRUPT) == (result->damage_count > 0), "%s with %llu damages",
                   steplog_status_name(status), (unsigned long long)result->damage_count);
        FUZZ_HOLDS(findings == result->damage_count + result->notice_count, "%llu findings told",
                   (unsigned long long)findings);
    }
    return status;
}

static int take_item(void *context, const steplog_dump_item *item)
{
    FUZZ_HOLDS(item->structure && item->field && item->value, "an item without words");
    return ++*(uint64_t *)context >= DUMP_ITEMS_MAX;
}

static void dump(void)
{
    uint64_t items = 0;
    fuzz_memory_begin(FUZZ_MEMORY_BYTES_MAX);
    (void)steplog_dump(root, NULL, STEPLOG_DUMP_VALUES, take_item, &items, NULL);
    fuzz_memory_end();
}

/* Opens the store and looks; with is_compacted compacts it first. */
static fuzz_sight look(int is_compacted)
{
    fuzz_sight sight = {0};
    steplog_store *store = NULL;
    steplog_store_options options = {.size_bytes = sizeof options,
                                     .flags = is_compacted ? STEPLOG_NO_THREAD : STEPLOG_READ_ONLY,
                                     .log_bytes = 65536};
    steplog_compact_options compact = {.size_bytes = sizeof compact, .flags = STEPLOG_COMPACT_ADOPT};
    fuzz_memory_begin(FUZZ_MEMORY_BYTES_MAX);
    if (steplog_store_open(root, &options, &store, NULL) == STEPLOG_OK) {
        if (is_compacted) (void)steplog_store_compact(store, &compact, NULL, NULL);
        sight = fuzz_store_look(store);
        steplog_status status = steplog_store_close(store, NULL);
        FUZZ_HOLDS(status != STEPLOG_BUSY, "%s", steplog_status_name(status));
    }
    fuzz_memory_end();
    return sight;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static fuzz_archive archive;
    steplog_verify_result result, after_result;
    int is_untouched = 0;
    fuzz_archive_read(&archive, data, bytes);
    sim *machine = make_machine(&archive);
    fuzz_archive_free(&archive);
    sim_use(machine);
    uint64_t before = sim_hash(machine);
    fuzz_sight sight = look(0);
    steplog_status status = verify(&result);
    dump();
    FUZZ_HOLDS(sim_hash(machine) == before, "reading changed the store");
    fuzz_sight after = look(1);
    if (sight.is_open && after.is_open && status == STEPLOG_OK && sight.damage_count == 0 && !sight.is_partial &&
        result.row_count == sight.row_count) {
        FUZZ_HOLDS(after.hash == sight.hash, "compaction changed what is seen: %llu rows, then %llu",
                   (unsigned long long)sight.row_count, (unsigned long long)after.row_count);
        FUZZ_HOLDS(verify(&after_result) == STEPLOG_OK, "compaction made damage");
    }
    sim_each_file(machine, must_be_inside, &is_untouched);
    FUZZ_HOLDS(is_untouched, "the file outside is changed");
    sim_free(machine);
    return 0;
}

/* ---- mutations ---- */

/* One file is changed, cut, grown, doubled, renamed or removed; then checks are repaired, mostly. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t bytes_max, unsigned seed)
{
    static fuzz_archive archive;
    fuzz_archive_read(&archive, data, bytes);
    if (archive.count == 0) return LLVMFuzzerMutate(data, bytes, bytes_max);
    size_t index = (seed >> 8) % archive.count;
    fuzz_file *file = &archive.files[index];
    unsigned what = seed % 32;
    if (what == 0) {
        size_t name_bytes = LLVMFuzzerMutate((uint8_t *)file->name, strlen(file->name), sizeof file->name - 1);
        file->name[name_bytes] = 0;
    } else if (what == 1 && archive.count > 1) {
        free(file->data);
        *file = archive.files[--archive.count];
    } else if (what == 2) {
        char name[sizeof file->name];
        snprintf(name, sizeof name, "%.200s%u", file->name, seed >> 16 & 7);
        char *level = strstr(name, "seg/"); /* to another level, or beside it */
        if (level && level[4]) level[4] = (char)('0' + (seed >> 16 & 7));
        fuzz_archive_add(&archive, name, file->data, file->file_bytes, file->file_bytes);
        if (level) archive.files[archive.count - 1].name[strlen(name) - 1] = 0;
    } else if (file->file_bytes > 0) {
        size_t room = file->file_bytes + (what == 3 ? 4096 : 0);
        uint8_t *changed = fuzz_copy(file->data, file->file_bytes, room - file->file_bytes, 0);
        /* Most of a log is its zeros: where something is, is what counts. */
        size_t held = file->file_bytes;
        while (held > 1 && changed[held - 1] == 0) held--;
        held = LLVMFuzzerMutate(changed, held, held + 64 < room ? held + 64 : room);
        free(file->data);
        file->data = changed;
        if (what == 3) file->file_bytes = room;
        if (what == 4) file->file_bytes = held;
        if (what != 5 && what != 6) fuzz_repair_file(file->data, file->file_bytes);
    }
    size_t written = fuzz_archive_write(&archive, data, bytes_max);
    fuzz_archive_free(&archive);
    return written > 0 ? written : bytes;
}
