/* core/dump.c: walking the files of a store field by field, under FORMAT.md's names.
 *
 * Nothing is trusted: what can not be understood is shown as damage with what is wrong, and the walk goes on behind it.
 * Here: which files, the file STEPLOG, and how a field becomes an item; dump_log.c, dump_segment.c, dump_chunk.c and
 * dump_bodies.c know the structures. */
#include "core/dump.h"

#include "base/error.h"
#include "format/file_names.h"
#include "format/store_file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- items ---- */

static void give(sl_dump *d, uint64_t offset, uint64_t bytes, const char *field, const char *value, int is_number,
                 int is_damaged)
{
    if (d->must_stop) return;
    steplog_dump_item item = {.file = d->file,
                              .offset = (int64_t)offset,
                              .bytes = bytes,
                              .structure = d->structure,
                              .field = field,
                              .value = value,
                              .is_number = is_number,
                              .is_damaged = is_damaged};
    if (d->callback(d->context, &item) != 0) d->must_stop = 1;
}

void sl_dump_begin(sl_dump *d, const char *structure, uint64_t offset, uint64_t bytes)
{
    d->structure = structure;
    give(d, offset, bytes, "", "", 0, 0);
}

/* Texts may hold zero bytes; an item's value ends at one, so such a text is shown up to it with its length behind. */
void sl_dump_text(sl_dump *d, uint64_t offset, uint64_t bytes, const char *field, const char *value, size_t value_bytes)
{
    char *copy = sl_copy_bytes(value, value_bytes);
    give(d, offset, bytes, field, copy ? copy : "(no memory to show it)", 0, 0);
    sl_free(copy);
}

void sl_dump_u64(sl_dump *d, uint64_t offset, uint64_t bytes, const char *field, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    give(d, offset, bytes, field, text, 1, 0);
}

void sl_dump_i64(sl_dump *d, uint64_t offset, uint64_t bytes, const char *field, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    give(d, offset, bytes, field, text, 1, 0);
}

void sl_dump_f64(sl_dump *d, uint64_t offset, uint64_t bytes, const char *field, double value)
{
    char text[64];
    uint64_t bits = sl_bits_of(value);
    if (isfinite(value))
        snprintf(text, sizeof text, "%.17g", value);
    else if (isinf(value))
        snprintf(text, sizeof text, "%s", value > 0 ? "inf" : "-inf");
    else if (bits == 0x7ff8000000000000u)
        snprintf(text, sizeof text, "nan");
    else
        snprintf(text, sizeof text, "nan:%016llx", (unsigned long long)bits);
    give(d, offset, bytes, field, text, isfinite(value), 0);
}

void sl_dump_hex64(sl_dump *d, uint64_t offset, const char *field, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "0x%016llx", (unsigned long long)value);
    give(d, offset, 8, field, text, 0, 0);
}

void sl_dump_id(sl_dump *d, uint64_t offset, const char *field, const uint8_t *id)
{
    char text[STEPLOG_ID_TEXT_BYTES];
    steplog_id copy;
    memcpy(copy.bytes, id, 16);
    steplog_id_format(&copy, text);
    give(d, offset, 16, field, text, 0, 0);
}

void sl_dump_time(sl_dump *d, uint64_t offset, const char *field, int64_t value)
{
    if (value == STEPLOG_TIME_NONE)
        give(d, offset, 8, field, "NO_TIME", 0, 0);
    else
        sl_dump_i64(d, offset, 8, field, value);
}

void sl_dump_damage(sl_dump *d, uint64_t offset, uint64_t bytes, const char *field, const char *what)
{
    give(d, offset, bytes, field, what, 0, 1);
}

int sl_dump_read(sl_dump *d, void *buffer, size_t bytes, uint64_t offset)
{
    int e = sl_os_read_full(d->fd, buffer, bytes, offset);
    if (e == 0) return 1;
    sl_dump_damage(d, offset, bytes, "", e == -ENODATA ? "the file ends before this" : "the disk can not read this");
    return 0;
}

static void dump_bytes(sl_dump *d, const sl_dump_field *field, const uint8_t *in, uint64_t offset)
{
    char text[64];
    size_t used = 0;
    for (uint16_t i = 0; i < field->bytes && used + 4 < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, i ? " %02x" : "%02x", in[i]);
    give(d, offset, field->bytes, field->name, text, 0, 0);
}

static void dump_field(sl_dump *d, const sl_dump_field *field, const uint8_t *in, uint64_t offset)
{
    uint64_t number = field->bytes == 1   ? in[0]
                      : field->bytes == 2 ? sl_load16(in)
                      : field->bytes == 4 ? sl_load32(in)
                      : field->bytes == 8 ? sl_load64(in)
                                          : 0;
    switch (field->kind) {
    case 'i': sl_dump_i64(d, offset, field->bytes, field->name, (int64_t)number); break;
    case 't': sl_dump_time(d, offset, field->name, (int64_t)number); break;
    case 'd': sl_dump_id(d, offset, field->name, in); break;
    case 'x': sl_dump_hex64(d, offset, field->name, number); break;
    case 'f': sl_dump_f64(d, offset, 8, field->name, sl_double_of(number)); break;
    case 's': dump_bytes(d, field, in, offset); break;
    case 'z':
        if (!sl_is_zero(in, field->bytes)) sl_dump_damage(d, offset, field->bytes, "zero", "must be zero and is not");
        break;
    default: sl_dump_u64(d, offset, field->bytes, field->name, number); break;
    }
}

void sl_dump_fields(sl_dump *d, const sl_dump_field *fields, size_t count, const uint8_t *in, uint64_t offset)
{
    for (size_t i = 0; i < count; i++) dump_field(d, &fields[i], in + fields[i].at, offset + fields[i].at);
}

/* ---- STEPLOG ---- */

static steplog_status dump_store_file(sl_dump *d)
{
    static const sl_dump_field fields[] = {{0, 8, 's', "magic"},      {8, 4, 'u', "version"},  {12, 4, 'u', "features"},
                                           {16, 16, 'd', "store id"}, {32, 8, 't', "created"}, {40, 16, 'z', ""},
                                           {56, 8, 'x', "check"}};
    uint8_t in[SL_STORE_FILE_BYTES + 1] = {0};
    sl_store_file file;
    steplog_error why;
    int64_t got = sl_os_read(d->fd, in, sizeof in, 0);
    sl_dump_begin(d, "STEPLOG", 0, d->file_bytes);
    if (got >= (int64_t)SL_STORE_FILE_BYTES) SL_DUMP_FIELDS(d, fields, in, 0);
    if (got < 0)
        sl_dump_damage(d, 0, 0, "", "the disk can not read this");
    else if (sl_store_file_decode(in, (size_t)got, &file, &why) < 0)
        sl_dump_damage(d, 0, (uint64_t)got, "", why.text);
    return STEPLOG_OK;
}

/* ---- files ---- */

typedef struct name_list {
    SL_VEC(char *) items;
    int is_out_of_memory;
} name_list;

static int add_name(void *context, const char *name)
{
    name_list *list = context;
    char *copy = sl_copy_text(name);
    if (copy && SL_VEC_PUSH(&list->items, copy)) return 0;
    sl_free(copy);
    list->is_out_of_memory = 1;
    return 1;
}

static void free_names(name_list *list)
{
    for (size_t i = 0; i < list->items.count; i++) sl_free(list->items.items[i]);
    SL_VEC_FREE(&list->items);
}

static int compare_names(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    uint32_t x_level, y_level;
    if (sl_level_parse(x, &x_level) && sl_level_parse(y, &y_level)) return x_level < y_level ? -1 : x_level > y_level;
    return strcmp(x, y);
}

static steplog_status list_directory(sl_dump *d, const char *directory, name_list *out, steplog_error *err)
{
    int fd = sl_os->open_dir(d->store_dir, directory);
    if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) return STEPLOG_OK;
    if (fd < 0) return sl_fail_os(err, -fd, -1, "cannot open directory '%s'", directory);
    int e = sl_os->list(fd, add_name, out);
    sl_os->close(fd);
    if (out->is_out_of_memory) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to list a store");
    if (out->items.count) qsort(out->items.items, out->items.count, sizeof *out->items.items, compare_names);
    return e < 0 ? sl_fail_os(err, -e, -1, "cannot list directory '%s'", directory) : STEPLOG_OK;
}

/* By its first bytes, then by its name, so that a copy under another name is understood too. */
static steplog_status dump_open_file(sl_dump *d, steplog_error *err)
{
    uint8_t magic[8] = {0};
    const char *slash = strrchr(d->file, '/'), *leaf = slash ? slash + 1 : d->file, *dot = strrchr(leaf, '.');
    sl_os_stat stat;
    int e = sl_os->stat(d->fd, &stat);
    if (e < 0) return sl_fail_os(err, -e, -1, "cannot read '%s'", d->file);
    d->file_bytes = stat.bytes;
    sl_os_read(d->fd, magic, sizeof magic, 0);
    if (memcmp(magic, "SLROWLOG", 8) == 0 || (dot && strcmp(dot, ".log") == 0)) return sl_dump_log(d, err);
    if (memcmp(magic, "SLSEGMNT", 8) == 0 || (dot && (strcmp(dot, ".seg") == 0 || strcmp(dot, ".tmp") == 0)))
        return sl_dump_segment(d, err);
    if (memcmp(magic, "STEPLOG\n", 8) == 0 || strcmp(leaf, SL_STORE_FILE_NAME) == 0) return dump_store_file(d);
    sl_dump_begin(d, "foreign file", 0, d->file_bytes);
    sl_dump_text(d, 0, 0, "note", "no part of a store: readers ignore it", 37);
    return STEPLOG_OK;
}

static steplog_status dump_file(sl_dump *d, const char *name, int is_wanted, steplog_error *err)
{
    d->file = name;
    d->fd = sl_os->open(d->store_dir, name, SL_OS_READ);
    if (d->fd == -ENOENT && !is_wanted) return STEPLOG_OK; /* sealed or compacted meanwhile */
    if ((d->fd == -EINVAL || d->fd == -ELOOP) && !is_wanted) return STEPLOG_OK;
    if (d->fd < 0) return sl_fail_os(err, -d->fd, -1, "cannot open '%s'", name);
    steplog_status status = dump_open_file(d, err);
    sl_os->close(d->fd);
    return status;
}

static steplog_status dump_directory(sl_dump *d, const char *directory, steplog_error *err)
{
    name_list list = {0};
    steplog_status status = list_directory(d, directory, &list, err);
    for (size_t i = 0; i < list.items.count && status >= 0 && !d->must_stop; i++) {
        size_t bytes = strlen(directory) + strlen(list.items.items[i]) + 2;
        char *name = sl_alloc(bytes);
        if (name) {
            snprintf(name, bytes, "%s/%s", directory, list.items.items[i]);
            status = dump_file(d, name, 0, err);
        } else {
            status = sl_fail(err, STEPLOG_NOMEM, -1, "no memory to list a store");
        }
        sl_free(name);
    }
    free_names(&list);
    return status;
}

static steplog_status dump_all(sl_dump *d, steplog_error *err)
{
    name_list levels = {0};
    char name[32];
    SL_TRY(dump_file(d, SL_STORE_FILE_NAME, 1, err));
    SL_TRY(dump_directory(d, SL_LOG_DIR, err));
    steplog_status status = list_directory(d, SL_SEGMENT_DIR, &levels, err);
    for (size_t i = 0; i < levels.items.count && status >= 0 && !d->must_stop; i++) {
        uint32_t level;
        if (!sl_level_parse(levels.items.items[i], &level)) continue;
        snprintf(name, sizeof name, "%s/%u", SL_SEGMENT_DIR, (unsigned)level);
        status = dump_directory(d, name, err);
    }
    free_names(&levels);
    return status;
}

/* A path that is one file: its directory is opened, so that everything else is as for a store. */
static steplog_status dump_lone_file(sl_dump *d, const char *path, steplog_error *err)
{
    char *copy = sl_copy_text(path), *slash = copy ? strrchr(copy, '/') : NULL;
    if (!copy) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to open '%s'", path);
    const char *directory = slash ? copy : ".", *leaf = slash ? slash + 1 : copy;
    if (slash) *slash = 0;
    d->store_dir = sl_os->open_dir(-1, directory[0] ? directory : "/");
    steplog_status status = d->store_dir < 0 ? sl_fail_os(err, -d->store_dir, -1, "cannot open '%s'", path)
                                             : dump_file(d, leaf, 1, err);
    sl_free(copy);
    return status;
}

steplog_status steplog_dump(const char *path, const char *file, uint32_t flags, steplog_dump_callback callback,
                            void *context, steplog_error *err)
{
    sl_dump d = {.store_dir = -1, .fd = -1, .flags = flags, .callback = callback, .context = context};
    if (!path || !*path || !callback || (flags & ~(uint32_t)STEPLOG_DUMP_VALUES))
        return sl_fail(err, STEPLOG_MISUSE, -1, "steplog_dump: path or callback is NULL, or a flag is not known");
    sl_error_clear(err);
    steplog_status status;
    d.store_dir = sl_os->open_dir(-1, path);
    if (d.store_dir == -ENOTDIR && !file)
        status = dump_lone_file(&d, path, err);
    else if (d.store_dir < 0)
        status = sl_fail_os(err, -d.store_dir, -1, "cannot open store '%s'", path);
    else
        status = file ? dump_file(&d, file, 1, err) : dump_all(&d, err);
    if (d.store_dir >= 0) sl_os->close(d.store_dir);
    return status >= 0 && d.must_stop ? STEPLOG_END : status;
}
