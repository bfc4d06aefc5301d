/* base/kill_point.h: moments at which a test ends, stops or forks the process.
 *
 * SL_KILL_POINT("area.moment") is nothing, unless SL_KILL_POINTS is defined: then each passing thread calls the
 * handler that a test has set. Every point that is linked in is listed, so that a test can demand that all of them
 * are reached. Names are unique. */
#ifndef SL_BASE_KILL_POINT_H
#define SL_BASE_KILL_POINT_H

#ifdef SL_KILL_POINTS

#include <stddef.h>

typedef struct sl_kill_point {
    const char *name;
} sl_kill_point;

/* Set before the threads that pass; NULL: none. index is the point's place, 0 to sl_kill_point_count() - 1. */
extern void (*sl_kill_point_handler)(size_t index);

size_t sl_kill_point_count(void);
const char *sl_kill_point_name(size_t index);
void sl_kill_point_pass(const sl_kill_point *point);

/* The linker gathers the points of all objects in one section: an array. */
#define SL_KILL_POINT(label)                                                                                     \
    do {                                                                                                         \
        static const sl_kill_point sl_here __attribute__((used, section("sl_kill_points"))) = {label};           \
        if (__builtin_expect(sl_kill_point_handler != NULL, 0)) sl_kill_point_pass(&sl_here);                    \
    } while (0)

#else

#define SL_KILL_POINT(label) ((void)0)

#endif
#endif
