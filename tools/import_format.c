/* import_format.c: which parser a file is for, decided from its head first and its name second. */
#include "import_format.h"

#include "print.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const import_format_names[] = {"auto", "csv", "tsv", "jsonl", "text", "trainer-state", NULL};

void import_tally_add(import_tally *tally, uint64_t line)
{
    if (tally->count++ == 0) {
        tally->first_line = line;
    }
}

int import_read_failure(const import_file *file)
{
    if (!import_stop) { /* else that is said where it is known what is recorded */
        print_error("reading '%s' after line %llu: %s", file->input.path, (unsigned long long)file->input.line,
                    strerror(file->input.os_errno));
    }
    return TOOL_IO;
}

void import_file_param(import_file *file, const char *key, const char *value)
{
    if (file->param_count == IMPORT_PARAMS_MAX || key[0] == 0 || strlen(key) > IMPORT_TEXT_BYTES_MAX ||
        strlen(value) > IMPORT_TEXT_BYTES_MAX) {
        return;
    }
    if (file->params == NULL) {
        file->params = xcalloc(IMPORT_PARAMS_MAX, sizeof *file->params);
    }
    file->params[file->param_count++] = (import_param){xstrdup(key), xstrdup(value)};
}

static void drop_params(import_file *file)
{
    for (size_t i = 0; i < file->param_count; i++) {
        free(file->params[i].key);
        free(file->params[i].value);
    }
    file->param_count = 0;
}

void import_file_close(import_file *file)
{
    drop_params(file);
    free(file->params);
    import_table_clear(&file->table);
    json_free(file->json);
    import_input_close(&file->input);
    file->params = NULL;
    file->json = NULL;
}

static int has_suffix(const char *path, const char *suffix)
{
    const size_t bytes = strlen(path);
    const size_t suffix_bytes = strlen(suffix);
    return bytes >= suffix_bytes && strcasecmp(path + bytes - suffix_bytes, suffix) == 0;
}

static size_t count_byte(const char *text, size_t bytes, char byte)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++) {
        count += text[i] == byte;
    }
    return count;
}

/* The first lines of a file that are neither blank nor comments, copied. */
typedef struct sample {
    char *line[2];
    size_t bytes[2];
    size_t count;
} sample;

static void take_sample(import_file *file, sample *s)
{
    const char *text;
    size_t bytes;
    s->count = 0;
    import_input_rewind(&file->input, 0);
    while (s->count < 2 && import_input_line(&file->input, &text, &bytes) == 1 && file->input.line < 1000) {
        import_cell_trim(&text, &bytes);
        if (bytes > 0 && text[0] != '#') {
            s->line[s->count] = xmalloc(bytes + 1);
            memcpy(s->line[s->count], text, bytes);
            s->line[s->count][bytes] = 0;
            s->bytes[s->count++] = bytes;
        }
    }
}

/* The delimiter that the header and the next line agree on, 0 for none. Commas within quotes count alike in both. */
static char find_delimiter(const sample *s)
{
    static const char candidates[] = {'\t', ',', ';'};
    for (size_t i = 0; i < sizeof candidates; i++) {
        const size_t in_header = count_byte(s->line[0], s->bytes[0], candidates[i]);
        if (in_header > 0 &&
            (s->count < 2 || count_byte(s->line[1], s->bytes[1], candidates[i]) >= in_header)) {
            return candidates[i];
        }
    }
    return 0;
}

/* Whether text looks like a log line: a key, then ':' or '=', then a digit. */
static int has_pairs(const char *text, size_t bytes)
{
    for (size_t i = 1; i + 1 < bytes; i++) {
        if ((text[i] == ':' || text[i] == '=') && strchr("0123456789-+.[ ", text[i + 1]) != NULL) {
            return 1;
        }
    }
    return 0;
}

static import_format detect(import_file *file, const sample *s)
{
    const char *path = file->input.path;
    if (s->count == 0) {
        return has_suffix(path, ".csv") ? IMPORT_CSV : IMPORT_TEXT_LOG;
    }
    const char first = s->line[0][0];
    if (first == '{' || first == '[') {
        const json_value *root = json_parse(file->json, s->line[0], s->bytes[0], NULL);
        if (root != NULL && root->kind == JSON_OBJECT && json_member(root, "log_history") == NULL) {
            return IMPORT_JSONL;
        }
        if (has_suffix(path, ".json") || root != NULL || s->bytes[0] == 1) {
            return IMPORT_TRAINER_STATE;
        }
    }
    if (has_suffix(path, ".jsonl") || has_suffix(path, ".ndjson")) {
        return IMPORT_JSONL;
    }
    if (has_suffix(path, ".tsv") || has_suffix(path, ".csv")) {
        return has_suffix(path, ".tsv") ? IMPORT_TSV : IMPORT_CSV;
    }
    if (has_suffix(path, ".log") || s->count < 2 || has_pairs(s->line[0], s->bytes[0])) {
        return IMPORT_TEXT_LOG;
    }
    const char delimiter = find_delimiter(s);
    return delimiter == 0 ? IMPORT_TEXT_LOG : delimiter == '\t' ? IMPORT_TSV : IMPORT_CSV;
}

void import_file_detect(import_file *file)
{
    sample s;
    take_sample(file, &s);
    if (file->format == IMPORT_AUTO) {
        file->format = detect(file, &s);
    }
    const char found = s.count > 0 ? find_delimiter(&s) : 0;
    file->delimiter = file->format == IMPORT_TSV ? '\t' : found == 0 ? ',' : found;
    for (size_t i = 0; i < s.count; i++) {
        free(s.line[i]);
    }
}

int import_file_parse(import_file *file, int is_head)
{
    const import_tally none = {0, 0};
    drop_params(file);
    file->ragged = file->unparsable = file->comments = none;
    import_input_rewind(&file->input, is_head);
    switch (file->format) {
    case IMPORT_CSV:
    case IMPORT_TSV:
        return import_csv(file);
    case IMPORT_JSONL:
        return import_jsonl(file);
    case IMPORT_TRAINER_STATE:
        return import_trainer_state(file, is_head);
    default:
        return import_text(file);
    }
}
