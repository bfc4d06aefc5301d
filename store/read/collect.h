/* read/collect.h: what collecting the blocks of a pass works with: collect.c, collect_log.c. */
#ifndef SL_READ_COLLECT_H
#define SL_READ_COLLECT_H

#include "read/piece.h"

typedef struct sl_wanted {
    steplog_reader *reader;
    const steplog_series *series;
    size_t count;
    sl_piece_view view;
    sl_piece_set *set;
    steplog_error *err;
    const uint32_t *writers; /* of the run, in the public order */
    size_t writer_count;
    int depth; /* of the run that is collected */
} sl_wanted;

/* Room for the columns of a source; NULL when out of memory. The set's, as origins are. */
sl_columns *sl_wanted_columns(sl_wanted *w, uint32_t count);
sl_origin *sl_wanted_origin(sl_wanted *w, const sl_incarnation *i, const sl_columns *columns, const sl_filter *filter,
                            uint32_t writer);

/* Decodes the wanted rows of a log to pieces. WAIT when the log went away meanwhile. */
steplog_status sl_collect_log(sl_wanted *w, const sl_incarnation *i, sl_log *log, const sl_filter *filter, uint32_t writer);

#endif
