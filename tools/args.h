/* args.h: reading a verb's options and operands, and its --help.
 *
 *     enum { OPT_LAST = 256 };
 *     static const args_option options[] = {
 *         {'n', 'n', "count", "N", "show at most N rows"},
 *         {OPT_LAST, 0, "last", "N", "only the last N rows"},
 *         {'f', 'f', "follow", NULL, "go on as rows are recorded"},
 *         {0}};
 *     static const args_usage usage = {"tail", "[options] [RUN] [SERIES...]", "Prints the last rows.", options,
 *                                      "steplog tail -f @latest loss\n"};
 *
 *     args a;
 *     args_begin(&a, &usage, argc, argv);
 *     for (int id; (id = args_next(&a)) != ARGS_DONE;) {
 *         switch (id) {
 *         case 'n': if (!args_count(&a, &count)) return a.exit_code; break;
 *         case 'f': follow = 1; break;
 *         default: return a.exit_code;      (--help was printed, or the options were wrong and that was said)
 *         }
 *     }
 *     a.operand_count, a.operands[]
 *
 * Options may stand anywhere; "--" ends them; "-" alone and negative numbers are operands. A value is
 * `-n 5`, `-n5`, `--count 5` or `--count=5`, and may begin with a dash. -C DIR, --no-color and --help are
 * understood by every verb. */
#ifndef STEPLOG_ARGS_H
#define STEPLOG_ARGS_H

#include "number.h"
#include "tool.h"

typedef struct args_option {
    int id;            /* what args_next() returns: positive; 0 ends the table */
    char short_name;   /* 0 none */
    const char *name;  /* without dashes; NULL none */
    const char *value; /* what --help calls the value: "N", "FILE"; NULL: takes none */
    const char *help;  /* one line */
} args_option;

typedef struct args_usage {
    const char *verb;
    const char *synopsis; /* what follows "steplog VERB"; further lines are further forms */
    const char *summary;  /* one or a few sentences, with line ends where wanted */
    const args_option *options;
    const char *examples; /* lines */
} args_usage;

enum { ARGS_DONE = 0, ARGS_EXIT = -1 };

typedef struct args {
    const args_usage *usage;
    int exit_code;         /* what to return after ARGS_EXIT or a helper that answered 0; -1 until then */
    const char *value;     /* of the option just returned; NULL when it takes none */
    const args_option *option; /* just returned */
    char **operands;       /* in argv, moved to its front */
    size_t operand_count;
    /* inside */
    int argc, index;
    char **argv;
    const char *cluster; /* rest of "-abc" */
    int is_rest;         /* after "--" */
} args;

void args_begin(args *a, const args_usage *usage, int argc, char **argv);

/* Gives the next option's id; ARGS_DONE; or ARGS_EXIT, when what there is to say was said. */
int args_next(args *a);

/* Says what is wrong with the command line, then the usage line. Returns TOOL_USAGE, also kept in a->exit_code. */
int args_fail(args *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Read a->value as a number. They answer 1; or 0 after args_fail(): return a->exit_code then. */
int args_count(args *a, uint64_t *out);                               /* 0, 1, ...; also 10k, 5M, 1e6 */
int args_int64(args *a, int64_t *out);
int args_double(args *a, double *out);
int args_steps(args *a, number_steps *out);                           /* A:B, A:, :B, A */
int args_time(args *a, int64_t *out);                                 /* see time_text_parse() */
int args_choice(args *a, const char *const *names, size_t *out);      /* one of a NULL-ended list, by index */

/* Prints the help text on stdout. */
void args_help(const args_usage *usage);

/* Gives the name in a NULL-ended list that is nearest to what was typed, or NULL when none is near. */
const char *args_nearest(const char *typed, const char *const *names);

#endif
