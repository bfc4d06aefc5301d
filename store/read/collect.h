/* read/collect.h: what collecting the blocks of a pass works with: collect.c, collect_log.c. */
#ifndef SL_READ_COLLECT_H
#define SL_READ_COLLECT_H

#include "read/piece.h"

typedef struct sl_wanted {
    steplog_reader *reader;
    const steplog_series *series;
    size_t count;
    sl_hash_map by_name; /* of key and name, where there are many series: which one */
    sl_hash_map by_key;  /* the first one of a key */
    sl_piece_view view;
    sl_piece_set *set;
    steplog_error *err;
    int depth;       /* of the run that is collected */
    int64_t *bounds; /* with depth: steps below these are seen, by the first series of a key */
    SL_VEC(uint32_t) stored, output; /* the columns that were found in a source */
} sl_wanted;

/* Which of the wanted series has this key and name. 1, or 0: none has. */
int sl_wanted_find(const sl_wanted *w, uint64_t key_hash, const char *name, uint32_t bytes, uint32_t *output);

/* Adds to the columns that were found in a source: 1, or 0 when out of memory. */
int sl_wanted_put(sl_wanted *w, uint32_t stored, uint32_t output);
/* Makes an origin of them, the set's; NULL when out of memory. */
sl_origin *sl_wanted_origin(sl_wanted *w, const sl_incarnation *i, const sl_filter *filter, uint32_t writer);

/* Decodes the wanted rows of a log to pieces. WAIT when the log went away meanwhile. */
steplog_status sl_collect_log(sl_wanted *w, const sl_incarnation *i, sl_log *log, const sl_filter *filter, uint32_t writer);

#endif
