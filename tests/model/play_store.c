/* model/play_store.c: operations on the store and on the machine. */
#include "model/player.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS_OF_A_KILL = 60, NAMES_OF_A_KILL = 12, POINTS_OF_A_CUT = 60 };

void note_freed(player *p, int is_now)
{
    for (size_t i = 0; i < p->o.count; i++)
        if (p->o.records[i].kind == REC_REMOVAL && (is_now || p->clock_ns - p->o.records[i].time_ns > 23 * HOUR_NS))
            p->o.records[i].may_be_freed = 1;
}

void do_compact(player *p, const op *x)
{
    steplog_store *store = store_of(p, x->a % SESSIONS);
    if (!store) return;
    steplog_compact_options options = {.size_bytes = sizeof options};
    if (x->b % 8 == 0) options.flags = STEPLOG_COMPACT_NOW;
    if (x->b % 8 == 1) options.flags = STEPLOG_COMPACT_LIGHT;
    state_of(p, steplog_store_compact(store, &options, NULL, NULL));
    note_freed(p, options.flags == STEPLOG_COMPACT_NOW);
}

void free_copy(player *p)
{
    for (size_t i = 0; i < p->copy_count; i++) {
        free(p->copy[i].path);
        free(p->copy[i].data);
    }
    free(p->copy);
    free(p->copy_states);
    p->copy = NULL;
    p->copy_states = NULL;
    p->copy_count = 0;
}

static void take_file(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    player *p = context;
    while (*path == '/') path++;
    if (strncmp(path, "store/", 6) != 0) return;
    p->copy = realloc(p->copy, (p->copy_count + 1) * sizeof *p->copy);
    size_t length = strlen(path);
    saved_file *f = &p->copy[p->copy_count++];
    *f = (saved_file){malloc(length + 1), malloc(bytes + 1), bytes};
    snprintf(f->path, length + 1, "copy/%s", path + 6);
    if (bytes) memcpy(f->data, data, bytes);
}

void do_copy(player *p)
{
    settle(p);
    if (p->wrong) return;
    free_copy(p);
    sim_each_file(p->machine, take_file, p);
    p->copy_records = p->o.count;
    p->copy_states = malloc(p->o.count + 1);
    for (size_t i = 0; i < p->o.count; i++) p->copy_states[i] = p->o.records[i].state;
    p->copy_writer_count = p->o.writer_count;
    for (size_t w = 0; w < p->o.writer_count; w++) p->copy_writers[w] = p->o.writers[w].state;
}

static void take_leftover(void *context, const char *path, const uint8_t *data, uint64_t bytes)
{
    char **leftover = context;
    (void)data, (void)bytes;
    while (*path == '/') path++;
    if (!*leftover && strncmp(path, "copy/", 5) == 0) *leftover = strdup(path);
}

/* Names of an earlier copy that a power cut brought back, without what was in the files. */
static void remove_leftovers(player *p)
{
    for (;;) {
        char *leftover = NULL;
        sim_each_file(p->machine, take_leftover, &leftover);
        if (!leftover) return;
        sim_remove_file(p->machine, leftover);
        free(leftover);
    }
}

void do_merge(player *p, const op *x)
{
    if (!p->copy_count || p->is_full) return;
    settle(p);
    if (p->wrong) return;
    oracle *o = &p->o;
    steplog_store *store = store_of(p, x->a % SESSIONS);
    if (!store) return;
    remove_leftovers(p);
    for (size_t i = 0; i < p->copy_count; i++)
        sim_put_file(p->machine, p->copy[i].path, p->copy[i].data, p->copy[i].bytes);
    steplog_error why = {0};
    steplog_status status = steplog_store_merge(store, "copy", NULL, NULL, NULL, &why);
    for (size_t i = 0; i < p->copy_count; i++) sim_remove_file(p->machine, p->copy[i].path);
    if (status == STEPLOG_MISSING) return; /* the copy is of before the store was made */
    int state = state_of(p, status);
    if (p->wrong) p->wrong = say_wrong("merging: %s", why.text);
    for (size_t w = 0; w < p->copy_writer_count; w++)
        if (p->copy_writers[w] == STATE_IS && o->writers[w].state == STATE_NOT) o->writers[w].state = (uint8_t)state;
    for (size_t i = 0; i < p->copy_records; i++) {
        record *r = &o->records[i];
        if (p->copy_states[i] != STATE_IS || r->state != STATE_NOT) continue;
        r->state = (uint8_t)state;
        r->back_at = o->count;
        r->is_durable = state == STATE_IS && !p->has_cut; /* merging syncs */
        if (r->is_durable) r->sequence = 0;
        if (r->kind == REC_SET) o->runs[r->run].order_is_lost = 1;
        p->may_be_unsettled = 1;
    }
}

void do_fault(player *p, const op *x)
{
    static const uint32_t kinds[] = {SIM_ALL,    SIM_WRITE,  SIM_SPACE, SIM_SYNC,
                                     SIM_CREATE, SIM_RENAME, SIM_MAP,   SIM_LIST | SIM_READ | SIM_OPEN};
    static const int errors[] = {EIO, ENOSPC, EIO, EDQUOT, ENOMEM, EMFILE};
    sim_fault fault = {kinds[x->a % 8], x->b % 8 + 1, errors[x->c % 6], x->d % 4 == 0, (x->d >> 2) % 4 == 0};
    settle(p);
    if (p->wrong) return;
    sim_set_faults(p->machine, &fault, 1);
    p->has_fault = 1;
}

void do_tick(player *p, const op *x)
{
    steplog_store *store = store_of(p, x->a % SESSIONS);
    if (store) state_of(p, steplog_store_tick(store, x->b % 3 ? 1000 : 0, NULL));
    note_freed(p, 0);
}

void do_kill_or_cut(player *p, const op *x)
{
    if (x->kind == OP_kill && x->a % 3 == 0) {
        note_before(p);
        do_kill(p);
    } else if (x->kind == OP_kill) {
        /* Anywhere, or beside what gives files their names and makes them last. */
        if (x->c % 4 < 2) sim_stop_at(p->machine, SIM_ALL, x->b % CALLS_OF_A_KILL + 1);
        else sim_stop_at(p->machine, SIM_RENAME | SIM_UNLINK | SIM_SYNC, x->b % NAMES_OF_A_KILL + 1);
        p->has_kill = 1;
    } else if (p->is_traced && x->a % 3 == 0) {
        note_before(p);
        cut_now(p);
    } else if (p->is_traced) {
        sim_crash_at(p->machine, sim_point_count(p->machine) + 1 + x->b % POINTS_OF_A_CUT, NULL, NULL);
        p->has_cut = 1;
    }
}
