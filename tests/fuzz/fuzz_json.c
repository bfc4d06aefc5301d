/* fuzz/fuzz_json.c: JSON text to a tree and back (tools/json.h).
 *
 * Input: the text. A tree written out reads back as the same tree. */
#include "fuzz/fuzz.h"

#include "base/utf8.h"
#include "json.h"
#include "number.h"

#include <stdlib.h>
#include <string.h>

enum { DOCUMENT_BYTES_MAX = 8 << 20 };

static void write_value(FILE *file, const json_value *value)
{
    const char *between = "";
    switch (value->kind) {
    case JSON_NULL: fputs("null", file); break;
    case JSON_BOOL: fputs(value->is_true ? "true" : "false", file); break;
    case JSON_NUMBER: fwrite(value->text, 1, value->bytes, file); break;
    case JSON_STRING: json_write_string(file, value->text, value->bytes); break;
    default:
        fputc(value->kind == JSON_ARRAY ? '[' : '{', file);
        for (const json_value *child = value->first; child; child = child->next) {
            fputs(between, file);
            between = ",";
            if (value->kind == JSON_OBJECT) {
                json_write_string(file, child->key, child->key_bytes);
                fputc(':', file);
            }
            write_value(file, child);
        }
        fputc(value->kind == JSON_ARRAY ? ']' : '}', file);
    }
}

/* What is not UTF-8 is written as U+FFFD. */
static void must_be_same_text(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    if (!sl_utf8_check(a, a_bytes, NULL)) return;
    FUZZ_HOLDS(a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0, "'%s' and '%s'", a, b);
}

static void must_be_same(const json_value *a, const json_value *b)
{
    FUZZ_HOLDS(a->kind == b->kind && a->child_count == b->child_count && a->is_true == b->is_true, "kinds %d and %d",
               (int)a->kind, (int)b->kind);
    if (a->kind == JSON_STRING || a->kind == JSON_NUMBER) must_be_same_text(a->text, a->bytes, b->text, b->bytes);
    if (a->key) must_be_same_text(a->key, a->key_bytes, b->key, b->key_bytes);
    double x, y;
    int64_t whole;
    FUZZ_HOLDS(json_double(a, &x) == json_double(b, &y), "a number or not");
    (void)json_int64(a, &whole);
    const json_value *left = a->first, *right = b->first;
    size_t count = 0;
    for (; left && right; left = left->next, right = right->next, count++) must_be_same(left, right);
    FUZZ_HOLDS(!left && !right && count == a->child_count, "%zu children of %zu", count, a->child_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static json_document *first, *second; /* used again and again, as the tool does */
    if (!first) first = json_new(DOCUMENT_BYTES_MAX);
    if (!second) second = json_new(DOCUMENT_BYTES_MAX);
    json_error error = {0};
    size_t used = 0;
    char *text = (char *)fuzz_copy(data, bytes, 0, 0);
    const json_value *value = json_parse_prefix(first, text, bytes, &used, &error);
    FUZZ_HOLDS(value ? used <= bytes : error.what && error.offset <= bytes, "%zu used, error at %zu", used,
               error.offset);
    value = json_parse(first, text, bytes, &error);
    FUZZ_HOLDS(value || (error.what && error.offset <= bytes), "error at %zu of %zu", error.offset, bytes);
    if (value) {
        char *written = NULL;
        size_t written_bytes = 0;
        FILE *file = open_memstream(&written, &written_bytes);
        write_value(file, value);
        fclose(file);
        const json_value *again = json_parse(second, written, written_bytes, &error);
        FUZZ_HOLDS(again, "'%.200s' at %zu: %s", written, error.offset, error.what);
        must_be_same(value, again);
        free(written);
    }
    free(text);
    return 0;
}
