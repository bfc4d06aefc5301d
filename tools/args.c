/* args.c: reads options and operands in one pass, and prints help from the same table, so that the two agree. */
#include "args.h"
#include "print.h"
#include "time_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMON_HELP = -100, COMMON_STORE, COMMON_NO_COLOR, COMMON_VERSION };

static const args_option common_options[] = {
    {COMMON_STORE, 'C', "store", "DIR", "the store; else $STEPLOG_DIR, else ./steplog-store"},
    {COMMON_NO_COLOR, 0, "no-color", NULL, "no colour, as with NO_COLOR set"},
    {COMMON_HELP, 'h', "help", NULL, "print this help"},
    {COMMON_VERSION, 0, "version", NULL, "print the version"},
    {0, 0, NULL, NULL, NULL}};

void args_begin(args *a, const args_usage *usage, int argc, char **argv)
{
    memset(a, 0, sizeof *a);
    a->usage = usage;
    a->argc = argc;
    a->argv = argv;
    a->index = 1;
    a->exit_code = -1;
    a->operands = argv + 1;
}

static void print_synopsis(FILE *file, const args_usage *usage)
{
    const char *line = usage->synopsis;
    const char *lead = "usage:";
    do {
        size_t length = strcspn(line, "\n");
        fprintf(file, "%s steplog %s %.*s\n", lead, usage->verb, (int)length, line);
        line += length + (line[length] == '\n');
        lead = "      ";
    } while (*line != 0);
}

static void print_option(const args_option *option)
{
    char left[80];
    int length = 0;
    if (option->short_name)
        length = snprintf(left, sizeof left, "-%c%s", option->short_name, option->name ? ", " : "");
    else
        length = snprintf(left, sizeof left, "    ");
    if (option->name) length += snprintf(left + length, sizeof left - (size_t)length, "--%s", option->name);
    if (option->value) snprintf(left + length, sizeof left - (size_t)length, " %s", option->value);
    printf(strlen(left) <= 24 ? "  %-24s  %s\n" : "  %s\n                            %s\n", left, option->help);
}

void args_help(const args_usage *usage)
{
    print_synopsis(stdout, usage);
    printf("\n%s\n\noptions:\n", usage->summary);
    for (const args_option *option = usage->options; option->id != 0; option++) print_option(option);
    for (const args_option *option = common_options; option->id != 0; option++) print_option(option);
    if (usage->examples) printf("\nexamples:\n");
    for (const char *line = usage->examples; line && *line;) {
        size_t length = strcspn(line, "\n");
        printf("  %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

int args_fail(args *a, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    print_error("%s", text);
    print_synopsis(stderr, a->usage);
    a->exit_code = TOOL_USAGE;
    return TOOL_USAGE;
}

/* Damerau-Levenshtein distance, for words of a command line. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { LENGTH_MAX = 32 };
    size_t rows[3][LENGTH_MAX + 1];
    size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length > LENGTH_MAX || b_length > LENGTH_MAX) return LENGTH_MAX;
    for (size_t j = 0; j <= b_length; j++) rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *two_before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);
            if (before[j] + 1 < best) best = before[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && two_before[j - 2] + 1 < best)
                best = two_before[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[a_length % 3][b_length];
}

const char *args_nearest(const char *typed, const char *const *names)
{
    const char *nearest = NULL;
    size_t best = strlen(typed) <= 3 ? 1 : strlen(typed) / 3 + 1;
    for (; *names; names++) {
        size_t distance = edit_distance(typed, *names);
        if (distance <= best && (nearest == NULL || distance < best)) {
            best = distance;
            nearest = *names;
        }
    }
    return nearest;
}

static int fail_unknown(args *a, const char *typed, size_t length)
{
    const char *names[64];
    char word[64];
    size_t count = 0;
    const args_option *tables[] = {a->usage->options, common_options};
    for (size_t i = 0; i < 2; i++)
        for (const args_option *option = tables[i]; option->id != 0 && count < 63; option++)
            if (option->name) names[count++] = option->name;
    names[count] = NULL;
    snprintf(word, sizeof word, "%.*s", (int)(length < 60 ? length : 60), typed);
    const char *nearest = args_nearest(word, names);
    if (nearest) args_fail(a, "unknown option '--%s'; did you mean '--%s'?", word, nearest);
    else args_fail(a, "unknown option '--%s'", word);
    return ARGS_EXIT;
}

static const args_option *find_short(const args *a, char name)
{
    const args_option *tables[] = {a->usage->options, common_options};
    for (size_t i = 0; i < 2; i++)
        for (const args_option *option = tables[i]; option->id != 0; option++)
            if (option->short_name == name) return option;
    return NULL;
}

static const args_option *find_long(const args *a, const char *name, size_t length)
{
    const args_option *tables[] = {a->usage->options, common_options};
    for (size_t i = 0; i < 2; i++)
        for (const args_option *option = tables[i]; option->id != 0; option++)
            if (option->name && strlen(option->name) == length && memcmp(option->name, name, length) == 0)
                return option;
    return NULL;
}

/* Does what the common options ask; others are for the verb. */
static int deliver(args *a, const args_option *option)
{
    a->option = option;
    switch (option->id) {
    case COMMON_HELP:
        args_help(a->usage);
        a->exit_code = TOOL_YES;
        return ARGS_EXIT;
    case COMMON_VERSION:
        printf("steplog %s\n", steplog_version());
        a->exit_code = TOOL_YES;
        return ARGS_EXIT;
    case COMMON_STORE: tool.store_path = a->value; return ARGS_DONE;
    case COMMON_NO_COLOR: tool.is_colorless = 1; return ARGS_DONE;
    default: return option->id;
    }
}

static int next_short(args *a)
{
    char name = *a->cluster++;
    const args_option *option = find_short(a, name);
    if (option == NULL) {
        args_fail(a, "unknown option '-%c'", name);
        return ARGS_EXIT;
    }
    a->value = NULL;
    if (option->value) {
        if (*a->cluster != 0) {
            a->value = a->cluster;
        } else if (a->index < a->argc) {
            a->value = a->argv[a->index++];
        } else {
            args_fail(a, "option '-%c' needs a value: %s", name, option->value);
            return ARGS_EXIT;
        }
        a->cluster = NULL;
    } else if (*a->cluster == 0) {
        a->cluster = NULL;
    }
    return deliver(a, option);
}

static int next_long(args *a, const char *typed)
{
    size_t length = strcspn(typed, "=");
    const args_option *option = find_long(a, typed, length);
    if (option == NULL) return fail_unknown(a, typed, length);
    a->value = NULL;
    if (typed[length] == '=') {
        a->value = typed + length + 1;
        if (option->value == NULL) {
            args_fail(a, "option '--%s' takes no value", option->name);
            return ARGS_EXIT;
        }
    } else if (option->value) {
        if (a->index == a->argc) {
            args_fail(a, "option '--%s' needs a value: %s", option->name, option->value);
            return ARGS_EXIT;
        }
        a->value = a->argv[a->index++];
    }
    return deliver(a, option);
}

/* "-5", "-.5", "-10m", "-inf" are operands, not options. */
static int is_operand(const args *a, const char *text)
{
    if (a->is_rest || text[0] != '-' || text[1] == 0) return 1;
    if (text[1] == '-') return 0;
    if ((text[1] >= '0' && text[1] <= '9') || text[1] == '.') return find_short(a, text[1]) == NULL;
    return strcmp(text, "-inf") == 0;
}

int args_next(args *a)
{
    for (;;) {
        int id;
        if (a->cluster) {
            id = next_short(a);
        } else if (a->index >= a->argc) {
            return ARGS_DONE;
        } else {
            char *text = a->argv[a->index++];
            if (is_operand(a, text)) {
                a->operands[a->operand_count++] = text; /* never ahead of index: argv only shrinks */
                continue;
            }
            if (strcmp(text, "--") == 0) {
                a->is_rest = 1;
                continue;
            }
            if (text[1] == '-') {
                id = next_long(a, text + 2);
            } else {
                a->cluster = text + 1;
                continue;
            }
        }
        if (id != ARGS_DONE) return id; /* DONE: a common option, already taken */
    }
}

static void option_text(const args *a, char *text, size_t bytes)
{
    if (a->option->name) snprintf(text, bytes, "--%s", a->option->name);
    else snprintf(text, bytes, "-%c", a->option->short_name);
}

static int fail_value(args *a, const char *expected)
{
    char option[72];
    option_text(a, option, sizeof option);
    args_fail(a, "option '%s' wants %s, not '%.200s'", option, expected, a->value);
    return 0;
}

int args_count(args *a, uint64_t *out)
{
    return number_parse_count(a->value, out) || fail_value(a, "a count such as 500 or 10k");
}

int args_int64(args *a, int64_t *out)
{
    return number_parse_step(a->value, strlen(a->value), out) || fail_value(a, "an integer");
}

int args_double(args *a, double *out)
{
    return number_parse_double(a->value, strlen(a->value), out) || fail_value(a, "a number");
}

int args_steps(args *a, number_steps *out)
{
    return number_parse_steps(a->value, out) || fail_value(a, "steps A:B (A up to, not including, B), A:, :B or A");
}

int args_time(args *a, int64_t *out)
{
    return time_text_parse(a->value, time_text_now(), out) ||
           fail_value(a, "a time such as 2026-01-31T12:00:00Z, @1700000000 or -10m");
}

int args_choice(args *a, const char *const *names, size_t *out)
{
    char expected[256] = "";
    for (size_t i = 0; names[i]; i++) {
        if (strcmp(names[i], a->value) == 0) {
            *out = i;
            return 1;
        }
        size_t length = strlen(expected);
        snprintf(expected + length, sizeof expected - length, "%s%s", i == 0 ? "" : names[i + 1] ? ", " : " or ",
                 names[i]);
    }
    return fail_value(a, expected);
}
