/* export_text.c: the parts of export's lines that repeat, escaped once, in memory. */
#include "export_text.h"

#include "json.h"
#include "print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct memory_file {
    FILE *file;
    char *text;
    size_t bytes;
} memory_file;

static void memory_open(memory_file *m)
{
    m->file = open_memstream(&m->text, &m->bytes);
    if (m->file == NULL) {
        print_error("no memory");
        exit(TOOL_IO);
    }
}

static char *memory_take(memory_file *m, size_t *bytes)
{
    fclose(m->file);
    *bytes = m->bytes;
    return m->text;
}

static void put_field(FILE *file, export_style style, const char *text, size_t bytes)
{
    char *safe = style == EXPORT_CSV_TERMINAL ? print_safe_copy(text, bytes, &bytes) : NULL;
    print_csv(file, safe ? safe : text, bytes);
    free(safe);
}

static void escape_label(FILE *file, const char *text)
{
    for (; *text != 0; text++) {
        if (strchr("\\,=", *text) != NULL) {
            fputc('\\', file);
        }
        fputc(*text, file);
    }
}

char *export_labels(export_style style, const steplog_series_info *info, size_t *bytes)
{
    memory_file m;
    memory_file field;
    memory_open(&m);
    if (style == EXPORT_JSONL) {
        fprintf(m.file, "{\"rank\":%" PRIu32, info->rank);
        for (size_t i = 0; i < info->label_count; i++) {
            fputc(',', m.file);
            json_write_text(m.file, info->labels[i].key);
            fputc(':', m.file);
            json_write_text(m.file, info->labels[i].value);
        }
        fputc('}', m.file);
        return memory_take(&m, bytes);
    }
    memory_open(&field);
    fprintf(field.file, "rank=%" PRIu32, info->rank);
    for (size_t i = 0; i < info->label_count; i++) {
        fputc(',', field.file);
        escape_label(field.file, info->labels[i].key);
        fputc('=', field.file);
        escape_label(field.file, info->labels[i].value);
    }
    size_t field_bytes;
    char *text = memory_take(&field, &field_bytes);
    put_field(m.file, style, text, field_bytes);
    free(text);
    return memory_take(&m, bytes);
}

char *export_name(export_style style, const char *name, size_t name_bytes, size_t *bytes)
{
    memory_file m;
    memory_open(&m);
    if (style == EXPORT_JSONL) {
        json_write_string(m.file, name, name_bytes);
    } else {
        put_field(m.file, style, name, name_bytes);
    }
    return memory_take(&m, bytes);
}

char *export_prefix(export_style style, const steplog_run_info *info, size_t *bytes)
{
    memory_file m;
    char id[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(&info->id, id);
    memory_open(&m);
    if (style == EXPORT_JSONL) {
        fprintf(m.file, "{\"run_id\":\"%s\",\"run\":", id);
        json_write_text(m.file, info->name);
        fputs(",\"attempt\":", m.file);
    } else {
        fprintf(m.file, "%s,", id);
        put_field(m.file, style, info->name != NULL ? info->name : "", info->name != NULL ? strlen(info->name) : 0);
        fputc(',', m.file);
    }
    return memory_take(&m, bytes);
}
