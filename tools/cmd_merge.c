/* cmd_merge.c: `steplog merge`: copies what other stores hold into this one. */
#include "args.h"
#include "json.h"
#include "print.h"
#include "progress.h"
#include "select.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

enum { OPT_JSON = 256 };

static const args_option options[] = {
    {OPT_JSON, 0, "json", NULL, "print the result as JSON"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "merge",
    "[options] STORE...",
    "Copies what other stores hold into this one (-C DIR). The others are only read, live logs are\n"
    "copied as they stand. Doing it twice changes nothing; a store that grew since gives only what\n"
    "is new. Exit code 1 when a file of another store could not be read and was left out.",
    options,
    "steplog -C all-runs merge node1/steplog-store node2/steplog-store\n"};

static bool is_same_directory(const char *left, const char *right)
{
    struct stat a, b;
    return stat(left, &a) == 0 && stat(right, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void print_result(FILE *file, const char *source, const steplog_merge_result *result, bool is_json,
                         bool is_first)
{
    char bytes[NUMBER_TEXT_BYTES];
    if (is_json) {
        fprintf(file, "%s\n  {\"store\": ", is_first ? "" : ",");
        json_write_text(file, source);
        fprintf(file, ", \"files_copied\": %" PRIu64 ", \"files_known\": %" PRIu64 ", \"bytes_copied\": ",
                result->files_copied, result->files_known);
        json_write_uint64(file, result->bytes_copied);
        fputs("}", file);
        return;
    }
    number_format_bytes(result->bytes_copied, bytes);
    print_safe(file, source, strlen(source));
    fprintf(file, ": %" PRIu64 " files copied (%s), %" PRIu64 " were here already\n", result->files_copied, bytes,
            result->files_known);
}

static int merge_one(session *s, const char *source, steplog_merge_result *result)
{
    progress p;
    steplog_error err = {0};
    if (is_same_directory(source, steplog_store_path(s->store))) {
        print_error("'%s' is this store itself", source);
        return TOOL_USAGE;
    }
    progress_begin(&p, "merging");
    const steplog_status status = steplog_store_merge(s->store, source, progress_tick, &p, result, &err);
    progress_end(&p);
    if (status == STEPLOG_OK) return TOOL_YES;
    const bool is_partly_read = status == STEPLOG_CORRUPT || status == STEPLOG_NEWER;
    if (status != STEPLOG_END) {
        const int code = print_failure(source, status, &err);
        if (is_partly_read && result->files_copied + result->files_known) return TOOL_NO;
        return code == TOOL_USAGE ? TOOL_NOT_FOUND : code; /* a directory that is no store */
    }
    print_error("interrupted; what is missing comes with the next merge");
    return TOOL_IO;
}

static int merge(char **sources, size_t count, bool is_json, out_file *o)
{
    session s = {0};
    int code = session_open_writer(&s, STEPLOG_NO_THREAD);
    if (code != TOOL_YES) return code;
    if (is_json) fputs("{\"schema\": 1, \"stores\": [", o->file);
    for (size_t i = 0; i < count && (code == TOOL_YES || code == TOOL_NO); i++) {
        steplog_merge_result result = {.size_bytes = sizeof result};
        const int one = merge_one(&s, sources[i], &result);
        if (one == TOOL_YES || one == TOOL_NO) print_result(o->file, sources[i], &result, is_json, i == 0);
        if (one != TOOL_YES) code = one;
    }
    if (is_json) fputs("\n]}\n", o->file);
    return session_close(&s, code);
}

int cmd_merge(int argc, char **argv)
{
    args a;
    out_file o;
    bool is_json = false;
    args_begin(&a, &usage, argc, argv);
    for (int id; (id = args_next(&a)) != ARGS_DONE;) {
        switch (id) {
        case OPT_JSON: is_json = true; break;
        default: return a.exit_code;
        }
    }
    if (a.operand_count == 0) return args_fail(&a, "which STORE?");
    const int code = out_open(&o, NULL);
    if (code != TOOL_YES) return code;
    return out_close(&o, merge(a.operands, a.operand_count, is_json, &o));
}
