/* Blobs that share their pages: they are looked at once and shared in the output of a compaction, which needs no more memory
 * than a page of one. */
#include "steplog.h"

#include "support/costs.h"
#include "support/made_segment.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOB_BYTES = (8 << 20) + 77, MOST = 4 << 20 };

/* Segments of one writer each whose blobs share the pages of one; a blob in which the value differs has pages of its own. */
static void make(const char *path, uint32_t segments, uint32_t blobs)
{
    steplog_id run = made_id(0);
    made_store(path);
    for (uint32_t n = 0; n < segments; n++) {
        made_segment s = made_segment_begin(path, n);
        steplog_id incarnation = made_id(1 + n);
        sl_writer_entry entry = {.run = run, .incarnation = incarnation, .attempt = 1};
        entry.page_offset = made_writer_page(&s, 0, &run, &incarnation, 0);
        uint64_t hash[2], at[2];
        for (uint32_t i = 0; i < 2; i++) at[i] = made_blob_pages(&s, BLOB_BYTES, (uint8_t)i, &hash[i]);
        for (uint32_t i = 0; i < blobs; i++) {
            int which = i + 1 == blobs;
            sl_blob blob = {.step = i, .time_ns = STEPLOG_TIME_NONE, .data_bytes = BLOB_BYTES, .content_hash = hash[which],
                            .name = "b", .name_bytes = 1, .content_type = "t", .content_type_bytes = 1};
            sl_buffer head = {0};
            sl_blob_encode(&blob, &head);
            made_record(&s, 0, 1 + i, SL_ENTRY_BLOB, &head, at[which]);
            sl_buffer_free(&head);
        }
        made_facts_page(&s);
        entry.range_count = 1;
        entry.record_count = blobs;
        made_writer_entry(&s, &entry);
        made_range_entry(&s, &(sl_range_entry){0, SL_RANGE_HELD, 1, 1 + blobs});
        made_segment_end(&s);
    }
}

static void check_content(const char *path, size_t count, size_t blobs)
{
    steplog_id run = made_id(0);
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    uint8_t *data = malloc(BLOB_BYTES);
    cr_assert_eq(steplog_reader_blob_count(reader, &run), count);
    for (size_t i = 0; i < count; i += count > 4 ? count / 4 : 1) {
        steplog_blob_info info = {.size_bytes = sizeof info};
        OK(steplog_reader_blob(reader, &run, i, &info, &kit_error));
        OK(steplog_reader_blob_read(reader, &run, i, data, BLOB_BYTES, &kit_error));
        cr_expect_eq(data[BLOB_BYTES - 1], (size_t)info.step + 1 == blobs);
    }
    free(data);
    steplog_reader_close(reader);
    kit_store_close(store);
}

Test(blob_copy, of_shared_pages_keeps_them_shared_and_in_little_memory)
{
    enum { SEGMENTS = 2, BLOBS = 100 };
    const char *path = test_temp_dir();
    make(path, SEGMENTS, BLOBS);
    kit_verify(path);
    check_content(path, SEGMENTS * BLOBS, BLOBS);
    test_costs_begin();
    steplog_store *store = kit_store(path, STEPLOG_NO_THREAD, 0);
    steplog_compact_result result = {.size_bytes = sizeof result};
    OK(steplog_store_compact(store, NULL, &result, &kit_error));
    kit_store_close(store);
    cr_expect_leq(test_costs_peak(), MOST);
    cr_expect_eq(test_costs_held(), 0);
    test_costs_end();
    cr_expect_eq(result.files_after, 1);
    cr_expect_leq(result.bytes_after, result.bytes_before);
    kit_verify(path);
    check_content(path, SEGMENTS * BLOBS, BLOBS);
}

/* Files that hold the same records: all of them are checked, their blobs too. */
Test(blob_copy, shared_pages_are_checked_once)
{
    enum { BLOBS = 400 };
    const char *path = test_temp_dir();
    made_store(path);
    make(path, 1, BLOBS);
    steplog_id id = made_id(1000000);
    char text[STEPLOG_ID_TEXT_BYTES], command[2000];
    steplog_id_format(&id, text);
    snprintf(command, sizeof command, "mkdir '%s/seg/1' && cp '%s/seg/0/%s.seg' '%s/seg/1/'", path, path, text, path);
    cr_assert_eq(system(command), 0);
    test_costs_begin();
    steplog_store *store = kit_store(path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
    steplog_reader *reader = kit_reader(store);
    (void)steplog_reader_run_count(reader);
    steplog_reader_close(reader);
    kit_store_close(store);
    cr_expect_leq(test_costs_read(), 2 << 20);
    kit_verify(path);
    cr_expect_leq(test_costs_read(), 4 << 20);
    test_costs_end();
}
