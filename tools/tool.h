/* tool.h: what the verbs share: their entry points, exit codes, and the globals that main() sets.
 *
 * A verb is one file, cmd_NAME.c, with int cmd_NAME(int argc, char **argv): argv[0] is the verb's name, the rest its
 * arguments; it returns an exit code. A verb is added by a line in TOOL_VERB_TABLE. */
#ifndef STEPLOG_TOOL_H
#define STEPLOG_TOOL_H

#include <steplog.h>

typedef enum tool_exit {
    TOOL_YES = 0,       /* done; found; equal; undamaged */
    TOOL_NO = 1,        /* nothing matched; different; damaged */
    TOOL_USAGE = 2,     /* the command line makes no sense */
    TOOL_NOT_FOUND = 3, /* no such store, run or series */
    TOOL_IO = 4         /* could not: the operating system or the stored bytes refused */
} tool_exit;

/* X(name, one line for `steplog help`), in the order they are listed. */
#define TOOL_VERB_TABLE(X)                                             \
    X(ls, "list runs, or the series of one run")                       \
    X(info, "describe one run, or the store, in full")                 \
    X(query, "print points")                                           \
    X(tail, "print the last rows of a run, and follow it")             \
    X(plot, "draw curves in the terminal")                             \
    X(diff, "find the first difference between two runs")              \
    X(log, "record metrics from standard input")                       \
    X(import, "record what a file holds: CSV, TSV, JSONL, text logs")  \
    X(export, "write every point out as CSV or JSONL")                 \
    X(set, "set a run's name, project, note, tags, parameters")        \
    X(rewind, "open a new attempt of a run from a step on")            \
    X(fork, "make a run that begins as another did")                   \
    X(rm, "remove runs, series or step ranges")                        \
    X(compact, "merge files, free what was removed")                   \
    X(merge, "copy other stores into this one")                        \
    X(verify, "check every byte of a store")                           \
    X(dump, "print the files of a store field by field")

#define TOOL_VERB_DECLARE(name, summary) int cmd_##name(int argc, char **argv);
TOOL_VERB_TABLE(TOOL_VERB_DECLARE)
#undef TOOL_VERB_DECLARE

/* What the global options said. */
typedef struct tool_globals {
    const char *store_path; /* -C DIR; NULL when not given: use select_store_path() */
    const char *verb;       /* the verb that runs, for messages; "" before one is known */
    int is_colorless;       /* --no-color, or NO_COLOR is set */
} tool_globals;

extern tool_globals tool;

#endif
