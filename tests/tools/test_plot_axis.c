/* test_plot_axis.c: ticks and places of tools/plot_axis.c, at the edges of what a double can be. */
#include "plot_axis.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t seed = 20260101;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static double random_finite(uint64_t *state)
{
    for (;;) {
        const uint64_t bits = next_random(state);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) return value;
    }
}

static void check_axis(double low, double high, bool is_log, bool is_whole, size_t wanted)
{
    plot_axis axis;
    plot_tick ticks[PLOT_TICKS_MAX];
    plot_axis_init(&axis, low, high, is_log, is_whole);
    cr_assert(axis.low < axis.high, "%a %a", low, high);
    const size_t count = plot_axis_ticks(&axis, wanted, ticks);
    cr_assert(count <= PLOT_TICKS_MAX);
    for (size_t i = 0; i < count; i++) {
        cr_assert(ticks[i].value >= axis.low && ticks[i].value <= axis.high, "%a %a: %a", low, high, ticks[i].value);
        cr_assert(i == 0 || ticks[i].value > ticks[i - 1].value, "%a %a: %a", low, high, ticks[i].value);
        cr_assert(ticks[i].position > -0.001 && ticks[i].position < 1.001, "%a %a: %a", low, high, ticks[i].position);
        cr_assert(strlen(ticks[i].label) > 0);
        if (fabs(ticks[i].value) > 1e-300)
            cr_assert(fabs(strtod(ticks[i].label, NULL) - ticks[i].value) <= fabs(ticks[i].value) * 1e-12,
                      "%s is not %a", ticks[i].label, ticks[i].value);
    }
    cr_assert(plot_axis_dot(&axis, axis.low, 100) == 0);
    cr_assert(plot_axis_dot(&axis, axis.high, 100) == 99);
}

Test(plot_axis, ticks_are_inside_ascending_and_labelled_exactly_for_any_range)
{
    uint64_t state = seed;
    for (int i = 0; i < 100000; i++) {
        double low = random_finite(&state), high = i % 2 != 0 ? random_finite(&state) : nextafter(low, INFINITY);
        if (high < low) {
            const double swap = low;
            low = high;
            high = swap;
        }
        check_axis(low, high, false, i % 3 == 0, 2 + (size_t)i % 12);
        if (low > 0) check_axis(low, high, true, false, 2 + (size_t)i % 12);
    }
}

Test(plot_axis, equal_values_get_room_on_both_sides)
{
    static const double values[] = {0,       1,        -1,    5e-324, -5e-324, 1e-310,
                                    DBL_MAX, -DBL_MAX, 1e308, 0x1p53, 0x1p63,  -0x1p63};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        check_axis(values[i], values[i], false, false, 5);
        check_axis(values[i], values[i], false, true, 5);
        if (values[i] > 0) check_axis(values[i], values[i], true, false, 5);
    }
}

Test(plot_axis, the_whole_range_of_doubles_is_an_axis)
{
    check_axis(-DBL_MAX, DBL_MAX, false, false, 6);
    check_axis(5e-324, DBL_MAX, true, false, 6);
    check_axis(0, 5e-324, false, false, 6);
    check_axis(-9223372036854775808.0, 9223372036854775807.0, false, true, 6);
}

Test(plot_axis, ticks_are_the_numbers_people_expect)
{
    plot_axis axis;
    plot_tick ticks[PLOT_TICKS_MAX];
    plot_axis_init(&axis, 0.13, 0.97, false, false);
    cr_assert_eq(plot_axis_ticks(&axis, 5, ticks), 4);
    cr_assert_str_eq(ticks[0].label, "0.2");
    cr_assert_str_eq(ticks[3].label, "0.8");
    plot_axis_init(&axis, 1e-5, 3e-3, true, false);
    cr_assert_eq(plot_axis_ticks(&axis, 3, ticks), 3);
    cr_assert_str_eq(ticks[0].label, "0.00001");
    plot_axis_init(&axis, 0, 3, false, true);
    cr_assert_eq(plot_axis_ticks(&axis, 10, ticks), 4, "steps have no tick between them");
}

Test(plot_axis, a_value_is_written_as_people_read_it)
{
    char text[PLOT_LABEL_BYTES];
    plot_axis_value_text(3e-5, text);
    cr_assert_str_eq(text, "3e-5");
    plot_axis_value_text(1.5e300, text);
    cr_assert_str_eq(text, "1.5e300");
    plot_axis_value_text(0.3125, text);
    cr_assert_str_eq(text, "0.3125");
    plot_axis_value_text(-INFINITY, text);
    cr_assert_str_eq(text, "-inf");
    plot_axis_value_text(NAN, text);
    cr_assert_str_eq(text, "nan");
}
