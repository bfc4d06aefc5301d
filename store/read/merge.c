/* read/merge.c: the order of a view: (step, attempt, incarnation, sequence), or as recorded: (writer, sequence).
 *
 * A piece is decoded when the pass reaches its first row and freed after its last, and a node is expanded when the pass
 * reaches it, so memory holds the pieces that overlap, not the store. */
#include "read/merge.h"

#include "base/error.h"

#include <stdlib.h>

static steplog_status no_memory(steplog_error *err)
{
    return sl_fail(err, STEPLOG_NOMEM, -1, "no memory to read points");
}

/* A parent's points come before those of its fork. */
static int compare_identity(const sl_origin *x, const sl_origin *y)
{
    if (x->depth != y->depth) return x->depth > y->depth ? -1 : 1;
    if (x->attempt != y->attempt) return x->attempt < y->attempt ? -1 : 1;
    return memcmp(x->incarnation.bytes, y->incarnation.bytes, 16);
}

static int compare_numbers(uint64_t x, uint64_t y) { return x < y ? -1 : x > y; }

/* Writers by attempt and number in the public order, parents' first. */
static int compare_writers(const sl_origin *x, const sl_origin *y)
{
    uint32_t x_writer = x->writer + 1, y_writer = y->writer + 1; /* a parent's UINT32_MAX becomes 0 */
    if (x_writer != y_writer) return x_writer < y_writer ? -1 : 1;
    return compare_identity(x, y);
}

/* Where a piece or a node begins. */
typedef struct key {
    const sl_origin *origin;
    int64_t step;
    uint64_t sequence;
} key;

static key key_of_piece(const sl_piece *p) { return (key){p->origin, p->step_min, p->sequence_first}; }
static key key_of_row(const sl_piece *p)
{
    return (key){p->origin, p->rows->steps[p->row], (uint64_t)p->rows->sequences[p->row]};
}
static key key_of_node(const sl_piece_node *n) { return (key){n->origin, n->step_min, n->entry.sequence_first}; }

static int compare_keys(key x, key y, int is_arrival_order)
{
    int order;
    if (is_arrival_order) {
        order = compare_writers(x.origin, y.origin);
    } else {
        if (x.step != y.step) return x.step < y.step ? -1 : 1;
        order = compare_identity(x.origin, y.origin);
    }
    return order ? order : compare_numbers(x.sequence, y.sequence);
}

static int pieces_by_step(const void *a, const void *b) { return compare_keys(key_of_piece(a), key_of_piece(b), 0); }
static int pieces_by_arrival(const void *a, const void *b) { return compare_keys(key_of_piece(a), key_of_piece(b), 1); }
static int nodes_by_step(const void *a, const void *b) { return compare_keys(key_of_node(a), key_of_node(b), 0); }
static int nodes_by_arrival(const void *a, const void *b) { return compare_keys(key_of_node(a), key_of_node(b), 1); }

static void sort_pieces(const sl_merge *m, size_t first)
{
    if (m->set->pieces.count > first)
        qsort(m->set->pieces.items + first, m->set->pieces.count - first, sizeof *m->set->pieces.items,
              m->is_arrival_order ? pieces_by_arrival : pieces_by_step);
}

static int is_before(const sl_merge *m, const sl_piece *x, const sl_piece *y)
{
    if (m->is_arrival_order) {
        int order = compare_writers(x->origin, y->origin);
        if (order) return order < 0;
    } else {
        int64_t x_step = x->rows->steps[x->row], y_step = y->rows->steps[y->row];
        if (x_step != y_step) return x_step < y_step;
        int order = compare_identity(x->origin, y->origin);
        if (order) return order < 0;
    }
    return x->rows->sequences[x->row] < y->rows->sequences[y->row];
}

void sl_merge_init(sl_merge *m, sl_piece_set *set)
{
    *m = (sl_merge){.set = set, .end = SIZE_MAX, .is_arrival_order = set->is_arrival_order};
    sort_pieces(m, 0);
    if (set->nodes.count)
        qsort(set->nodes.items, set->nodes.count, sizeof *set->nodes.items,
              m->is_arrival_order ? nodes_by_arrival : nodes_by_step);
}

void sl_merge_free(sl_merge *m)
{
    for (size_t i = 0; i < m->heap.count; i++) {
        sl_rows_free(m->heap.items[i]->rows);
        sl_free(m->heap.items[i]);
    }
    for (size_t i = 0; i < m->unused.count; i++) sl_free(m->unused.items[i]);
    SL_VEC_FREE(&m->heap);
    SL_VEC_FREE(&m->unused);
}

/* ---- the heap ---- */

static void swap(sl_merge *m, size_t a, size_t b)
{
    sl_piece *piece = m->heap.items[a];
    m->heap.items[a] = m->heap.items[b];
    m->heap.items[b] = piece;
}

static void sift_down(sl_merge *m, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= m->heap.count) return;
        if (child + 1 < m->heap.count && is_before(m, m->heap.items[child + 1], m->heap.items[child])) child++;
        if (!is_before(m, m->heap.items[child], m->heap.items[at])) return;
        swap(m, at, child);
        at = child;
    }
}

static void sift_up(sl_merge *m, size_t at)
{
    for (; at && is_before(m, m->heap.items[at], m->heap.items[(at - 1) / 2]); at = (at - 1) / 2)
        swap(m, at, (at - 1) / 2);
}

/* ---- what comes next ---- */

static size_t piece_end(const sl_merge *m)
{
    return m->end < m->set->pieces.count ? m->end : m->set->pieces.count;
}

static size_t node_end(const sl_merge *m) { return m->end == SIZE_MAX ? m->set->nodes.count : m->next_node; }

int sl_merge_node_is_next(const sl_merge *m)
{
    if (m->next_node >= node_end(m)) return 0;
    return m->next >= piece_end(m) || compare_keys(key_of_node(&m->set->nodes.items[m->next_node]),
                                                   key_of_piece(&m->set->pieces.items[m->next]),
                                                   m->is_arrival_order) <= 0;
}

/* Where what is not decoded yet begins. 0 when there is nothing. */
static int next_key(const sl_merge *m, key *out)
{
    if (sl_merge_node_is_next(m))
        *out = key_of_node(&m->set->nodes.items[m->next_node]);
    else if (m->next < piece_end(m))
        *out = key_of_piece(&m->set->pieces.items[m->next]);
    else
        return 0;
    return 1;
}

/* 1 when what is next may hold a row before the top's.
 *
 * Its key is its smallest step and its smallest number, also where they are those of different rows: so no row of it comes
 * before (key step, its writer, key number), nor does any of what stands behind it, whose keys are larger. As long as the
 * top is not behind that it comes first. So of the blocks of one writer at one and the same step one is open at a time. */
static int must_open(const sl_merge *m)
{
    key next;
    if (!next_key(m, &next)) return 0;
    return m->heap.count == 0 || compare_keys(next, key_of_row(m->heap.items[0]), m->is_arrival_order) < 0;
}

steplog_status sl_merge_expand(sl_merge *m, steplog_error *err)
{
    sl_piece_set *set = m->set;
    const sl_piece_node *node = &set->nodes.items[m->next_node++];
    set->pieces.count -= m->next;
    if (set->pieces.count)
        memmove(set->pieces.items, set->pieces.items + m->next, set->pieces.count * sizeof *set->pieces.items);
    m->next = 0;
    size_t before = set->pieces.count;
    SL_TRY(sl_node_expand(set, node, err));
    sort_pieces(m, before);
    /* Mostly nothing waits behind: long groups are all nodes. */
    if (before && before < set->pieces.count) sort_pieces(m, 0);
    return STEPLOG_OK;
}

/* Takes the next piece out of the set and decodes it. *out is NULL when nothing of it counts. */
static steplog_status open_piece(sl_merge *m, sl_piece **out, steplog_error *err)
{
    sl_piece_set *set = m->set;
    if (m->unused.count == 0 && !SL_VEC_RESERVE(&m->unused, 1)) return no_memory(err);
    sl_piece *piece = m->unused.count ? m->unused.items[--m->unused.count] : sl_alloc(sizeof *piece);
    *out = NULL;
    if (!piece) return no_memory(err);
    *piece = set->pieces.items[m->next];
    set->pieces.items[m->next++].rows = NULL; /* they have moved */
    steplog_status status = sl_piece_decode(set, piece, set->pieces.items + m->next, set->pieces.count - m->next, err);
    if (status >= 0 && m->heap.count > 0) status = sl_piece_pack(set, piece, err); /* it may have to wait */
    if (status >= 0 && piece->rows->row_count > 0) {
        *out = piece;
        return STEPLOG_OK;
    }
    sl_piece_release_rows(set, piece);
    m->unused.items[m->unused.count++] = piece;
    return status;
}

steplog_status sl_merge_top(sl_merge *m, sl_piece **out, steplog_error *err)
{
    *out = NULL;
    while (must_open(m)) {
        if (sl_merge_node_is_next(m)) {
            SL_TRY(sl_merge_expand(m, err));
            continue;
        }
        sl_piece *piece = NULL;
        if (!SL_VEC_RESERVE(&m->heap, m->heap.count + 1)) return no_memory(err);
        SL_TRY(open_piece(m, &piece, err));
        if (!piece) continue;
        m->heap.items[m->heap.count++] = piece;
        sift_up(m, m->heap.count - 1);
    }
    if (m->heap.count) *out = m->heap.items[0];
    return STEPLOG_OK;
}

void sl_merge_advance(sl_merge *m, uint32_t count)
{
    sl_piece *top = m->heap.items[0];
    top->row += count;
    if (top->row == top->rows->row_count) {
        sl_piece_release_rows(m->set, top);
        if (SL_VEC_RESERVE(&m->unused, m->unused.count + 1))
            m->unused.items[m->unused.count++] = top;
        else
            sl_free(top);
        m->heap.items[0] = m->heap.items[--m->heap.count];
    }
    if (m->heap.count > 1) sift_down(m, 0);
}

uint32_t sl_merge_run_length(sl_merge *m)
{
    const sl_piece *top = m->heap.items[0];
    uint32_t end = top->rows->row_count;
    key next;
    if (m->heap.count != 1) return 0;
    if (!next_key(m, &next)) return end - top->row;
    if (m->is_arrival_order) {
        int order = compare_writers(next.origin, top->origin);
        if (order > 0) return end - top->row;
        while (end > top->row && top->rows->sequences[end - 1] >= (int64_t)next.sequence) end--;
        return end - top->row;
    }
    if (top->rows->steps[end - 1] < next.step) return end - top->row;
    while (end > top->row && top->rows->steps[end - 1] >= next.step) end--;
    return end - top->row;
}
