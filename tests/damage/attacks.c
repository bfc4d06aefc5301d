/* damage/attacks.c: each bit, each byte, each length, each block, each file; with checksums as they were or made right. */
#include "damage/attacks.h"

#include "format/log_header.h"
#include "support/random.h"
#include "support/reseal.h"
#include "support/store_kit.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct attack {
    judge *judge;
    const attack_options *options;
    uint64_t number;  /* of the next case */
    test_random random;
    int is_resealed;
} attack;

static const memory_file *file_of(const attack *a, size_t file)
{
    return &a->judge->reference->disk.files[file];
}

static size_t file_count(const attack *a)
{
    return a->judge->reference->disk.count;
}

static int is_plain(const attack *a, size_t file)
{
    return !file_of(a, file)->node->is_directory;
}

/* 1 when a case is due: long forms take all (of their part), short ones one of every so many, which the seed decides. */
static int is_due(attack *a, uint64_t one_of, attack_case *c, const char *format, ...) __attribute__((format(printf, 4, 5)));
static int is_due(attack *a, uint64_t one_of, attack_case *c, const char *format, ...)
{
    va_list arguments;
    uint64_t number = a->number++;
    if (!a->options->only_case) {
        if (a->options->part_count > 1 && number % a->options->part_count != a->options->part) return 0;
        if (!a->options->is_long && one_of > 1 && (number * 0x9E3779B97F4A7C15u >> 32) % one_of != a->options->seed % one_of) return 0;
    }
    uint64_t draw = (number * 0x9E3779B97F4A7C15u) >> 40; /* which cases are looked at in which way */
    *c = (attack_case){.is_resealed = a->is_resealed, .is_same_boot = draw % 3 != 0, .is_quick = draw % 16 != 0,
                       .with_dump = draw % 32 == 0, .with_recovery = draw % 64 == 1};
    c->is_notice_enough = strncmp(format, "b", 1) != 0; /* bits and bytes: damage is damage */
    va_start(arguments, format);
    int length = snprintf(c->words, sizeof c->words, "%s", a->is_resealed ? "resealed " : "");
    vsnprintf(c->words + length, sizeof c->words - (size_t)length, format, arguments);
    va_end(arguments);
    if (!a->options->only_case) return 1;
    c->with_recovery = c->with_dump = 1;
    c->is_quick = 0;
    return strcmp(a->options->only_case, c->words) == 0;
}

/* A log without an id: whatever else it holds, it is not in use. */
static int is_spare(const char *name, const memory_node *node)
{
    static const uint8_t zeros[16];
    return strncmp(name, "log/", 4) == 0 && (node->bytes < 32 || memcmp(node->data + 16, zeros, 16) == 0);
}

/* Slots that are as they were before they were written first. */
static int is_cleared(const judge *j, const attack_case *c, const memory_node *node)
{
    const block_map *map = &j->maps[1];
    if (!block_map_is_all(map, &c->touched, offsetof(block, is_clearable))) return 0;
    for (size_t i = 0; i < map->count; i++)
        for (size_t at = map->blocks[i].begin; block_is_in(&c->touched, i) && at < map->blocks[i].end; at++)
            if (at >= node->bytes || node->data[at]) return 0;
    return 1;
}

/* A header or its copy with zeros in all places that were changed: it may have been in writing when the power went. */
static int is_partial(const judge *j, const attack_case *c, const memory_file *intact, const memory_node *node)
{
    if (!block_map_is_all(&j->maps[1], &c->touched, offsetof(block, is_header))) return 0;
    for (size_t at = 0; at < intact->node->bytes && at < node->bytes; at++)
        if (node->data[at] != intact->node->data[at] && node->data[at]) return 0;
    return 1;
}

/* A valid header of another log stands there now, and is believed. */
static int has_other_header(const memory_file *intact, const memory_node *node)
{
    sl_log_header header;
    steplog_error why;
    return strncmp(intact->name, "log/", 4) == 0 && intact->node->bytes >= SL_LOG_HEADER_BYTES &&
           node->bytes >= SL_LOG_FIXED_BYTES && memcmp(node->data, intact->node->data, SL_LOG_FIXED_BYTES) != 0 &&
           sl_log_header_decode(node->data, "a log", &header, &why) == STEPLOG_OK;
}

/* A commit word of zero behind the mark says that nothing more was committed. */
static int has_end(const judge *j, size_t file, const memory_node *node)
{
    static const uint8_t zeros[8];
    const block_map *map = &j->maps[0];
    for (size_t i = 0; i < map->count; i++) {
        const block *b = &map->blocks[i];
        if (b->file == file && b->is_record && b->is_unsynced && b->begin + 8 <= node->bytes &&
            memcmp(node->data + b->begin, zeros, 8) == 0)
            return 1;
    }
    return 0;
}

/* The bytes of a file were changed in [begin, end): looks, and puts it back. */
static void strike(attack *a, attack_case *c, size_t file)
{
    judge *j = a->judge;
    const memory_file *intact = file_of(a, file);
    memory_file *damaged = memory_disk_find(&j->work, intact->name);
    if (damaged->node->bytes == intact->node->bytes && memcmp(damaged->node->data, intact->node->data, intact->node->bytes) == 0)
        return; /* nothing was changed */
    if (a->is_resealed) reseal_file(damaged->node->data, damaged->node->bytes, intact->node->data, intact->node->bytes);
    c->changed_files |= UINT64_C(1) << file;
    if (is_spare(intact->name, damaged->node) || is_cleared(j, c, damaged->node)) c->may_be_silent = 1;
    if (is_partial(j, c, intact, damaged->node)) c->is_notice_enough = 1;
    if (has_other_header(intact, damaged->node)) block_map_touch_log(&j->maps[0], file, &c->touched);
    c->is_tail_cut = has_end(j, file, damaged->node);
    judge_case(j, c);
    memory_disk_put(&j->work, intact->name, intact->node->data, intact->node->bytes);
}

static void touch(const attack *a, attack_case *c, size_t file, size_t begin, size_t end)
{
    block_map_touch(&a->judge->maps[c->is_same_boot], file, begin, end, &c->touched);
}

static attack begin(judge *j, const attack_options *options, int is_resealed)
{
    return (attack){.judge = j, .options = options, .random = test_random_from(options->seed), .is_resealed = is_resealed};
}

/* ---- bits, bytes ---- */

/* Unless is_all_read seven of eight are only verified, in the short form. */
static void flip_bits(judge *j, const attack_options *options, int is_resealed, uint64_t one_of, int is_all_read)
{
    attack a = begin(j, options, is_resealed);
    attack_case c;
    for (size_t file = 0; file < file_count(&a); file++) {
        const memory_file *intact = file_of(&a, file);
        for (size_t at = 0; is_plain(&a, file) && at < intact->node->bytes; at++)
            for (unsigned bit = 0; bit < 8; bit++) {
                if (!is_due(&a, one_of, &c, "bit %u of byte %zu of %s", bit, at, intact->name)) continue;
                memory_disk_find(&j->work, intact->name)->node->data[at] ^= (uint8_t)(1u << bit);
                c.is_verified_only = !is_all_read && !options->is_long && !options->only_case &&
                                     (a.number * 0x9E3779B97F4A7C15u >> 50) % 8 != options->seed % 8;
                touch(&a, &c, file, at, at + 1);
                strike(&a, &c, file);
            }
    }
}

static void change_bytes(judge *j, const attack_options *options, int is_resealed, uint64_t one_of)
{
    attack a = begin(j, options, is_resealed);
    attack_case c;
    for (size_t file = 0; file < file_count(&a); file++) {
        const memory_file *intact = file_of(&a, file);
        for (size_t at = 0; is_plain(&a, file) && at < intact->node->bytes; at++)
            for (unsigned value = 1; value < 256; value++) {
                if (!is_due(&a, one_of, &c, "byte %zu of %s xor %u", at, intact->name, value)) continue;
                memory_disk_find(&j->work, intact->name)->node->data[at] ^= (uint8_t)value;
                touch(&a, &c, file, at, at + 1);
                strike(&a, &c, file);
            }
    }
}

/* ---- lengths ---- */

static void cut_and_extend(judge *j, const attack_options *options, int is_resealed, uint64_t one_of)
{
    static const size_t more[] = {1, 7, 8, 24, 64, 256, 512, 4096, 65536};
    attack a = begin(j, options, is_resealed);
    attack_case c;
    for (size_t file = 0; file < file_count(&a); file++) {
        const memory_file *intact = file_of(&a, file);
        size_t bytes = intact->node->bytes;
        for (size_t length = 0; is_plain(&a, file) && length < bytes; length++) {
            if (!is_due(&a, one_of, &c, "%s cut to %zu bytes", intact->name, length)) continue;
            memory_disk_put(&j->work, intact->name, intact->node->data, length);
            touch(&a, &c, file, length, bytes);
            c.may_be_silent = strncmp(intact->name, "log/", 4) == 0; /* a copy that was cut, as any copy may be */
            strike(&a, &c, file);
        }
        for (size_t i = 0; is_plain(&a, file) && i < 3 * sizeof more / sizeof *more; i++) {
            static const char *const kinds[] = {"zeros", "noise", "its own bytes"};
            size_t extra = more[i / 3], kind = i % 3;
            uint8_t *longer = malloc(bytes + extra);
            HOLDS(longer, "out of memory");
            memcpy(longer, intact->node->data, bytes);
            memset(longer + bytes, 0, extra);
            if (kind == 1) test_random_fill(&a.random, longer + bytes, extra);
            if (kind == 2) memcpy(longer + bytes, longer, extra < bytes ? extra : bytes);
            if (is_due(&a, 1, &c, "%s with %zu bytes more, %s", intact->name, extra, kinds[kind])) {
                memory_disk_put(&j->work, intact->name, longer, bytes + extra);
                /* The end of a segment is where its trailer is; that of a log is what comes behind its last record. */
                if (strncmp(intact->name, "log/", 4) == 0 && bytes >= 4096) c.may_be_silent = 1;
                touch(&a, &c, file, bytes - (bytes < 256 ? bytes : 256), bytes);
                strike(&a, &c, file);
            }
            free(longer);
        }
    }
}

/* ---- blocks ---- */

typedef struct place {
    size_t file, at, bytes;
    const char *name;
} place;

enum { PLACES_MAX = 2048 };

static size_t places_of(const attack *a, size_t grid, place *out)
{
    size_t count = 0;
    const block_map *map = &a->judge->maps[1];
    if (grid == 0) {
        for (size_t i = 0; i < map->count; i++)
            out[count++] = (place){map->blocks[i].file, map->blocks[i].begin, map->blocks[i].end - map->blocks[i].begin, map->blocks[i].name};
        return count;
    }
    for (size_t file = 0; file < file_count(a); file++) {
        size_t bytes = file_of(a, file)->node->bytes;
        for (size_t at = 0; is_plain(a, file) && at < bytes && count < PLACES_MAX; at += grid)
            out[count++] = (place){file, at, bytes - at < grid ? bytes - at : grid, "sector"};
    }
    return count;
}

static uint8_t *work_at(attack *a, const place *p)
{
    return memory_disk_find(&a->judge->work, file_of(a, p->file)->name)->node->data + p->at;
}

static const uint8_t *intact_at(const attack *a, const place *p)
{
    return file_of(a, p->file)->node->data + p->at;
}

static void put_back(attack *a, size_t file)
{
    const memory_file *intact = file_of(a, file);
    memory_disk_put(&a->judge->work, intact->name, intact->node->data, intact->node->bytes);
}

static void strike_two(attack *a, attack_case *c, const place *x, const place *y)
{
    if (x->file == y->file) {
        strike(a, c, x->file);
        return;
    }
    const memory_file *other = file_of(a, y->file);
    memory_node *damaged = memory_disk_find(&a->judge->work, other->name)->node;
    if (memcmp(damaged->data, other->node->data, other->node->bytes) != 0) c->changed_files |= UINT64_C(1) << y->file;
    if (a->is_resealed) reseal_file(damaged->data, damaged->bytes, other->node->data, other->node->bytes);
    strike(a, c, x->file);
    put_back(a, y->file);
}

static void move_blocks(judge *j, const attack_options *options, int is_resealed, uint64_t one_of)
{
    static const size_t grids[] = {0, 64, 512, 4096};
    static place places[PLACES_MAX];
    attack a = begin(j, options, is_resealed);
    attack_case c;
    for (size_t g = 0; g < sizeof grids / sizeof *grids; g++) {
        size_t count = places_of(&a, grids[g], places);
        for (size_t i = 0; i < count; i++) {
            const place *x = &places[i];
            if (is_due(&a, 1, &c, "%s of %zu at %zu of %s zeroed", x->name, x->bytes, x->at, file_of(&a, x->file)->name)) {
                memset(work_at(&a, x), 0, x->bytes);
                touch(&a, &c, x->file, x->at, x->at + x->bytes);
                strike(&a, &c, x->file);
            }
            for (size_t k = 0; k < count; k++) {
                const place *y = &places[k];
                size_t bytes = x->bytes < y->bytes ? x->bytes : y->bytes;
                if (k == i) continue;
                /* At the same place only its file's key tells a block from that of another file. */
                uint64_t sample = x->at == y->at ? 1 : one_of;
                if (is_due(&a, sample, &c, "%s at %zu of %s over %s at %zu of %s, %zu bytes", x->name, x->at,
                           file_of(&a, x->file)->name, y->name, y->at, file_of(&a, y->file)->name, bytes)) {
                    memcpy(work_at(&a, y), intact_at(&a, x), bytes);
                    touch(&a, &c, y->file, y->at, y->at + bytes);
                    strike(&a, &c, y->file);
                }
                if (k < i) continue;
                if (is_due(&a, sample, &c, "%s at %zu of %s and %s at %zu of %s swapped, %zu bytes", x->name, x->at,
                           file_of(&a, x->file)->name, y->name, y->at, file_of(&a, y->file)->name, bytes)) {
                    memcpy(work_at(&a, y), intact_at(&a, x), bytes);
                    memcpy(work_at(&a, x), intact_at(&a, y), bytes);
                    touch(&a, &c, x->file, x->at, x->at + bytes);
                    touch(&a, &c, y->file, y->at, y->at + bytes);
                    strike_two(&a, &c, x, y);
                }
            }
        }
    }
}

/* ---- files ---- */

static void whole_file(attack *a, attack_case *c, size_t file)
{
    touch(a, c, file, 0, file_of(a, file)->node->bytes);
    c->changed_files |= UINT64_C(1) << file;
    c->may_be_silent = 1;
    c->is_quick = 0;
    c->with_recovery = c->with_dump = 1;
}

static void finish_files(attack *a, attack_case *c)
{
    judge_case(a->judge, c);
    memory_disk_copy(&a->judge->work, &a->judge->reference->disk);
}

/* Other names that a file may be given: another id, another ordinal or level, one that is no name of a store. */
static size_t other_names(const char *name, char out[8][MEMORY_NAME_BYTES])
{
    const char *leaf = strrchr(name, '/');
    size_t count = 0;
    leaf = leaf ? leaf + 1 : name;
    if (strlen(leaf) < 36) {
        snprintf(out[count++], MEMORY_NAME_BYTES, "%.60s.old", name);
        return count;
    }
    if (strncmp(name, "log/", 4) == 0) {
        snprintf(out[count++], MEMORY_NAME_BYTES, "log/%.32s-7.log", leaf);
        snprintf(out[count++], MEMORY_NAME_BYTES, "log/%.31s%c-1.log", leaf, leaf[31] == '0' ? '1' : '0');
        snprintf(out[count++], MEMORY_NAME_BYTES, "log/%.32s-01.log", leaf);
        snprintf(out[count++], MEMORY_NAME_BYTES, "seg/0/%.32s.seg", leaf);
    } else {
        snprintf(out[count++], MEMORY_NAME_BYTES, "seg/9/%.32s.seg", leaf);
        snprintf(out[count++], MEMORY_NAME_BYTES, "seg/0/%.31s%c.seg", leaf, leaf[31] == '0' ? '1' : '0');
        snprintf(out[count++], MEMORY_NAME_BYTES, "seg/%.32s.seg", leaf);
        snprintf(out[count++], MEMORY_NAME_BYTES, "log/%.32s-1.log", leaf);
    }
    return count;
}

static void rename_file(attack *a, size_t file)
{
    attack_case c;
    char names[8][MEMORY_NAME_BYTES];
    const memory_file *intact = file_of(a, file);
    size_t count = other_names(intact->name, names);
    for (size_t i = 0; i < 2 * count; i++) {
        if (!is_due(a, 1, &c, "%s %s %s", intact->name, i % 2 ? "copied to" : "renamed to", names[i / 2])) continue;
        memory_disk_put(&a->judge->work, names[i / 2], intact->node->data, intact->node->bytes);
        if (i % 2 == 0) memory_disk_remove(&a->judge->work, intact->name);
        whole_file(a, &c, file);
        /* Names are a help (FORMAT.md 3): as long as it is one of its kind, what counts is the header. */
        if (!a->is_resealed && count > 1 && (i % 2 || i / 2 < 2)) c.touched = (block_set){{0}};
        finish_files(a, &c);
    }
}

static void attack_files(judge *j, const attack_options *options, int is_resealed, uint64_t one_of)
{
    attack a = begin(j, options, is_resealed);
    attack_case c;
    (void)one_of;
    for (size_t file = 0; file < file_count(&a); file++) {
        const memory_file *intact = file_of(&a, file);
        if (!is_plain(&a, file)) continue;
        if (is_due(&a, 1, &c, "%s removed", intact->name)) {
            memory_disk_remove(&j->work, intact->name);
            whole_file(&a, &c, file);
            finish_files(&a, &c);
        }
        if (is_due(&a, 1, &c, "%s zeroed", intact->name)) {
            memset(memory_disk_find(&j->work, intact->name)->node->data, 0, intact->node->bytes);
            whole_file(&a, &c, file);
            finish_files(&a, &c);
        }
        rename_file(&a, file);
        memory_disk *older = &j->reference->older;
        const memory_file *aged = memory_disk_find(older, intact->name);
        if (aged && is_due(&a, 1, &c, "%s aged", intact->name)) {
            memory_disk_remove(&j->work, intact->name);
            memory_disk_put(&j->work, aged->name, aged->node->data, aged->node->bytes);
            whole_file(&a, &c, file);
            finish_files(&a, &c);
        }
        for (size_t other = 0; other < file_count(&a); other++) {
            const memory_file *second = file_of(&a, other);
            if (other == file || !is_plain(&a, other)) continue;
            for (int is_swap = 0; is_swap < (other > file ? 2 : 1); is_swap++) {
                if (!is_due(&a, 1, &c, "%s %s %s", intact->name, is_swap ? "swapped with" : "copied over", second->name)) continue;
                for (int n = 0; n <= is_swap; n++) {
                    const memory_file *from = n ? second : intact, *to = n ? intact : second;
                    memory_disk_remove(&j->work, to->name);
                    memory_disk_put(&j->work, to->name, from->node->data, from->node->bytes);
                    if (is_resealed) {
                        memory_node *node = memory_disk_find(&j->work, to->name)->node;
                        reseal_file(node->data, node->bytes, from->node->data, from->node->bytes);
                    }
                    whole_file(&a, &c, n ? file : other);
                }
                finish_files(&a, &c);
            }
        }
    }
}

/* ---- tests ---- */

#ifdef __SANITIZE_ADDRESS__
enum { LESS = 16 };
#else
enum { LESS = 1 };
#endif

static void bits(judge *j, const attack_options *o) { flip_bits(j, o, 0, LESS, 0); }
static void bits_resealed(judge *j, const attack_options *o) { flip_bits(j, o, 1, 40 * LESS, 1); }
static void bytes(judge *j, const attack_options *o) { change_bytes(j, o, 0, 2000 * LESS); }
static void bytes_resealed(judge *j, const attack_options *o) { change_bytes(j, o, 1, 2000 * LESS); }
static void lengths(judge *j, const attack_options *o) { cut_and_extend(j, o, 0, 20 * LESS); }
static void lengths_resealed(judge *j, const attack_options *o) { cut_and_extend(j, o, 1, 40 * LESS); }
static void blocks(judge *j, const attack_options *o) { move_blocks(j, o, 0, 100 * LESS); }
static void blocks_resealed(judge *j, const attack_options *o) { move_blocks(j, o, 1, 100 * LESS); }
static void files(judge *j, const attack_options *o) { attack_files(j, o, 0, 1); }
static void files_resealed(judge *j, const attack_options *o) { attack_files(j, o, 1, 1); }

const attack_test attack_tests[] = {
    {"bits", "each bit flipped", bits},
    {"bits-resealed", "each bit flipped, checksums made right", bits_resealed},
    {"bytes", "each byte given each other value", bytes},
    {"bytes-resealed", "each byte given each other value, checksums made right", bytes_resealed},
    {"lengths", "files cut to each length, and extended", lengths},
    {"lengths-resealed", "the same, checksums made right", lengths_resealed},
    {"blocks", "blocks and sectors zeroed, duplicated, swapped", blocks},
    {"blocks-resealed", "the same, checksums made right", blocks_resealed},
    {"files", "files removed, zeroed, renamed, copied, swapped, aged", files},
    {"files-resealed", "the same, checksums made right", files_resealed},
    {"starved", "memory runs out or the disk gives errors, with the intact store and damaged ones", attack_starved},
};
const size_t attack_test_count = sizeof attack_tests / sizeof *attack_tests;
