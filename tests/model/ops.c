/* model/ops.c: making streams of operations, and their text. */
#include "model/model.h"

#include "support/random.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
#define MODEL_NAME(name) #name,
    MODEL_OPS(MODEL_NAME)
#undef MODEL_NAME
};

/* How often each, in about 1000. */
static const uint16_t weights[OP_COUNT] = {
    [OP_open] = 90,        [OP_row] = 150,     [OP_present] = 60, [OP_rows] = 70,        [OP_point] = 90,
    [OP_named] = 40,       [OP_fact] = 50,     [OP_unfact] = 8,   [OP_blob] = 30,        [OP_sync] = 40,
    [OP_tick] = 40,        [OP_close] = 40,    [OP_compact] = 25, [OP_reopen] = 12,      [OP_kill] = 14,
    [OP_power] = 8,        [OP_fork] = 12,     [OP_rewind] = 16,  [OP_rewind_undo] = 12, [OP_remove] = 20,
    [OP_remove_undo] = 12, [OP_run_fact] = 12, [OP_clock] = 10,   [OP_fault] = 16,       [OP_full] = 8,
    [OP_space] = 14,       [OP_copy] = 8,      [OP_merge] = 8,    [OP_read] = 30,        [OP_follow] = 10};

op_list ops_generate(uint64_t seed, size_t count)
{
    op_list ops = {.seed = seed, .items = calloc(count, sizeof(op)), .count = count};
    test_random random = test_random_from(seed);
    uint32_t total = 0;
    for (int k = 0; k < OP_COUNT; k++) total += weights[k];
    int is_calm = test_random_below(&random, 4) == 0; /* no power cuts: kills must keep everything */
    for (size_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)test_random_below(&random, total), kind = 0;
        while (at >= weights[kind]) at -= weights[kind++];
        if (i < 2) kind = OP_open;
        if (is_calm && kind == OP_power) kind = OP_read;
        ops.items[i] = (op){kind, (uint32_t)test_random_below(&random, 1000),
                            (uint32_t)test_random_below(&random, 1000), (uint32_t)test_random_below(&random, 1000),
                            (uint32_t)test_random_below(&random, 1u << 30)};
    }
    return ops;
}

void ops_print(const op_list *ops, FILE *out)
{
    fprintf(out, "seed %llu\n", (unsigned long long)ops->seed);
    for (size_t i = 0; i < ops->count; i++) {
        const op *x = &ops->items[i];
        fprintf(out, "%s %u %u %u %u\n", names[x->kind], x->a, x->b, x->c, x->d);
    }
}

int ops_parse(const char *text, op_list *out)
{
    *out = (op_list){.seed = 1};
    size_t lines = 1;
    for (const char *p = text; *p; p++) lines += *p == '\n' || *p == ';';
    out->items = calloc(lines, sizeof(op));
    for (const char *line = text; line && *line;) {
        size_t bytes = strcspn(line, "\n;");
        char copy[200], name[32];
        op x = {0};
        unsigned long long seed;
        snprintf(copy, sizeof copy, "%.*s", (int)(bytes < 199 ? bytes : 199), line);
        line = line[bytes] ? line + bytes + 1 : NULL;
        if (sscanf(copy, "seed %llu", &seed) == 1) {
            out->seed = seed;
            continue;
        }
        int fields = sscanf(copy, "%31s %u %u %u %u", name, &x.a, &x.b, &x.c, &x.d);
        if (fields <= 0 || name[0] == '#') continue;
        while (x.kind < OP_COUNT && strcmp(names[x.kind], name) != 0) x.kind++;
        if (fields != 5 || x.kind == OP_COUNT) {
            fprintf(stderr, "not an operation: %s\n", copy);
            free(out->items);
            return 0;
        }
        out->items[out->count++] = x;
    }
    return 1;
}
