/* model/shrink.c: delta debugging (Zeller, Hildebrandt 2002): leaves out parts of a stream while it still fails. */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

static int fails(const op_list *ops) { return play(ops, 0).wrong != NULL; }

static int try_without(op_list *ops, size_t begin, size_t count)
{
    op *kept = malloc((ops->count + 1) * sizeof *kept);
    memcpy(kept, ops->items, begin * sizeof *kept);
    memcpy(kept + begin, ops->items + begin + count, (ops->count - begin - count) * sizeof *kept);
    op_list shorter = {ops->seed, kept, ops->count - count};
    int is_failing = fails(&shorter);
    if (is_failing) {
        memcpy(ops->items, kept, shorter.count * sizeof *kept);
        ops->count = shorter.count;
    }
    free(kept);
    return is_failing;
}

void shrink(op_list *ops)
{
    size_t at = play(ops, 0).at; /* a power cut that comes after it may matter: tracing begins before the cut */
    if (at < ops->count) try_without(ops, at + 1, ops->count - at - 1);
    for (int has_changed = 1; has_changed;) {
        has_changed = 0;
        for (size_t part = ops->count / 2 + 1; part > 0; part /= 2)
            for (size_t begin = 0; begin + part <= ops->count;)
                if (try_without(ops, begin, part))
                    has_changed = 1;
                else
                    begin += part;
    }
}
