/* tail_backlog.h: the latest N of many lines, by wall time, then by arrival. */
#ifndef STEPLOG_TAIL_BACKLOG_H
#define STEPLOG_TAIL_BACKLOG_H

#include <stddef.h>
#include <stdint.h>

typedef struct backlog_line {
    int64_t time_ns;
    uint64_t arrival;
    char *text;
} backlog_line;

/* A heap with the oldest line on top. */
typedef struct backlog {
    backlog_line *lines;
    size_t count, limit;
} backlog;

/* Tells whether a line would be kept: ask before making its text. */
int backlog_wants(const backlog *b, int64_t time_ns, uint64_t arrival);

/* Keeps a line that is wanted; text changes hands. */
void backlog_add(backlog *b, int64_t time_ns, uint64_t arrival, char *take_text);

/* Puts the lines in order, oldest first: from then on only to be read and cleared. */
void backlog_sort(backlog *b);
void backlog_clear(backlog *b);

#endif
