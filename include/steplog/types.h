/* steplog/types.h: the handles and plain values that the other headers share. */
#ifndef STEPLOG_TYPES_H
#define STEPLOG_TYPES_H

#include "steplog/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STEPLOG_VERSION_MAJOR 0
#define STEPLOG_VERSION_MINOR 1
#define STEPLOG_VERSION_PATCH 0
#define STEPLOG_VERSION "0.1.0"

typedef struct steplog_store steplog_store;   /* an open store; shared by threads */
typedef struct steplog_writer steplog_writer; /* one thread's way into one run */
typedef struct steplog_reader steplog_reader; /* a snapshot; one thread at a time */
typedef struct steplog_cursor steplog_cursor; /* a pass over points; one thread at a time */

/* 128 bits that name a store, a run or an incarnation. As text: 32 lower-case
 * hexadecimal digits in byte order. */
typedef struct steplog_id {
    uint8_t bytes[16];
} steplog_id;

/* Small numbers handed out by one writer or one reader; meaningless elsewhere. */
typedef struct steplog_metric {
    uint32_t index;
} steplog_metric;
typedef struct steplog_schema {
    uint32_t index;
} steplog_schema;
typedef struct steplog_series {
    uint32_t index;
} steplog_series;

typedef struct steplog_pair {
    const char *key;   /* UTF-8, terminated */
    const char *value; /* UTF-8, terminated */
} steplog_pair;

typedef struct steplog_named {
    const char *name; /* UTF-8, terminated */
    double value;
} steplog_named;

#define STEPLOG_TIME_NOW INT64_MIN        /* the library reads the clock */
#define STEPLOG_TIME_NONE (INT64_MIN + 1) /* no wall time is known */

/* Limits. A call that would pass one answers LIMIT and changes nothing. */
#define STEPLOG_NAME_BYTES_MAX 65536u              /* a metric name, a label, a fact key, a run's key or name */
#define STEPLOG_VALUE_BYTES_MAX 1048576u           /* a fact value */
#define STEPLOG_BLOB_BYTES_MAX (64u * 1024 * 1024) /* one blob */
#define STEPLOG_FORK_DEPTH_MAX 16                  /* forks of forks: so many runs above one are read */
#define STEPLOG_ROW_METRICS_MAX 4096u              /* metrics in one schema */
#define STEPLOG_SCHEMA_NAMES_BYTES_MAX 4194300u    /* their names together, and 4 bytes for each */
#define STEPLOG_WRITER_METRICS_MAX 1048576u        /* metrics of one writer */
#define STEPLOG_WRITER_SCHEMAS_MAX 65536u          /* schemas of one writer */
#define STEPLOG_WRITER_NAMES_BYTES_MAX 1610612736u /* names of one writer, and 4 bytes for each metric of each schema;
                                                      each name and schema counts for 64 bytes more */
#define STEPLOG_LABELS_MAX 64u                     /* labels of one writer */
#define STEPLOG_LABELS_BYTES_MAX 524288u           /* their keys and values together */

#define STEPLOG_ID_TEXT_BYTES 33 /* an id as text, with its terminator */

/* Writes an id as 32 hexadecimal digits and a terminator.
 *
 * id    the id.
 * text  receives STEPLOG_ID_TEXT_BYTES bytes.
 *
 * Threads: any. Cost: nanoseconds. */
STEPLOG_API void steplog_id_format(const steplog_id *id, char text[STEPLOG_ID_TEXT_BYTES]);

/* Reads 32 hexadecimal digits, upper or lower case.
 *
 * text  terminated.
 * out   receives the id; untouched on failure.
 *
 * Returns OK, or MISUSE when text is anything else. Threads: any. */
STEPLOG_API steplog_status steplog_id_parse(const char *text, steplog_id *out);

/* Gives the version of the library that is linked, such as "0.1.0". Static.
 *
 * Threads: any. Cost: none. */
STEPLOG_API const char *steplog_version(void);

#ifdef __cplusplus
}
#endif
#endif
