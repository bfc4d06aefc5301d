/* read/segment_rebuild.h: the directory of a segment from its pages alone. */
#ifndef SL_READ_SEGMENT_REBUILD_H
#define SL_READ_SEGMENT_REBUILD_H

#include "read/segment_reader.h"

/* Fills all tables of a segment whose trailer or tables are damaged. What has no good page is reported. CORRUPT when
 * not one writer is left. */
steplog_status sl_segment_rebuild(sl_segment *segment, steplog_error *err);

/* Fills rebuilt_chunks for the groups that are known, when only the chunk table is damaged. */
steplog_status sl_segment_rebuild_chunks(sl_segment *segment, steplog_error *err);

#endif
