/* select.h: from what was typed to an open store, to runs, to series.
 *
 * Functions that return int answer 0 (TOOL_YES), or say on stderr what went wrong and answer an exit code. */
#ifndef STEPLOG_SELECT_H
#define STEPLOG_SELECT_H

#include "print.h"

/* The store's path: -C DIR, else $STEPLOG_DIR, else ./steplog-store. Lent. */
const char *select_store_path(void);

/* An open store with a snapshot of it. */
typedef struct session {
    steplog_store *store;
    steplog_reader *reader;
} session;

/* Opens the store read only, and a reader. */
int session_open_reader(session *s);

/* Opens the store to change it; flags as in steplog_store_options (STEPLOG_CREATE, STEPLOG_NO_THREAD...). No reader is
 * opened: steplog_reader_open(s->store, &s->reader, &err) where one is wanted. */
int session_open_writer(session *s, uint32_t flags);

/* Closes what is open, reader first. Returns exit_code, or TOOL_IO after saying why when closing failed and
 * exit_code was TOOL_YES or TOOL_NO. */
int session_close(session *s, int exit_code);

/* Opens a reader on another store, for verbs that take more than one. */
int session_open_reader_at(session *s, const char *path);

/* Finds exactly one run. When a name or glob matches several the newest is taken, with a note on stderr. */
int select_run(session *s, const char *selector, steplog_id *run);

/* Finds all runs that match, newest first. *runs is to be freed; NULL after a failure. */
int select_runs(session *s, const char *selector, steplog_id **runs, size_t *count);

/* Finds the series that any of the selectors matches, each once, in the order of the selectors; no selectors: all.
 * *series is to be freed; NULL after a failure. A selector that matches nothing is TOOL_NOT_FOUND. */
int select_series(session *s, const steplog_id *run, char *const *selectors, size_t selector_count,
                  steplog_series **series, size_t *count);

/* The name of a column: not terminated, because a metric's name may hold zero bytes. */
typedef struct select_name {
    char *text;
    size_t bytes;
} select_name;

/* Names series as columns: the metric alone where that is unique in the list and not among the names taken, else with
 * all labels: "loss{rank=1}". Returns count names; free with select_free_names(). */
select_name *select_series_names(session *s, const steplog_series *series, size_t count, const char *const *taken,
                                 size_t taken_count);

/* Whether a name is one of those taken: by the step, the time, the attempt of the row itself. */
int select_is_taken(const char *name, size_t bytes, const char *const *taken, size_t taken_count);
void select_free_names(select_name *names, size_t count);

/* Tells whether a series is one that a selector means ("loss", "val/?{rank=0}"): for series that appear while a
 * cursor follows. The library decides everywhere else. */
int select_matches(const steplog_series_info *info, const char *selector);

/* Says on stderr what could not be read so far, and gives the exit code: exit_code, or
 * TOOL_NO when something was damaged and exit_code was TOOL_YES. */
int session_check_damage(session *s, int exit_code);

/* What people call a run: its name, else the first 8 digits of its id. To free(). */
char *select_run_label(session *s, const steplog_id *run);

/* "running", "killed"...; static. */
const char *select_status_name(steplog_run_status status);

#endif
