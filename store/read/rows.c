/* read/rows.c: decoded rows. */
#include "read/rows.h"

#include "format/kernels.h"

#include <stdlib.h>

sl_rows *sl_rows_new(uint32_t column_count)
{
    sl_rows *rows = sl_alloc(sizeof *rows + 3 * SL_CHUNK_ROWS_MAX * sizeof *rows->steps);
    if (!rows) return NULL;
    *rows = (sl_rows){.column_capacity = column_count, .stride = SL_CHUNK_ROWS_MAX, .words = SL_PRESENT_WORDS};
    rows->steps = (int64_t *)(void *)(rows + 1);
    rows->times = rows->steps + SL_CHUNK_ROWS_MAX;
    rows->sequences = rows->times + SL_CHUNK_ROWS_MAX;
    rows->present = sl_alloc((size_t)column_count * SL_PRESENT_WORDS * sizeof *rows->present);
    rows->values = sl_alloc((size_t)column_count * SL_CHUNK_ROWS_MAX * sizeof *rows->values);
    if (rows->present && rows->values) {
        sl_rows_reset(rows, column_count);
        return rows;
    }
    sl_rows_free(rows);
    return NULL;
}

void sl_rows_reset(sl_rows *rows, uint32_t column_count)
{
    rows->next = NULL;
    rows->row_count = 0;
    rows->column_count = column_count;
    memset(rows->present, 0, (size_t)column_count * SL_PRESENT_WORDS * sizeof *rows->present);
}

void sl_rows_free(sl_rows *rows)
{
    if (!rows) return;
    if (!rows->is_packed) { /* else all of it is one piece of memory */
        sl_free(rows->present);
        sl_free(rows->values);
    }
    sl_free(rows);
}

int sl_rows_has_any(const sl_rows *rows, uint32_t row)
{
    uint32_t at = 0, column;
    double value;
    return sl_rows_next(rows, row, &at, &column, &value);
}

/* One full column is enough. */
int sl_rows_are_full(const sl_rows *rows)
{
    if (rows->column_count == 0 || rows->list_begin) return 0;
    for (uint32_t w = 0; w < rows->row_count / 64; w++)
        if (rows->present[w] != UINT64_MAX) return 0;
    uint32_t rest = rows->row_count % 64;
    return !rest || rows->present[rows->row_count / 64] == ((uint64_t)1 << rest) - 1;
}

/* Of a table that blocks are decoded into. */
void sl_rows_move(sl_rows *rows, uint32_t from, uint32_t to)
{
    rows->steps[to] = rows->steps[from];
    rows->times[to] = rows->times[from];
    rows->sequences[to] = rows->sequences[from];
    for (uint32_t c = 0; c < rows->column_count; c++) {
        uint64_t *present = rows->present + (size_t)c * SL_PRESENT_WORDS;
        uint64_t bit = present[from / 64] >> (from % 64) & 1;
        present[to / 64] = (present[to / 64] & ~((uint64_t)1 << (to % 64))) | bit << (to % 64);
        rows->values[(size_t)c * SL_CHUNK_ROWS_MAX + to] = rows->values[(size_t)c * SL_CHUNK_ROWS_MAX + from];
    }
}

/* Sorts rows by step where they are not: stable, so the number decides among equals. */
static _Thread_local const sl_rows *sorting_rows;

static int compare_rows(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (sorting_rows->steps[x] != sorting_rows->steps[y])
        return sorting_rows->steps[x] < sorting_rows->steps[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void find_order(const sl_rows *rows, uint32_t order[SL_CHUNK_ROWS_MAX])
{
    for (uint32_t i = 0; i < rows->row_count; i++) order[i] = i;
    sorting_rows = rows;
    qsort(order, rows->row_count, sizeof *order, compare_rows);
}

static int sort(sl_rows *rows)
{
    uint32_t order[SL_CHUNK_ROWS_MAX];
    sl_rows *sorted = sl_rows_new(rows->column_count);
    if (!sorted) return 0;
    find_order(rows, order);
    for (uint32_t i = 0; i < rows->row_count; i++) {
        uint32_t from = order[i];
        sorted->steps[i] = rows->steps[from];
        sorted->times[i] = rows->times[from];
        sorted->sequences[i] = rows->sequences[from];
        for (uint32_t c = 0; c < rows->column_count; c++) {
            uint64_t bit = rows->present[(size_t)c * SL_PRESENT_WORDS + from / 64] >> (from % 64) & 1;
            sorted->present[(size_t)c * SL_PRESENT_WORDS + i / 64] |= bit << (i % 64);
            sorted->values[(size_t)c * SL_CHUNK_ROWS_MAX + i] = rows->values[(size_t)c * SL_CHUNK_ROWS_MAX + from];
        }
    }
    memcpy(rows->steps, sorted->steps, rows->row_count * sizeof *rows->steps);
    memcpy(rows->times, sorted->times, rows->row_count * sizeof *rows->times);
    memcpy(rows->sequences, sorted->sequences, rows->row_count * sizeof *rows->sequences);
    uint64_t *present = rows->present;
    double *values = rows->values;
    rows->present = sorted->present;
    rows->values = sorted->values;
    rows->column_capacity = sorted->column_capacity;
    sorted->present = present;
    sorted->values = values;
    sl_rows_free(sorted);
    return 1;
}

/* Whether each step is larger than the one before. */
static int are_increasing(const int64_t *steps, uint32_t count)
{
    const sl_kernels *kernels = sl_kernels_now();
    const uint64_t *values = (const uint64_t *)steps; /* the same bytes without a sign */
    uint64_t differences[SL_CHUNK_ROWS_MAX + SL_KERNEL_LANES_MAX];
    int64_t least, most;
    if (count < 2) return 1;
    kernels->extremes(values, count, &least, &most);
    if ((uint64_t)most - (uint64_t)least <= INT64_MAX) { /* else a difference may not fit its sign */
        kernels->difference(values, count, differences, &least, &most);
        return least > 0;
    }
    for (uint32_t i = 1; i < count; i++)
        if (steps[i] <= steps[i - 1]) return 0;
    return 1;
}

static int do_fall(const int64_t *steps, uint32_t count)
{
    uint32_t i = 1;
    while (i < count && steps[i] >= steps[i - 1]) i++;
    return i < count;
}

int sl_rows_settle(sl_rows *rows, int by_step)
{
    rows->is_increasing = are_increasing(rows->steps, rows->row_count);
    if (rows->is_increasing || !by_step || !do_fall(rows->steps, rows->row_count)) return 1;
    if (!sort(rows)) return 0;
    rows->is_increasing = are_increasing(rows->steps, rows->row_count); /* of the rows as they are now */
    return 1;
}

/* ---- packing ---- */

typedef struct packing {
    uint32_t column_count, words; /* of those that have a value */
    uint32_t *places;             /* by column: where it goes, + 1 */
    size_t value_count, table_bytes, list_bytes;
} packing;

/* Counts what there is. places is zero. */
static void measure(const sl_rows *rows, packing *p)
{
    for (uint32_t row = 0; row < rows->row_count; row++) {
        uint32_t column;
        double value;
        for (uint32_t at = 0; sl_rows_next(rows, row, &at, &column, &value);) {
            p->value_count++;
            if (!p->places[column]) p->places[column] = ++p->column_count;
        }
    }
    p->words = (rows->row_count + 63) / 64;
    p->table_bytes = (size_t)p->column_count * ((rows->row_count + p->words) * sizeof(double) + sizeof(uint32_t));
    p->list_bytes = p->value_count * (sizeof(double) + sizeof(uint32_t)) + (rows->row_count + (size_t)1) * sizeof(uint32_t);
}

/* Room for row_count rows and bytes of values behind them. */
static sl_rows *new_packed(const sl_rows *rows, size_t bytes)
{
    const uint32_t count = rows->row_count;
    sl_rows *packed = sl_alloc(sizeof *packed + 3 * count * sizeof *packed->steps + bytes);
    if (!packed) return NULL;
    *packed = (sl_rows){.row_count = count, .stride = count, .is_packed = 1};
    packed->steps = (int64_t *)(void *)(packed + 1);
    packed->times = packed->steps + count;
    packed->sequences = packed->times + count;
    packed->values = (double *)(void *)(packed->sequences + count);
    return packed;
}

static sl_rows *new_table(const sl_rows *rows, const packing *p)
{
    sl_rows *table = new_packed(rows, p->table_bytes);
    if (!table) return NULL;
    table->words = p->words;
    table->column_count = table->column_capacity = p->column_count;
    table->present = (uint64_t *)(void *)(table->values + (size_t)p->column_count * table->stride);
    uint32_t *outputs = (uint32_t *)(void *)(table->present + (size_t)p->column_count * p->words);
    memset(table->present, 0, (size_t)p->column_count * p->words * sizeof *table->present);
    for (uint32_t c = 0; c < rows->column_count; c++)
        if (p->places[c]) outputs[p->places[c] - 1] = rows->outputs[c];
    table->outputs = outputs;
    return table;
}

static sl_rows *new_list(const sl_rows *rows, const packing *p)
{
    sl_rows *list = new_packed(rows, p->list_bytes);
    if (!list) return NULL;
    list->column_count = list->column_capacity = rows->column_count;
    list->outputs = rows->outputs;
    list->list_begin = (uint32_t *)(void *)(list->values + p->value_count);
    list->list_columns = list->list_begin + rows->row_count + 1;
    list->list_begin[0] = 0;
    return list;
}

static void copy_row(const sl_rows *from, uint32_t row, sl_rows *to, uint32_t to_row, const packing *p)
{
    uint32_t column, count = to->list_begin ? to->list_begin[to_row] : 0;
    double value;
    to->steps[to_row] = from->steps[row];
    to->times[to_row] = from->times[row];
    to->sequences[to_row] = from->sequences[row];
    for (uint32_t at = 0; sl_rows_next(from, row, &at, &column, &value);) {
        if (to->list_begin) {
            to->list_columns[count] = column;
            to->values[count++] = value;
            continue;
        }
        uint32_t place = p->places[column] - 1;
        to->values[(size_t)place * to->stride + to_row] = value;
        to->present[(size_t)place * to->words + to_row / 64] |= (uint64_t)1 << (to_row % 64);
    }
    if (to->list_begin) to->list_begin[to_row + 1] = count;
}

sl_rows *sl_rows_pack(const sl_rows *rows, int by_step)
{
    uint32_t order[SL_CHUNK_ROWS_MAX];
    packing p = {.places = sl_alloc_zero(rows->column_count, sizeof *p.places)};
    if (!p.places) return NULL;
    measure(rows, &p);
    /* A table is lent as it is: it may take somewhat more. */
    sl_rows *packed = p.table_bytes <= p.list_bytes + p.list_bytes / 2 ? new_table(rows, &p) : new_list(rows, &p);
    if (packed) {
        const int is_sorted = !by_step || !do_fall(rows->steps, rows->row_count);
        if (!is_sorted) find_order(rows, order);
        for (uint32_t row = 0; row < rows->row_count; row++) copy_row(rows, is_sorted ? row : order[row], packed, row, &p);
        packed->is_increasing = are_increasing(packed->steps, packed->row_count);
    }
    sl_free(p.places);
    return packed;
}

int sl_rows_are_sparse(const sl_rows *rows)
{
    if (rows->row_count <= SL_CHUNK_ROWS_MAX / 2) return 1;
    size_t count = 0, cells = (size_t)rows->column_count * SL_CHUNK_ROWS_MAX;
    for (size_t w = 0; w < (size_t)rows->column_count * SL_PRESENT_WORDS; w++)
        count += (unsigned)__builtin_popcountll(rows->present[w]);
    return count * (sizeof(double) + sizeof(uint32_t)) <= cells * sizeof(double) / 2;
}

/* ---- a list in the making ---- */

void sl_row_list_clear(sl_row_list *list)
{
    list->steps.count = list->times.count = list->sequences.count = 0;
    list->begin.count = list->columns.count = list->values.count = 0;
}

void sl_row_list_free(sl_row_list *list)
{
    SL_VEC_FREE(&list->steps);
    SL_VEC_FREE(&list->times);
    SL_VEC_FREE(&list->sequences);
    SL_VEC_FREE(&list->begin);
    SL_VEC_FREE(&list->columns);
    SL_VEC_FREE(&list->values);
}

int sl_row_list_put(sl_row_list *list, uint32_t column, double value)
{
    return SL_VEC_PUSH(&list->columns, column) && SL_VEC_PUSH(&list->values, value);
}

int sl_row_list_end_row(sl_row_list *list, int64_t step, int64_t time_ns, uint64_t sequence)
{
    uint32_t begin = list->begin.count ? list->begin.items[list->begin.count - 1] : 0;
    uint32_t end = (uint32_t)list->values.count;
    if (begin == end) return 1;
    if (!list->begin.count && !SL_VEC_PUSH(&list->begin, begin)) return 0;
    return SL_VEC_PUSH(&list->steps, step) && SL_VEC_PUSH(&list->times, time_ns) &&
           SL_VEC_PUSH(&list->sequences, (int64_t)sequence) && SL_VEC_PUSH(&list->begin, end);
}

int sl_row_list_pack(sl_row_list *list, uint32_t column_count, const uint32_t *outputs, int by_step, sl_rows **out)
{
    *out = NULL;
    if (list->steps.count == 0) return 1;
    sl_rows rows = {.row_count = (uint32_t)list->steps.count,
                    .column_count = column_count,
                    .steps = list->steps.items,
                    .times = list->times.items,
                    .sequences = list->sequences.items,
                    .outputs = outputs,
                    .values = list->values.items,
                    .list_begin = list->begin.items,
                    .list_columns = list->columns.items};
    *out = sl_rows_pack(&rows, by_step);
    return *out != NULL;
}
