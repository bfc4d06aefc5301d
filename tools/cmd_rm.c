/* cmd_rm.c: `steplog rm`: removes runs, series or step ranges, and takes that back.
 *
 * There is no question asked, so what is removed must have been said: a selector that matches several runs is refused
 * without --all. Nothing leaves the disk before the grace time is over, or `compact --now`. */
#include "args.h"
#include "json.h"
#include "one_run.h"
#include "print.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#define INT64_MAX_TEXT "9223372036854775807"

enum { OPT_STEP = 256, OPT_DRY, OPT_UNDO, OPT_ALL, OPT_JSON };

static const args_option options[] = {
    {OPT_STEP, 's', "step", "A:B", "only points at steps A up to but not B"},
    {OPT_DRY, 'n', "dry-run", NULL, "only say what would be removed"},
    {OPT_UNDO, 0, "undo", NULL, "take back what was removed from RUN, within 24 hours"},
    {OPT_ALL, 0, "all", NULL, "every run that RUN matches, not just one"},
    {OPT_JSON, 0, "json", NULL, "print the result as JSON"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "rm",
    "[options] RUN [SERIES...]\n--undo RUN",
    "Removes a run, some of its series, or a range of their steps from all views. The bytes are\n"
    "freed by the first `compact` after 24 hours, or by `compact --now`; until then --undo takes the\n"
    "removal back (a run removed whole has lost its name: give its id). What is recorded later\n"
    "stays.",
    options,
    "steplog rm broken-run --dry-run\n"
    "steplog rm resnet 'debug/*'\n"
    "steplog rm resnet loss --step 9000:\n"
    "steplog rm 'test-*' --all\n"
    "steplog rm resnet --undo\n"};

typedef struct removal {
    number_steps steps;
    bool is_dry_run, is_undo, is_all, is_json;
    char **selectors;
    size_t selector_count;
} removal;

typedef struct removed {
    uint64_t series_count, point_count, tombstone_count;
} removed;

/* Finds the runs. The id of a run that was removed whole is no longer listed, but can be taken back. */
static int find_runs(session *s, const char *selector, const removal *from, steplog_id **runs, size_t *count)
{
    steplog_id id;
    if (from->is_undo && steplog_id_parse(selector, &id) == STEPLOG_OK) {
        *runs = xmalloc(sizeof id);
        (*runs)[0] = id;
        *count = 1;
        return TOOL_YES;
    }
    const int code = select_runs(s, selector, runs, count);
    if (code != TOOL_YES || *count == 1 || from->is_all) return code;
    print_error("'%s' matches %zu runs; name one by its id, or say --all", selector, *count);
    return TOOL_USAGE;
}

static int remove_one(session *s, const steplog_id *run, const char *selector, const removal *from, bool is_dry_run,
                      removed *sum)
{
    const steplog_remove_options what = {
        .size_bytes = sizeof what, .run = *run, .selector = selector, .is_dry_run = is_dry_run,
        .has_begin = from->steps.has_begin, .has_end = from->steps.has_end,
        .step_begin = from->steps.begin, .step_end = from->steps.end};
    steplog_remove_result result = {.size_bytes = sizeof result};
    steplog_error err = {0};
    const steplog_status status = steplog_remove(s->store, &what, &result, &err);
    if (status == STEPLOG_MISSING && from->is_all) return TOOL_NOT_FOUND; /* perhaps others have it */
    if (status != STEPLOG_OK) return print_failure(selector, status, &err);
    sum->series_count += result.series_count;
    sum->point_count += result.point_count;
    sum->tombstone_count += result.tombstone_count;
    return TOOL_YES;
}

static int remove_each(session *s, const steplog_id *run, const removal *from, bool is_dry_run, removed *sum)
{
    bool is_found = false;
    for (size_t i = 0; i < from->selector_count; i++) {
        const int code = remove_one(s, run, from->selectors[i], from, is_dry_run, sum);
        if (code == TOOL_YES) is_found = true;
        else if (code != TOOL_NOT_FOUND || !from->is_all) return code;
    }
    return is_found ? TOOL_YES : TOOL_NOT_FOUND;
}

/* Of several selectors all are looked at before the first one takes something away: one that is misspelt stops it.
 * Then one may find that those before it took all that it matches. */
static int remove_from(session *s, const steplog_id *run, const removal *from, removed *sum)
{
    if (from->selector_count == 0) return remove_one(s, run, NULL, from, from->is_dry_run, sum);
    if (from->selector_count == 1 || from->is_dry_run) return remove_each(s, run, from, from->is_dry_run, sum);
    removed unused = {0};
    removal lenient = *from;
    const int code = remove_each(s, run, from, true, &unused);
    lenient.is_all = true;
    return code == TOOL_YES ? remove_each(s, run, &lenient, false, sum) : code;
}

static int undo(session *s, const steplog_id *run, const removal *from, removed *sum)
{
    steplog_error err = {0};
    const steplog_status status = steplog_remove_undo(s->store, run, &sum->tombstone_count, &err);
    if (status == STEPLOG_MISSING && from->is_all) return TOOL_NOT_FOUND;
    return status == STEPLOG_OK ? TOOL_YES : print_failure(NULL, status, &err);
}

static void print_text(FILE *file, const char *id, const removal *from, const removed *sum)
{
    if (from->is_undo) {
        fprintf(file, "run %s: %" PRIu64 " removal%s taken back\n", id, sum->tombstone_count,
                sum->tombstone_count == 1 ? "" : "s");
        return;
    }
    fprintf(file, "run %s: %s %" PRIu64 " points of %" PRIu64 " series\n", id,
            from->is_dry_run ? "would remove" : "removed", sum->point_count, sum->series_count);
    if (!from->is_dry_run) fprintf(stderr, "steplog rm --undo %s takes it back, for 24 hours\n", id);
}

static void print_json(FILE *file, const char *id, const removal *from, const removed *sum, bool is_first)
{
    fprintf(file, "%s\n  {\"run\": \"%s\", ", is_first ? "" : ",", id);
    if (from->is_undo) {
        fprintf(file, "\"taken_back\": %" PRIu64 "}", sum->tombstone_count);
        return;
    }
    fprintf(file, "\"series\": %" PRIu64 ", \"points\": ", sum->series_count);
    json_write_uint64(file, sum->point_count);
    fprintf(file, ", \"tombstones\": %" PRIu64 ", \"dry_run\": %s}", sum->tombstone_count,
            from->is_dry_run ? "true" : "false");
}

static int remove_runs(const char *selector, const removal *from, out_file *o)
{
    session s = {0};
    steplog_id *runs = NULL;
    size_t count = 0;
    int code = one_run_open(&s);
    if (code != TOOL_YES) return code;
    code = find_runs(&s, selector, from, &runs, &count);
    const bool is_listing = code == TOOL_YES && from->is_json;
    if (is_listing) fputs("{\"schema\": 1, \"runs\": [", o->file);
    size_t done = 0;
    for (size_t i = 0; code == TOOL_YES && i < count; i++) {
        removed sum = {0};
        char id[STEPLOG_ID_TEXT_BYTES];
        steplog_id_format(&runs[i], id);
        code = from->is_undo ? undo(&s, &runs[i], from, &sum) : remove_from(&s, &runs[i], from, &sum);
        if (code == TOOL_NOT_FOUND && from->is_all) {
            code = TOOL_YES;
            continue;
        }
        if (code != TOOL_YES) break;
        if (from->is_json) print_json(o->file, id, from, &sum, done == 0);
        else print_text(o->file, id, from, &sum);
        done++;
    }
    if (is_listing) fputs("\n]}\n", o->file);
    if (code == TOOL_YES && done == 0) {
        print_error("none of %zu runs has what was named", count);
        code = TOOL_NOT_FOUND;
    }
    free(runs);
    return session_close(&s, code);
}

int cmd_rm(int argc, char **argv)
{
    args a;
    out_file o;
    removal from = {0};
    args_begin(&a, &usage, argc, argv);
    for (int id; (id = args_next(&a)) != ARGS_DONE;) {
        switch (id) {
        case OPT_STEP:
            if (!args_steps(&a, &from.steps)) return a.exit_code;
            if (from.steps.has_end && from.steps.end == INT64_MAX) /* which the library takes for none */
                return args_fail(&a, "no removal ends before the very last step, %s: leave the end out", INT64_MAX_TEXT);
            if (!from.steps.has_begin && !from.steps.has_end) { /* ":" is every step, but not the run itself */
                from.steps.has_begin = 1;
                from.steps.begin = INT64_MIN;
            }
            break;
        case OPT_DRY: from.is_dry_run = true; break;
        case OPT_UNDO: from.is_undo = true; break;
        case OPT_ALL: from.is_all = true; break;
        case OPT_JSON: from.is_json = true; break;
        default: return a.exit_code;
        }
    }
    if (a.operand_count == 0) return args_fail(&a, "which RUN?");
    from.selectors = a.operands + 1;
    from.selector_count = a.operand_count - 1;
    if (from.is_undo && (from.selector_count > 0 || from.steps.has_begin || from.steps.has_end || from.is_dry_run))
        return args_fail(&a, "--undo takes a RUN and nothing else");
    const int code = out_open(&o, NULL);
    if (code != TOOL_YES) return code;
    return out_close(&o, remove_runs(a.operands[0], &from, &o));
}
