/* read/damage.h: what could not be read, kept for whoever asks. */
#ifndef SL_READ_DAMAGE_H
#define SL_READ_DAMAGE_H

#include "base/hash_map.h"
#include "steplog/reader.h"

/* What there is more than this is not kept: a few bytes can be damage many times over. */
#define SL_DAMAGE_COUNT_MAX 10000u
#define SL_DAMAGE_BYTES_MAX (4u << 20)
#define SL_DAMAGE_NAME_BYTES_MAX 256u /* of a series; a longer name is cut and ends in "..." */

typedef struct sl_damage_list {
    steplog_damage *items;
    size_t count, capacity;
    size_t bytes;      /* of all with their strings */
    sl_hash_map seen;  /* by the hash of the whole finding */
} sl_damage_list;

/* Copies a finding into the list, strings too. The same place twice is kept once. Out of memory: it is
 * dropped; the caller has shown it to no one as good data in any case. */
void sl_damage_add(sl_damage_list *list, const steplog_damage *finding);
void sl_damage_clear(sl_damage_list *list);

#endif
