/* progress.h: one line about long work, and a safe stop at Ctrl-C.
 *
 *     progress p;
 *     progress_begin(&p, "checking");
 *     ... .progress = progress_tick, .progress_context = &p ...
 *     if (progress_end(&p)) ... it was interrupted ...
 *
 * The line is shown only where stderr is a terminal. One progress at a time. */
#ifndef STEPLOG_PROGRESS_H
#define STEPLOG_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
    const char *what; /* "checking" */
    bool is_terminal;
    bool is_shown; /* the line stands there now */
    int64_t begin_ms, shown_ms;
} progress;

/* From here on SIGINT and SIGTERM stop the work at the next tick; a second one ends the program at once. */
void progress_begin(progress *p, const char *what);

/* A steplog_progress: context is the progress. Answers nonzero when the work is to stop. */
int progress_tick(void *context, uint64_t done, uint64_t total);

/* Takes the line away, before something else is printed. */
void progress_hide(progress *p);

/* Takes the line away for good and gives the signals back. Answers whether there was one. */
bool progress_end(progress *p);

#endif
