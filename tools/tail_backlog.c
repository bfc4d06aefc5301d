/* tail_backlog.c: what `tail -f` shows of the time before it began.
 *
 * A following cursor gives old rows writer by writer. The last rows of a job with many ranks are the latest of all its
 * writers, so they are chosen by wall time; rows without one count as oldest and stay in order of arrival. */
#include "tail_backlog.h"
#include "print.h"

#include <stdlib.h>
#include <string.h>

static int is_older(const backlog_line *a, const backlog_line *b)
{
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns;
    return a->arrival < b->arrival;
}

static void swap(backlog_line *a, backlog_line *b)
{
    backlog_line kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_down(backlog *b, size_t at)
{
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= b->count) return;
        if (child + 1 < b->count && is_older(&b->lines[child + 1], &b->lines[child])) child++;
        if (!is_older(&b->lines[child], &b->lines[at])) return;
        swap(&b->lines[child], &b->lines[at]);
        at = child;
    }
}

static void sift_up(backlog *b, size_t at)
{
    while (at > 0 && is_older(&b->lines[at], &b->lines[(at - 1) / 2])) {
        swap(&b->lines[at], &b->lines[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

int backlog_wants(const backlog *b, int64_t time_ns, uint64_t arrival)
{
    const backlog_line line = {time_ns, arrival, NULL};
    if (b->limit == 0) return 0;
    return b->count < b->limit || is_older(&b->lines[0], &line);
}

void backlog_add(backlog *b, int64_t time_ns, uint64_t arrival, char *take_text)
{
    const backlog_line line = {time_ns, arrival, take_text};
    if (b->count < b->limit) {
        if ((b->count & (b->count - 1)) == 0) /* room grows by doubling */
            b->lines = xrealloc(b->lines, (b->count ? b->count * 2 : 1) * sizeof *b->lines);
        b->lines[b->count++] = line;
        sift_up(b, b->count - 1);
        return;
    }
    free(b->lines[0].text);
    b->lines[0] = line;
    sift_down(b, 0);
}

static int compare_lines(const void *left, const void *right)
{
    return is_older(left, right) ? -1 : is_older(right, left);
}

void backlog_sort(backlog *b)
{
    if (b->count > 1) qsort(b->lines, b->count, sizeof *b->lines, compare_lines);
}

void backlog_clear(backlog *b)
{
    for (size_t i = 0; i < b->count; i++) free(b->lines[i].text);
    free(b->lines);
    memset(b, 0, sizeof *b);
}
