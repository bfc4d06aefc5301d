/* one_run.h: for verbs that change a run: a selector must say without doubt which one. */
#ifndef STEPLOG_ONE_RUN_H
#define STEPLOG_ONE_RUN_H

#include "select.h"

/* Opens the store to change it, without a background thread, and a reader beside it. */
int one_run_open(session *s);

/* Finds the run that a selector matches. Several are refused, where a verb that only reads would take the newest.
 * Answers 0, or an exit code after saying why. */
int one_run_find(session *s, const char *selector, steplog_id *run);

#endif
