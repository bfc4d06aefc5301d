/* core/fork.c: what a fork means for open stores.
 *
 * Mappings of logs are not inherited, so a child can not write to them. Right after fork the child closes the
 * descriptors that its parent writes through, some of which hold the locks that say that the parent lives
 * (os/private_fd.h), and gives the store another generation: a writer of an older one starts over with an incarnation
 * of its own at its first append (write/writer.c), which calls sl_store_after_fork() for the store. */
#include "core/store.h"

#include "base/memory.h"
#include "os/private_fd.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t registry_once = PTHREAD_ONCE_INIT;
static _Atomic uint64_t *process_page; /* 1; zero in a child whose fork handlers did not run; NULL: none */
static steplog_store *stores;
static sigset_t mask_before_fork; /* of the thread that forks; under registry_lock */

/* No signal is handled by the thread that has registry_lock or a list_lock: its handler may fork. */
static void lock_registry(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
    pthread_mutex_lock(&registry_lock);
}

static void unlock_registry(const sigset_t *before)
{
    pthread_mutex_unlock(&registry_lock);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

void sl_store_lock_list(steplog_store *s, sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
    pthread_mutex_lock(&s->list_lock);
}

void sl_store_unlock_list(steplog_store *s, const sigset_t *before)
{
    pthread_mutex_unlock(&s->list_lock);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

static void lock_all(void)
{
    sigset_t before;
    sl_private_before_fork(); /* first: a thread that forks in the middle of an open has this one already */
    lock_registry(&before);
    mask_before_fork = before;
    for (steplog_store *s = stores; s; s = s->next) pthread_mutex_lock(&s->list_lock);
    sl_memory_before_fork();
}

static void unlock_all(void)
{
    sigset_t before = mask_before_fork;
    sl_memory_after_fork();
    for (steplog_store *s = stores; s; s = s->next) pthread_mutex_unlock(&s->list_lock);
    sl_private_after_fork();
    unlock_registry(&before);
}

/* Whoever held these in the parent is not here. */
static void leave_parent_of(steplog_store *s)
{
    pthread_mutex_init(&s->work_lock, NULL);
    pthread_mutex_init(&s->compact_lock, NULL);
    pthread_mutex_init(&s->fact_lock, NULL);
    pthread_cond_init(&s->work, NULL); /* the parent's thread waits on it, so destroying it would wait for ever */
    s->has_thread = 0; /* it was not forked with us */
    s->facts = NULL;   /* its state is unknown; leaked */
    s->background_error = (steplog_error){0};
    atomic_store(&s->is_forked, 1);
    atomic_store(s->alive_page, ++s->generation); /* no number that an ancestor had */
}

static void know_process(void)
{
    if (process_page) atomic_store(process_page, 1);
}

/* Only what is async-signal-safe: closing descriptors and setting memory. */
static void leave_parent(void)
{
    sigset_t before = mask_before_fork;
    know_process();
    sl_memory_after_fork();
    sl_private_leave_parent();
    for (steplog_store *s = stores; s; s = s->next) {
        leave_parent_of(s);
        pthread_mutex_unlock(&s->list_lock); /* the thread that forked had it, and is here */
    }
    unlock_registry(&before);
}

void sl_fork_was_unseen(void)
{
    know_process();
    sl_memory_forget_fork();
    sl_private_leave_parent();
    for (steplog_store *s = stores; s; s = s->next) {
        leave_parent_of(s);
        pthread_mutex_init(&s->list_lock, NULL);
    }
    pthread_mutex_init(&registry_lock, NULL);
}

static void install(void)
{
    void *page;
    if (sl_os_posix.wipe_on_fork_page(&page) == 0) process_page = page; /* the real one: it outlives all stores */
    know_process();
    pthread_atfork(lock_all, unlock_all, leave_parent);
}

void sl_fork_watch(void)
{
    pthread_once(&registry_once, install);
    if (process_page && atomic_load(process_page) == 0) sl_fork_was_unseen();
}

void sl_fork_register(steplog_store *s)
{
    sigset_t before;
    lock_registry(&before);
    s->next = stores;
    stores = s;
    unlock_registry(&before);
}

void sl_fork_unregister(steplog_store *s)
{
    sigset_t before;
    lock_registry(&before);
    for (steplog_store **at = &stores; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    unlock_registry(&before);
}

void sl_store_after_fork(steplog_store *s)
{
    sl_store_enter(s);
    uint32_t process_id = sl_os->process_id();
    int64_t process_start_ns = sl_os->process_start_time_ns();
    sigset_t before;
    sl_store_lock_list(s, &before);
    if (atomic_load(&s->is_forked)) {
        s->process_id = process_id;
        s->process_start_ns = process_start_ns;
        pthread_condattr_t attributes;
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&s->work, &attributes);
        pthread_condattr_destroy(&attributes);
        s->must_stop = 0;
        s->has_recovered = 1;
        atomic_store(&s->is_awake, 0);
        /* Without a thread sync() and close() do its work. */
        if (!(s->flags & (STEPLOG_NO_THREAD | STEPLOG_READ_ONLY))) sl_background_start(s, NULL);
        atomic_store(&s->is_forked, 0);
    }
    sl_store_unlock_list(s, &before);
}
