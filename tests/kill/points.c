/* kill/points.c: what happens when a child passes a kill point. */
#include "kill/kill.h"

#include "base/kill_point.h"
#include "support/counts.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef SL_KILL_POINTS

static void pass(size_t index)
{
    atomic_fetch_add_explicit(&shared->passes[index], 1, memory_order_relaxed);
    if (atomic_load_explicit(&shared->armed_point, memory_order_relaxed) != index + 1) return;
    if (atomic_fetch_sub(&shared->countdown, 1) != 1) return;
    if (atomic_load(&shared->action) == ACTION_DIE) {
        test_leave_counts();
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    atomic_store(&shared->is_there, 1);
    while (!atomic_load(&shared->may_go)) {
        struct timespec time = {0, 50000};
        nanosleep(&time, NULL);
    }
}

size_t points_count(void) { return sl_kill_point_count(); }
const char *points_name(size_t point) { return sl_kill_point_name(point); }

void points_begin(void)
{
    HOLDS(points_count() > 0 && points_count() <= KILL_POINTS_MAX, "%zu kill points", points_count());
    for (size_t i = 0; i < points_count(); i++)
        HOLDS(points_find(points_name(i)) == i, "two kill points have the name %s", points_name(i));
    sl_kill_point_handler = pass;
}

#else

size_t points_count(void) { return 0; }
const char *points_name(size_t point) { return point ? "" : ""; }
void points_begin(void) {}

#endif

size_t points_find(const char *name)
{
    for (size_t i = 0; i < points_count(); i++)
        if (strcmp(points_name(i), name) == 0) return i;
    return SIZE_MAX;
}

void points_arm(size_t point, int action, int passes)
{
    atomic_store(&shared->action, action);
    atomic_store(&shared->countdown, passes);
    atomic_store(&shared->is_there, 0);
    atomic_store(&shared->may_go, 0);
    atomic_store(&shared->armed_point, point + 1);
}

void points_disarm(void) { atomic_store(&shared->armed_point, 0); }
