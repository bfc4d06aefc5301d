/* core/background.c: the one low-priority thread of a store: spares, syncs, sealing, light compaction, recovery. */
#include "base/error.h"
#include "base/kill_point.h"
#include "base/memory.h"
#include "compact/compact_job.h"
#include "core/store.h"

#include <semaphore.h>
#include <time.h>

#define ROUND_NS 20000000ll /* between rounds while nothing is asked for */
#define SEALS_A_ROUND 4     /* for one writer, before it is the next one's turn */
#define COMPACT_INTERVAL_NS 2000000000ll
#define PAUSE_NS_MAX 1000000000ll /* between tries of what a full disk, or another failure, does not let be done */
#define RECOVER_PAUSE_NS_MAX 60000000000ll /* likewise of recovery, which may read many logs for it */
#define COMPACT_PAUSE_NS_MAX 3600000000000ll /* of compaction, which may leave an output each time */
#define STACK_BYTES_MIN ((size_t)1 << 20) /* 200 KiB are used */

void sl_background_wake(steplog_store *s)
{
    sigset_t before;
    if (!s->has_thread || atomic_exchange_explicit(&s->is_awake, 1, memory_order_relaxed)) return;
    sl_store_lock_list(s, &before);
    pthread_cond_signal(&s->work);
    sl_store_unlock_list(s, &before);
}

static void remember(steplog_store *s, const steplog_error *err)
{
    sigset_t before;
    sl_store_lock_list(s, &before);
    s->background_error = *err;
    sl_store_unlock_list(s, &before);
}

/* Writers are only taken out of the list under work_lock, which the caller holds. */
static steplog_writer *first_writer(steplog_store *s)
{
    sigset_t before;
    sl_store_lock_list(s, &before);
    steplog_writer *w = s->writers;
    sl_store_unlock_list(s, &before);
    return w;
}

static steplog_status make_files(steplog_store *s, steplog_writer *w, steplog_error *err)
{
    steplog_status status = sl_writer_prepare_spare(w, err);
    if (status < 0 && status != STEPLOG_FULL) return status;
    /* Sealing may do without more space: the log it frees is the next spare. */
    for (int turn = 0; turn < SEALS_A_ROUND && sl_writer_has_work(w); turn++) {
        SL_TRY(sl_writer_seal(w, 0, err));
        s->sealed_count++;
    }
    s->sealed_count += atomic_exchange_explicit(&w->helped_count, 0, memory_order_relaxed);
    return status;
}

/* A file that can not be made now can not in 20 ms either: the thread waits longer each time. Who calls tick() waits as
 * he likes. */
static void pause_after_failure(const steplog_store *s, steplog_writer *w, int64_t now)
{
    if (!s->has_thread) return;
    w->pause_ns = w->pause_ns ? 2 * w->pause_ns : ROUND_NS;
    if (w->pause_ns > PAUSE_NS_MAX) w->pause_ns = PAUSE_NS_MAX;
    w->retry_ns = now + w->pause_ns;
}

static steplog_status work_for_writer(steplog_store *s, steplog_writer *w, int64_t now, int is_sync_due,
                                      steplog_error *err)
{
    steplog_status status = STEPLOG_OK;
    if (!sl_writer_is_ready(w)) return STEPLOG_OK;
    if (now >= w->retry_ns) {
        w->retry_ns = 0;
        status = make_files(s, w, err);
        if (status < 0) pause_after_failure(s, w, now);
        else w->pause_ns = 0;
        if (status == STEPLOG_FULL) status = STEPLOG_OK; /* the logs are still there; an append in need says so */
    }
    if (!is_sync_due) return status;
    /* Whatever can not be made or sealed, what the logs hold can be synced. */
    steplog_status synced = sl_writer_sync_logs(w, status < 0 ? NULL : err);
    return status < 0 ? status : synced;
}

static steplog_status work_for_writers(steplog_store *s, steplog_error *err)
{
    steplog_status status = STEPLOG_OK;
    int64_t now = sl_os->monotonic_time_ns();
    pthread_mutex_lock(&s->work_lock);
    int is_sync_due = s->sync_interval_ns != INT64_MAX && (uint64_t)(now - s->last_sync_ns) >= s->sync_interval_ns;
    if (is_sync_due) s->last_sync_ns = now;
    for (steplog_writer *w = first_writer(s); w; w = w->next) {
        steplog_error why = {0};
        steplog_status result = work_for_writer(s, w, now, is_sync_due, &why);
        if (result >= 0) continue;
        status = result;
        if (err) *err = why;
    }
    pthread_mutex_unlock(&s->work_lock);
    return status;
}

typedef struct long_work {
    steplog_store *store;
    int64_t round_ns, took_ns; /* when the last round for writers ended and how long it was */
} long_work;

/* Writers do not wait for a compaction: their rounds go on in the middle of it. */
static int work_meanwhile(void *context, uint64_t done, uint64_t total)
{
    long_work *work = context;
    steplog_store *s = work->store;
    steplog_error err = {0};
    (void)done;
    (void)total;
    if (__atomic_load_n(&s->must_stop, __ATOMIC_RELAXED)) return 1;
    int64_t now = sl_os->monotonic_time_ns();
    /* Half of the time is the compaction's, or writers that are always in need would keep it from its end. */
    int64_t pause_ns = work->took_ns < ROUND_NS ? work->took_ns : ROUND_NS;
    if (now - work->round_ns < (atomic_load(&s->is_awake) ? pause_ns : ROUND_NS)) return 0;
    atomic_store(&s->is_awake, 0);
    if (work_for_writers(s, &err) < 0) remember(s, &err);
    work->round_ns = sl_os->monotonic_time_ns();
    work->took_ns = work->round_ns - now;
    return 0;
}

static steplog_status compact_lightly(steplog_store *s, steplog_error *err)
{
    long_work work = {.store = s, .round_ns = sl_os->monotonic_time_ns()};
    uint64_t sealed = atomic_load(&s->sealed_count);
    sl_compact_request request = {.flags = STEPLOG_COMPACT_LIGHT,
                                  .progress = work_meanwhile,
                                  .progress_context = &work,
                                  .now_ns = sl_os->wall_time_ns()};
    steplog_compact_result result = {.size_bytes = sizeof result};
    sl_read_context context = sl_store_read_context(s);
    if (pthread_mutex_trylock(&s->compact_lock) != 0) return STEPLOG_OK;
    s->last_compact_ns = sl_os->monotonic_time_ns();
    steplog_status status = sl_compact_segments(&context, &request, &result, err);
    if (status == STEPLOG_OK || status == STEPLOG_CORRUPT)
        atomic_fetch_sub(&s->sealed_count, sealed); /* damage does not go away */
    /* Nor may inputs that this process may not remove, and what was made of them lies beside them. */
    int64_t pause_ns = s->compact_pause_ns ? 2 * s->compact_pause_ns : COMPACT_INTERVAL_NS;
    if (status >= 0 || status == STEPLOG_CORRUPT || status == STEPLOG_FULL) pause_ns = 0;
    s->compact_pause_ns = pause_ns < COMPACT_PAUSE_NS_MAX ? pause_ns : COMPACT_PAUSE_NS_MAX;
    pthread_mutex_unlock(&s->compact_lock);
    return status == STEPLOG_CORRUPT || status == STEPLOG_FULL ? STEPLOG_OK
                                                               : status; /* verify and compact report damage */
}

/* What failed is tried again, less and less often. */
static steplog_status recover_once(steplog_store *s, steplog_error *err)
{
    if (atomic_exchange(&s->has_recovered, 1)) return STEPLOG_OK;
    SL_KILL_POINT("tick.recovering");
    steplog_status status = sl_recover_logs(s, 0, NULL, err);
    if (status < 0) {
        int64_t pause_ns = s->recover_pause_ns ? 2 * s->recover_pause_ns : ROUND_NS;
        s->recover_pause_ns = pause_ns < RECOVER_PAUSE_NS_MAX ? pause_ns : RECOVER_PAUSE_NS_MAX;
        atomic_store(&s->recover_retry_ns, sl_os->monotonic_time_ns() + s->recover_pause_ns);
        atomic_store(&s->has_recovered, 0);
    }
    return status;
}

steplog_status sl_background_work(steplog_store *s, int64_t deadline_ns, steplog_error *err)
{
    SL_TRY(work_for_writers(s, err));
    int64_t now = sl_os->monotonic_time_ns();
    steplog_status recovered = STEPLOG_OK;
    if (!s->has_recovered && !(s->flags & STEPLOG_NO_ADOPT) && now >= atomic_load(&s->recover_retry_ns)) {
        if (now >= deadline_ns) return STEPLOG_WAIT;
        recovered = recover_once(s, err);
    }
    if (s->sealed_count >= 8 && now - s->last_compact_ns >= COMPACT_INTERVAL_NS + s->compact_pause_ns) {
        if (now >= deadline_ns) return recovered < 0 ? recovered : STEPLOG_WAIT;
        steplog_status compacted = compact_lightly(s, recovered < 0 ? NULL : err);
        if (recovered >= 0) return compacted;
    }
    return recovered;
}

/* The thread handles no signals. */
static void wait_for_work(steplog_store *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ROUND_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&s->list_lock);
    if (!s->must_stop && !atomic_load(&s->is_awake)) pthread_cond_timedwait(&s->work, &s->list_lock, &until);
    atomic_store(&s->is_awake, 0);
    pthread_mutex_unlock(&s->list_lock);
}

typedef struct start {
    steplog_store *store;
    sem_t has_begun;
} start;

static void *run_background(void *context)
{
    start *from = context;
    steplog_store *s = from->store;
    sl_memory_is_own_thread();
    sem_post(&from->has_begun); /* it may be gone from here on */
    sl_os->lower_priority();
    while (!__atomic_load_n(&s->must_stop, __ATOMIC_RELAXED)) {
        steplog_error err = {0};
        if (sl_background_work(s, INT64_MAX, &err) < 0) remember(s, &err);
        wait_for_work(s);
    }
    return NULL;
}

/* The stack is as large as the system makes one, but where that is little (128 KiB with musl) as much as the work takes. */
static int start_thread(pthread_t *thread, start *from)
{
    pthread_attr_t attributes;
    size_t bytes = 0;
    int e = pthread_attr_init(&attributes);
    if (e) return e;
    e = pthread_attr_getstacksize(&attributes, &bytes);
    if (e == 0 && bytes < STACK_BYTES_MIN) e = pthread_attr_setstacksize(&attributes, STACK_BYTES_MIN);
    if (e == 0) e = pthread_create(thread, &attributes, run_background, from);
    pthread_attr_destroy(&attributes);
    return e;
}

steplog_status sl_background_start(steplog_store *s, steplog_error *err)
{
    sigset_t all, before;
    s->must_stop = 0;
    start from = {.store = s};
    sem_init(&from.has_begun, 0, 0);
    /* Signals are the host program's: none is ever delivered to this thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    sl_memory_before_fork(); /* a beginning thread allocates */
    int e = start_thread(&s->thread, &from);
    while (e == 0 && sem_wait(&from.has_begun) != 0) continue;
    sl_memory_after_fork();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    sem_destroy(&from.has_begun);
    s->has_thread = e == 0;
    return e ? sl_fail_os(err, e, -1, "cannot start a thread for store '%s'", s->path) : STEPLOG_OK;
}

void sl_background_stop(steplog_store *s)
{
    sigset_t before;
    if (!s->has_thread) return;
    sl_store_lock_list(s, &before);
    __atomic_store_n(&s->must_stop, 1, __ATOMIC_RELAXED);
    pthread_cond_signal(&s->work);
    sl_store_unlock_list(s, &before);
    pthread_join(s->thread, NULL);
    s->has_thread = 0;
}
