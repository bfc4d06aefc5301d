/* log_line.h: one line of a program's output to a step, a time and named values. */
#ifndef STEPLOG_LOG_LINE_H
#define STEPLOG_LOG_LINE_H

#include "json.h"

#include <stddef.h>
#include <stdint.h>

typedef enum log_line_kind {
    LOG_LINE_ROW,  /* holds values */
    LOG_LINE_TEXT, /* holds none: words for people */
    LOG_LINE_BAD   /* begins as JSON and is not */
} log_line_kind;

typedef struct log_value {
    size_t name_offset, name_bytes; /* in names */
    double value;
    int64_t step; /* when its name names steps and it is whole */
    int step_rank; /* -1: not a step */
} log_value;

/* What a line held. Storage is used again for the next one. */
typedef struct log_line {
    const char *step_key; /* --step-key; NULL: the known names */
    int has_step;
    int64_t step;
    int64_t time_ns; /* STEPLOG_TIME_NONE when the line has none */
    log_value *values;
    size_t count;
    char *names;
    json_error error; /* of a bad line */
    size_t left_out_count; /* values that were not taken */
    const char *left_out;  /* why the first of them; NULL: none */
    /* inside */
    json_document *json;
    size_t capacity, names_bytes, names_capacity;
    int best_rank; /* of the step names met so far: a lesser one is a metric from then on */
    int depth;
} log_line;

void log_line_init(log_line *line, const char *step_key);
void log_line_clear(log_line *line);

/* Reads a line: a JSON object (nested ones joined by '.'), or text with key=value or key: value anywhere in it.
 * text is changed: terminal escapes are taken out of it. The step and a wall time are no longer among the values. */
log_line_kind log_line_parse(log_line *line, char *text, size_t bytes);

#endif
