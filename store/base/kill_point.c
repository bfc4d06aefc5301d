/* base/kill_point.c: moments at which a test ends, stops or forks the process. */
#include "base/kill_point.h"

#ifdef SL_KILL_POINTS

void (*sl_kill_point_handler)(size_t index);

/* Made by the linker. */
extern const sl_kill_point first_point[] __asm__("__start_sl_kill_points");
extern const sl_kill_point points_end[] __asm__("__stop_sl_kill_points");

size_t sl_kill_point_count(void) { return (size_t)(points_end - first_point); }

const char *sl_kill_point_name(size_t index) { return first_point[index].name; }

void sl_kill_point_pass(const sl_kill_point *point) { sl_kill_point_handler((size_t)(point - first_point)); }

#endif
