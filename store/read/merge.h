/* read/merge.h: pieces in, rows in order out: a heap of the pieces that are open. */
#ifndef SL_READ_MERGE_H
#define SL_READ_MERGE_H

#include "read/piece.h"

typedef struct sl_merge {
    sl_piece_set *set;
    SL_VEC(sl_piece *) heap; /* pieces that are decoded, by their next row */
    size_t next;      /* the next piece to decode; pieces and nodes are sorted by their first key */
    size_t next_node; /* the next node to expand */
    size_t end;       /* pieces from here on, and all nodes, are left alone; SIZE_MAX: none is */
    int is_arrival_order;
    SL_VEC(sl_piece *) unused;
} sl_merge;

/* Sorts the pieces and nodes of a set and starts a pass over them. */
void sl_merge_init(sl_merge *merge, sl_piece_set *set);
void sl_merge_free(sl_merge *merge);

/* Gives the piece with the next row (piece->row of piece->rows); NULL at the end. */
steplog_status sl_merge_top(sl_merge *merge, sl_piece **out, steplog_error *err);

/* Goes on by count rows of the top piece. */
void sl_merge_advance(sl_merge *merge, uint32_t count);

/* How many rows of the top piece come before any row of another piece: 0 when not known to be any. */
uint32_t sl_merge_run_length(sl_merge *merge);

/* Expands the next node; its pieces are put where they belong. Pieces that were taken already are forgotten, so next
 * changes. */
steplog_status sl_merge_expand(sl_merge *merge, steplog_error *err);

/* 1 when the next node comes before the next piece, or there is no piece any more. */
int sl_merge_node_is_next(const sl_merge *merge);

#endif
