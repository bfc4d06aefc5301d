/* import_table.c: from named cells to rows.
 *
 * The way of a cell: import_cell.c says what it is; a number waits in its column for the end of the record, a text is
 * compared with the column's first one and forgotten. At the end the record's step and time are chosen, and the
 * numbers that remain go to the callback as one row. Nothing is kept from one record to the next but counts, so that
 * a file of any length takes the memory of its columns.
 *
 * Invariants: (1) touched lists each column of the current record once; (2) a column's record is record_count + 1
 * exactly while it is in touched. */
#include "import_table.h"

#include "number.h"
#include "print.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Best first. Formats with one header may not name steps "s": too many columns are seconds. */
static const struct {
    const char *name;
    int is_by_line_only;
    int is_epoch;
} step_names[] = {{"step", 0, 0},      {"_step", 0, 0},         {"global_step", 0, 0}, {"training_iteration", 0, 0},
                  {"iteration", 0, 0}, {"current_steps", 0, 0}, {"iter", 0, 0},        {"s", 1, 0},
                  {"epoch", 0, 1},     {"epoch_num", 1, 1}};
static const char *const time_names[] = {"_timestamp", "timestamp", "wall_time", "time", "date"};
enum {
    STEP_NAMES = sizeof step_names / sizeof step_names[0],
    TIME_NAMES = sizeof time_names / sizeof time_names[0],
    FORCED_RANK = STEP_NAMES
};

uint64_t import_hash(uint64_t seed, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    uint64_t hash = seed ^ 0x9e3779b97f4a7c15u ^ ((uint64_t)bytes * 0xff51afd7ed558ccdu);
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3u;
    }
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93u;
    return hash ^ (hash >> 32);
}

void import_row_hash_begin(import_row_hash *h, int64_t step, int64_t time_ns)
{
    const int64_t place[2] = {step, time_ns};
    h->sum = import_hash(1, place, sizeof place);
}

void import_row_hash_add(import_row_hash *h, uint64_t name_hash, double value)
{
    const uint64_t bits = number_bits(value);
    h->sum += import_hash(name_hash, &bits, sizeof bits);
}

int import_table_step_rank(const char *name, size_t bytes)
{
    for (int i = 0; i < STEP_NAMES; i++) {
        if (bytes == strlen(step_names[i].name) && strncasecmp(name, step_names[i].name, bytes) == 0) {
            return i;
        }
    }
    return -1;
}

static int is_name(const char *wanted, const char *name, size_t bytes)
{
    return strlen(wanted) == bytes && memcmp(wanted, name, bytes) == 0;
}

static int find_step_rank(const import_table *t, const char *name, size_t bytes)
{
    if (t->options.step_column != NULL) {
        return is_name(t->options.step_column, name, bytes) ? FORCED_RANK : -1;
    }
    const int rank = import_table_step_rank(name, bytes);
    return rank >= 0 && step_names[rank].is_by_line_only && t->step_rule == IMPORT_STEP_FIXED ? -1 : rank;
}

static int find_time_rank(const import_table *t, const char *name, size_t bytes)
{
    if (t->options.time_column != NULL) {
        return is_name(t->options.time_column, name, bytes) ? 0 : -1;
    }
    for (int i = 0; i < TIME_NAMES; i++) {
        if (bytes == strlen(time_names[i]) && strncasecmp(name, time_names[i], bytes) == 0) {
            return i;
        }
    }
    return -1;
}

void import_table_init(import_table *t, const import_options *options, import_step_rule rule)
{
    *t = (import_table){.options = *options,
                        .step_rule = rule,
                        .is_head = 1,
                        .best_rank = -1,
                        .step_index = IMPORT_NO_COLUMN,
                        .stamp_ns = STEPLOG_TIME_NONE};
}

void import_table_clear(import_table *t)
{
    for (size_t i = 0; i < t->column_count; i++) {
        free(t->columns[i].name);
        free(t->columns[i].text);
    }
    free(t->columns);
    free(t->index);
    free(t->touched);
    free(t->row_columns);
    free(t->row_values);
    t->columns = NULL;
    t->column_count = 0;
}

/* The best rank among columns that the head shows with whole numbers only. */
int import_table_best_rank(const import_table *t)
{
    int best = -1;
    for (size_t i = 0; i < t->column_count; i++) {
        const import_column *column = &t->columns[i];
        if (column->step_count > 0 && column->unwhole_count == 0 && (best < 0 || column->step_rank < best)) {
            best = column->step_rank;
        }
    }
    return best;
}

const char *import_table_rank_text(int rank)
{
    return rank < 0 ? "#" : rank < STEP_NAMES ? step_names[rank].name : "=";
}

int import_table_rank_parse(const char *text, size_t bytes, int *rank)
{
    if (bytes == 1 && text[0] == '#') {
        *rank = -1;
        return 1;
    }
    const int found = import_table_step_rank(text, bytes);
    if (found >= 0) {
        *rank = found;
    }
    return found >= 0;
}

void import_table_start(import_table *t, int step_rank, import_row_callback callback, void *context)
{
    const uint64_t head_hash = t->head_hash;
    const import_options options = t->options;
    const import_step_rule rule = t->step_rule;
    import_table_clear(t);
    import_table_init(t, &options, rule);
    t->is_head = 0;
    t->best_rank = step_rank;
    t->head_hash = head_hash;
    t->callback = callback;
    t->context = context;
}

static void grow_index(import_table *t)
{
    free(t->index);
    t->index_size = t->index_size == 0 ? 64 : t->index_size * 2;
    t->index = xmalloc(t->index_size * sizeof *t->index);
    memset(t->index, 0xff, t->index_size * sizeof *t->index);
    for (size_t i = 0; i < t->column_count; i++) {
        size_t slot = t->columns[i].name_hash & (t->index_size - 1);
        while (t->index[slot] != IMPORT_NO_COLUMN) {
            slot = (slot + 1) & (t->index_size - 1);
        }
        t->index[slot] = (uint32_t)i;
    }
}

static uint32_t add_column(import_table *t, const char *name, size_t bytes, uint64_t hash)
{
    size_t bad;
    if (bytes == 0 || bytes > STEPLOG_NAME_BYTES_MAX || t->column_count >= IMPORT_COLUMNS_MAX ||
        t->held_bytes + bytes > IMPORT_HELD_BYTES_MAX || !import_cell_is_utf8(name, bytes, &bad)) {
        return IMPORT_NO_COLUMN;
    }
    if ((t->column_count & (t->column_count - 1)) == 0) {
        const size_t capacity = t->column_count == 0 ? 1 : t->column_count * 2;
        t->columns = xrealloc(t->columns, capacity * sizeof *t->columns);
    }
    const uint32_t index = (uint32_t)t->column_count++;
    t->held_bytes += bytes;
    t->columns[index] = (import_column){.name = xmalloc(bytes + 1),
                                        .name_bytes = bytes,
                                        .name_hash = hash,
                                        .step_rank = find_step_rank(t, name, bytes),
                                        .time_rank = find_time_rank(t, name, bytes)};
    memcpy(t->columns[index].name, name, bytes);
    t->columns[index].name[bytes] = 0;
    if (!t->is_head && t->best_rank >= 0 && t->columns[index].step_rank == t->best_rank &&
        t->step_index == IMPORT_NO_COLUMN) {
        t->step_index = index;
    }
    return index;
}

uint32_t import_table_column(import_table *t, const char *name, size_t bytes)
{
    const uint64_t hash = import_hash(0, name, bytes);
    if (t->index_size <= t->column_count * 2) {
        grow_index(t);
    }
    size_t slot = hash & (t->index_size - 1);
    for (; t->index[slot] != IMPORT_NO_COLUMN; slot = (slot + 1) & (t->index_size - 1)) {
        const import_column *column = &t->columns[t->index[slot]];
        if (column->name_hash == hash && column->name_bytes == bytes && memcmp(column->name, name, bytes) == 0) {
            return t->index[slot];
        }
    }
    const uint32_t index = add_column(t, name, bytes, hash);
    t->refused_names += index == IMPORT_NO_COLUMN;
    t->index[slot] = index;
    return index;
}

void import_table_begin(import_table *t, uint64_t line)
{
    t->line = line;
    t->touched_count = 0;
    t->stamp_ns = STEPLOG_TIME_NONE;
}

void import_table_stamp(import_table *t, int64_t time_ns) { t->stamp_ns = time_ns; }

/* Puts a column among those of this record. A second value in one record replaces the first. */
static import_column *touch(import_table *t, uint32_t index)
{
    import_column *column = &t->columns[index];
    if (column->record == t->record_count + 1) {
        t->repeated_cells++;
    } else {
        if (t->touched_count == t->touched_capacity) {
            t->touched_capacity = t->touched_capacity == 0 ? 64 : t->touched_capacity * 2;
            t->touched = xrealloc(t->touched, t->touched_capacity * sizeof *t->touched);
        }
        t->touched[t->touched_count++] = index;
        column->record = t->record_count + 1;
    }
    column->kind = IMPORT_MISSING;
    column->has_step = 0;
    column->has_time = 0;
    return column;
}

/* Keeps the first text of a column, and whether it varied. */
static void note_text(import_table *t, import_column *column, const char *text, size_t bytes)
{
    size_t bad;
    if (t->is_head) {
        return;
    }
    if (column->text_count++ > 0) {
        column->is_varied |= column->text == NULL || column->text_bytes != bytes ||
                             memcmp(column->text, text, bytes) != 0;
        return;
    }
    column->first_text_line = t->line;
    if (bytes > IMPORT_TEXT_BYTES_MAX || t->held_bytes + bytes > IMPORT_HELD_BYTES_MAX ||
        memchr(text, 0, bytes) != NULL || !import_cell_is_utf8(text, bytes, &bad)) {
        column->is_varied = 1;
        return;
    }
    t->held_bytes += bytes;
    column->text = xmalloc(bytes + 1);
    memcpy(column->text, text, bytes);
    column->text[bytes] = 0;
    column->text_bytes = bytes;
}

/* Reads a cell of a column that may hold steps or times. */
static void read_place(import_column *column, const char *text, size_t bytes)
{
    if (column->step_rank >= 0 && column->kind != IMPORT_MISSING) {
        column->has_step = import_cell_step(text, bytes, &column->step);
        column->step_count++;
        column->unwhole_count += !column->has_step;
        if (column->has_step && column->kind == IMPORT_TEXT) {
            column->kind = IMPORT_NUMBER;
            column->value = (double)column->step;
        }
    }
    if (column->time_rank >= 0) {
        column->has_time = import_cell_time(text, bytes, &column->time_ns);
    }
}

void import_table_number(import_table *t, uint32_t index, double value, const char *text, size_t bytes)
{
    if (index == IMPORT_NO_COLUMN) {
        return;
    }
    import_column *column = touch(t, index);
    column->kind = IMPORT_NUMBER;
    column->value = value;
    read_place(column, text, bytes);
}

void import_table_text(import_table *t, uint32_t index, const char *text, size_t bytes)
{
    if (index == IMPORT_NO_COLUMN) {
        return;
    }
    import_column *column = touch(t, index);
    column->kind = IMPORT_TEXT;
    read_place(column, text, bytes);
    if (column->kind == IMPORT_TEXT && !column->has_time) {
        note_text(t, column, text, bytes);
    }
}

void import_table_list(import_table *t, uint32_t index)
{
    if (index != IMPORT_NO_COLUMN) {
        import_column *column = touch(t, index);
        column->kind = IMPORT_LIST;
        column->list_count++;
        column->unwhole_count++;
    }
}

void import_table_cell(import_table *t, uint32_t index, const char *text, size_t bytes)
{
    double value = 0;
    import_cell_trim(&text, &bytes);
    switch (import_cell_read(text, bytes, &value)) {
    case IMPORT_NUMBER: import_table_number(t, index, value, text, bytes); break;
    case IMPORT_TEXT: import_table_text(t, index, text, bytes); break;
    case IMPORT_LIST: import_table_list(t, index); break;
    case IMPORT_MISSING: break;
    }
}

int import_table_drop(import_table *t)
{
    for (size_t i = 0; i < t->touched_count; i++) {
        t->columns[t->touched[i]].record = 0;
    }
    t->touched_count = 0;
    return 0;
}

int import_table_is_epochs(const import_table *t)
{
    return t->best_rank >= 0 && t->best_rank < STEP_NAMES && step_names[t->best_rank].is_epoch;
}

const char *import_table_step_name(const import_table *t)
{
    if (t->best_rank < 0) {
        return NULL;
    }
    return t->best_rank == FORCED_RANK         ? t->options.step_column
           : t->step_index != IMPORT_NO_COLUMN ? t->columns[t->step_index].name
                                               : step_names[t->best_rank].name;
}

/* Whether a column may give the step of a record. */
static int may_step(const import_table *t, uint32_t index)
{
    const import_column *column = &t->columns[index];
    if (!column->has_step || t->best_rank < 0) {
        return 0;
    }
    if (t->step_rule == IMPORT_STEP_FIXED || column->step_rank == FORCED_RANK) {
        return index == t->step_index;
    }
    return step_names[column->step_rank].is_epoch == import_table_is_epochs(t);
}

/* The column that holds the record's step, or IMPORT_NO_COLUMN. */
static uint32_t choose_step(import_table *t, int64_t *step)
{
    uint32_t best = IMPORT_NO_COLUMN;
    for (size_t i = 0; i < t->touched_count; i++) {
        const uint32_t index = t->touched[i];
        if (may_step(t, index) &&
            (best == IMPORT_NO_COLUMN || t->columns[index].step_rank < t->columns[best].step_rank)) {
            best = index;
        }
    }
    if (t->best_rank < 0) {
        *step = (int64_t)t->record_count;
    } else if (best != IMPORT_NO_COLUMN) {
        *step = t->columns[best].step;
    } else {
        *step = t->last_step;
        t->stepless_count++;
    }
    return best;
}

static int64_t choose_time(const import_table *t)
{
    const import_column *best = NULL;
    for (size_t i = 0; i < t->touched_count; i++) {
        const import_column *column = &t->columns[t->touched[i]];
        if (column->has_time && (best == NULL || column->time_rank < best->time_rank)) {
            best = column;
        }
    }
    return best != NULL ? best->time_ns : t->stamp_ns;
}

/* Gathers the record's numbers, all but its step. */
static void gather(import_table *t, uint32_t step_index, import_row *row)
{
    if (t->row_capacity < t->touched_count) {
        t->row_capacity = t->touched_count * 2;
        t->row_columns = xrealloc(t->row_columns, t->row_capacity * sizeof *t->row_columns);
        t->row_values = xrealloc(t->row_values, t->row_capacity * sizeof *t->row_values);
    }
    row->count = 0;
    for (size_t i = 0; i < t->touched_count; i++) {
        import_column *column = &t->columns[t->touched[i]];
        if (column->kind == IMPORT_NUMBER && t->touched[i] != step_index) {
            t->row_columns[row->count] = t->touched[i];
            t->row_values[row->count++] = column->value;
            column->number_count++;
        }
    }
    row->columns = t->row_columns;
    row->values = t->row_values;
}

/* The first record stands for the file: its names, the bits of its numbers, its time. */
static void hash_head(import_table *t)
{
    import_row_hash h;
    import_row_hash_begin(&h, 0, choose_time(t));
    for (size_t i = 0; i < t->touched_count; i++) {
        const import_column *column = &t->columns[t->touched[i]];
        import_row_hash_add(&h, column->name_hash, column->kind == IMPORT_NUMBER ? column->value : 0.0);
    }
    t->head_hash = h.sum;
}

static int has_number(const import_table *t)
{
    for (size_t i = 0; i < t->touched_count; i++) {
        if (t->columns[t->touched[i]].kind == IMPORT_NUMBER) {
            return 1;
        }
    }
    return 0;
}

int import_table_end(import_table *t, int is_forced)
{
    import_row row = {0};
    if (t->touched_count == 0 && !is_forced) {
        return 0;
    }
    if (t->is_head) {
        if (t->record_count++ == 0) {
            hash_head(t);
        }
        t->row_count += has_number(t);
        t->touched_count = 0;
        return 0;
    }
    const uint32_t step_index = choose_step(t, &row.step);
    row.time_ns = choose_time(t);
    gather(t, step_index, &row);
    t->record_count++;
    t->touched_count = 0;
    if (row.count == 0) {
        t->empty_records++;
        t->last_step = row.step;
        return 0;
    }
    t->shared_steps += t->row_count > 0 && row.step == t->last_step;
    t->last_step = row.step;
    t->row_count++;
    t->point_count += row.count;
    t->timed_count += row.time_ns != STEPLOG_TIME_NONE;
    return t->callback(t->context, t, &row);
}
