/* cmd_fork.c: `steplog fork`: makes a run that begins as another did. */
#include "args.h"
#include "json.h"
#include "one_run.h"
#include "print.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

enum { OPT_NAME = 256, OPT_KEY, OPT_JSON };

static const args_option options[] = {
    {OPT_NAME, 0, "name", "NAME", "name of the new run"},
    {OPT_KEY, 0, "run-key", "KEY", "its key, for jobs that join it (STEPLOG_RUN_KEY); not in use yet"},
    {OPT_JSON, 0, "json", NULL, "print the result as JSON"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "fork",
    "[options] RUN STEP",
    "Makes a new run that sees RUN's points below STEP, and prints its id. Nothing is copied; what\n"
    "RUN does later does not change the fork.",
    options,
    "steplog fork baseline 5000 --name warm-restart\n"
    "steplog fork baseline 5000 --run-key exp7 && STEPLOG_RUN_KEY=exp7 ./train --from ckpt-5000\n"};

typedef struct fork_options {
    const char *name, *key;
    int64_t step;
    bool is_json;
} fork_options;

static int fork_run(const char *selector, const fork_options *from, out_file *o)
{
    session s = {0};
    steplog_id parent, run;
    steplog_error err = {0};
    char id[STEPLOG_ID_TEXT_BYTES], parent_id[STEPLOG_ID_TEXT_BYTES];
    int code = one_run_open(&s);
    if (code != TOOL_YES) return code;
    code = one_run_find(&s, selector, &parent);
    if (code != TOOL_YES) return session_close(&s, code);
    const steplog_status status = steplog_run_fork(s.store, &parent, from->step, from->key, from->name, &run, &err);
    if (status != STEPLOG_OK) return session_close(&s, print_failure(NULL, status, &err));
    steplog_id_format(&run, id);
    steplog_id_format(&parent, parent_id);
    if (from->is_json) {
        fprintf(o->file, "{\"schema\": 1, \"run\": \"%s\", \"parent\": \"%s\", \"step\": ", id, parent_id);
        json_write_int64(o->file, from->step);
        fputs("}\n", o->file);
    } else {
        fprintf(o->file, "%s\n", id); /* alone, for $(...) */
    }
    return session_close(&s, TOOL_YES);
}

int cmd_fork(int argc, char **argv)
{
    args a;
    out_file o;
    fork_options from = {0};
    args_begin(&a, &usage, argc, argv);
    for (int id; (id = args_next(&a)) != ARGS_DONE;) {
        switch (id) {
        case OPT_NAME: from.name = a.value; break;
        case OPT_KEY: from.key = a.value; break;
        case OPT_JSON: from.is_json = true; break;
        default: return a.exit_code;
        }
    }
    if (a.operand_count != 2) return args_fail(&a, "RUN and STEP are needed");
    if (!number_parse_step(a.operands[1], strlen(a.operands[1]), &from.step))
        return args_fail(&a, "'%s' is not a step", a.operands[1]);
    const int code = out_open(&o, NULL);
    if (code != TOOL_YES) return code;
    return out_close(&o, fork_run(a.operands[0], &from, &o));
}
