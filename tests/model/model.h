/* model/model.h: random streams of operations, and what they must leave by the rules of FORMAT.md 12 alone.
 *
 * The oracle is one plain list of records in the order of the calls. What is seen is computed from the list each time,
 * slowly and simply. Every operation has its arguments in itself and does nothing where it makes no sense, so any part
 * of a stream is a stream too.
 *
 * Where more than one outcome is right, and why:
 *  1. A call that a fault, a kill or a power cut met may have recorded what it says or not, a removal a part of it. The
 *     next reading settles which, and then it stays. On a full disk alone a call is refused with FULL, for certain
 *     (P3).
 *  2. A power cut may take what no call said to be durable (P2): of each writer the end, checked by check_prefix(), of
 *     a run's facts what a call recorded that did not come to its OK. The description of a writer goes with all behind
 *     it.
 *  3. An opening that was cut off may be there as a writer of no records; a writer that recorded nothing is nothing
 *     once it is dead.
 *  4. A new log's header may be torn by a power cut, which is damage of a file that held nothing durable; so verify is
 *     asked for a clean store only where no power was cut.
 *  5. Removed bytes go at a compaction after the grace time, or after half an hour less or more, as the clock jumps: an
 *     undo may then bring back a part. Such a run is given up. A cut that hangs on freed rows alone is not known
 *     (FORMAT.md 12.4).
 *  6. After a power cut took facts their Lamport numbers are used again: the order of facts that an old copy brings
 *     back is not known, nor what of its parent's later history a fork sees (FORMAT.md 12.4 goes by numbers).
 *  7. A writer may be FAILED, and its close say so, after one of its calls failed (P4); what it acknowledged stays. */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include "steplog.h"

#include "support/sim_os.h"

#include <stdio.h>

/* ---- operations ---- */

#define GIVEN_TIME_NS_MAX 1700000000000000000ll /* given times are no later; the machine's clock always is */

#define MODEL_OPS(X)                                                                                             \
    X(open)                                                                                                      \
    X(row)                                                                                                       \
    X(present) X(rows) X(point) X(named) X(fact) X(unfact) X(blob) X(sync) X(tick) X(close) X(compact) X(reopen) \
        X(kill) X(power) X(fork) X(rewind) X(rewind_undo) X(remove) X(remove_undo) X(run_fact) X(clock) X(fault) \
            X(full) X(space) X(copy) X(merge) X(read) X(follow)

typedef enum op_kind {
#define MODEL_ENUM(name) OP_##name,
    MODEL_OPS(MODEL_ENUM)
#undef MODEL_ENUM
        OP_COUNT
} op_kind;

typedef struct op {
    uint32_t kind, a, b, c, d;
} op;

typedef struct op_list {
    uint64_t seed; /* of the machine, and of its log mode */
    op *items;
    size_t count;
} op_list;

op_list ops_generate(uint64_t seed, size_t count);
void ops_print(const op_list *ops, FILE *out);
/* 0: not a script, said on stderr. */
int ops_parse(const char *text, op_list *out);

/* ---- the oracle ---- */

enum {
    METRICS = 4,
    FACT_KEYS = 3,
    RUNS_MAX = 8,
    KEYED_RUNS = 3,
    WRITERS_MAX = 256,
    SLOTS = 4,
    SESSIONS = 2,
    GROUPS = 4
};

typedef enum record_kind {
    REC_ROW,
    REC_BLOB,
    REC_SET,
    REC_REWIND,
    REC_UNDO,
    REC_FORK,
    REC_REMOVAL,
    REC_UNREMOVE
} record_kind;
typedef enum record_state { STATE_NOT, STATE_IS, STATE_MAYBE } record_state;

/* A removal is a tombstone for each writer, or for each metric of each writer. */
typedef struct tombstone {
    steplog_id target;
    uint64_t event_sequence;
    uint8_t mask; /* 0: whole records */
    uint8_t is_undone;
} tombstone;

typedef struct record {
    uint8_t kind, state, mask;
    uint8_t is_known;     /* id and sequence were read */
    uint8_t may_be_freed; /* REMOVAL: a compaction may have dropped what it covered */
    uint8_t has_steps, is_whole;
    uint8_t is_cut;         /* acknowledged, and a power cut may have taken it: what is left must be a prefix */
    uint8_t seen;           /* what no removal covers; oracle_refresh() */
    uint8_t is_found;       /* in the last reading */
    uint32_t place;         /* in the last history read */
    int run, writer;        /* writer -1: recorded without one */
    uint32_t attempt;       /* REWIND: the new one, 0: not known; FORK: of the parent */
    int64_t step, step_end; /* REMOVAL: the range */
    int64_t time_ns;        /* STEPLOG_TIME_NOW: any of the clock; REMOVAL: when */
    uint32_t v;             /* which values, content or text */
    uint32_t key;
    uint32_t bytes;
    uint8_t is_durable; /* without a writer: its call said OK, so that no power cut takes it */
    uint8_t is_partial; /* REMOVAL: it, or its undo, was cut short: parts tells which tombstones are in force */
    tombstone *parts;   /* REMOVAL: as read */
    size_t part_count;
    size_t target;     /* UNDO: the record; FORK: the parent run; REMOVAL: the UNREMOVE, + 1 */
    uint64_t sequence; /* the writer's last after the call */
    steplog_id id;     /* is_known */
    uint64_t event_sequence;
    size_t gone_at, back_at; /* it was lost, and a merged copy brought it back: so many records there were then */
} record;

/* Whether a step is in the range of a removal; an end of INT64_MAX is none. */
static inline int is_in_removal(const record *removal, int64_t step)
{
    return step >= removal->step && (step < removal->step_end || removal->step_end == INT64_MAX);
}

typedef struct model_writer {
    steplog_writer *handle;
    int session, run;
    steplog_id id;
    uint32_t attempt, rank, label;
    int is_resume;
    int64_t resume_step;
    uint8_t state; /* a power cut may take it whole */
    uint8_t is_closed, end_is_sure;
    uint8_t had_failure;         /* a call on it failed: only then it may be FAILED */
    uint8_t description_is_lost; /* in the last reading: cut off, with all behind it */
    uint64_t durable;
    steplog_metric metrics[METRICS];
    uint8_t has_metric[METRICS];
} model_writer;

typedef struct model_run {
    int exists;
    int ghost_writers; /* openings that were cut off: may be there, from the next reading on */
    int gone_ghosts;   /* those that were not: a power cut may bring the name of an empty log back */
    int fact_writers;  /* calls without a writer that were cut off: theirs holds only facts and is no job, but a power
                          cut may take the description that says so */
    steplog_id id;
    int order_is_lost; /* facts that a power cut took came back from a copy: their numbers may be used twice */
} model_run;

typedef struct oracle {
    record *records;
    size_t count, capacity;
    model_writer writers[WRITERS_MAX];
    size_t writer_count;
    model_run runs[RUNS_MAX];
    size_t run_count;
    int had_power_cut;
    size_t last_cut; /* how many records there were then */
} oracle;

record *oracle_add(oracle *o, record_kind kind, int state, int run, int writer);
uint32_t group_of(const model_writer *w);
/* What is lost was lost by now. */
void oracle_note_gone(oracle *o);
/* Computes .seen of every record: the metrics of a row that no removal covers; for anything else 1 or 0. */
void oracle_refresh(oracle *o);
int removal_in_force(const oracle *o, size_t index);
int rewind_in_force(const oracle *o, size_t index, size_t before);
uint32_t highest_attempt(const oracle *o, int run);
/* Whether what a run shows is not known: something of it may be there or not; or the numbers of its parent's facts do
 * not tell what its fork saw. */
int is_unclear(const oracle *o, int run);
const record *fork_of(const oracle *o, int run);
double value_of(uint32_t v, unsigned metric);

typedef struct seen_point {
    int64_t step;
    size_t record;
    int depth; /* 0 the run, 1 its parent... */
} seen_point;
/* The points of one series in the order of a view; count in *count. The caller frees them. *is_unclear is set when a
 * cut depends on rows that a compaction may have freed. */
seen_point *oracle_series(const oracle *o, int run, uint32_t group, unsigned metric, int all_attempts, size_t *count,
                          int *is_unclear);

/* ---- reading and comparing ---- */

/* NULL, or what does not hold. What may or may not be there is settled by what is read. */
const char *check_all(oracle *o, steplog_reader *reader, uint64_t random);
const char *check_history(oracle *o, steplog_reader *reader, int run);
const char *check_facts(const oracle *o, steplog_reader *reader, int run);
/* Rows of a run as they were recorded and default views. */
const char *check_views(oracle *o, steplog_reader *reader, int run, uint64_t random);

typedef struct read_row {
    uint32_t writer, attempt;
    int64_t step, time_ns;
    uint64_t sequence;
    uint16_t present; /* bit group * METRICS + metric */
    uint64_t bits[GROUPS * METRICS];
} read_row;
/* Reads a whole view; *count rows, which the caller frees. wrong: NULL, or what does not hold. */
read_row *read_view(steplog_reader *reader, const steplog_id *run, const steplog_view *view, size_t *count,
                    const char **wrong);
/* Whether a row is that record, with these metrics. */
int row_is(const oracle *o, const read_row *row, const record *r, uint8_t mask);
void fill_blob(uint8_t *data, uint32_t bytes, uint32_t v);
const char *say_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- playing ---- */

typedef struct play_result {
    const char *wrong; /* NULL: all held */
    size_t at;         /* the operation, or their count: at the end */
    uint64_t reads, kills, power_cuts, faults, refused;
} play_result;

play_result play(const op_list *ops, int is_told);

/* Leaves out what is not needed for a violation. */
void shrink(op_list *ops);

#endif
