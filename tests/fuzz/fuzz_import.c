/* fuzz/fuzz_import.c: files to import: CSV, TSV, JSONL, text logs, trainer_state.json (tools/import_format.h).
 *
 * Input: u8 format and options, then the file. Read twice from its start, as import does when it compares a file with
 * what it recorded, it must give the same rows. */
#include "fuzz/fuzz.h"

#include "import_format.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { JSON_BYTES_MAX = 8 << 20 };

typedef struct rows_seen {
    uint64_t count, point_count, hash;
} rows_seen;

static int take_row(void *context, const import_table *table, const import_row *row)
{
    rows_seen *seen = context;
    import_row_hash hash;
    FUZZ_HOLDS(row->count >= 1 && row->count <= table->column_count, "%zu values, %zu columns", row->count,
               table->column_count);
    import_row_hash_begin(&hash, row->step, row->time_ns);
    for (size_t i = 0; i < row->count; i++) {
        FUZZ_HOLDS(row->columns[i] < table->column_count, "column %u of %zu", row->columns[i], table->column_count);
        const import_column *column = &table->columns[row->columns[i]];
        FUZZ_HOLDS(column->name_bytes > 0 && import_cell_is_utf8(column->name, column->name_bytes, &(size_t){0}),
                   "a name");
        import_row_hash_add(&hash, column->name_hash, row->values[i]);
    }
    seen->count++;
    seen->point_count += row->count;
    seen->hash = (seen->hash ^ hash.sum) * 0x9E3779B97F4A7C15u;
    return 0;
}

static rows_seen read_rows(import_file *file, int step_rank)
{
    rows_seen seen = {0};
    import_table_start(&file->table, step_rank, take_row, &seen);
    int code = import_file_parse(file, 0);
    FUZZ_HOLDS(code >= 0 && code <= 4, "code %d", code);
    if (code == 0)
        FUZZ_HOLDS(file->table.row_count == seen.count && file->table.point_count == seen.point_count,
                   "rows and points");
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static int fd = -1;
    static char path[64];
    fuzz_input input = fuzz_input_of(data, bytes);
    unsigned head = (unsigned)fuzz_take(&input, 1);
    import_file file = {0};
    const import_options options = {.step_column = head & 64   ? "#"
                                                   : head & 32 ? "epoch"
                                                               : NULL,
                                    .time_column = head & 128 ? "when" : NULL};
    if (fd < 0) {
        fd = memfd_create("input", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, input.at, input.left, 0) != (ssize_t)input.left) abort();
    if (import_input_open(&file.input, path) != 0) abort();
    file.format = (import_format)(head % IMPORT_FORMATS);
    file.json = json_new(JSON_BYTES_MAX);
    import_file_detect(&file);
    FUZZ_HOLDS(file.format != IMPORT_AUTO && file.format < IMPORT_FORMATS, "format %d", (int)file.format);
    import_table_init(&file.table, &options, file.format == IMPORT_TEXT_LOG ? IMPORT_STEP_BY_LINE : IMPORT_STEP_FIXED);
    fuzz_quiet_begin();
    if (import_file_parse(&file, 1) == 0) {
        int step_rank = import_table_best_rank(&file.table);
        rows_seen first = read_rows(&file, step_rank), second = read_rows(&file, step_rank);
        FUZZ_HOLDS(first.count == second.count && first.hash == second.hash, "%llu rows, then %llu",
                   (unsigned long long)first.count, (unsigned long long)second.count);
    }
    fuzz_quiet_end();
    import_file_close(&file);
    return 0;
}
