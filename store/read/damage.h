/* read/damage.h: what could not be read, kept for whoever asks. */
#ifndef SL_READ_DAMAGE_H
#define SL_READ_DAMAGE_H

#include "base/memory.h"
#include "steplog/reader.h"

#define SL_DAMAGE_COUNT_MAX 10000u /* more are counted, not kept */

typedef SL_VEC(steplog_damage) sl_damage_list;

/* Copies a finding into the list, strings too. The same place twice is kept once. Out of memory: it is
 * dropped; the caller has shown it to no one as good data in any case. */
void sl_damage_add(sl_damage_list *list, const steplog_damage *finding);
void sl_damage_clear(sl_damage_list *list);

#endif
