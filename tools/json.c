/* json.c: JSON to a tree, and values to JSON.
 *
 * A recursive descent over the text, bounded in depth and in memory. Values and strings come from chunks that a
 * document keeps, so that parsing a file line by line allocates only as long as lines get larger. */
#include "json.h"
#include "number.h"
#include "print.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX_DEFAULT ((size_t)256 << 20)
#define CHUNK_BYTES_MIN ((size_t)16 << 10)
#define EXACT_INTEGER_MAX ((int64_t)1 << 53)

typedef struct chunk {
    struct chunk *next; /* older */
    size_t capacity, used;
} chunk;

struct json_document {
    chunk *chunks; /* newest, and largest, first */
    size_t bytes_max, bytes;
};

typedef struct parser {
    json_document *document;
    const char *text;
    size_t bytes, at;
    int depth;
    json_error error;
} parser;

json_document *json_new(size_t bytes_max)
{
    json_document *document = calloc(1, sizeof *document);
    if (document) document->bytes_max = bytes_max ? bytes_max : BYTES_MAX_DEFAULT;
    return document;
}

static void free_chunks(chunk *c)
{
    while (c) {
        chunk *next = c->next;
        free(c);
        c = next;
    }
}

void json_free(json_document *document)
{
    if (document == NULL) return;
    free_chunks(document->chunks);
    free(document);
}

/* Keeps the newest chunk, which is the largest, for the next tree. */
static void reset(json_document *document)
{
    if (document->chunks == NULL) return;
    free_chunks(document->chunks->next);
    document->chunks->next = NULL;
    document->chunks->used = 0;
    document->bytes = document->chunks->capacity;
}

static void *take(json_document *document, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    chunk *c = document->chunks;
    if (c == NULL || c->capacity - c->used < bytes) {
        size_t capacity = c ? c->capacity * 2 : CHUNK_BYTES_MIN;
        if (capacity < bytes) capacity = bytes;
        if (capacity > document->bytes_max - document->bytes) capacity = document->bytes_max - document->bytes;
        if (capacity < bytes) return NULL;
        c = malloc(sizeof *c + 16 + capacity);
        if (c == NULL) return NULL;
        c->next = document->chunks;
        c->capacity = capacity;
        c->used = 0;
        document->chunks = c;
        document->bytes += capacity;
    }
    char *base = (char *)(((uintptr_t)(c + 1) + 15) & ~(uintptr_t)15);
    void *memory = base + c->used;
    c->used += bytes;
    return memory;
}

static json_value *fail(parser *p, const char *what)
{
    if (p->error.what == NULL) {
        p->error.what = what;
        p->error.offset = p->at;
    }
    return NULL;
}

static void skip_spaces(parser *p)
{
    while (p->at < p->bytes && memchr(" \t\r\n", p->text[p->at], 4)) p->at++;
}

static json_value *new_value(parser *p, json_kind kind)
{
    json_value *value = take(p->document, sizeof *value);
    if (value == NULL) return fail(p, "the text is larger than the memory allowed for it");
    memset(value, 0, sizeof *value);
    value->kind = kind;
    value->offset = p->at;
    return value;
}

/* ---- strings ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static int read_hex4(const char *text, size_t bytes, uint32_t *out)
{
    uint32_t value = 0;
    if (bytes < 4) return 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0) return 0;
        value = value << 4 | (uint32_t)digit;
    }
    *out = value;
    return 1;
}

static size_t encode_utf8(uint32_t code, char *to)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* Reads \uXXXX at p->at (past the u), with its second half when it is one of a pair. A lone half is U+FFFD. */
static int read_unicode(parser *p, uint32_t *out)
{
    uint32_t code, low;
    if (!read_hex4(p->text + p->at, p->bytes - p->at, &code)) return 0;
    p->at += 4;
    if (code >= 0xd800 && code <= 0xdbff && p->bytes - p->at >= 6 && p->text[p->at] == '\\' &&
        p->text[p->at + 1] == 'u' && read_hex4(p->text + p->at + 2, p->bytes - p->at - 2, &low) && low >= 0xdc00 &&
        low <= 0xdfff) {
        p->at += 6;
        code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
    }
    *out = code >= 0xd800 && code <= 0xdfff ? 0xfffd : code;
    return 1;
}

static int read_escape(parser *p, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    uint32_t code;
    if (p->at >= p->bytes) return 0;
    char c = p->text[p->at++];
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        *(*to)++ = into[known - from];
        return 1;
    }
    if (c != 'u' || !read_unicode(p, &code)) return 0;
    *to += encode_utf8(code, *to);
    return 1;
}

/* Reads a string at its opening quote. Decoding never makes it longer, so its length in the text is room enough. */
static int read_string(parser *p, const char **text, size_t *bytes)
{
    size_t end = p->at + 1;
    while (end < p->bytes && p->text[end] != '"') end += p->text[end] == '\\' ? 2 : 1;
    if (end >= p->bytes) return fail(p, "a string without its closing quote") != NULL;
    char *to = take(p->document, end - p->at);
    if (to == NULL) return fail(p, "the text is larger than the memory allowed for it") != NULL;
    *text = to;
    p->at++;
    while (p->at < end) {
        char c = p->text[p->at];
        if (c != '\\') {
            *to++ = c;
            p->at++;
            continue;
        }
        p->at++;
        if (!read_escape(p, &to)) return fail(p, "an escape that JSON does not have") != NULL;
    }
    *to = 0;
    *bytes = (size_t)(to - *text);
    p->at = end + 1;
    return 1;
}

/* ---- values ---- */

static size_t skip_digits(const parser *p, size_t at)
{
    while (at < p->bytes && p->text[at] >= '0' && p->text[at] <= '9') at++;
    return at;
}

/* Finds the end of [-] digits [. digits] [e [+-] digits]; 0 when there is no number. Leading zeros are let pass. */
static size_t number_end(const parser *p)
{
    size_t at = p->at, start;
    if (at < p->bytes && p->text[at] == '-') at++;
    start = at;
    at = skip_digits(p, at);
    if (at == start) return 0;
    if (at < p->bytes && p->text[at] == '.') {
        start = at + 1;
        at = skip_digits(p, start);
        if (at == start) return 0;
    }
    if (at < p->bytes && (p->text[at] == 'e' || p->text[at] == 'E')) {
        at++;
        if (at < p->bytes && (p->text[at] == '+' || p->text[at] == '-')) at++;
        start = at;
        at = skip_digits(p, at);
        if (at == start) return 0;
    }
    return at;
}

static json_value *finish_number(parser *p, size_t end)
{
    json_value *value = new_value(p, JSON_NUMBER);
    if (value == NULL) return NULL;
    size_t bytes = end - p->at;
    char *text = take(p->document, bytes + 1);
    if (text == NULL) return fail(p, "the text is larger than the memory allowed for it");
    memcpy(text, p->text + p->at, bytes);
    text[bytes] = 0;
    value->text = text;
    value->bytes = bytes;
    p->at = end;
    return value;
}

static int is_word(const parser *p, const char *word)
{
    size_t length = strlen(word);
    return p->bytes - p->at >= length && memcmp(p->text + p->at, word, length) == 0;
}

static json_value *parse_word(parser *p)
{
    static const struct {
        const char *word;
        json_kind kind;
    } words[] = {{"true", JSON_BOOL},     {"false", JSON_BOOL},      {"null", JSON_NULL},
                 {"NaN", JSON_NUMBER},    {"Infinity", JSON_NUMBER}, {"-Infinity", JSON_NUMBER},
                 {"-NaN", JSON_NUMBER}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!is_word(p, words[i].word)) continue;
        size_t length = strlen(words[i].word);
        if (words[i].kind == JSON_NUMBER) return finish_number(p, p->at + length);
        json_value *value = new_value(p, words[i].kind);
        if (value) value->is_true = words[i].word[0] == 't';
        p->at += length;
        return value;
    }
    size_t end = number_end(p);
    if (end == 0) return fail(p, p->at < p->bytes ? "no JSON value begins like this" : "the text ends too early");
    return finish_number(p, end);
}

static json_value *parse_value(parser *p);

/* Reads "key": before a member's value. */
static int parse_key(parser *p, const char **key, size_t *bytes)
{
    if (p->at >= p->bytes || p->text[p->at] != '"') return fail(p, "expected a key in quotes") != NULL;
    if (!read_string(p, key, bytes)) return 0;
    skip_spaces(p);
    if (p->at >= p->bytes || p->text[p->at] != ':') return fail(p, "expected ':' after a key") != NULL;
    p->at++;
    return 1;
}

static json_value *parse_children(parser *p, json_kind kind, char close)
{
    json_value *parent = new_value(p, kind);
    if (parent == NULL) return NULL;
    if (++p->depth > JSON_DEPTH_MAX) return fail(p, "nested too deeply");
    json_value **tail = &parent->first;
    p->at++;
    skip_spaces(p);
    while (p->at < p->bytes && p->text[p->at] != close) {
        const char *key = NULL;
        size_t key_bytes = 0;
        if (kind == JSON_OBJECT && !parse_key(p, &key, &key_bytes)) return NULL;
        json_value *child = parse_value(p);
        if (child == NULL) return NULL;
        child->key = key;
        child->key_bytes = key_bytes;
        *tail = child;
        tail = &child->next;
        parent->child_count++;
        skip_spaces(p);
        if (p->at < p->bytes && p->text[p->at] == close) break;
        if (p->at >= p->bytes || p->text[p->at] != ',')
            return fail(p, kind == JSON_OBJECT ? "expected ',' or '}'" : "expected ',' or ']'");
        p->at++;
        skip_spaces(p);
        if (p->at < p->bytes && p->text[p->at] == close) return fail(p, "a ',' before the end");
    }
    if (p->at >= p->bytes) return fail(p, kind == JSON_OBJECT ? "expected '}'" : "expected ']'");
    p->at++;
    p->depth--;
    return parent;
}

static json_value *parse_value(parser *p)
{
    skip_spaces(p);
    char c = p->at < p->bytes ? p->text[p->at] : 0;
    if (c == '{') return parse_children(p, JSON_OBJECT, '}');
    if (c == '[') return parse_children(p, JSON_ARRAY, ']');
    if (c != '"') return parse_word(p);
    json_value *value = new_value(p, JSON_STRING);
    return value && read_string(p, &value->text, &value->bytes) ? value : NULL;
}

json_value *json_parse_prefix(json_document *document, const char *text, size_t bytes, size_t *used, json_error *error)
{
    parser p = {.document = document, .text = text, .bytes = bytes};
    reset(document);
    json_value *root = parse_value(&p);
    if (root == NULL && error) *error = p.error;
    *used = p.at;
    return root;
}

json_value *json_parse(json_document *document, const char *text, size_t bytes, json_error *error)
{
    size_t used;
    json_value *root = json_parse_prefix(document, text, bytes, &used, error);
    if (root == NULL) return NULL;
    while (used < bytes && memchr(" \t\r\n", text[used], 4)) used++;
    if (used == bytes) return root;
    if (error) *error = (json_error){used, "text after the end of the value"};
    return NULL;
}

const json_value *json_member(const json_value *object, const char *key)
{
    const json_value *found = NULL;
    if (object == NULL || object->kind != JSON_OBJECT) return NULL;
    for (const json_value *child = object->first; child; child = child->next)
        if (strlen(key) == child->key_bytes && memcmp(child->key, key, child->key_bytes) == 0) found = child;
    return found;
}

int json_double(const json_value *value, double *out)
{
    return value && value->kind == JSON_NUMBER && number_parse_double(value->text, value->bytes, out);
}

int json_int64(const json_value *value, int64_t *out)
{
    return value && value->kind == JSON_NUMBER && number_parse_step(value->text, value->bytes, out);
}

/* ---- writing ---- */

static int is_plain(uint32_t code)
{
    if (code == '"' || code == '\\' || code < 0x20) return 0;
    if (code < 0x7f) return 1;
    return !((code <= 0x9f) || code == 0x61c || (code >= 0x200e && code <= 0x200f) ||
             (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff ||
             (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe007f));
}

static void write_escape(FILE *file, uint32_t code)
{
    static const char from[] = "\"\\\b\f\n\r\t", into[] = "\"\\bfnrt";
    const char *known = code > 0 && code < 0x80 ? strchr(from, (int)code) : NULL;
    if (known) {
        putc('\\', file);
        putc(into[known - from], file);
    } else if (code < 0x10000) {
        fprintf(file, "\\u%04" PRIx32, code);
    } else {
        uint32_t rest = code - 0x10000;
        fprintf(file, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
    }
}

void json_write_string(FILE *file, const char *text, size_t bytes)
{
    size_t start = 0;
    putc('"', file);
    for (size_t i = 0; i < bytes;) {
        uint32_t code = 0;
        size_t length = print_decode_utf8(text + i, bytes - i, &code);
        if (length > 0 && is_plain(code)) {
            i += length;
            continue;
        }
        fwrite(text + start, 1, i - start, file);
        write_escape(file, length ? code : 0xfffd);
        i += length ? length : 1;
        start = i;
    }
    if (bytes > start) fwrite(text + start, 1, bytes - start, file);
    putc('"', file);
}

void json_write_text(FILE *file, const char *text)
{
    if (text) json_write_string(file, text, strlen(text));
    else fputs("null", file);
}

void json_write_double(FILE *file, double value)
{
    char text[NUMBER_TEXT_BYTES];
    size_t bytes = number_format_double(value, text);
    if (!isfinite(value)) fprintf(file, "\"%s\"", text);
    else if (value == 0 && signbit(value)) fputs("-0.0", file); /* -0 would read back as the integer 0 */
    else fwrite(text, 1, bytes, file);
}

void json_write_int64(FILE *file, int64_t value)
{
    int is_exact = value >= -EXACT_INTEGER_MAX && value <= EXACT_INTEGER_MAX;
    fprintf(file, is_exact ? "%" PRId64 : "\"%" PRId64 "\"", value);
}

void json_write_uint64(FILE *file, uint64_t value)
{
    fprintf(file, value <= (uint64_t)EXACT_INTEGER_MAX ? "%" PRIu64 : "\"%" PRIu64 "\"", value);
}
