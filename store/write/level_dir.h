/* write/level_dir.h: the directory of a level, made when it is not there. */
#ifndef SL_WRITE_LEVEL_DIR_H
#define SL_WRITE_LEVEL_DIR_H

#include "steplog/status.h"

#include <stdint.h>

/* Opens seg/<level>, whose name then outlasts a power cut: a segment in it is as durable as the directory it is in.
 * Whoever made it may not have lived to sync it, so that is done each time; syncing what is clean costs little.
 * out receives a descriptor. */
steplog_status sl_level_dir_open(int store_dir, uint32_t level, int *out, steplog_error *err);

#endif
