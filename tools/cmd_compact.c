/* cmd_compact.c: `steplog compact`: merges the files of a store, frees what was removed. */
#include "args.h"
#include "json.h"
#include "print.h"
#include "progress.h"
#include "select.h"

#include <inttypes.h>
#include <stdbool.h>

enum { OPT_NOW = 256, OPT_ADOPT, OPT_LIGHT, OPT_JSON };

static const args_option options[] = {
    {OPT_NOW, 0, "now", NULL, "free what was removed now, not after 24 hours; no --undo then"},
    {OPT_ADOPT, 0, "adopt", NULL, "seal the logs of other hosts too: only when those hosts are lost"},
    {OPT_LIGHT, 0, "light", NULL, "only what a writer's background thread would merge"},
    {OPT_JSON, 0, "json", NULL, "print the result as JSON"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "compact",
    "[options]",
    "Seals what killed writers left, merges segments into few large ones, frees what was removed\n"
    "more than 24 hours ago. Readers and writers go on meanwhile; Ctrl-C stops it safely. Exit code\n"
    "1: damage was met, and the file left as it is. Files that need no merging are not read: `verify`\n"
    "reads every byte.",
    options,
    "steplog compact\n"
    "steplog -C /data/runs compact --now\n"};

static void print_text(FILE *file, const steplog_compact_result *result)
{
    char before[NUMBER_TEXT_BYTES], after[NUMBER_TEXT_BYTES];
    number_format_bytes(result->bytes_before, before);
    number_format_bytes(result->bytes_after, after);
    fprintf(file, "files %" PRIu64 " -> %" PRIu64 ", bytes %s -> %s (%" PRIu64 " -> %" PRIu64 ")\n",
            result->files_before, result->files_after, before, after, result->bytes_before, result->bytes_after);
    if (result->logs_sealed > 0) fprintf(file, "logs sealed: %" PRIu64 "\n", result->logs_sealed);
    if (result->points_dropped > 0) fprintf(file, "points freed for good: %" PRIu64 "\n", result->points_dropped);
    if (result->points_lost > 0)
        fprintf(file, "points in damaged blocks: %" PRIu64 " (their files are kept)\n", result->points_lost);
}

static void print_json(FILE *file, const steplog_compact_result *result)
{
    const struct {
        const char *name;
        uint64_t value;
    } members[] = {{"files_before", result->files_before}, {"files_after", result->files_after},
                   {"bytes_before", result->bytes_before}, {"bytes_after", result->bytes_after},
                   {"logs_sealed", result->logs_sealed},   {"points_dropped", result->points_dropped},
                   {"points_lost", result->points_lost}};
    fputs("{\"schema\": 1", file);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        fprintf(file, ", \"%s\": ", members[i].name);
        json_write_uint64(file, members[i].value);
    }
    fputs("}\n", file);
}

static int compact(uint32_t flags, bool is_json, out_file *o)
{
    session s = {0};
    progress p;
    steplog_error err = {0};
    steplog_compact_result result = {.size_bytes = sizeof result};
    const steplog_compact_options how = {
        .size_bytes = sizeof how, .flags = flags, .progress = progress_tick, .progress_context = &p};
    int code = session_open_writer(&s, STEPLOG_NO_THREAD);
    if (code != TOOL_YES) return code;
    progress_begin(&p, "compacting");
    const steplog_status status = steplog_store_compact(s.store, &how, &result, &err);
    progress_end(&p);
    if (status == STEPLOG_END) {
        print_error("interrupted; the store is as good as before");
        return session_close(&s, TOOL_IO);
    }
    if (status != STEPLOG_OK) code = print_failure(NULL, status, &err);
    if (status == STEPLOG_CORRUPT) code = TOOL_NO; /* everything else was done */
    if (status == STEPLOG_OK || status == STEPLOG_CORRUPT) {
        if (is_json) print_json(o->file, &result);
        else print_text(o->file, &result);
    }
    return session_close(&s, code);
}

int cmd_compact(int argc, char **argv)
{
    args a;
    out_file o;
    uint32_t flags = 0;
    bool is_json = false;
    args_begin(&a, &usage, argc, argv);
    for (int id; (id = args_next(&a)) != ARGS_DONE;) {
        switch (id) {
        case OPT_NOW: flags |= STEPLOG_COMPACT_NOW; break;
        case OPT_ADOPT: flags |= STEPLOG_COMPACT_ADOPT; break;
        case OPT_LIGHT: flags |= STEPLOG_COMPACT_LIGHT; break;
        case OPT_JSON: is_json = true; break;
        default: return a.exit_code;
        }
    }
    if (a.operand_count > 0) return args_fail(&a, "'%s' is not an option; the store is given with -C", a.operands[0]);
    const int code = out_open(&o, NULL);
    if (code != TOOL_YES) return code;
    return out_close(&o, compact(flags, is_json, &o));
}
