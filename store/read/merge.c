/* read/merge.c: the order of a view: (step, attempt, incarnation, sequence), or as recorded: (writer, sequence).
 *
 * A piece is decoded when the pass reaches its first step and freed after its last, so memory holds the pieces that
 * overlap, not the store. */
#include "read/merge.h"

#include "base/error.h"

#include <stdlib.h>

/* A parent's points come before those of its fork. */
static int compare_identity(const sl_piece *x, const sl_piece *y)
{
    if (x->depth != y->depth) return x->depth > y->depth ? -1 : 1;
    if (x->attempt != y->attempt) return x->attempt < y->attempt ? -1 : 1;
    return memcmp(x->incarnation.bytes, y->incarnation.bytes, 16);
}

static int compare_numbers(uint64_t x, uint64_t y) { return x < y ? -1 : x > y; }

static int compare_by_step(const void *a, const void *b)
{
    const sl_piece *x = a, *y = b;
    if (x->step_min != y->step_min) return x->step_min < y->step_min ? -1 : 1;
    int order = compare_identity(x, y);
    return order ? order : compare_numbers(x->sequence_first, y->sequence_first);
}

/* Writers by attempt and number in the public order, parents' first. */
static int compare_writers(const sl_piece *x, const sl_piece *y)
{
    uint32_t x_writer = x->writer + 1, y_writer = y->writer + 1; /* a parent's UINT32_MAX becomes 0 */
    if (x_writer != y_writer) return x_writer < y_writer ? -1 : 1;
    return compare_identity(x, y);
}

static int compare_by_arrival(const void *a, const void *b)
{
    const sl_piece *x = a, *y = b;
    int order = compare_writers(x, y);
    return order ? order : compare_numbers(x->sequence_first, y->sequence_first);
}

static int is_before(const sl_merge *m, uint32_t a, uint32_t b)
{
    const sl_piece *x = &m->set->pieces.items[a], *y = &m->set->pieces.items[b];
    if (m->is_arrival_order) {
        int order = compare_writers(x, y);
        if (order) return order < 0;
    } else {
        int64_t x_step = x->rows->steps[x->row], y_step = y->rows->steps[y->row];
        if (x_step != y_step) return x_step < y_step;
        int order = compare_identity(x, y);
        if (order) return order < 0;
    }
    return x->rows->sequences[x->row] < y->rows->sequences[y->row];
}

void sl_merge_init(sl_merge *m, sl_piece_set *set)
{
    *m = (sl_merge){.set = set, .is_arrival_order = set->is_arrival_order};
    if (set->pieces.count)
        qsort(set->pieces.items, set->pieces.count, sizeof *set->pieces.items,
              m->is_arrival_order ? compare_by_arrival : compare_by_step);
}

void sl_merge_free(sl_merge *m) { SL_VEC_FREE(&m->heap); }

static void sift_down(sl_merge *m, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= m->heap.count) return;
        if (child + 1 < m->heap.count && is_before(m, m->heap.items[child + 1], m->heap.items[child])) child++;
        if (!is_before(m, m->heap.items[child], m->heap.items[at])) return;
        uint32_t swap = m->heap.items[at];
        m->heap.items[at] = m->heap.items[child];
        m->heap.items[child] = swap;
        at = child;
    }
}

static void sift_up(sl_merge *m, size_t at)
{
    while (at && is_before(m, m->heap.items[at], m->heap.items[(at - 1) / 2])) {
        uint32_t swap = m->heap.items[at];
        m->heap.items[at] = m->heap.items[(at - 1) / 2];
        m->heap.items[(at - 1) / 2] = swap;
        at = (at - 1) / 2;
    }
}

/* 1 when the next piece may hold a row before the top's. */
static int must_open(const sl_merge *m)
{
    if (m->next == m->set->pieces.count) return 0;
    if (m->heap.count == 0) return 1;
    const sl_piece *top = &m->set->pieces.items[m->heap.items[0]], *next = &m->set->pieces.items[m->next];
    if (!m->is_arrival_order) return next->step_min <= top->rows->steps[top->row];
    int order = compare_writers(next, top);
    return order < 0 || (order == 0 && (int64_t)next->sequence_first < top->rows->sequences[top->row]);
}

steplog_status sl_merge_top(sl_merge *m, sl_piece **out, steplog_error *err)
{
    *out = NULL;
    while (must_open(m)) {
        sl_piece *piece = &m->set->pieces.items[m->next];
        SL_TRY(sl_piece_decode(m->set, piece, err));
        if (piece->rows->row_count == 0) {
            sl_piece_release_rows(m->set, piece);
        } else {
            if (!SL_VEC_PUSH(&m->heap, (uint32_t)m->next))
                return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read points");
            sift_up(m, m->heap.count - 1);
        }
        m->next++;
    }
    if (m->heap.count) *out = &m->set->pieces.items[m->heap.items[0]];
    return STEPLOG_OK;
}

void sl_merge_advance(sl_merge *m, uint32_t count)
{
    sl_piece *top = &m->set->pieces.items[m->heap.items[0]];
    top->row += count;
    if (top->row == top->rows->row_count) {
        sl_piece_release_rows(m->set, top);
        m->heap.items[0] = m->heap.items[--m->heap.count];
    }
    sift_down(m, 0);
}

uint32_t sl_merge_run_length(sl_merge *m)
{
    const sl_piece *top = &m->set->pieces.items[m->heap.items[0]];
    uint32_t end = top->rows->row_count;
    if (m->heap.count != 1) return 0;
    if (m->next == m->set->pieces.count) return end - top->row;
    const sl_piece *next = &m->set->pieces.items[m->next];
    if (m->is_arrival_order) {
        int order = compare_writers(next, top);
        if (order > 0) return end - top->row;
        while (end > top->row && top->rows->sequences[end - 1] >= (int64_t)next->sequence_first) end--;
        return end - top->row;
    }
    if (top->rows->steps[end - 1] < next->step_min) return end - top->row;
    while (end > top->row && top->rows->steps[end - 1] >= next->step_min) end--;
    return end - top->row;
}
