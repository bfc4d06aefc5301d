/* cmd_verify.c: `steplog verify`: checks every byte of a store and says what is damaged, where. */
#include "args.h"
#include "json.h"
#include "print.h"
#include "progress.h"
#include "select.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

enum { OPT_JSON = 256, OPT_QUIET };

static const args_option options[] = {
    {OPT_JSON, 0, "json", NULL, "print findings and totals as one JSON object"},
    {OPT_QUIET, 'q', "quiet", NULL, "print nothing: the exit code says it"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "verify",
    "[options]",
    "Reads every byte of a store and checks it: checksums, the rules of FORMAT.md, that no record is\n"
    "missing. Changes nothing. Exit code 0: undamaged (an unsynced tail of a killed writer is only a\n"
    "notice); 1: something is damaged, and each finding names file, offset, run, series and steps.",
    options,
    "steplog verify\n"
    "steplog -C /backup/runs verify --json\n"};

typedef struct check {
    out_file *o;
    progress progress;
    bool is_json, is_quiet;
    uint64_t finding_count;
} check;

static void print_text(FILE *file, const steplog_damage *finding, bool has_color)
{
    const char *color = !has_color ? "" : finding->is_notice ? "\033[33m" : "\033[31m";
    fprintf(file, "%s%s%s  ", color, finding->is_notice ? "notice " : "damaged", has_color ? "\033[0m" : "");
    if (finding->file != NULL) print_safe(file, finding->file, strlen(finding->file));
    else fputs("(store)", file);
    if (finding->offset >= 0) fprintf(file, " at %" PRId64, finding->offset);
    if (finding->bytes > 0) fprintf(file, " (%" PRIu64 " bytes)", finding->bytes);
    fputs(": ", file);
    if (finding->what != NULL) print_safe(file, finding->what, strlen(finding->what));
    if (finding->has_run) {
        char id[STEPLOG_ID_TEXT_BYTES];
        steplog_id_format(&finding->run, id);
        fprintf(file, "; run %s", id);
        if (finding->series == NULL && finding->has_steps) fputs(", all series", file);
    }
    if (finding->series != NULL) {
        fputs(", series ", file);
        print_safe(file, finding->series, strlen(finding->series));
    }
    if (finding->has_steps) fprintf(file, ", steps %" PRId64 " to %" PRId64, finding->step_first, finding->step_last);
    fputc('\n', file);
}

static void print_json(FILE *file, const steplog_damage *finding, bool is_first)
{
    fprintf(file, "%s\n  {\"notice\": %s, \"file\": ", is_first ? "" : ",", finding->is_notice ? "true" : "false");
    json_write_text(file, finding->file);
    fputs(", \"offset\": ", file);
    if (finding->offset >= 0) json_write_int64(file, finding->offset);
    else fputs("null", file);
    fputs(", \"bytes\": ", file);
    json_write_uint64(file, finding->bytes);
    fputs(", \"what\": ", file);
    json_write_text(file, finding->what);
    if (finding->has_run) {
        char id[STEPLOG_ID_TEXT_BYTES];
        steplog_id_format(&finding->run, id);
        fprintf(file, ", \"run\": \"%s\"", id);
    }
    if (finding->series != NULL) {
        fputs(", \"series\": ", file);
        json_write_text(file, finding->series);
    }
    if (finding->has_steps) {
        fputs(", \"step_first\": ", file);
        json_write_int64(file, finding->step_first);
        fputs(", \"step_last\": ", file);
        json_write_int64(file, finding->step_last);
    }
    fputc('}', file);
}

static int take_finding(void *context, const steplog_damage *finding)
{
    check *c = context;
    progress_hide(&c->progress);
    if (!c->is_quiet && c->is_json) print_json(c->o->file, finding, c->finding_count == 0);
    else if (!c->is_quiet) print_text(c->o->file, finding, c->o->has_color);
    c->finding_count++;
    return out_has_failed(c->o);
}

static void print_summary(FILE *file, const steplog_verify_result *result, const char *state)
{
    char bytes[NUMBER_TEXT_BYTES];
    number_format_bytes(result->byte_count, bytes);
    fprintf(file, "%s: %" PRIu64 " files, %s, %" PRIu64 " blocks, %" PRIu64 " rows, %" PRIu64 " points; "
            "%" PRIu64 " damaged, %" PRIu64 " notice%s\n",
            state, result->file_count, bytes, result->block_count, result->row_count, result->point_count,
            result->damage_count, result->notice_count, result->notice_count == 1 ? "" : "s");
}

static void print_json_end(FILE *file, const steplog_verify_result *result, const char *state)
{
    const struct {
        const char *name;
        uint64_t value;
    } members[] = {{"files", result->file_count},     {"bytes", result->byte_count}, {"blocks", result->block_count},
                   {"rows", result->row_count},       {"points", result->point_count},
                   {"damaged", result->damage_count}, {"notices", result->notice_count}};
    fprintf(file, "\n], \"state\": \"%s\"", state);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        fprintf(file, ", \"%s\": ", members[i].name);
        json_write_uint64(file, members[i].value);
    }
    fputs("}\n", file);
}

static int verify(check *c)
{
    steplog_error err = {0};
    steplog_verify_result result = {.size_bytes = sizeof result};
    const steplog_verify_options how = {.size_bytes = sizeof how, .callback = take_finding, .context = c,
                                        .progress = progress_tick, .progress_context = &c->progress};
    FILE *file = c->o->file;
    if (c->is_json && !c->is_quiet) fputs("{\"schema\": 1, \"findings\": [", file);
    progress_begin(&c->progress, "checking");
    const steplog_status status = steplog_store_verify(select_store_path(), &how, &result, &err);
    progress_end(&c->progress);
    const bool is_checked = status == STEPLOG_OK || status == STEPLOG_CORRUPT;
    const char *state = status == STEPLOG_OK ? "ok" : status == STEPLOG_CORRUPT ? "damaged" : "not checked";
    if (c->is_json && !c->is_quiet) print_json_end(file, &result, state);
    else if (!c->is_quiet && is_checked) print_summary(file, &result, state);
    if (status == STEPLOG_END && !out_has_failed(c->o)) print_error("interrupted before everything was checked");
    if (status == STEPLOG_END) return TOOL_IO;
    if (is_checked) return status == STEPLOG_OK ? TOOL_YES : TOOL_NO;
    return print_failure(NULL, status, &err);
}

int cmd_verify(int argc, char **argv)
{
    args a;
    out_file o;
    check c = {.o = &o};
    args_begin(&a, &usage, argc, argv);
    for (int id; (id = args_next(&a)) != ARGS_DONE;) {
        switch (id) {
        case OPT_JSON: c.is_json = true; break;
        case OPT_QUIET: c.is_quiet = true; break;
        default: return a.exit_code;
        }
    }
    if (a.operand_count > 0) return args_fail(&a, "'%s' is not an option; the store is given with -C", a.operands[0]);
    const int code = out_open(&o, NULL);
    if (code != TOOL_YES) return code;
    return out_close(&o, verify(&c));
}
