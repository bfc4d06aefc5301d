/* base/age.h: how long ago, where both times may be any number: clocks jump, and stores may lie. */
#ifndef SL_BASE_AGE_H
#define SL_BASE_AGE_H

#include <stdint.h>

/* now - then, or the nearest number that there is. */
static inline int64_t sl_age_ns(int64_t now_ns, int64_t then_ns)
{
    int64_t age;
    if (!__builtin_sub_overflow(now_ns, then_ns, &age)) return age;
    return now_ns > then_ns ? INT64_MAX : INT64_MIN;
}

#endif
