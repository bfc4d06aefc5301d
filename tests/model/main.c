/* model/main.c: random streams of operations against an oracle that is a list. A violation is shrunk to a short
 * script. */
#include "model/model.h"

#include "support/attack.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPERATIONS = 200 };
#ifdef __SANITIZE_ADDRESS__
enum { SHORT_RUNS = 80 };
#else
enum { SHORT_RUNS = 300 };
#endif

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) return NULL;
    char *text = calloc(1, 65536);
    if (fread(text, 1, 65535, file) == 0) text[0] = 0;
    fclose(file);
    return text;
}

static void count_in(play_result *sum, const play_result *r)
{
    sum->reads += r->reads;
    sum->kills += r->kills;
    sum->power_cuts += r->power_cuts;
    sum->faults += r->faults;
    sum->refused += r->refused;
}

/* Says it with the short script, which --case takes as it is, and saves that when $STEPLOG_SAVE names a directory. */
static void tell(attack_test *t, op_list *ops, const play_result *r)
{
    char what[800], wrong[700];
    snprintf(wrong, sizeof wrong, "at operation %zu: %.600s", r->at, r->wrong); /* playing again overwrites it */
    snprintf(what, sizeof what, "%s", wrong);
    if (t->violations < 10) {
        shrink(ops);
        play_result shrunk = play(ops, 0);
        if (shrunk.wrong)
            snprintf(what, sizeof what, "%.600s", shrunk.wrong);
        else
            snprintf(what, sizeof what, "%s; fails no more when it is shrunk", wrong);
        char path[600];
        const char *directory = getenv("STEPLOG_SAVE");
        snprintf(path, sizeof path, "%s/%" PRIu64 ".script", directory ? directory : "", ops->seed);
        FILE *file = directory ? fopen(path, "w") : NULL;
        if (file) {
            fprintf(file, "# %s\n", what);
            ops_print(ops, file);
            fclose(file);
        }
        ops_print(ops, stdout);
    }
    char *text = NULL;
    size_t bytes = 0;
    FILE *memory = open_memstream(&text, &bytes);
    ops_print(ops, memory);
    fclose(memory);
    for (size_t i = 0; i < bytes; i++)
        if (text[i] == '\n') text[i] = ';';
    attack_violation(t, ops->seed, text, what);
    free(text);
}

static int play_text(attack_test *t, const char *text, int is_told)
{
    op_list ops;
    if (!ops_parse(text, &ops)) return 0;
    play_result r = play(&ops, is_told);
    t->runs++;
    t->states += r.reads;
    if (r.wrong) tell(t, &ops, &r);
    free(ops.items);
    return 1;
}

static int run_saved(void)
{
    attack_test t = {.part = "model", .name = "saved", .first_seed = 1, .last_seed = 1};
    static const char directory[] = "tests/model/saved";
    struct dirent **entries;
    int count = scandir(directory, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
        char *text = strstr(entries[i]->d_name, ".script") ? read_text(path) : NULL;
        if (text && !play_text(&t, text, 0)) attack_violation(&t, 1, path, "not a script");
        free(text);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    if (t.runs) return attack_report(&t, NULL);
    printf("ok - model saved # SKIP no saved scripts below %s\n", directory);
    return 0;
}

static int run_streams(const attack_options *o)
{
    attack_test t = {.part = "model", .name = "streams", .first_seed = o->seed, .last_seed = o->seed};
    double end = attack_now() + o->seconds;
    uint64_t runs = o->runs ? o->runs : SHORT_RUNS;
    play_result sum = {0};
    for (uint64_t seed = o->seed; o->seconds > 0 ? attack_now() < end : seed < o->seed + runs; seed++) {
        op_list ops = ops_generate(seed, OPERATIONS);
        play_result r = play(&ops, 0);
        t.runs++;
        t.states += r.reads;
        t.last_seed = seed;
        count_in(&sum, &r);
        if (r.wrong) tell(&t, &ops, &r);
        free(ops.items);
        attack_progress(&t);
    }
    char figures[160];
    snprintf(figures, sizeof figures,
             "%" PRIu64 " kills, %" PRIu64 " power cuts, %" PRIu64 " faults, %" PRIu64 " calls refused on a full disk",
             sum.kills, sum.power_cuts, sum.faults, sum.refused);
    return attack_report(&t, figures);
}

static int run_case(const attack_options *o)
{
    attack_test t = {
        .part = "model", .name = o->only ? o->only : "streams", .first_seed = o->seed, .last_seed = o->seed};
    char *text = read_text(o->detail);
    if (!play_text(&t, text ? text : o->detail, getenv("STEPLOG_TELL") != NULL)) return 2;
    free(text);
    return attack_report(&t, NULL);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"saved", "streams"};
    attack_options o = attack_parse(
        argc, argv, "random streams of operations against an oracle; --case takes a script or its file", names, 2);
    int failed = 0;
    if (o.detail) return run_case(&o);
    if (attack_wants(&o, "saved")) failed |= run_saved();
    if (attack_wants(&o, "streams")) failed |= run_streams(&o);
    return failed;
}
