/* fuzz/fuzz_numbers.c: numbers, steps, times and cells as text (tools/number.h, time_text.h, import_cell.h).
 *
 * Input: the text. A number written out reads back as the same bits. */
#include "fuzz/fuzz.h"

#include "import_cell.h"
#include "number.h"
#include "time_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NOW_S = 1700000000 };

static void go_round(double value)
{
    char text[NUMBER_TEXT_BYTES];
    double again;
    size_t length = number_format_double(value, text);
    FUZZ_HOLDS(length < sizeof text && strlen(text) == length, "%zu bytes", length);
    FUZZ_HOLDS(number_parse_double(text, length, &again) && number_bits(again) == number_bits(value), "'%s'", text);
    for (int digits = 1; digits < 18; digits += 5) {
        length = number_format_brief(value, digits, text);
        FUZZ_HOLDS(length < sizeof text && strlen(text) == length, "%zu bytes", length);
    }
}

static void take_time(int64_t time_ns)
{
    char text[TIME_TEXT_BYTES];
    int64_t again = 0;
    size_t length = time_text_format(time_ns, text);
    FUZZ_HOLDS(length < sizeof text && strlen(text) == length, "%zu bytes", length);
    if (time_ns == INT64_MIN + 1) return; /* none */
    /* Years before 0 and above 9999 have no such text; int64 nanoseconds reach from 1677 to 2262. */
    FUZZ_HOLDS(time_text_parse_rfc3339(text, length, &again) && again == time_ns,
               "%" PRId64 " is '%s', which is %" PRId64, time_ns, text, again);
}

static void take_text(const char *text, size_t bytes)
{
    double value;
    int64_t step, time_ns;
    uint64_t count;
    number_steps steps;
    if (number_parse_double(text, bytes, &value)) go_round(value);
    if (number_parse_int64(text, bytes, &step)) {
        int64_t other;
        FUZZ_HOLDS(number_parse_step(text, bytes, &other) && other == step, "%" PRId64, step);
    }
    if (number_parse_uint64(text, bytes, &count)) number_format_bytes(count, (char[NUMBER_TEXT_BYTES]){0});
    (void)number_parse_count(text, &count);
    if (number_parse_steps(text, &steps))
        FUZZ_HOLDS(!steps.has_begin || !steps.has_end || steps.begin <= steps.end, "%" PRId64 ":%" PRId64, steps.begin,
                   steps.end);
    if (time_text_parse(text, (int64_t)NOW_S * 1000000000, &time_ns)) take_time(time_ns);
    if (time_text_parse_rfc3339(text, bytes, &time_ns)) take_time(time_ns);
    if (import_cell_read(text, bytes, &value) == IMPORT_NUMBER) go_round(value);
    size_t used = import_cell_prefix(text, bytes, &value);
    FUZZ_HOLDS(used <= bytes, "%zu of %zu", used, bytes);
    if (used) go_round(value);
    FUZZ_HOLDS(import_cell_unit(text, bytes) <= bytes, "a unit");
    (void)import_cell_step(text, bytes, &step);
    if (import_cell_time(text, bytes, &time_ns)) take_time(time_ns);
    FUZZ_HOLDS(import_cell_stamp(text, bytes, &time_ns) <= bytes, "a stamp");
    size_t bad;
    (void)import_cell_is_utf8(text, bytes, &bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes > 256) return 0; /* longer numbers are no other ones */
    char *text = (char *)fuzz_copy(data, bytes, 1, 0);
    take_text(text, strlen(text));
    free(text);
    if (bytes >= 8) {
        uint64_t bits;
        int64_t time_ns;
        memcpy(&bits, data, 8);
        memcpy(&time_ns, data, 8);
        go_round(number_from_bits(bits));
        if (time_ns != INT64_MIN) take_time(time_ns);
    }
    return 0;
}
