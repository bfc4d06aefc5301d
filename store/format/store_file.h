/* format/store_file.h: the file STEPLOG: format version and store id, written once. */
#ifndef SL_FORMAT_STORE_FILE_H
#define SL_FORMAT_STORE_FILE_H

#include "format/layout.h"

typedef struct sl_store_file {
    uint32_t version, features;
    steplog_id store_id;
    int64_t created_time_ns;
} sl_store_file;

void sl_store_file_encode(const sl_store_file *file, uint8_t out[SL_STORE_FILE_BYTES]);

/* Returns OK, NEWER or CORRUPT. bytes is what the file holds. */
steplog_status sl_store_file_decode(const uint8_t *in, size_t bytes, sl_store_file *out, steplog_error *err);

#endif
