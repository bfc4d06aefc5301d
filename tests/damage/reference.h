/* damage/reference.h: the store that is damaged: small, with every kind of file, record, page and codec, and the same
 * bytes each time. What was recorded is known from the calls that recorded it, not from reading. */
#ifndef TESTS_DAMAGE_REFERENCE_H
#define TESTS_DAMAGE_REFERENCE_H

#include "damage/memory_os.h"
#include "steplog.h"

typedef struct reference_point {
    steplog_id run, incarnation;
    uint64_t sequence;
    char metric[8];
    uint32_t attempt;
    int64_t step, time_ns;
    uint64_t bits;
} reference_point;

typedef struct reference_blob {
    char name[8];
    steplog_id incarnation;
    uint64_t sequence;
} reference_blob;

enum { REFERENCE_BLOBS = 4, REFERENCE_BYTES_MAX = 16384 };

typedef struct reference {
    memory_disk disk;  /* the store */
    memory_disk older; /* the same files, as they were earlier: those that had another content then */
    steplog_id run_a, run_b, run_c;
    reference_point *points; /* all that were ever appended, removed and replaced ones too */
    size_t point_count;
    reference_blob blobs[REFERENCE_BLOBS];
    size_t blob_count;
    size_t bytes, zero_bytes; /* of all files; of those what is nothing but zeros in the headers of logs */
} reference;

/* How a view shows a point. */
enum { VIEW_DEFAULT, VIEW_ALL, VIEW_ARRIVAL, VIEW_UNION, VIEW_COUNT };

/* Whether a view of a run shows a point when nothing is damaged: told from what was done, in reference_make(). */
int reference_shows(const reference *r, const steplog_id *run, int view, const reference_point *point);

void reference_make(reference *out);
/* Every kind of file, record, page and fact, and every encoding of FORMAT.md 9, is in the store, which the os table has,
 * and it is no larger than REFERENCE_BYTES_MAX, or the process aborts. */
void reference_check(const reference *r);
void reference_free(reference *r);

#endif
