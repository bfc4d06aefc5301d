/* cmd_set.c: sets facts of a run from outside the job: its name, project, note, tags, parameters. */
#include "select.h"
#include "args.h"

#include <stdlib.h>
#include <string.h>

enum { OPT_ALL = 256, OPT_UNSET };

static const args_option option_table[] = {
    {'u', 'u', "unset", "KEY", "take KEY away; may be repeated"},
    {OPT_ALL, 0, "all", NULL, "change all runs that RUN matches"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "set", "[options] RUN KEY=VALUE...\n[options] RUN --unset KEY...",
    "Sets facts of a run. A KEY is name, project, note, tag.X or param.X. The latest value counts,\n"
    "older ones stay in the run's history (`steplog info RUN --history`). Works on a live run too.",
    option_table,
    "steplog set @latest name=base-lr3e-4 note='first with warmup'\n"
    "steplog set base tag.paper=fig2 param.seed=17\n"
    "steplog set 'sweep-*' --all project=ablation\n"
    "steplog set base --unset tag.paper\n"};

/* What to set on each run; a value of NULL takes the fact away. */
typedef struct fact_list {
    steplog_pair *facts;
    size_t count;
} fact_list;

static int is_known_key(const char *key)
{
    if (strcmp(key, "name") == 0 || strcmp(key, "project") == 0 || strcmp(key, "note") == 0) return 1;
    return (strncmp(key, "tag.", 4) == 0 && key[4] != 0) || (strncmp(key, "param.", 6) == 0 && key[6] != 0);
}

static int add_fact(args *a, fact_list *list, const char *key, const char *value)
{
    if (!is_known_key(key))
        return args_fail(a, "unknown key '%.100s': expected name, project, note, tag.X or param.X", key);
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->facts[i].key, key) == 0) return args_fail(a, "key '%.100s' is given twice", key);
    list->facts = xrealloc(list->facts, (list->count + 1) * sizeof *list->facts);
    list->facts[list->count++] = (steplog_pair){key, value};
    return TOOL_YES;
}

static int parse_arguments(args *a, fact_list *list, int *is_all)
{
    for (int id; (id = args_next(a)) != ARGS_DONE;) {
        if (id == ARGS_EXIT) return a->exit_code;
        if (id == OPT_ALL) *is_all = 1;
        else if (add_fact(a, list, a->value, NULL) != TOOL_YES) return a->exit_code;
    }
    if (a->operand_count == 0) return args_fail(a, "which RUN? @latest is the newest");
    for (size_t i = 1; i < a->operand_count; i++) {
        char *equals = strchr(a->operands[i], '=');
        if (equals == NULL) return args_fail(a, "expected KEY=VALUE, found '%.100s'", a->operands[i]);
        *equals = 0;
        if (add_fact(a, list, a->operands[i], equals + 1) != TOOL_YES) return a->exit_code;
    }
    if (list->count == 0) return args_fail(a, "nothing to set: expected KEY=VALUE or --unset KEY");
    return TOOL_YES;
}

static int set_facts(session *s, const char *selector, int is_all, const fact_list *list)
{
    steplog_error err = {0};
    steplog_id *runs;
    size_t count;
    steplog_status status = steplog_reader_open(s->store, &s->reader, &err);
    if (status != STEPLOG_OK) return print_failure(NULL, status, &err);
    int code = select_runs(s, selector, &runs, &count);
    if (code != TOOL_YES) return code;
    if (count > 1 && !is_all && strcmp(selector, "@latest") != 0) {
        print_error("%zu runs match '%s': name one by its id, or give --all", count, selector);
        free(runs);
        return TOOL_USAGE;
    }
    for (size_t i = 0; i < count && code == TOOL_YES; i++) {
        status = steplog_run_set_facts(s->store, &runs[i], list->facts, list->count, &err);
        if (status != STEPLOG_OK) code = print_failure(NULL, status, &err);
    }
    free(runs);
    return code;
}

int cmd_set(int argc, char **argv)
{
    args a;
    fact_list list = {0};
    session s;
    int is_all = 0;
    args_begin(&a, &usage, argc, argv);
    int code = parse_arguments(&a, &list, &is_all);
    if (a.exit_code < 0) {
        code = session_open_writer(&s, STEPLOG_NO_THREAD | STEPLOG_NO_ADOPT);
        if (code == TOOL_YES) code = session_close(&s, set_facts(&s, a.operands[0], is_all, &list));
    }
    free(list.facts);
    return code;
}
