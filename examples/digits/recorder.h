/* recorder.h: one rank's way into the store. */
#ifndef DIGITS_RECORDER_H
#define DIGITS_RECORDER_H

#include "metrics.h"
#include "settings.h"

#include <steplog.h>

/* Where in the run's history this process is. */
typedef struct recorder_place {
    const char *run_key;
    uint32_t rank;
    uint32_t attempt;
    bool is_resume;
    int64_t step_begin;
} recorder_place;

/* A kind of row: its schema is made from the first row of that kind. */
typedef struct recorder_kind {
    bool is_known;
    size_t count;
    steplog_schema schema;
} recorder_kind;

typedef struct recorder {
    steplog_store *store;
    steplog_writer *writer; /* NULL: nothing is to be recorded, and every call does nothing */
    recorder_kind iteration;
    recorder_kind epoch;
    bool is_warned; /* of rows that the store refused */
} recorder;

/* Opens the store and a writer. To be called after fork, by the process that will log.
 * False, with a line on stderr, when it cannot. */
bool recorder_open(recorder *rec, const settings *asked, const recorder_place *place);

/* Records the parameters of the job, once for all ranks. */
void recorder_params(recorder *rec, const settings *asked);

/* Appends a row. True when the store has it for good. A refusal (a full disk) is told
 * once on stderr and is no reason to stop the training. */
bool recorder_append(recorder *rec, recorder_kind *kind, int64_t step, const metric_row *row);

/* Records the confusion matrix of an epoch. */
void recorder_confusion(recorder *rec, int64_t step, const confusion *matrix);

/* Makes all rows so far survive a power cut. */
void recorder_sync(recorder *rec);

steplog_id recorder_run(const recorder *rec);

/* Closes both. False when what was recorded could not be finished on disk. */
bool recorder_close(recorder *rec, int exit_code);

#endif
