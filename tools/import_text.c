/* import_text.c: numbers out of free text, a line a record.
 *
 * Three shapes, tried in this order:
 *   1. JSON: an object in the line. MLPerf's `:::MLLOG {"key": K, "value": V, "metadata": {...}}` gives K = V at
 *      metadata's step and time_ms; any other object its members.
 *   2. Worded: `iter 5: loss 2.31, time 40.1ms`, `step 1/100 | train loss 7.2 | 812 ms`: a step name and a number, then
 *      parts between commas or bars, each some words and a number.
 *   3. Pairs: `key:value`, `key=value`, `key: value`, anywhere in the line. Before a colon up to four words are
 *      the key ("average reward score: 1.5" is average_reward_score), before '=' one, or all that begin a part
 *      ("| Gather latency=0.1s |"). Keys may be quoted. Values end where a word ends, may carry a unit, and
 *      are N of N/M. `key=word` is text; `key=[...]` a list, passed over.
 * A date and time of day that begins the line is its wall time. A line without a number is no record. */
#include "import_format.h"

#include "number.h"
#include "print.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WORDS_MAX = 4, NAME_BYTES = 512 };

typedef struct scan {
    import_table *t;
    const char *text;
    size_t bytes;
    size_t at;
    size_t number_count;
    /* words that may belong to the next key */
    struct {
        size_t begin, bytes;
    } words[WORDS_MAX];
    size_t word_count;
    int is_part; /* the first of them begins a part, behind ',' or '|' */
} scan;

static int is_key_start(char c)
{
    return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static int is_word_byte(char c)
{
    return is_key_start(c) || isdigit((unsigned char)c);
}

static int is_key_byte(char c)
{
    return is_word_byte(c) || c == '.' || c == '/' || c == '-' || c == '@';
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The bytes of a key that begins at `at`: punctuation at its end does not belong to it. */
static size_t key_bytes(const char *text, size_t bytes, size_t at)
{
    size_t end = at;
    while (end < bytes && is_key_byte(text[end])) {
        end++;
    }
    while (end > at && !is_word_byte(text[end - 1])) {
        end--;
    }
    return end - at;
}

static void put_number(scan *s, const char *name, size_t name_bytes, double value, size_t begin, size_t bytes)
{
    const char *text = s->text + begin;
    /* A step may be "5/100" or "5,": only the digits matter. */
    int64_t step;
    while (bytes > 0 && !import_cell_step(text, bytes, &step) && !isalnum((unsigned char)text[bytes - 1])) {
        bytes--;
    }
    import_table_number(s->t, import_table_column(s->t, name, name_bytes), value, text, bytes);
    s->number_count++;
}

static int is_log_level(const char *text, size_t bytes)
{
    static const char *const levels[] = {"DEBUG", "INFO", "NOTE", "NOTICE", "WARN", "WARNING", "ERROR", "CRITICAL"};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (bytes == strlen(levels[i]) && memcmp(text, levels[i], bytes) == 0) {
            return 1;
        }
    }
    return 0;
}

static void push_word(scan *s, size_t begin, size_t bytes)
{
    if (is_log_level(s->text + begin, bytes)) {
        s->word_count = 0;
        return;
    }
    if (s->word_count == 0) {
        size_t before = begin;
        while (before > 0 && is_blank(s->text[before - 1])) {
            before--;
        }
        s->is_part = before > 0 && (s->text[before - 1] == ',' || s->text[before - 1] == '|');
    }
    if (s->word_count == WORDS_MAX) {
        s->is_part = 0;
        memmove(&s->words[0], &s->words[1], (WORDS_MAX - 1) * sizeof s->words[0]);
        s->word_count--;
    }
    s->words[s->word_count].begin = begin;
    s->words[s->word_count++].bytes = bytes;
}

/* Joins the words held with underscores; the last one alone when it names a step, or when only one may count. */
static size_t join_words(const scan *s, int is_single, char name[NAME_BYTES])
{
    const size_t last = s->word_count - 1;
    size_t first = 0;
    size_t length = 0;
    if (is_single || import_table_step_rank(s->text + s->words[last].begin, s->words[last].bytes) >= 0) {
        first = last;
    }
    for (size_t i = first; i <= last; i++) {
        if (length + s->words[i].bytes + 2 > NAME_BYTES) {
            return 0;
        }
        if (length > 0) {
            name[length++] = '_';
        }
        memcpy(name + length, s->text + s->words[i].begin, s->words[i].bytes);
        length += s->words[i].bytes;
    }
    return length;
}

/* Passes over a bracketed list. Returns where it ends. */
static size_t skip_list(const scan *s, size_t at)
{
    int depth = 0;
    for (; at < s->bytes; at++) {
        if (s->text[at] == '[' || s->text[at] == '(') {
            depth++;
        } else if ((s->text[at] == ']' || s->text[at] == ')') && --depth == 0) {
            return at + 1;
        }
    }
    return s->bytes;
}

/* A text value behind '=': up to a blank or a closing mark. */
static size_t text_bytes(const scan *s, size_t at)
{
    size_t end = at;
    while (end < s->bytes && (strchr(" \t,;|)]}'\"", s->text[end]) == NULL ||
                              import_cell_is_inner_comma(s->text + at, s->bytes - at, end - at))) {
        end++;
    }
    return end - at;
}

/* "0,693": a number that is not one here; it is counted as text. */
static int is_comma_number(const scan *s, size_t at, size_t bytes)
{
    size_t commas = 0;
    for (size_t i = at; i < at + bytes; i++) {
        if (s->text[i] == ',') {
            commas++;
        } else if (!isdigit((unsigned char)s->text[i]) && strchr("+-.eE%", s->text[i]) == NULL) {
            return 0;
        }
    }
    return commas > 0;
}

/* Passes over a unit behind a value and a blank: it does not begin the next key. */
static void pass_unit(scan *s)
{
    size_t at = s->at;
    while (at < s->bytes && is_blank(s->text[at])) {
        at++;
    }
    const size_t unit = at > s->at ? import_cell_unit(s->text + at, s->bytes - at) : 0;
    size_t after = at + unit;
    while (after < s->bytes && is_blank(s->text[after])) {
        after++;
    }
    if (unit > 0 && !(after < s->bytes && (s->text[after] == ':' || s->text[after] == '='))) {
        s->at = at + unit;
    }
}

/* Reads the value behind the separator at s->at. */
static void read_value(scan *s)
{
    char name[NAME_BYTES];
    const char separator = s->text[s->at];
    const size_t length = join_words(s, separator == '=' && !s->is_part, name);
    size_t at = s->at + 1;
    const int is_tight = at < s->bytes && !is_blank(s->text[at]);
    double value = 0;
    s->word_count = 0;
    s->at = at;
    while (at < s->bytes && is_blank(s->text[at])) {
        at++;
    }
    const int is_quoted = at < s->bytes && (s->text[at] == '\'' || s->text[at] == '"');
    at += is_quoted;
    if (length == 0 || at >= s->bytes) {
        return;
    }
    const size_t used = import_cell_prefix(s->text + at, s->bytes - at, &value);
    const size_t word = text_bytes(s, at);
    if (used == 0 && number_parse_double(s->text + at, word, &value)) {
        put_number(s, name, length, value, at, word); /* nan:HEX16 is ours alone */
        s->at = at + word;
    } else if (used > 0 && at + used < s->bytes && s->text[at + used] == ':') {
        s->at = at + used; /* "trainer.py:77: ..." is a place, not a value */
    } else if (used > 0) {
        put_number(s, name, length, value, at, used);
        s->at = at + used;
        pass_unit(s);
    } else if (s->text[at] == '[' || s->text[at] == '(') {
        import_table_list(s->t, import_table_column(s->t, name, length));
        s->at = skip_list(s, at);
    } else if ((separator == '=' && is_tight) || is_comma_number(s, at, word)) {
        if (import_cell_read(s->text + at, word, &value) == IMPORT_TEXT) {
            import_table_text(s->t, import_table_column(s->t, name, length), s->text + at, word);
        }
        s->at = at + word;
    }
}

/* Reads a word at s->at; behind it a separator makes it a key, blanks keep it for a key of several words. */
static void read_word(scan *s)
{
    const size_t begin = s->at;
    const size_t bytes = key_bytes(s->text, s->bytes, begin);
    size_t at = begin + bytes;
    const char before = begin > 0 ? s->text[begin - 1] : ' ';
    if (before == '-' || isdigit((unsigned char)before)) {
        s->word_count = 0;
        s->at = at;
        return;
    }
    push_word(s, begin, bytes);
    if ((before == '\'' || before == '"') && at < s->bytes && s->text[at] == before) {
        at++;
    }
    const size_t end = at;
    while (at < s->bytes && is_blank(s->text[at])) {
        at++;
    }
    s->at = at;
    if (at < s->bytes && (s->text[at] == ':' || s->text[at] == '=') && s->word_count > 0 &&
        !(at + 1 < s->bytes && s->text[at + 1] == s->text[at])) {
        read_value(s);
    } else if (at == end || at >= s->bytes || !is_key_start(s->text[at])) {
        s->word_count = 0;
    }
}

static void scan_pairs(scan *s, size_t begin, size_t end)
{
    const size_t bytes = s->bytes;
    s->at = begin;
    s->bytes = end;
    s->word_count = 0;
    while (s->at < s->bytes) {
        if (is_key_start(s->text[s->at])) {
            read_word(s);
        } else {
            s->word_count = 0;
            s->at++;
        }
    }
    s->bytes = bytes;
}

/* Some words, blanks, a number: "train loss 7.2 (+0.1z)". */
static void scan_worded_part(scan *s, size_t begin, size_t end)
{
    char name[NAME_BYTES];
    size_t at = begin;
    s->word_count = 0;
    if (memchr(s->text + begin, ':', end - begin) != NULL || memchr(s->text + begin, '=', end - begin) != NULL) {
        scan_pairs(s, begin, end);
        return;
    }
    for (;;) {
        while (at < end && is_blank(s->text[at])) {
            at++;
        }
        if (at >= end || !is_key_start(s->text[at])) {
            break;
        }
        double ignored;
        if (s->word_count > 0 && import_cell_prefix(s->text + at, end - at, &ignored) > 0) {
            break; /* nan, inf */
        }
        const size_t bytes = key_bytes(s->text, end, at);
        push_word(s, at, bytes);
        at += bytes;
    }
    double value;
    const size_t used = at < end && is_blank(s->text[at - (at > 0)])
                            ? import_cell_prefix(s->text + at, end - at, &value)
                            : 0;
    const size_t word = at < end ? text_bytes(s, at) : 0;
    const size_t length = s->word_count > 0 ? join_words(s, 0, name) : 0;
    if (length > 0 && used > 0) {
        put_number(s, name, length, value, at, used);
    } else if (length > 0 && is_comma_number(s, at, word)) {
        import_table_text(s->t, import_table_column(s->t, name, length), s->text + at, word);
    }
}

/* `iter 5: ...`, `step 1/100 | ...`. Returns 1 when the line is one. */
static int scan_worded(scan *s, size_t at)
{
    double value;
    while (at < s->bytes && is_blank(s->text[at])) {
        at++;
    }
    const size_t name = at;
    const size_t name_bytes = at < s->bytes && is_key_start(s->text[at]) ? key_bytes(s->text, s->bytes, at) : 0;
    at += name_bytes;
    if (name_bytes == 0 || import_table_step_rank(s->text + name, name_bytes) < 0 || at >= s->bytes ||
        !is_blank(s->text[at])) {
        return 0;
    }
    while (at < s->bytes && is_blank(s->text[at])) {
        at++;
    }
    if (at >= s->bytes || !isdigit((unsigned char)s->text[at])) {
        return 0;
    }
    const size_t used = import_cell_prefix(s->text + at, s->bytes - at, &value);
    size_t next = at + used;
    while (next < s->bytes && is_blank(s->text[next])) {
        next++;
    }
    if (used == 0 || next >= s->bytes || strchr(":|,", s->text[next]) == NULL) {
        return 0;
    }
    put_number(s, s->text + name, name_bytes, value, at, used);
    for (size_t begin = next + 1; begin <= s->bytes;) {
        size_t end = begin;
        while (end < s->bytes && (s->text[end] != ',' || import_cell_is_inner_comma(s->text, s->bytes, end)) &&
               s->text[end] != '|') {
            end++;
        }
        scan_worded_part(s, begin, end);
        begin = end + 1;
    }
    return 1;
}

/* MLPerf: key and value are members. Metadata's numbers go along; where the line is in the source does not. */
static int read_mllog(import_table *t, const json_value *root)
{
    int64_t time_ms;
    const json_value *key = json_member(root, "key");
    const json_value *value = json_member(root, "value");
    const json_value *metadata = json_member(root, "metadata");
    if (json_int64(json_member(root, "time_ms"), &time_ms) && time_ms > 0 && time_ms < INT64_MAX / 1000000) {
        import_table_stamp(t, time_ms * 1000000);
    }
    if (value->kind == JSON_NULL || (value->kind == JSON_STRING && value->bytes == 0)) {
        return 0;
    }
    json_value named = *value;
    named.key = key->text;
    named.key_bytes = key->bytes;
    named.next = NULL;
    const json_value holder = {.kind = JSON_OBJECT, .first = &named, .child_count = 1};
    import_json_cells(t, &holder, NULL, 0);
    if (value->kind == JSON_STRING || value->kind == JSON_ARRAY) {
        return 1;
    }
    for (const json_value *m = metadata == NULL ? NULL : metadata->first; m != NULL; m = m->next) {
        double number;
        if (json_double(m, &number) && strcmp(m->key, "lineno") != 0) {
            import_table_number(t, import_table_column(t, m->key, m->key_bytes), number, m->text, m->bytes);
        }
    }
    return 1;
}

static int is_mllog(const json_value *root)
{
    const json_value *key = json_member(root, "key");
    return key != NULL && key->kind == JSON_STRING && key->bytes > 0 && json_member(root, "value") != NULL &&
           json_member(root, "time_ms") != NULL;
}

/* An object in the line. Returns 1 when there is one. */
static int scan_json(scan *s, import_file *file, size_t begin)
{
    size_t used;
    const char *brace = memchr(s->text + begin, '{', s->bytes - begin);
    if (brace == NULL) {
        return 0;
    }
    const json_value *root = json_parse_prefix(file->json, brace, s->bytes - (size_t)(brace - s->text), &used, NULL);
    if (root == NULL || root->kind != JSON_OBJECT || root->child_count == 0) {
        return 0;
    }
    if (is_mllog(root)) {
        s->number_count = (size_t)read_mllog(s->t, root);
        return 1;
    }
    scan_pairs(s, begin, (size_t)(brace - s->text));
    import_json_cells(s->t, root, NULL, 0);
    s->number_count++;
    return 1;
}

static int read_line(import_file *file, const char *text, size_t bytes)
{
    scan s = {.t = &file->table, .text = text, .bytes = bytes};
    int64_t stamp_ns;
    import_table_begin(&file->table, file->input.line);
    const size_t begin = import_cell_stamp(text, bytes, &stamp_ns);
    if (begin > 0) {
        import_table_stamp(&file->table, stamp_ns);
    }
    if (!scan_json(&s, file, begin) && !scan_worded(&s, begin)) {
        scan_pairs(&s, begin, bytes);
    }
    return s.number_count == 0 ? import_table_drop(&file->table) : import_table_end(&file->table, 0);
}

int import_text(import_file *file)
{
    const char *text;
    size_t bytes;
    int got;
    while ((got = import_input_line(&file->input, &text, &bytes)) == 1) {
        const int code = read_line(file, text, bytes);
        if (code != 0) {
            return code;
        }
    }
    return got < 0 ? import_read_failure(file) : 0;
}
