/* damage/judge.h: reads a damaged store by every way there is, and says whether the library kept its promises.
 *
 * What is demanded of damage that checksums can see (P5):
 *   - no call fails but for what FORMAT.md says: a damaged STEPLOG refuses the store; all else is shown and listed;
 *   - no point, fact or blob is shown that was not recorded, bit for bit, and none by another writer than its own;
 *   - what is lost was in the damaged block in each of its copies; a lost fact may change what views follow from it, so
 *     that points appear which it hid, or vanish which an undo had brought back: only points that were recorded;
 *   - whatever differs is told, by the reader or by verify; and verify tells every damaged block, also one that costs
 *     nothing. Two things can not be seen, and are no violation: bytes that nothing is read from (FORMAT.md 16), and
 *     the unsynced tail of a log cut off cleanly, which is what a power cut leaves.
 *
 * What is demanded when the attacker made the checksums right again: nothing of what a block says can be disbelieved
 * then. But other runs than those the changed file speaks of are shown exactly as before; and no writer that has no
 * record in the changed file gets a point that it did not record.
 *
 * Of both (P6, P9): no crash, no hang (60 seconds), no undefined behaviour (the sanitized build), no descriptor or memory
 * left over, nothing written by reading, nothing opened outside the store (the os table aborts), no more than 16 MiB of
 * memory, and a bounded number of bytes read. Then the store is opened for writing, what dead writers left is sealed, and
 * everything is compacted: what could be read before can be read after it, and nothing else. */
#ifndef TESTS_DAMAGE_JUDGE_H
#define TESTS_DAMAGE_JUDGE_H

#include "damage/blocks.h"

enum { JUDGE_WORDS = 200 };

typedef struct attack_case {
    char words[JUDGE_WORDS]; /* what was done; repeats it when given to --case */
    block_set touched;
    uint64_t changed_files;  /* bits, in the order of the reference's files */
    uint64_t source_files;   /* the same: blocks of these stand in others now */
    int is_resealed;
    int is_same_boot;        /* else readers have to reckon with a power cut */
    int is_tail_cut;         /* the unsynced tail of a log begins with a commit word of zero now */
    int is_verified_only;    /* nothing is read: verify has to tell */
    int is_quick;            /* fewer views */
    int may_be_silent;       /* what is left is a state that the store may have been in: a file is not there or is older, a
                                log is cut or is a spare, a slot was never written */
    int is_notice_enough;    /* what verify only notices may be the reason: a spare, a torn tail, a foreign file */
    int with_recovery, with_dump;
} attack_case;

typedef struct judge {
    reference *reference;
    store_image *image;
    block_map maps[2]; /* by is_same_boot */
    uint8_t run_bits[MEMORY_FILES_MAX]; /* which runs a file speaks of: a, b, c */
    memory_disk work;  /* the damaged store; intact between cases */
    uint64_t base_notices[2], base_verify_notices; /* of the intact store */
    /* what was seen */
    uint64_t case_count, read_count, told_count, harmless_count, lossy_count, recovery_count, violation_count;
    uint64_t most_bytes_read;
    size_t most_memory;
} judge;

void judge_make(judge *out, reference *r, store_image *image);
void judge_free(judge *j);

/* Looks at j->work. */
void judge_case(judge *j, const attack_case *c);

#endif
