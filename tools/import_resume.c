/* import_resume.c: the rows that are known of a file, one after the other, as hashes.
 *
 * Rows are compared through import_row_hash, which does not mind the order of columns: the store lists series by
 * name, a file as it likes. A row that came from a file's last line, when that had no line end yet, may have been half
 * a row: such a one that differs is passed over. */
#include "import_resume.h"

#include "print.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The word in a fact's value that names the source, and what follows it. */
static int split_value(const char *value, const char *source, const char **rest)
{
    const size_t bytes = strlen(source);
    if (value == NULL || strncmp(value, source, bytes) != 0 || value[bytes] != ' ') {
        return 0;
    }
    *rest = value + bytes + 1;
    return 1;
}

static int is_same_id(const steplog_id *left, const steplog_id *right)
{
    return memcmp(left, right, sizeof *left) == 0;
}

static import_source *find_source(const import_resume *r, const steplog_id *incarnation)
{
    for (size_t i = 0; i < r->source_count; i++) {
        if (is_same_id(&r->sources[i].incarnation, incarnation)) {
            return &r->sources[i];
        }
    }
    return NULL;
}

/* Which writers, as the cursor's batches number them, wrote the source. */
static void mark_writers(import_resume *r)
{
    r->writer_count = steplog_reader_writer_count(r->s->reader, &r->run);
    r->is_source = xcalloc(r->writer_count + 1, sizeof *r->is_source);
    for (size_t i = 0; i < r->writer_count; i++) {
        steplog_writer_info info = {.size_bytes = sizeof info};
        import_source *source = steplog_reader_writer(r->s->reader, &r->run, i, &info, NULL) == STEPLOG_OK
                                    ? find_source(r, &info.incarnation)
                                    : NULL;
        if (source != NULL) {
            r->is_source[i] = 1;
            source->last_sequence = info.last_sequence;
        }
    }
}

/* Looks for removals of the source's rows that are not undone. */
static void read_removals(import_resume *r)
{
    const size_t count = steplog_reader_event_count(r->s->reader, &r->run);
    for (size_t i = 0; i < count && !r->has_removals; i++) {
        steplog_event event = {.size_bytes = sizeof event};
        r->has_removals = steplog_reader_event(r->s->reader, &r->run, i, &event, NULL) == STEPLOG_OK &&
                          event.kind == STEPLOG_EVENT_TOMBSTONE && event.is_in_force &&
                          find_source(r, &event.target) != NULL;
    }
}

import_doubt import_resume_doubt(const import_resume *r)
{
    const size_t count = steplog_reader_damage_count(r->s->reader);
    for (size_t i = 0; i < count; i++) {
        steplog_damage damage = {.size_bytes = sizeof damage};
        if (steplog_reader_damage(r->s->reader, i, &damage) == STEPLOG_OK && !damage.is_notice &&
            (!damage.has_run || is_same_id(&damage.run, &r->run))) {
            return IMPORT_DAMAGED;
        }
    }
    return r->has_removals ? IMPORT_REMOVED : IMPORT_NO_DOUBT;
}

/* Takes apart what follows the source: "STEP FILE". */
static void read_source(import_resume *r, const char *rest)
{
    const char *space = strchr(rest, ' ');
    if (space == NULL) {
        return;
    }
    r->has_step_rank = import_table_rank_parse(rest, (size_t)(space - rest), &r->step_rank);
    free(r->file);
    r->file = xstrdup(space + 1);
}

/* Reads the run's history for this source. */
static void read_history(import_resume *r, const steplog_id *run, const char *source)
{
    const size_t count = steplog_reader_event_count(r->s->reader, run);
    for (size_t i = 0; i < count; i++) {
        const char *rest;
        steplog_event event = {.size_bytes = sizeof event};
        if (steplog_reader_event(r->s->reader, run, i, &event, NULL) != STEPLOG_OK ||
            event.kind != STEPLOG_EVENT_SET || event.key == NULL || !split_value(event.value, source, &rest)) {
            continue;
        }
        if (strcmp(event.key, IMPORT_SOURCE_FACT) == 0) {
            r->sources = xrealloc(r->sources, (r->source_count + 1) * sizeof *r->sources);
            r->sources[r->source_count++] = (import_source){.incarnation = event.incarnation};
            read_source(r, rest);
        } else if (strcmp(event.key, IMPORT_PARTIAL_FACT) == 0) {
            r->partial = xrealloc(r->partial, (r->partial_count + 1) * sizeof *r->partial);
            r->partial[r->partial_count++] = strtoull(rest, NULL, 10);
        }
    }
}

/* ---- imports at the same time ---- */

typedef enum others { NO_OTHERS, DYING, OTHERS } others;

/* A writer that was killed seems to live while its log is recovered. */
static int is_gone(const steplog_writer_info *info)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    return info->host != NULL && strcmp(info->host, host) == 0 && info->pid != 0 &&
           kill((pid_t)info->pid, 0) != 0 && errno == ESRCH;
}

static others look_at_writer(session *s, const steplog_id *run, const import_source *source)
{
    const size_t count = steplog_reader_writer_count(s->reader, run);
    for (size_t i = 0; i < count; i++) {
        steplog_writer_info info = {.size_bytes = sizeof info};
        if (steplog_reader_writer(s->reader, run, i, &info, NULL) != STEPLOG_OK ||
            !is_same_id(&info.incarnation, &source->incarnation)) {
            continue;
        }
        if (info.last_sequence > source->last_sequence) {
            return OTHERS;
        }
        return info.liveness != STEPLOG_LIVENESS_ALIVE ? NO_OTHERS : is_gone(&info) ? DYING : OTHERS;
    }
    return NO_OTHERS;
}

static int is_known(const import_source *sources, size_t count, const steplog_id *id)
{
    for (size_t i = 0; i < count; i++) {
        if (is_same_id(&sources[i].incarnation, id)) {
            return 1;
        }
    }
    return 0;
}

static others look_for_others(session *s, const steplog_id *run, const char *source, const import_source *sources,
                              size_t source_count, const steplog_id *own)
{
    others found = NO_OTHERS;
    const size_t count = steplog_reader_event_count(s->reader, run);
    for (size_t i = 0; i < count; i++) {
        const char *rest;
        steplog_event event = {.size_bytes = sizeof event};
        if (steplog_reader_event(s->reader, run, i, &event, NULL) == STEPLOG_OK && event.kind == STEPLOG_EVENT_SET &&
            event.key != NULL && strcmp(event.key, IMPORT_SOURCE_FACT) == 0 &&
            split_value(event.value, source, &rest) && !is_known(sources, source_count, &event.incarnation) &&
            !is_same_id(own, &event.incarnation)) {
            return OTHERS;
        }
    }
    for (size_t i = 0; i < source_count && found != OTHERS; i++) {
        const others now = look_at_writer(s, run, &sources[i]);
        found = now > found ? now : found;
    }
    return found;
}

int import_resume_has_others(session *s, const steplog_id *run, const char *source, const import_source *sources,
                             size_t source_count, const steplog_id *own)
{
    enum { LOOKS_MAX = 1000, PAUSE_NS = 20000000 };
    for (int i = 0; i < LOOKS_MAX; i++) {
        steplog_error err = {0};
        const struct timespec pause = {.tv_nsec = PAUSE_NS};
        const steplog_status status = steplog_reader_refresh(s->reader, &err);
        if (status != STEPLOG_OK) {
            print_failure("reading the store", status, &err);
            return -1;
        }
        const others found = look_for_others(s, run, source, sources, source_count, own);
        if (found != DYING) {
            return found == OTHERS;
        }
        nanosleep(&pause, NULL);
    }
    return 1;
}

int import_resume_open(import_resume *r, session *s, const steplog_id *run, const char *source, int *is_known)
{
    steplog_error err = {0};
    *r = (import_resume){.s = s, .run = *run};
    *is_known = 0;
    read_history(r, run, source);
    if (r->source_count == 0) {
        import_resume_close(r);
        return 0;
    }
    const steplog_view view = {.size_bytes = sizeof view,
                               .flags = STEPLOG_VIEW_ALL_ATTEMPTS | STEPLOG_VIEW_ARRIVAL_ORDER};
    const steplog_status status = steplog_cursor_open_matching(s->reader, run, "*", &view, &r->cursor, &err);
    if (status != STEPLOG_OK && status != STEPLOG_MISSING) {
        import_resume_close(r);
        return print_failure("reading what was imported before", status, &err);
    }
    mark_writers(r); /* now: opening the cursor may take another snapshot, with more writers */
    read_removals(r);
    *is_known = 1;
    return 0;
}

void import_resume_close(import_resume *r)
{
    steplog_cursor_close(r->cursor);
    free(r->is_source);
    free(r->sources);
    free(r->name_hashes);
    free(r->partial);
    free(r->file);
    *r = (import_resume){0};
}

/* The hashes of the names of the cursor's columns. Columns of other ranks or labels are of other writers. */
static steplog_status learn_names(import_resume *r)
{
    if (r->name_count < r->batch.column_count) {
        r->name_hashes = xrealloc(r->name_hashes, r->batch.column_count * sizeof *r->name_hashes);
    }
    for (; r->name_count < r->batch.column_count; r->name_count++) {
        steplog_series series;
        steplog_series_info info = {.size_bytes = sizeof info};
        steplog_status status = steplog_cursor_series(r->cursor, r->name_count, &series);
        if (status == STEPLOG_OK) {
            status = steplog_reader_series(r->s->reader, series, &info, NULL);
        }
        if (status != STEPLOG_OK) {
            return status;
        }
        r->name_hashes[r->name_count] = import_hash(0, info.name, info.name_bytes);
    }
    return STEPLOG_OK;
}

static uint64_t hash_stored(const import_resume *r)
{
    import_row_hash h;
    const steplog_batch *b = &r->batch;
    import_row_hash_begin(&h, b->steps[r->row], b->times_ns[r->row]);
    for (size_t i = 0; i < b->column_count; i++) {
        if (b->present[i][r->row / 64] >> (r->row % 64) & 1) {
            import_row_hash_add(&h, r->name_hashes[i], b->values[i][r->row]);
        }
    }
    return h.sum;
}

/* Goes to the next row of the source. Returns 1, 0 at the end, -1 after saying what failed. */
static int next_stored(import_resume *r, uint64_t *hash)
{
    steplog_error err = {0};
    while (r->cursor != NULL) {
        for (; r->row < r->batch.row_count; r->row++) {
            const uint32_t writer = r->batch.writers[r->row];
            if (writer < r->writer_count && r->is_source[writer]) {
                *hash = hash_stored(r);
                r->row++;
                return 1;
            }
        }
        steplog_status status = steplog_cursor_next(r->cursor, &r->batch, 0, &err);
        r->row = 0;
        if (status == STEPLOG_END) {
            break;
        }
        if (status == STEPLOG_OK) {
            status = learn_names(r);
        }
        if (status != STEPLOG_OK) {
            print_failure("reading what was imported before", status, &err);
            return -1;
        }
    }
    return 0;
}

static int is_partial(const import_resume *r, uint64_t index)
{
    for (size_t i = 0; i < r->partial_count; i++) {
        if (r->partial[i] == index) {
            return 1;
        }
    }
    return 0;
}

int import_resume_match(import_resume *r, const import_table *t, const import_row *row, int *is_end)
{
    import_row_hash h;
    import_row_hash_begin(&h, row->step, row->time_ns);
    for (size_t i = 0; i < row->count; i++) {
        import_row_hash_add(&h, t->columns[row->columns[i]].name_hash, row->values[i]);
    }
    *is_end = 0;
    for (;;) {
        uint64_t stored;
        const int got = next_stored(r, &stored);
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            *is_end = 1;
            return 0;
        }
        r->index++;
        if (stored == h.sum) {
            return 1;
        }
        if (!is_partial(r, r->index - 1)) {
            return 0;
        }
    }
}
