/* format/file_names.h: how the files of a store are called. */
#ifndef SL_FORMAT_FILE_NAMES_H
#define SL_FORMAT_FILE_NAMES_H

#include "steplog/types.h"

#define SL_LOG_DIR "log"
#define SL_SEGMENT_DIR "seg"
#define SL_FILE_NAME_BYTES 64 /* any name below, with its terminator */

/* "<32 hex of the incarnation>-<n>.log", n from 1. */
void sl_log_name(const steplog_id *incarnation, uint32_t ordinal, char name[SL_FILE_NAME_BYTES]);
int sl_log_name_parse(const char *name, steplog_id *incarnation, uint32_t *ordinal); /* 1 when it is one */

/* "<32 hex of the file id>.seg"; ".tmp" instead while it is being written. */
void sl_segment_name(const steplog_id *file_id, char name[SL_FILE_NAME_BYTES]);
int sl_segment_name_parse(const char *name, steplog_id *file_id);
void sl_temporary_name(const steplog_id *file_id, char name[SL_FILE_NAME_BYTES]);
int sl_temporary_name_parse(const char *name, steplog_id *file_id);

/* A level's directory: its number in decimal without leading zeros. */
int sl_level_parse(const char *name, uint32_t *level);
#define SL_LEVEL_MAX UINT32_MAX /* nothing lies above it, so nothing is made of what is there */

#endif
