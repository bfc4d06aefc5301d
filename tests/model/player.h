/* model/player.h: what plays a stream: the oracle, the machine, open handles, and what waits for a later moment. */
#ifndef TESTS_MODEL_PLAYER_H
#define TESTS_MODEL_PLAYER_H

#include "model/model.h"

#include "support/random.h"

#define HOUR_NS 3600000000000ll

typedef struct saved_file {
    char *path;
    uint8_t *data;
    uint64_t bytes;
} saved_file;

typedef struct player {
    oracle o;
    sim *machine;
    uint32_t flags;
    uint32_t sync_interval_ms;
    steplog_store *stores[SESSIONS];
    int slots[SLOTS];       /* a writer, or -1 */
    steplog_reader *reader; /* of session 0 */
    int64_t clock_ns;
    int is_traced, has_trace, is_full, has_fault, has_kill, has_cut;
    int may_be_unsettled;
    test_random random;
    /* before the operation */
    size_t mark, writer_mark;
    uint64_t durable[WRITERS_MAX];
    uint8_t end_is_sure[WRITERS_MAX];
    /* an old copy */
    saved_file *copy;
    size_t copy_count;
    uint8_t *copy_states;
    size_t copy_records;
    uint8_t copy_writers[WRITERS_MAX];
    size_t copy_writer_count;
    const char *wrong;
    play_result result;
} player;

/* ---- sessions, ends, readings ---- */

steplog_store *store_of(player *p, uint32_t session);
int is_dead(const player *p);
void note_durable(player *p);
void close_slot(player *p, int slot, int exit_code);
void close_session(player *p, int session);
void do_kill(player *p);
void cut_now(player *p);
void note_before(player *p);
void settle_ends(player *p);
void read_all(player *p, int is_lasting);
void settle(player *p);
int64_t step_of(uint32_t x);
int state_of(player *p, steplog_status status);

/* ---- operations of a writer ---- */

void do_open(player *p, const op *x);
void do_append(player *p, const op *x);
void do_text(player *p, const op *x);
void do_sync(player *p, const op *x);

/* ---- operations on a run ---- */

void do_on_run(player *p, const op *x);

/* ---- operations on the store and the machine ---- */

/* A compaction was tried: the bytes that removals cover may be gone, those of old ones, or of all. */
void note_freed(player *p, int is_now);
void do_compact(player *p, const op *x);
void do_copy(player *p);
void do_merge(player *p, const op *x);
void do_fault(player *p, const op *x);
void do_tick(player *p, const op *x);
void do_kill_or_cut(player *p, const op *x);
void free_copy(player *p);

#endif
