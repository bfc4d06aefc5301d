/* log_line.c: finds numbers with names in one line of a program's output.
 *
 * A line that begins with '{' is JSON or an error; anything else is text, in which pairs are looked for and words pass,
 * but for the one form of words that many training loops print ("iter 5: loss 2.5, time 40ms").
 * What a number looks like (units, N/M, spellings of NaN) and what counts as a wall time is import_cell.c's to say,
 * so that `log` and `import` agree. */
#include "log_line.h"
#include "import_cell.h"
#include "number.h"
#include "print.h"

#include <steplog.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEPTH_MAX = 16, RANK_NONE = 1000 };

/* Best first. */
static const char *const step_names[] = {"step", "_step", "global_step", "training_iteration", "iteration", "iter",
                                         "epoch"};
static const char *const time_names[] = {"_timestamp", "timestamp", "wall_time", "time", "date", "ts"};

void log_line_init(log_line *line, const char *step_key)
{
    memset(line, 0, sizeof *line);
    line->step_key = step_key;
    line->best_rank = RANK_NONE;
    line->json = json_new((size_t)64 << 20);
}

void log_line_clear(log_line *line)
{
    json_free(line->json);
    free(line->values);
    free(line->names);
    memset(line, 0, sizeof *line);
}

/* ---- names and values ---- */

static int step_rank(const log_line *line, const char *name, size_t bytes)
{
    if (line->step_key) return strlen(line->step_key) == bytes && memcmp(line->step_key, name, bytes) == 0 ? 0 : -1;
    for (size_t i = 0; i < sizeof step_names / sizeof step_names[0]; i++)
        if (strlen(step_names[i]) == bytes && strncasecmp(step_names[i], name, bytes) == 0) return (int)i;
    return -1;
}

static int is_time_name(const char *name, size_t bytes)
{
    for (size_t i = 0; i < sizeof time_names / sizeof time_names[0]; i++)
        if (strlen(time_names[i]) == bytes && strncasecmp(time_names[i], name, bytes) == 0) return 1;
    return 0;
}

/* Takes text as the line's wall time when its name and form say so. */
static int take_time(log_line *line, const char *name, size_t name_bytes, const char *text, size_t bytes)
{
    int64_t time_ns;
    if (!is_time_name(name, name_bytes) || !import_cell_time(text, bytes, &time_ns)) return 0;
    line->time_ns = time_ns;
    return 1;
}

static size_t keep_name(log_line *line, const char *name, size_t bytes)
{
    while (line->names_capacity - line->names_bytes < bytes) {
        line->names_capacity = line->names_capacity ? line->names_capacity * 2 : 1024;
        line->names = xrealloc(line->names, line->names_capacity);
    }
    size_t offset = line->names_bytes;
    memcpy(line->names + offset, name, bytes);
    line->names_bytes += bytes;
    return offset;
}

/* Adds a value; text is how it was written, for exact steps. */
static void add_value(log_line *line, const char *name, size_t name_bytes, double value, const char *text, size_t bytes)
{
    if (name_bytes == 0) return;
    if (line->count == line->capacity) {
        line->capacity = line->capacity ? line->capacity * 2 : 32;
        line->values = xrealloc(line->values, line->capacity * sizeof *line->values);
    }
    log_value *v = &line->values[line->count++];
    v->name_offset = keep_name(line, name, name_bytes);
    v->name_bytes = name_bytes;
    v->value = value;
    v->step_rank = step_rank(line, name, name_bytes);
    if (v->step_rank >= 0 && !import_cell_step(text, bytes, &v->step)) v->step_rank = -1;
}

/* Takes the best step among the values out of them. */
static void choose_step(log_line *line)
{
    size_t best = line->count;
    for (size_t i = 0; i < line->count; i++) {
        int rank = line->values[i].step_rank;
        if (rank < 0 || rank > line->best_rank) continue;
        line->best_rank = rank;
        best = i;
    }
    if (best == line->count) return;
    line->has_step = 1;
    line->step = line->values[best].step;
    line->count--;
    memmove(&line->values[best], &line->values[best + 1], (line->count - best) * sizeof *line->values);
}

static void leave_out(log_line *line, const char *why)
{
    if (line->left_out_count++ == 0) line->left_out = why;
}

/* ---- JSON ---- */

static void add_object(log_line *line, const json_value *object, const char *prefix, size_t prefix_bytes);

static void add_string(log_line *line, const json_value *member, const char *name, size_t name_bytes)
{
    double value;
    if (take_time(line, name, name_bytes, member->text, member->bytes)) return;
    if (number_parse_double(member->text, member->bytes, &value)) /* "nan", "9007199254740993" as steplog writes them */
        add_value(line, name, name_bytes, value, member->text, member->bytes);
}

static void add_member(log_line *line, const json_value *member, const char *name, size_t name_bytes)
{
    double value;
    switch (member->kind) {
    case JSON_BOOL: add_value(line, name, name_bytes, member->is_true, "", 0); break;
    case JSON_STRING: add_string(line, member, name, name_bytes); break;
    case JSON_OBJECT: add_object(line, member, name, name_bytes); break;
    case JSON_NUMBER:
        if (!take_time(line, name, name_bytes, member->text, member->bytes) && json_double(member, &value))
            add_value(line, name, name_bytes, value, member->text, member->bytes);
        break;
    default: break; /* null and lists hold no metric */
    }
}

static void add_object(log_line *line, const json_value *object, const char *prefix, size_t prefix_bytes)
{
    if (line->depth >= DEPTH_MAX) return;
    line->depth++;
    for (const json_value *member = object->first; member; member = member->next) {
        if (prefix_bytes == 0) {
            add_member(line, member, member->key, member->key_bytes);
            continue;
        }
        size_t bytes = prefix_bytes + 1 + member->key_bytes;
        if (bytes > STEPLOG_NAME_BYTES_MAX) { /* before it is copied: a long outer name is there for each inner one */
            leave_out(line, "a name of joined names is too long");
            continue;
        }
        char *name = xmalloc(bytes + 1);
        memcpy(name, prefix, prefix_bytes);
        name[prefix_bytes] = '.';
        memcpy(name + prefix_bytes + 1, member->key, member->key_bytes + 1);
        add_member(line, member, name, bytes);
        free(name);
    }
    line->depth--;
}

static log_line_kind parse_json(log_line *line, const char *text, size_t bytes)
{
    const json_value *root = line->json ? json_parse(line->json, text, bytes, &line->error) : NULL;
    if (root == NULL) return LOG_LINE_BAD;
    add_object(line, root, "", 0);
    return LOG_LINE_TEXT;
}

/* ---- text ---- */

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static int is_key_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static int is_key_byte(char c)
{
    return is_key_start(c) || (c >= '0' && c <= '9') || c == '.' || c == '/' || c == '-' || c == '@';
}

static size_t skip_blanks(const char *text, size_t bytes, size_t at)
{
    while (at < bytes && is_blank(text[at])) at++;
    return at;
}

/* Ends a key before punctuation that only stands behind it, as in "loss...: 2". */
static size_t key_end(const char *text, size_t bytes, size_t at)
{
    size_t end = at;
    while (end < bytes && is_key_byte(text[end])) end++;
    while (end > at && !is_key_start(text[end - 1]) && !(text[end - 1] >= '0' && text[end - 1] <= '9')) end--;
    return end > at ? end : at + 1;
}

/* A number that goes on behind a comma is left out, which is counted. Returns 1 when it is one. */
static int note_comma(log_line *line, const char *text, size_t bytes, size_t at)
{
    size_t end = at;
    while (end < bytes && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.' || text[end] == '-')) end++;
    if (end >= bytes || !import_cell_is_inner_comma(text, bytes, end)) return 0;
    leave_out(line, "a number with a comma in it is left out");
    return 1;
}

/* Reads the value behind a separator. Returns where reading goes on. */
static size_t read_value(log_line *line, const char *text, size_t bytes, size_t at, const char *key, size_t key_bytes)
{
    double value;
    size_t word = at;
    while (word < bytes && !is_blank(text[word]) && text[word] != ',' && text[word] != ';') word++;
    if (take_time(line, key, key_bytes, text + at, word - at)) return word;
    size_t used = import_cell_prefix(text + at, bytes - at, &value);
    if (used == 0) {
        if (note_comma(line, text, bytes, at)) return word;
        /* nan:HEX16 is ours alone. */
        if (!number_parse_double(text + at, word - at, &value)) return at;
        used = word - at;
    } else if (at + used < bytes && text[at + used] == ':') {
        if (word - at == used || !number_parse_double(text + at, word - at, &value))
            return at + used; /* "trainer.py:77: ..." is a place, not a value */
        used = word - at;
    }
    add_value(line, key, key_bytes, value, text + at, used);
    return at + used;
}

/* Finds key=value and key: value anywhere. */
static void parse_pairs(log_line *line, const char *text, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        /* A key begins where a word begins: not within "3e5" or "0x1f". */
        int is_inside = at > 0 && is_key_byte(text[at - 1]);
        if (!is_key_start(text[at]) || is_inside) {
            at++;
            continue;
        }
        size_t end = key_end(text, bytes, at);
        size_t separator = skip_blanks(text, bytes, end + (end < bytes && (text[end] == '"' || text[end] == '\'')));
        if (separator >= bytes || (text[separator] != '=' && text[separator] != ':')) {
            at = end;
            continue;
        }
        size_t value = skip_blanks(text, bytes, separator + 1);
        at = value < bytes ? read_value(line, text, bytes, value, text + at, end - at) : bytes;
    }
}

/* Reads "train loss 2.5": words, then a number. */
static void parse_worded_part(log_line *line, const char *text, size_t bytes)
{
    char name[256];
    size_t name_bytes = 0, at = 0;
    if (memchr(text, ':', bytes) || memchr(text, '=', bytes)) {
        parse_pairs(line, text, bytes);
        return;
    }
    for (;;) {
        double value;
        at = skip_blanks(text, bytes, at);
        size_t used = name_bytes > 0 && at < bytes ? import_cell_prefix(text + at, bytes - at, &value) : 0;
        if (used > 0) add_value(line, name, name_bytes, value, text + at, used);
        else if (name_bytes > 0) note_comma(line, text, bytes, at);
        if (used > 0 || at >= bytes || !is_key_start(text[at])) return;
        size_t end = key_end(text, bytes, at);
        if (name_bytes + (end - at) + 1 > sizeof name) return;
        if (name_bytes > 0) name[name_bytes++] = '_';
        memcpy(name + name_bytes, text + at, end - at);
        name_bytes += end - at;
        at = end;
    }
}

/* Reads "iter 5: loss 2.5, time 40ms": a step name and number, then parts between commas or bars. Returns 1 when the
 * line is like that. */
static int parse_worded(log_line *line, const char *text, size_t bytes)
{
    double value;
    if (bytes == 0 || !is_key_start(text[0])) return 0;
    size_t name_bytes = key_end(text, bytes, 0);
    size_t at = skip_blanks(text, bytes, name_bytes);
    if (at == name_bytes || at >= bytes || step_rank(line, text, name_bytes) < 0) return 0;
    size_t used = import_cell_prefix(text + at, bytes - at, &value);
    size_t next = skip_blanks(text, bytes, at + used);
    if (used == 0 || next >= bytes || memchr(":,|", text[next], 3) == NULL) return 0;
    add_value(line, text, name_bytes, value, text + at, used);
    for (size_t begin = next + 1, end; begin < bytes; begin = end + 1) {
        end = begin;
        while (end < bytes && text[end] != '|' && (text[end] != ',' || import_cell_is_inner_comma(text, bytes, end)))
            end++;
        parse_worded_part(line, text + begin, end - begin);
    }
    return 1;
}

static void parse_text(log_line *line, const char *text, size_t bytes)
{
    int64_t stamp_ns;
    size_t stamp = import_cell_stamp(text, bytes, &stamp_ns);
    if (stamp > 0) line->time_ns = stamp_ns;
    text += stamp;
    bytes -= stamp;
    import_cell_trim(&text, &bytes);
    if (!parse_worded(line, text, bytes)) parse_pairs(line, text, bytes);
}

/* Takes out what only colours or moves on a terminal: ESC [ ... letter. Returns the bytes that remain. */
static size_t strip_escapes(char *text, size_t bytes)
{
    size_t to = 0;
    if (memchr(text, 27, bytes) == NULL) return bytes;
    for (size_t at = 0; at < bytes; at++) {
        if (text[at] != 27) {
            text[to++] = text[at];
            continue;
        }
        if (at + 1 >= bytes || text[at + 1] != '[') continue;
        at += 2;
        while (at < bytes && (unsigned char)text[at] < 0x40) at++;
    }
    return to;
}

log_line_kind log_line_parse(log_line *line, char *text, size_t bytes)
{
    const char *begin = text;
    line->has_step = 0;
    line->time_ns = STEPLOG_TIME_NONE;
    line->count = 0;
    line->names_bytes = 0;
    line->left_out_count = 0;
    line->left_out = NULL;
    line->error = (json_error){0, "no memory"};
    bytes = strip_escapes(text, bytes);
    import_cell_trim(&begin, &bytes);
    if (bytes > 0 && begin[0] == '{') {
        if (parse_json(line, begin, bytes) == LOG_LINE_BAD) return LOG_LINE_BAD;
    } else {
        parse_text(line, begin, bytes);
    }
    choose_step(line);
    return line->count > 0 ? LOG_LINE_ROW : LOG_LINE_TEXT;
}
