/* model/play.c: plays a stream on the machine in memory and on the oracle. */
#include "model/player.h"

#include "support/store_kit.h"

#include <stdlib.h>

static void play_op(player *p, const op *x)
{
    static const int64_t jumps[] = {1000000000, HOUR_NS, -HOUR_NS, 25 * HOUR_NS};
    int had_fault = p->has_fault;
    note_before(p);
    switch (x->kind) {
    case OP_open: do_open(p, x); break;
    case OP_row:
    case OP_present:
    case OP_rows:
    case OP_point:
    case OP_named: do_append(p, x); break;
    case OP_fact:
    case OP_unfact:
    case OP_blob: do_text(p, x); break;
    case OP_sync: do_sync(p, x); break;
    case OP_tick: do_tick(p, x); break;
    case OP_close: close_slot(p, (int)(x->a % SLOTS), (int)(x->b % 3)); break;
    case OP_compact: do_compact(p, x); break;
    case OP_reopen: close_session(p, (int)(x->a % SESSIONS)); break;
    case OP_kill:
    case OP_power: do_kill_or_cut(p, x); break;
    case OP_fork:
    case OP_rewind:
    case OP_rewind_undo:
    case OP_remove:
    case OP_remove_undo:
    case OP_run_fact: do_on_run(p, x); break;
    case OP_clock:
        sim_move_clock(p->machine, jumps[x->a % 4]);
        p->clock_ns += jumps[x->a % 4];
        break;
    case OP_fault: do_fault(p, x); return;
    case OP_full:
        sim_set_budget(p->machine, sim_used_bytes(p->machine) + x->b * 50, x->c % 2 ? SIM_PAGE_BYTES : 1);
        p->is_full = 1;
        break;
    case OP_space:
        sim_set_budget(p->machine, UINT64_MAX, 1);
        p->is_full = 0;
        break;
    case OP_copy: do_copy(p); break;
    case OP_merge: do_merge(p, x); break;
    case OP_read:
    case OP_follow:
        if (had_fault) sim_set_faults(p->machine, NULL, 0);
        read_all(p, x->kind == OP_follow);
        break;
    default: break;
    }
    settle_ends(p);
    p->has_fault = 0;
    note_durable(p);
}

static void finish(player *p)
{
    sim_set_budget(p->machine, UINT64_MAX, 1);
    sim_set_faults(p->machine, NULL, 0);
    p->is_full = p->has_fault = 0;
    read_all(p, 0);
    if (p->wrong) return;
    for (int s = 0; s < SESSIONS; s++) close_session(p, s);
    if (p->wrong || !store_of(p, 0)) return;
    steplog_error why = {0};
    if (steplog_store_compact(p->stores[0], NULL, NULL, &why) < 0)
        p->wrong = say_wrong("the last compaction: %s", why.text);
    note_freed(p, 0);
    close_session(p, 0);
    if (!p->wrong) read_all(p, 0);
    steplog_verify_options options = {.size_bytes = sizeof options};
    steplog_verify_result result = {.size_bytes = sizeof result};
    if (!p->wrong && !p->o.had_power_cut && steplog_store_verify("store", &options, &result, &why) < 0)
        p->wrong = say_wrong("verify: %s", why.text);
}

/* Remembering what was not synced costs much: it begins some operations before a power cut. What was there before is
 * then on the disk. */
static void trace_before_cut(player *p, const op_list *ops, size_t at)
{
    static const size_t windows[8] = {4, 4, 4, 8, 8, 8, 16, 60};
    for (size_t i = at; i < ops->count && i <= at + windows[ops->seed % 8] && !p->is_traced; i++)
        p->is_traced = ops->items[i].kind == OP_power;
    if (p->is_traced && !p->has_trace) sim_trace(p->machine);
    p->has_trace = p->is_traced;
}

play_result play(const op_list *ops, int is_told)
{
    player *p = calloc(1, sizeof *p);
    p->machine = sim_new(ops->seed);
    p->random = test_random_from(ops->seed ^ 0x5bd1e995);
    p->flags = ops->seed % 3 == 0 ? STEPLOG_FORCE_PWRITE : 0;
    p->sync_interval_ms = ops->seed % 2 ? UINT32_MAX : 0;
    p->o.run_count = KEYED_RUNS;
    for (int s = 0; s < SLOTS; s++) p->slots[s] = -1;
    sim_use(p->machine);
    size_t at = 0;
    for (; at < ops->count && !p->wrong; at++) {
        trace_before_cut(p, ops, at);
        if (is_told) {
            op_list one = {ops->seed, &ops->items[at], 1};
            fprintf(stderr, "%zu (%zu records): ", at, p->o.count);
            ops_print(&one, stderr);
        }
        play_op(p, &ops->items[at]);
    }
    if (p->wrong)
        at--;
    else
        finish(p);
    play_result result = p->result;
    result.wrong = p->wrong;
    result.at = at;
    sim_stop(p->machine);
    for (int s = 0; s < SESSIONS; s++) close_session(p, s);
    sim_use(NULL);
    sim_free(p->machine);
    free_copy(p);
    for (size_t i = 0; i < p->o.count; i++) free(p->o.records[i].parts);
    free(p->o.records);
    free(p);
    return result;
}
