/* write/level_dir.h: the directory of a level, made when it is not there. */
#ifndef SL_WRITE_LEVEL_DIR_H
#define SL_WRITE_LEVEL_DIR_H

#include "index/ranges.h"
#include "steplog/status.h"

#include <stdint.h>

/* Opens seg/<level>, whose name then outlasts a power cut: a segment in it is as durable as the directory it is in.
 * Whoever made it may not have lived to sync it, so that is done each time; syncing what is clean costs little.
 * out receives a descriptor. */
steplog_status sl_level_dir_open(int store_dir, uint32_t level, int *out, steplog_error *err);

/* The names in seg/<level> outlast a power cut, for each level that is in the set: whoever published them may not have
 * lived to sync them. For those who remove a file because segments that they did not write hold its records. */
steplog_status sl_level_dirs_sync(int store_dir, const sl_ranges *levels, steplog_error *err);

#endif
