/* core/fork.c: what a fork means for open stores.
 *
 * Mappings of logs are not inherited, so a child can not write to them. Right after fork the child closes the
 * descriptors of its parent's logs, which hold the locks that say that the parent lives. Its first append starts over
 * with an incarnation of its own (write/writer.c), and calls sl_store_after_fork() for the store. */
#include "core/store.h"

#include <stdlib.h>

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t registry_once = PTHREAD_ONCE_INIT;
static steplog_store *stores;

static void lock_all(void)
{
    pthread_mutex_lock(&registry_lock);
    for (steplog_store *s = stores; s; s = s->next) pthread_mutex_lock(&s->list_lock);
}

static void unlock_all(void)
{
    for (steplog_store *s = stores; s; s = s->next) pthread_mutex_unlock(&s->list_lock);
    pthread_mutex_unlock(&registry_lock);
}

static void drop_descriptor(sl_row_log *log)
{
    if (log && log->fd >= 0) sl_os->close(log->fd);
    if (log) log->fd = -1;
}

static void drop_descriptors(sl_row_log *log)
{
    for (; log; log = log->next) drop_descriptor(log);
}

/* Only what is async-signal-safe: closing descriptors and setting memory. */
static void leave_parent(void)
{
    for (steplog_store *s = stores; s; s = s->next) {
        for (steplog_writer *w = s->writers; w; w = w->next) {
            drop_descriptor(atomic_load(&w->log));
            for (unsigned i = 0; i < SL_SPARES_MAX; i++) drop_descriptor(atomic_load(&w->spares[i]));
            drop_descriptors(atomic_load(&w->sealing));
            drop_descriptors(w->sealing_taken);
        }
        pthread_mutex_init(&s->list_lock, NULL);
        pthread_mutex_init(&s->work_lock, NULL);
        pthread_mutex_init(&s->compact_lock, NULL);
        pthread_mutex_init(&s->fact_lock, NULL);
        pthread_cond_init(&s->work, NULL); /* the parent's thread waits on it, so destroying it would wait for ever */
        s->has_thread = 0; /* it was not forked with us */
        s->facts = NULL;   /* its state is unknown; leaked */
    }
    pthread_mutex_init(&registry_lock, NULL);
}

static void install(void) { pthread_atfork(lock_all, unlock_all, leave_parent); }

void sl_fork_register(steplog_store *s)
{
    pthread_once(&registry_once, install);
    pthread_mutex_lock(&registry_lock);
    s->next = stores;
    stores = s;
    pthread_mutex_unlock(&registry_lock);
}

void sl_fork_unregister(steplog_store *s)
{
    pthread_mutex_lock(&registry_lock);
    for (steplog_store **at = &stores; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    pthread_mutex_unlock(&registry_lock);
}

void sl_store_after_fork(steplog_store *s, steplog_writer *writer)
{
    (void)writer; /* it stays in the list that the child inherited */
    if (*s->alive_page != 0) return; /* another writer of the store was first */
    s->process_id = sl_os->process_id();
    s->process_start_ns = sl_os->process_start_time_ns();
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->work, &attributes);
    pthread_condattr_destroy(&attributes);
    s->must_stop = 0;
    s->has_recovered = 1;
    atomic_store(&s->is_awake, 0);
    *s->alive_page = (uint64_t)s->process_id + 2; /* not 0, not the parent's */
    if (!(s->flags & STEPLOG_NO_THREAD)) sl_background_start(s, NULL); /* without one, sync() and close() do its work */
}
