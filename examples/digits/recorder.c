/* recorder.c: one rank's way into the store.
 *
 * This is the file to read for how a trainer uses steplog: each rank opens the store and
 * a writer of its own under the run's key; the first row of a kind names the metrics;
 * from then on a row costs one call. Belongs to the one thread of its rank. */
#include "recorder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 64, CONFUSION_BYTES_MAX = 4096 };

bool recorder_open(recorder *rec, const settings *asked, const recorder_place *place)
{
    const steplog_store_options store_options = {.size_bytes = sizeof store_options, .flags = STEPLOG_CREATE};
    const steplog_writer_options writer_options = {
        .size_bytes = sizeof writer_options,
        .run_key = place->run_key,
        .run_name = place->is_resume ? NULL : asked->run_name,
        .project = place->is_resume ? NULL : "examples",
        .rank = place->rank,
        .attempt = place->attempt,
        .is_resume = place->is_resume,
        .resume_step = place->is_resume ? place->step_begin : 0,
    };
    steplog_error error = {0};

    memset(rec, 0, sizeof *rec);
    if (asked->is_unrecorded) return true;
    if (steplog_store_open(asked->store_path, &store_options, &rec->store, &error) == STEPLOG_OK &&
        steplog_writer_open(rec->store, &writer_options, &rec->writer, &error) == STEPLOG_OK)
        return true;
    fprintf(stderr, "digits: rank %u: %s\n", place->rank, error.text);
    steplog_store_close(rec->store, NULL);
    rec->store = NULL;
    return false;
}

static void set_param(recorder *rec, const char *key, double value)
{
    char text[TEXT_BYTES_MAX];
    steplog_error error = {0};
    snprintf(text, sizeof text, "%.17g", value);
    for (int digits = 6; digits < 17; digits++) { /* the shortest that reads back the same */
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    if (steplog_writer_set_fact(rec->writer, key, text, &error) != STEPLOG_OK)
        fprintf(stderr, "digits: '%s' is not recorded: %s\n", key, error.text);
}

void recorder_params(recorder *rec, const settings *asked)
{
    set_param(rec, "param.hidden1", HIDDEN1_COUNT);
    set_param(rec, "param.hidden2", HIDDEN2_COUNT);
    set_param(rec, "param.parameters", PARAMETER_COUNT);
    set_param(rec, "param.learning_rate", learning_rate_peak);
    set_param(rec, "param.momentum", momentum_factor);
    set_param(rec, "param.weight_decay", weight_decay_factor);
    set_param(rec, "param.batch", BATCH_SIZE);
    set_param(rec, "param.epochs", asked->epoch_count);
    set_param(rec, "param.ranks", asked->rank_count);
    set_param(rec, "param.seed", (double)asked->seed);
}

static bool kind_learn(recorder *rec, recorder_kind *kind, const metric_row *row)
{
    steplog_metric metrics[ROW_METRICS_MAX];
    steplog_error error = {0};
    for (size_t i = 0; i < row->count; i++) {
        if (steplog_writer_metric(rec->writer, row->names[i], strlen(row->names[i]), &metrics[i], &error) != STEPLOG_OK)
            goto refused;
    }
    if (steplog_writer_schema(rec->writer, metrics, row->count, &kind->schema, &error) != STEPLOG_OK) goto refused;
    kind->count = row->count;
    kind->is_known = true;
    return true;
refused:
    if (!rec->is_warned) fprintf(stderr, "digits: the metrics cannot be named: %s\n", error.text);
    rec->is_warned = true;
    return false;
}

bool recorder_append(recorder *rec, recorder_kind *kind, int64_t step, const metric_row *row)
{
    if (rec->writer == NULL) return false;
    if (!kind->is_known && !kind_learn(rec, kind, row)) return false;
    if (row->count != kind->count) return false;
    if (steplog_writer_append(rec->writer, kind->schema, step, STEPLOG_TIME_NOW, row->values) == STEPLOG_OK)
        return true;
    if (!rec->is_warned) {
        steplog_error error = {0};
        steplog_writer_error(rec->writer, &error);
        fprintf(stderr, "digits: step %lld is not recorded: %s; training goes on\n", (long long)step, error.text);
        rec->is_warned = true;
    }
    return false;
}

void recorder_confusion(recorder *rec, int64_t step, const confusion *matrix)
{
    char csv[CONFUSION_BYTES_MAX];
    steplog_error error = {0};
    if (rec->writer == NULL) return;
    const size_t bytes = confusion_csv(matrix, csv, sizeof csv);
    if (steplog_writer_blob(rec->writer, "confusion", step, STEPLOG_TIME_NOW, "text/csv; charset=utf-8", csv, bytes,
                            &error) == STEPLOG_OK)
        return;
    if (!rec->is_warned) fprintf(stderr, "digits: the confusion matrix is not recorded: %s\n", error.text);
    rec->is_warned = true;
}

void recorder_sync(recorder *rec)
{
    steplog_error error = {0};
    if (rec->writer == NULL) return;
    if (steplog_writer_sync(rec->writer, &error) == STEPLOG_OK || rec->is_warned) return;
    fprintf(stderr, "digits: rows are not on the disk yet: %s\n", error.text);
    rec->is_warned = true;
}

steplog_id recorder_run(const recorder *rec)
{
    steplog_writer_stats stats = {.size_bytes = sizeof stats};
    if (rec->writer != NULL) steplog_writer_get_stats(rec->writer, &stats);
    return stats.run;
}

bool recorder_close(recorder *rec, int exit_code)
{
    steplog_error error = {0};
    bool is_closed = steplog_writer_close(rec->writer, exit_code, &error) == STEPLOG_OK;
    is_closed = steplog_store_close(rec->store, &error) == STEPLOG_OK && is_closed;
    if (!is_closed) fprintf(stderr, "digits: closing the store: %s\n", error.text);
    memset(rec, 0, sizeof *rec);
    return is_closed;
}
