/* support/store_kit.h: short ways to write a store and to read all of it back.
 *
 * For Criterion tests and for plain programs alike: what must hold and does not is said on stderr, and the
 * process aborts. */
#ifndef TESTS_SUPPORT_STORE_KIT_H
#define TESTS_SUPPORT_STORE_KIT_H

#include "steplog.h"

#include <stdint.h>

/* Passes over an OK call; says which call gave what, and aborts, otherwise. The call may use &kit_error. */
#define OK(call)                                                                  \
    do {                                                                          \
        kit_error = (steplog_error){0};                                           \
        steplog_status kit_status = (call);                                       \
        if (kit_status != STEPLOG_OK) kit_fail(__FILE__, __LINE__, #call, kit_status); \
    } while (0)

/* The call must give this status. */
#define GIVES(status, call)                                                                  \
    do {                                                                                     \
        kit_error = (steplog_error){0};                                                      \
        steplog_status kit_status = (call);                                                  \
        if (kit_status != STEPLOG_##status) kit_fail(__FILE__, __LINE__, #call " must give " #status, kit_status); \
    } while (0)

/* As OK(), for what is true or not; the rest is printf's. */
#define HOLDS(condition, ...)                                                       \
    do {                                                                            \
        if (!(condition)) kit_does_not_hold(__FILE__, __LINE__, #condition, __VA_ARGS__); \
    } while (0)

extern _Thread_local steplog_error kit_error;
_Noreturn void kit_fail(const char *file, int line, const char *call, steplog_status status);
_Noreturn void kit_does_not_hold(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Any bit pattern, NaN payloads and -0.0 too: what (writer, row, column) recorded, for a seed. */
double kit_value(uint64_t seed, uint64_t writer, uint64_t row, uint64_t column);
uint64_t kit_bits(double value);

/* Opens a store, making it with CREATE in flags. log_bytes 0: the default. */
steplog_store *kit_store(const char *path, uint32_t flags, uint64_t log_bytes);
void kit_store_close(steplog_store *store);

/* Opens a writer of the run with this key. attempt 0: joins. */
steplog_writer *kit_writer(steplog_store *store, const char *run_key, uint32_t rank, uint32_t attempt);
/* The same for a resumed job. */
steplog_writer *kit_writer_resumed(steplog_store *store, const char *run_key, uint32_t rank, uint32_t attempt,
                                   int64_t resume_step);
void kit_writer_close(steplog_writer *writer);
steplog_writer_stats kit_stats(const steplog_writer *writer);
steplog_id kit_run_of(const steplog_writer *writer);

/* Names column_count metrics "<prefix>0", "<prefix>1", ... and their schema. */
steplog_schema kit_schema(steplog_writer *writer, const char *prefix, size_t column_count);
steplog_metric kit_metric(steplog_writer *writer, const char *name);

/* Appends one point by name, time none. */
void kit_log(steplog_writer *writer, const char *metric, int64_t step, double value);

steplog_reader *kit_reader(steplog_store *store);
/* The only series that a selector matches. */
steplog_series kit_series(steplog_reader *reader, const steplog_id *run, const char *selector);

/* All rows that a cursor gives, copied. */
typedef struct kit_rows {
    size_t row_count, column_count, capacity;
    int64_t *steps, *times_ns;
    uint32_t *attempts, *writers;
    uint64_t *sequences;
    double *values;      /* row by row, column_count each */
    uint8_t *is_present; /* likewise */
} kit_rows;

/* Reads a whole view. Nothing matching gives no rows. */
kit_rows kit_read(steplog_reader *reader, const steplog_id *run, const char *selector, const steplog_view *view);
kit_rows kit_read_cursor(steplog_cursor *cursor);
void kit_rows_free(kit_rows *rows);
double kit_at(const kit_rows *rows, size_t row, size_t column);
int kit_has(const kit_rows *rows, size_t row, size_t column);

/* As kit_read() with the default view, on a reader of its own. */
kit_rows kit_read_store(const char *path, const steplog_id *run, const char *selector, uint32_t view_flags);

/* Damage that a reader met is said, and the process aborts. Notices are no damage. */
void kit_no_damage(const steplog_reader *reader);

/* verify must find nothing: aborts otherwise. */
void kit_verify(const char *path);

/* The logs in path/log that hold something (spares do not), or the segments in all of path/seg. */
size_t kit_log_count(const char *path);
size_t kit_segment_count(const char *path);

/* Runs the same test with mapped logs and with pwrite. The body gets the store flags. */
#define IN_BOTH_MODES(suite, name)                                        \
    static void suite##_##name(uint32_t flags);                           \
    Test(suite, name) { suite##_##name(0); }                              \
    Test(suite, name##_with_pwrite) { suite##_##name(STEPLOG_FORCE_PWRITE); } \
    static void suite##_##name(uint32_t flags)

#endif
