/* one_run.c: rm, rewind and fork never act on a run that was only the newest of several. */
#include "one_run.h"

#include "print.h"

#include <stdlib.h>

int one_run_open(session *s)
{
    steplog_error err = {0};
    const int code = session_open_writer(s, STEPLOG_NO_THREAD);
    if (code != TOOL_YES) return code;
    const steplog_status status = steplog_reader_open(s->store, &s->reader, &err);
    return status == STEPLOG_OK ? TOOL_YES : session_close(s, print_failure(NULL, status, &err));
}

int one_run_find(session *s, const char *selector, steplog_id *run)
{
    steplog_id *runs = NULL;
    size_t count = 0;
    int code = select_runs(s, selector, &runs, &count);
    if (code == TOOL_YES && count > 1) {
        print_error("'%s' matches %zu runs; name one, by its id if need be (steplog ls)", selector, count);
        code = TOOL_USAGE;
    }
    if (code == TOOL_YES) *run = runs[0];
    free(runs);
    return code;
}
