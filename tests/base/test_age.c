/* Ages of any two times. */
#include "base/age.h"

#include <criterion/criterion.h>

Test(age, is_a_difference_that_never_overflows)
{
    cr_assert_eq(sl_age_ns(10, 3), 7);
    cr_assert_eq(sl_age_ns(3, 10), -7);
    cr_assert_eq(sl_age_ns(INT64_MAX, -1), INT64_MAX);
    cr_assert_eq(sl_age_ns(INT64_MIN, 1), INT64_MIN);
    cr_assert_eq(sl_age_ns(INT64_MIN, INT64_MIN), 0);
}
