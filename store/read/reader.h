/* read/reader.h: a snapshot of a store in memory: files, incarnations, runs, series.
 *
 * Files are listed log/ first, then levels upward, so that no record is missed while it moves. Whatever belongs to
 * one run (descriptions, facts, coverage, attempts) is loaded when that run is asked for. */
#ifndef SL_READ_READER_H
#define SL_READ_READER_H

#include "base/hash_map.h"
#include "format/file_names.h"
#include "read/log_reader.h"
#include "read/segment_reader.h"
#include "steplog/maintain.h"

/* One file that holds records of an incarnation. */
typedef struct sl_source {
    sl_segment *segment; /* or NULL */
    uint32_t writer;     /* in the segment */
    sl_log *log;         /* or NULL */
    sl_ranges assigned;  /* the records that are read from this file */
} sl_source;

typedef struct sl_incarnation {
    steplog_id id, run;
    uint32_t attempt, rank, flags;
    int64_t start_time_ns;
    SL_VEC(sl_source) sources; /* segments by level downward, then logs by first sequence */
    /* from here on after sl_run_load() */
    sl_buffer description_bytes;
    sl_writer_description description; /* lent from description_bytes */
    int has_description;
    steplog_pair *labels; /* terminated texts, from label_text */
    char *label_text, *host, *step_axis;
    uint64_t key_hash; /* of rank and labels */
    sl_ranges covered, dropped;
    uint64_t durable_sequence, salvageable_count, unsealed_bytes;
    int64_t step_min, step_max, time_min_ns, time_max_ns;
    uint64_t row_count, point_count, refused_count;
    int has_end, exit_code;
    int has_gap_in_log; /* of an open gap a log has counted more than any segment */
    steplog_liveness liveness;
    int is_visible;       /* its attempt is in force */
    int64_t visible_end;  /* in the default view: steps below this (when visible_is_bounded) */
    int visible_is_bounded;
    uint32_t number;      /* its place in run->writers; UINT32_MAX: it only records facts */
    uint64_t listed_end; /* holes.c: from this number on a view shows nothing; 0: everything */
} sl_incarnation;

/* A tombstone in force. */
typedef struct sl_tombstone {
    steplog_id incarnation;
    uint64_t sequence_last;
    const char *metric; /* NULL: all */
    uint32_t metric_bytes;
    int has_steps;
    int64_t step_begin, step_end; /* as sl_removal_has_step() says */
    int64_t time_ns;
    int is_whole; /* neither metric nor steps: facts and blobs too */
} sl_tombstone;

typedef struct sl_event {
    sl_fact fact;         /* its key and value are NULL: they are these */
    char *key, *value;    /* terminated; of long ones NULL until sl_event_load() */
    uint64_t key_hash;
    uint32_t kept_bytes;  /* what the reader counts of them */
    uint32_t incarnation; /* index in the reader */
    uint64_t sequence;
    sl_segment *segment;  /* or NULL */
    sl_log *log;          /* or NULL */
    uint64_t page_offset; /* in the segment; in the log which text */
    uint32_t content_offset, bytes;
    int is_in_force, is_undone;
} sl_event;

typedef struct sl_blob_place {
    sl_blob blob;             /* its texts are NULL: they are these */
    char *name, *content_type; /* terminated; one piece of memory, the name's */
    uint32_t incarnation;
    uint64_t sequence;
    sl_segment *segment;
    uint64_t data_offset;
    sl_log *log;
    size_t text; /* in the log */
} sl_blob_place;

typedef struct sl_run {
    steplog_id id;
    SL_VEC(uint32_t) incarnations;
    SL_VEC(uint32_t) writers; /* those that log, in the order of steplog_reader_writer() */
    int64_t start_time_ns; /* earliest of its writers */
    int is_loaded;
    SL_VEC(sl_event) events;
    SL_VEC(sl_tombstone) tombstones; /* sorted by incarnation: tombstone.c */
    SL_VEC(sl_blob_place) blobs;
    sl_event *name, *project; /* the facts that say so, or NULL */
    uint32_t attempt, attempt_count;
    int is_hidden; /* everything but tombstones was removed */
    int has_parent;
    steplog_id parent;
    uint32_t parent_attempt;
    int64_t parent_step;
    uint64_t parent_lamport;
} sl_run;

/* Labels that stand once for all the series that have them: a writer may have 4096 series and 512 KiB of labels. */
typedef struct sl_label_set {
    uint64_t key_hash; /* of rank and labels */
    steplog_pair *labels;
    size_t label_count;
    char *text;
} sl_label_set;

/* A series handle: names and labels are the reader's for its life. */
typedef struct sl_series {
    steplog_id run;
    char *name;
    uint32_t name_bytes;
    uint32_t rank;
    uint64_t key_hash; /* of rank and labels */
    const steplog_pair *labels; /* of a label set */
    size_t label_count;
} sl_series;

/* Numbers of an incarnation that a listing did not find. */
typedef struct sl_hole {
    steplog_id id;
    uint64_t end;       /* where they go on behind the last of its holes */
    uint64_t shown_end; /* the first of them that may have come while files were listed; 0: they really are missing */
} sl_hole;

typedef SL_VEC(sl_hole) sl_hole_list;

typedef struct sl_read_context {
    int store_dir;
    steplog_id host_id, boot_id;
    int is_local; /* locks and host ids mean something on this file system */
    int is_mapping; /* files are mapped */
    int is_view;    /* for showing: holes.c hides. What moves or removes records has to know of all that a file holds */
    void (*closed)(void *store);
    void *store;
} sl_read_context;


struct steplog_reader {
    sl_read_context context;
    SL_VEC(sl_segment *) segments;
    sl_open_segments open_segments;
    SL_VEC(sl_log *) logs;
    sl_hash_map segments_by_name, logs_by_name; /* while files are listed */
    sl_hole_list holes; /* of the last listing, by id */
    uint64_t snapshot;  /* how many were taken */
    SL_VEC(sl_incarnation) incarnations;
    sl_hash_map by_incarnation;
    SL_VEC(sl_run) runs; /* newest first */
    SL_VEC(uint32_t) shown; /* indices of those that are not hidden, once has_shown */
    int has_shown;
    sl_hash_map by_run;
    SL_VEC(sl_series) series;
    sl_hash_map by_series;
    SL_VEC(sl_label_set) label_sets;
    sl_hash_map by_labels; /* of rank and labels */
    sl_damage_list damage;
    steplog_error left_out; /* why the last listing left a file out; of code OK: it took all */
    size_t kept_bytes; /* of texts of events that are kept as long as there is room */
    steplog_id store_id;
    uint32_t level_count;
    int64_t created_time_ns;
};

steplog_status sl_reader_new(const sl_read_context *context, steplog_reader **out, steplog_error *err);
void sl_reader_free(steplog_reader *reader);

/* ---- snapshot.c ---- */
steplog_status sl_snapshot_take(steplog_reader *reader, steplog_error *err);
void sl_snapshot_clear(steplog_reader *reader);
sl_incarnation *sl_reader_incarnation(steplog_reader *reader, const steplog_id *id);
sl_run *sl_reader_run(steplog_reader *reader, const steplog_id *id);

/* ---- holes.c ---- */
/* Looks for holes in what the listing has found that just ended, with those in mind that the one before found.
 * *has_new: 1 when there are some that it may have made itself. 1, or 0 when out of memory. */
int sl_holes_find(steplog_reader *reader, int *has_new);

/* ---- coverage.c ---- */
/* Says for each source of an incarnation which records are read from it, and what all hold together. */
steplog_status sl_incarnation_assign(sl_incarnation *incarnation, steplog_error *err);

/* Adds to out which of the wanted numbers its segments hold whole, every block of them read and decoded, or have
 * dropped, as far as up to dropped_last. */
steplog_status sl_incarnation_whole(const sl_incarnation *incarnation, const sl_ranges *wanted, uint64_t dropped_last,
                                    sl_ranges *out, steplog_error *err);

/* Adds to out the parts of texts that no log has whole. 1, or 0 when out of memory. */
int sl_incarnation_parts(const sl_incarnation *incarnation, sl_ranges *out);

/* ---- run_load.c ---- */
steplog_status sl_run_load(steplog_reader *reader, sl_run *run, steplog_error *err);

/* Adds to out what the logs of an incarnation hold, but for what the prefix rule hides. Of a loaded run. 0: no memory. */
int sl_incarnation_logged(const sl_incarnation *incarnation, sl_ranges *out);

/* Up to where what can be read of a loaded incarnation is not to be cut when it is sealed: what is known to be durable,
 * and what the prefix rule shows behind holes that records of lost rows explain. */
uint64_t sl_incarnation_uncut(const sl_incarnation *incarnation);
void sl_run_clear(steplog_reader *reader, sl_run *run);
void sl_incarnation_clear(sl_incarnation *incarnation);

/* ---- event.c ---- */
/* Takes what a fact says, and its texts when they are short. fact->value may be NULL although it has one: not at hand.
 * The caller fills in where it is. 1, or 0 when out of memory. */
int sl_event_init(steplog_reader *reader, sl_event *event, const sl_fact *fact);
void sl_event_clear(steplog_reader *reader, sl_event *event);
/* 1 when both have the same key. */
int sl_event_is_of_key(const sl_event *event, const sl_event *other);
/* 0 when it surely has another key than this; sl_event_load() makes it known. */
int sl_event_may_be_of_key(const sl_event *event, const char *key);
/* What a loaded run has of a record; NULL: nothing, or it was removed. */
const sl_event *sl_run_event(const steplog_reader *reader, const sl_run *run, const steplog_id *incarnation,
                             uint64_t sequence, uint64_t lamport);
/* The largest Lamport number of a run's facts, of hidden ones too; 0: it has none. It need not be loaded: of each file one
 * number is looked at, mostly. */
uint64_t sl_run_lamport_max(const steplog_reader *reader, const sl_run *run);
/* Reads the texts that are not there; they stay until the run is cleared. */
steplog_status sl_event_load(steplog_reader *reader, const sl_run *run, sl_event *event, steplog_error *err);

/* ---- run_view.c: which points count ---- */

/* What of an incarnation a view sees. */
typedef struct sl_window {
    int is_visible;
    int has_end;
    int64_t step_end;
} sl_window;

/* The windows of a run's incarnations (in the order of run->incarnations) in the default view, as seen with attempts
 * up to attempt_max and history up to lamport_max. windows has run->incarnations.count places. 1, or 0 when out of memory. */
int sl_run_windows(steplog_reader *reader, const sl_run *run, uint32_t attempt_max, uint64_t lamport_max, sl_window *windows);
/* Lowers each bound to the smallest cut that rewinds and resume steps of the run, a fork, seen likewise, make for its key.
 * 1, or 0 when out of memory. */
int sl_run_lower_to_cuts(steplog_reader *reader, const sl_run *run, uint32_t attempt_max, uint64_t lamport_max,
                         const uint64_t *key_hashes, size_t count, int64_t *bounds);
/* The highest attempt in force, 0 for none. count: how many there are; UINT32_MAX when out of memory. */
uint32_t sl_run_highest_attempt(steplog_reader *reader, const sl_run *run, uint32_t *count);
/* Puts the writers of a run in their public order. 1, or 0 when out of memory. */
int sl_run_order_writers(steplog_reader *reader, sl_run *run);
uint32_t sl_run_largest_attempt_number(steplog_reader *reader, const sl_run *run);

/* ---- tombstone.c ---- */
/* Collects those in force from the events. 1, or 0 when out of memory. */
int sl_run_make_tombstones(sl_run *run);
/* The last number of an incarnation that any of them reaches; 0: none does. */
uint64_t sl_run_removed_last(const sl_run *run, const steplog_id *incarnation);
/* Where those of an incarnation begin. */
size_t sl_run_first_tombstone(const sl_run *run, const steplog_id *incarnation);
/* 1 when a record is covered by a tombstone that takes it whole. */
int sl_run_is_removed(const sl_run *run, const steplog_id *incarnation, uint64_t sequence);
/* 1 when one without steps covers a metric of it, or all of it. */
int sl_run_is_metric_removed(const sl_run *run, const steplog_id *incarnation, const char *metric, uint32_t bytes,
                             uint64_t sequence);

/* ---- selector.c ---- */
typedef struct sl_selector {
    char *text;          /* the glob over names */
    size_t text_bytes;
    SL_VEC(steplog_pair) labels; /* globs, texts owned */
} sl_selector;
steplog_status sl_selector_parse(const char *text, sl_selector *out, steplog_error *err);
int sl_selector_matches(const sl_selector *selector, const char *name, uint32_t name_bytes, uint32_t rank,
                        const steplog_pair *labels, size_t label_count);
int sl_selector_matches_key(const sl_selector *selector, uint32_t rank, const steplog_pair *labels, size_t label_count);
void sl_selector_free(sl_selector *selector);

/* ---- series.c ---- */
void sl_label_set_free(sl_label_set *set);
uint64_t sl_key_hash(uint32_t rank, const steplog_pair *labels, size_t label_count);
/* Calls back for each metric name of an incarnation, possibly more than once. */
typedef steplog_status (*sl_name_callback)(void *context, sl_incarnation *incarnation, const char *name, uint32_t bytes);
steplog_status sl_incarnation_names(sl_incarnation *incarnation, sl_name_callback callback, void *context,
                                    steplog_error *err);
/* All series that match, sorted; *out is the caller's to free. None is not an error here. */
steplog_status sl_reader_find(steplog_reader *reader, const steplog_id *run, const sl_selector *selector, steplog_series **out,
                              size_t *count, steplog_error *err);
/* How many there are in a run, without making handles for them. */
steplog_status sl_reader_series_count(steplog_reader *reader, sl_run *run, size_t *count, steplog_error *err);
steplog_status sl_reader_series_of(steplog_reader *reader, const steplog_id *run, const sl_incarnation *incarnation,
                                   const char *name, uint32_t bytes, steplog_series *out, steplog_error *err);

#endif
