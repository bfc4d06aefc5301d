/* cmd_dump.c: `steplog dump`: prints the files of a store field by field under FORMAT.md's names.
 *
 * The library walks the files and calls back for each field; nothing is held, so a dump of any size streams. Damage is
 * printed where it is, and the walk goes on behind it as far as it can. */
#include "args.h"
#include "json.h"
#include "print.h"
#include "select.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_JSON = 256, OPT_VALUES };

static const args_option options[] = {
    {OPT_VALUES, 0, "values", NULL, "decode rows and blocks to their values too"},
    {OPT_JSON, 0, "json", NULL, "print one JSON object with an array of fields"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "dump",
    "[options] [FILE...]",
    "Prints the files of a store field by field: offset, bytes, field, value, under the names that\n"
    "FORMAT.md uses. FILE is one file of the store, by its path in it. Damaged files are printed as\n"
    "far as they can be understood. Exit code 1: something is damaged.",
    options,
    "steplog dump STEPLOG\n"
    "steplog dump --values log/0123456789abcdef0123456789abcdef-1.log\n"
    "steplog dump --json | jq '.fields[] | select(.damaged)'\n"};

typedef struct dump {
    out_file *o;
    bool is_json;
    uint64_t item_count, damaged_count;
    char *file;      /* of the item before */
    char *structure; /* likewise */
} dump;

/* Keeps what a lent string said, and tells whether it is another than before. */
static bool is_new(char **kept, const char *text)
{
    if (*kept != NULL && strcmp(*kept, text) == 0) return false;
    free(*kept);
    *kept = xstrdup(text);
    return true;
}

static void print_place(FILE *file, const steplog_dump_item *item, const char *indent)
{
    fprintf(file, "%s%10" PRId64, indent, item->offset);
    if (item->bytes > 0) fprintf(file, " %8" PRIu64 "  ", item->bytes);
    else fprintf(file, " %8s  ", "");
}

static void print_text(dump *d, const steplog_dump_item *item)
{
    FILE *file = d->o->file;
    const bool is_color = d->o->has_color, is_start = item->field[0] == 0;
    if (is_new(&d->file, item->file)) {
        fputs(d->item_count > 0 ? "\n" : "", file);
        print_safe(file, item->file, strlen(item->file));
        fputc('\n', file);
        is_new(&d->structure, "");
    }
    if (is_new(&d->structure, item->structure) || is_start) {
        print_place(file, item, "  ");
        fputs(is_color ? "\033[1m" : "", file);
        print_safe(file, item->structure, strlen(item->structure));
        fputs(is_color ? "\033[0m\n" : "\n", file);
    }
    if (is_start && item->value[0] == 0 && !item->is_damaged) return;
    print_place(file, item, "    ");
    print_safe(file, item->field, strlen(item->field));
    fputs(item->field[0] != 0 ? " = " : "", file);
    if (item->is_damaged) fputs(is_color ? "\033[31mDAMAGED:\033[0m " : "DAMAGED: ", file);
    print_safe(file, item->value, strlen(item->value));
    fputc('\n', file);
}

/* Only what is a JSON number may stand without quotes; json_write_... put them around what is too large to be exact. */
static void print_json_value(FILE *file, const steplog_dump_item *item)
{
    const size_t bytes = strlen(item->value);
    int64_t whole;
    uint64_t natural;
    double number;
    if (item->is_number && number_parse_int64(item->value, bytes, &whole)) json_write_int64(file, whole);
    else if (item->is_number && number_parse_uint64(item->value, bytes, &natural)) json_write_uint64(file, natural);
    else if (item->is_number && number_parse_double(item->value, bytes, &number)) json_write_double(file, number);
    else json_write_text(file, item->value);
}

static void print_json(dump *d, const steplog_dump_item *item)
{
    FILE *file = d->o->file;
    fprintf(file, "%s\n  {\"file\": ", d->item_count > 0 ? "," : "");
    json_write_text(file, item->file);
    fputs(", \"offset\": ", file);
    json_write_int64(file, item->offset);
    fputs(", \"bytes\": ", file);
    json_write_uint64(file, item->bytes);
    fputs(", \"structure\": ", file);
    json_write_text(file, item->structure);
    if (item->field[0] != 0) {
        fputs(", \"field\": ", file);
        json_write_text(file, item->field);
    }
    if (item->field[0] != 0 || item->value[0] != 0) {
        fputs(", \"value\": ", file);
        print_json_value(file, item);
    }
    fputs(item->is_damaged ? ", \"damaged\": true}" : "}", file);
}

static int take_item(void *context, const steplog_dump_item *item)
{
    dump *d = context;
    if (d->is_json) print_json(d, item);
    else print_text(d, item);
    d->item_count++;
    d->damaged_count += item->is_damaged != 0;
    return out_has_failed(d->o);
}

/* A file may be given as the shell completes it: below the store's own path. */
static const char *path_in_store(const char *file)
{
    const char *store = select_store_path();
    size_t bytes = strlen(store);
    while (bytes > 1 && store[bytes - 1] == '/') bytes--;
    if (strncmp(file, store, bytes) != 0 || file[bytes] != '/') return file;
    file += bytes;
    while (*file == '/') file++;
    return file;
}

static int dump_file(dump *d, const char *file, uint32_t flags)
{
    steplog_error err = {0};
    const steplog_status status = steplog_dump(select_store_path(), file, flags, take_item, d, &err);
    if (status == STEPLOG_OK) return TOOL_YES;
    if (status == STEPLOG_CORRUPT) {
        print_failure(file, status, &err);
        return TOOL_NO;
    }
    if (status == STEPLOG_END) return TOOL_IO; /* the reader of a pipe went away; out_close() speaks */
    return print_failure(file, status, &err);
}

static int dump_all(dump *d, const args *a, uint32_t flags)
{
    int code = TOOL_YES;
    if (d->is_json) fputs("{\"schema\": 1, \"fields\": [", d->o->file);
    if (a->operand_count == 0) code = dump_file(d, NULL, flags);
    for (size_t i = 0; i < a->operand_count && code == TOOL_YES; i++)
        code = dump_file(d, path_in_store(a->operands[i]), flags);
    if (d->is_json) {
        fputs("\n], \"damaged\": ", d->o->file);
        json_write_uint64(d->o->file, d->damaged_count);
        fputs("}\n", d->o->file);
    }
    free(d->file);
    free(d->structure);
    return code == TOOL_YES && d->damaged_count > 0 ? TOOL_NO : code;
}

int cmd_dump(int argc, char **argv)
{
    args a;
    out_file o;
    dump d = {.o = &o};
    uint32_t flags = 0;
    args_begin(&a, &usage, argc, argv);
    for (int id; (id = args_next(&a)) != ARGS_DONE;) {
        switch (id) {
        case OPT_JSON: d.is_json = true; break;
        case OPT_VALUES: flags |= STEPLOG_DUMP_VALUES; break;
        default: return a.exit_code;
        }
    }
    const int code = out_open(&o, NULL);
    if (code != TOOL_YES) return code;
    return out_close(&o, dump_all(&d, &a, flags));
}
