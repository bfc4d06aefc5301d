/* bench/peers/peers.h: what the measurements of peers.c share: data, children, the JSON file. */
#ifndef BENCH_PEERS_PEERS_H
#define BENCH_PEERS_PEERS_H

#include "peer.h"
#include "timing.h"

#include <sys/types.h>

#define PEERS_MAX 16u

/* How much is done: quick settings, or more of everything with FULL=1 in the environment. */
typedef struct effort {
    uint32_t step_rounds, load_rounds;
    size_t load_rows;
} effort;

/* The peers that are linked, steplog first. */
extern const peer *peers_linked[PEERS_MAX];
extern size_t peers_linked_count;

const peer_data *peers_make_data(workload_kind kind, size_t row_count);
void peers_free_data(const peer_data *data);

/* Makes an empty directory of that peer's own, removing what was there; out holds 1024 bytes. */
void peers_fresh_directory(char *out, const char *parent, const peer *p);

/* Runs a function in a process of its own, which may write into shared memory only. Ends the program unless it ends
 * well, or by SIGKILL where that is expected. */
void peers_run_child(void (*run)(void *context), void *context, int is_killed);
void *peers_shared_memory(size_t bytes);

/* Checks, in a process of its own, that every metric reads back as it was handed over. */
void peers_check(const peer *p, const char *directory, const peer_data *data, size_t row_count);

void peers_json_open(const char *path);
void peers_json(const peer *p, const char *measure, workload_kind kind, const char *unit, spread value, size_t count);
void peers_json_close(void);

void peers_steps(const char *parent, const effort *e);
void peers_load(const char *parent, const effort *e);
/* steplog as the trackers are measured: row_count rows into a store, closed, again and again. */
void peers_tracker(const char *parent, size_t row_count, uint32_t repeat_count);

#endif
