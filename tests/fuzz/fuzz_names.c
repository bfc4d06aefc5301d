/* fuzz/fuzz_names.c: names of files and levels, ids, UTF-8.
 *
 * Input: a name. What is recognised as one is exactly what is made for it. */
#include "fuzz/fuzz.h"

#include "base/utf8.h"
#include "format/file_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take_name(const char *name)
{
    char again[SL_FILE_NAME_BYTES];
    steplog_id id = {{0}};
    uint32_t number;
    if (sl_log_name_parse(name, &id, &number)) {
        sl_log_name(&id, number, again);
        FUZZ_HOLDS(number > 0 && strcmp(name, again) == 0, "'%s' became '%s'", name, again);
    }
    if (sl_segment_name_parse(name, &id)) {
        sl_segment_name(&id, again);
        FUZZ_HOLDS(strcmp(name, again) == 0, "'%s' became '%s'", name, again);
    }
    if (sl_temporary_name_parse(name, &id)) {
        sl_temporary_name(&id, again);
        FUZZ_HOLDS(strcmp(name, again) == 0, "'%s' became '%s'", name, again);
    }
    if (sl_level_parse(name, &number)) {
        snprintf(again, sizeof again, "%u", (unsigned)number);
        FUZZ_HOLDS(strcmp(name, again) == 0, "'%s' became '%s'", name, again);
    }
    if (steplog_id_parse(name, &id) == STEPLOG_OK) {
        char text[STEPLOG_ID_TEXT_BYTES];
        steplog_id other;
        steplog_id_format(&id, text);
        FUZZ_HOLDS(strcasecmp(name, text) == 0, "'%s' became '%s'", name, text);
        FUZZ_HOLDS(steplog_id_parse(text, &other) == STEPLOG_OK && memcmp(&id, &other, sizeof id) == 0, "'%s'", text);
    }
}

/* The bytes that a character takes, from its number: 0 when it has none. */
static size_t length_of(uint32_t c)
{
    if (c < 0x80) return 1;
    if (c < 0x800) return 2;
    if (c >= 0xd800 && c <= 0xdfff) return 0;
    return c < 0x10000 ? 3 : c <= 0x10ffff ? 4 : 0;
}

static void take_text(const char *text, size_t bytes)
{
    size_t at = 0, bad = SIZE_MAX;
    while (at < bytes) {
        uint32_t c = 0;
        size_t length = sl_utf8_decode(text + at, bytes - at, &c);
        if (length == 0) break;
        FUZZ_HOLDS(length == length_of(c) && length <= bytes - at, "U+%04X in %zu bytes", (unsigned)c, length);
        at += length;
    }
    int is_good = sl_utf8_check(text, bytes, &bad);
    FUZZ_HOLDS(is_good == (at == bytes) && (is_good || bad == at), "decoded up to %zu, checked up to %zu", at, bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = (char *)fuzz_copy(data, bytes, 1, 0);
    take_name(text);
    free(text);
    text = (char *)fuzz_copy(data, bytes, 0, 0);
    take_text(text, bytes);
    free(text);
    return 0;
}
