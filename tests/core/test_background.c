/* The background thread: long work of its own does not keep writers waiting, and they do not keep it from its end. */
#include "steplog.h"

#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <string.h>
#include <time.h>

/* A file has this name only when its compaction came to its end. */
static int has_segment(const char *level)
{
    int found = 0;
    DIR *dir = opendir(level);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) found |= strstr(entry->d_name, ".seg") != NULL;
    if (dir) closedir(dir);
    return found;
}

Test(background, a_fast_writer_does_not_keep_compaction_from_its_end, .timeout = 120)
{
    enum { COLUMNS = 64 };
    const char *path = test_path(test_temp_dir(), "store"), *merged = test_path(path, "seg/1");
    steplog_store *store = kit_store(path, STEPLOG_CREATE, 65536);
    steplog_writer *writer = kit_writer(store, "run", 0, 0);
    steplog_id run = kit_run_of(writer);
    steplog_schema schema = kit_schema(writer, "m", COLUMNS);
    double values[COLUMNS];
    time_t begin = time(NULL);
    struct timespec pause = {.tv_nsec = 2000000};
    int64_t step = 0;
    while (!has_segment(merged) && time(NULL) - begin < 30) {
        for (int i = 0; i < 100; i++, step++) {
            for (int c = 0; c < COLUMNS; c++) values[c] = (double)(step * c);
            OK(steplog_writer_append(writer, schema, step, STEPLOG_TIME_NONE, values));
        }
        nanosleep(&pause, NULL);
    }
    cr_assert(has_segment(merged), "nothing was merged in %d s", (int)(time(NULL) - begin));
    kit_writer_close(writer);
    kit_rows rows = kit_read_store(path, &run, "m63", 0);
    cr_assert_eq(rows.row_count, (size_t)step);
    kit_rows_free(&rows);
    kit_store_close(store);
    kit_verify(path);
}
