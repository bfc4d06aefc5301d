/* read/piece.h: the blocks that a pass over some series has to look at, each decoded when its turn comes. */
#ifndef SL_READ_PIECE_H
#define SL_READ_PIECE_H

#include "read/reader.h"
#include "read/removal.h"
#include "read/rows.h"

/* Which columns of a schema are wanted, and as which output column. */
typedef struct sl_columns {
    uint32_t count;
    uint32_t *stored; /* column in the schema, ascending */
    uint32_t *output; /* both behind the struct */
} sl_columns;

/* What is filtered out of the rows of an incarnation. */
typedef struct sl_filter {
    int64_t step_begin, step_last; /* both included */
    sl_ranges assigned;
    const sl_removals *removals; /* NULL: tombstones take nothing of what is wanted. The set's */
} sl_filter;

/* Where rows come from: one group of one segment, or one log. */
typedef struct sl_origin {
    sl_segment *segment; /* retained; NULL: rows came from a log and are decoded already */
    uint32_t segment_writer;
    sl_group_entry group;
    const sl_columns *columns;
    const sl_filter *filter;
    steplog_id incarnation;
    uint32_t attempt, writer; /* writer: as for steplog_reader_writer() */
    int depth;                /* 0: of the run itself; 1: of its parent, ... */
} sl_origin;

typedef struct sl_piece {
    const sl_origin *origin;
    sl_chunk_entry entry;
    uint32_t chunk; /* which one of its group, by the tables */
    sl_rows *rows;
    uint32_t row; /* the next one */
    int64_t step_min, step_max; /* of the rows that the filter may let through */
    uint64_t sequence_first;
    int is_whole; /* no row of the block is filtered out, whatever its number */
} sl_piece;

/* Up to 64 blocks of a long group, which become pieces when a pass reaches them. */
typedef struct sl_piece_node {
    const sl_origin *origin;
    sl_node_entry entry;
    uint32_t node; /* which one of its group */
    uint64_t sequence_end; /* where the next one begins */
    int64_t step_min, step_max;
    int is_whole;
} sl_piece_node;

typedef struct sl_piece_set {
    SL_VEC(sl_piece) pieces;     /* those that a pass has taken are gone */
    SL_VEC(sl_piece_node) nodes;
    SL_VEC(sl_origin *) origins;
    SL_VEC(sl_columns *) columns;
    SL_VEC(sl_filter *) filters;
    SL_VEC(sl_removals *) removals; /* of each incarnation that has some */
    int is_arrival_order; /* rows stay as they were recorded; set before collecting */
    uint64_t sequence_from; /* pieces of lower numbers only are left out */
    sl_chunk chunk;       /* scratch, as what follows */
    sl_table_view chunk_table;
    sl_chunk_list chunks;
    sl_rows *unused;      /* rows that pieces have given back, the latest first */
    sl_rows *spent;       /* the same of packed ones, the latest: it may be lent still */
} sl_piece_set;

typedef struct sl_piece_view {
    int all_attempts;
    int64_t step_begin, step_last; /* both included */
    int without_logs; /* follow reads those itself */
    uint64_t sequence_from; /* of one incarnation, when only_incarnation */
    const steplog_id *only_incarnation;
} sl_piece_view;

/* Collects the pieces of series of one run, of its parents too. Rows in logs are decoded now, so that what a log's owner
 * does later changes nothing; they are packed. WAIT when a log went away meanwhile: take the snapshot again. */
steplog_status sl_pieces_collect(steplog_reader *reader, const steplog_id *run, const steplog_series *series, size_t count,
                                 const sl_piece_view *view, sl_piece_set *out, steplog_error *err);
void sl_pieces_free(sl_piece_set *set);

/* 1 when a row counts. check_assigned 0: its number is known to. */
int sl_filter_keeps(const sl_filter *filter, int64_t step, uint64_t sequence, int check_assigned);

/* Makes pieces of a node; they are appended to set->pieces. */
steplog_status sl_node_expand(sl_piece_set *set, const sl_piece_node *node, steplog_error *err);

/* Decodes a piece; afterwards piece->rows holds what passes its filter, perhaps nothing. A damaged block is reported and
 * gives no rows. following, count: the pieces that will probably be decoded next. */
steplog_status sl_piece_decode(sl_piece_set *set, sl_piece *piece, const sl_piece *following, size_t count,
                               steplog_error *err);
/* Puts the rows of a decoded piece into less memory, where that is much. */
steplog_status sl_piece_pack(sl_piece_set *set, sl_piece *piece, steplog_error *err);
/* Gives the rows back. What they hold stays as it is until the next piece is decoded. */
void sl_piece_release_rows(sl_piece_set *set, sl_piece *piece);

#endif
