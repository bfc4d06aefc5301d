/* cmd_rewind.c: `steplog rewind`: opens the next attempt of a run, or takes the latest one back. */
#include "args.h"
#include "json.h"
#include "one_run.h"
#include "print.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

enum { OPT_UNDO = 256, OPT_JSON };

static const args_option options[] = {
    {OPT_UNDO, 0, "undo", NULL, "take back the latest rewind: what it hid returns"},
    {OPT_JSON, 0, "json", NULL, "print the result as JSON"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "rewind",
    "[options] RUN STEP\n[options] --undo RUN",
    "Opens a new attempt of a run. What earlier attempts hold at STEP and above leaves the default\n"
    "view; nothing is freed, `query --attempts` still shows it. A job that resumes does this by\n"
    "itself (is_resume, resume_step).",
    options,
    "steplog rewind resnet 12000\n"
    "steplog rewind resnet --undo\n"};

static void print_result(FILE *file, const steplog_id *run, uint32_t attempt, int64_t step, bool is_undo, bool is_json)
{
    char id[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(run, id);
    if (is_json) {
        fprintf(file, "{\"schema\": 1, \"run\": \"%s\", \"attempt\": %" PRIu32 ", \"undone\": %s", id, attempt,
                is_undo ? "true" : "false");
        if (!is_undo) {
            fputs(", \"step\": ", file);
            json_write_int64(file, step);
        }
        fputs("}\n", file);
    } else if (is_undo) {
        fprintf(file, "attempt %" PRIu32 " of run %s is taken back\n", attempt, id);
    } else {
        fprintf(file, "attempt %" PRIu32 " of run %s begins at step %" PRId64 "\n", attempt, id, step);
    }
}

static int rewind_run(const char *selector, int64_t step, bool is_undo, bool is_json, out_file *o)
{
    session s = {0};
    steplog_id run;
    steplog_error err = {0};
    uint32_t attempt = 0;
    int code = one_run_open(&s);
    if (code != TOOL_YES) return code;
    code = one_run_find(&s, selector, &run);
    if (code != TOOL_YES) return session_close(&s, code);
    const steplog_status status = is_undo ? steplog_run_rewind_undo(s.store, &run, &attempt, &err)
                                          : steplog_run_rewind(s.store, &run, step, &attempt, &err);
    if (status != STEPLOG_OK) return session_close(&s, print_failure(NULL, status, &err));
    print_result(o->file, &run, attempt, step, is_undo, is_json);
    return session_close(&s, TOOL_YES);
}

int cmd_rewind(int argc, char **argv)
{
    args a;
    out_file o;
    bool is_undo = false, is_json = false;
    int64_t step = 0;
    args_begin(&a, &usage, argc, argv);
    for (int id; (id = args_next(&a)) != ARGS_DONE;) {
        switch (id) {
        case OPT_UNDO: is_undo = true; break;
        case OPT_JSON: is_json = true; break;
        default: return a.exit_code;
        }
    }
    if (a.operand_count != (is_undo ? 1 : 2))
        return args_fail(&a, is_undo ? "--undo takes a RUN" : "RUN and STEP are needed");
    if (!is_undo && !number_parse_step(a.operands[1], strlen(a.operands[1]), &step))
        return args_fail(&a, "'%s' is not a step", a.operands[1]);
    const int code = out_open(&o, NULL);
    if (code != TOOL_YES) return code;
    return out_close(&o, rewind_run(a.operands[0], step, is_undo, is_json, &o));
}
