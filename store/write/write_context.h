/* write/write_context.h: what writers and the sealer need from the store that they belong to. */
#ifndef SL_WRITE_WRITE_CONTEXT_H
#define SL_WRITE_WRITE_CONTEXT_H

#include "format/log_header.h"
#include "index/ranges.h"
#include "steplog/store.h"

#include <stdatomic.h>

/* What was published last, for whoever takes a call back that failed afterwards. */
typedef struct sl_named_segment {
    char name[80];  /* "": it never came so far */
    int is_named;   /* 0: the naming failed */
    int has_others; /* earlier ones were gone before they were read back */
} sl_named_segment;

typedef struct sl_write_context {
    int store_dir, log_dir;
    int is_mapped;
    sl_named_segment *named;             /* NULL: nobody asks */
    uint64_t log_bytes;                  /* largest log */
    uint64_t backlog_bytes;              /* of a writer's full logs: from here on appends let the sealer catch up */
    uint64_t help_bytes;                 /* from here on they seal themselves */
    const _Atomic uint64_t *alive_page;  /* the process's generation: another one in a forked child */
    steplog_store *store;
    /* A Lamport number above every fact of the run that can be seen now. */
    steplog_status (*next_lamport)(steplog_store *store, const steplog_id *run, uint64_t *lamport, steplog_error *err);
    /* Whether segments that can be read hold these records of a writer now. */
    steplog_status (*is_sealed)(steplog_store *store, const sl_log_header *log, const sl_ranges *numbers, int *yes,
                                steplog_error *err);
    void (*wake)(steplog_store *store);       /* there is background work: a log to seal, a spare to make */
    /* In a child: forget the parent's threads and locks. */
    void (*after_fork)(steplog_store *store);
} sl_write_context;

#endif
