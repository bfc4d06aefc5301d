/* base/assert.h: SL_ASSERT for what only our own bug can break; it aborts in debug and test
 * builds (SL_DEBUG) and costs nothing in release. */
#ifndef SL_BASE_ASSERT_H
#define SL_BASE_ASSERT_H

#ifdef SL_DEBUG
_Noreturn void sl_assert_failed(const char *condition, const char *file, int line);
#define SL_ASSERT(condition) ((condition) ? (void)0 : sl_assert_failed(#condition, __FILE__, __LINE__))
#else
#define SL_ASSERT(condition) ((void)sizeof(!(condition)))
#endif

#endif
