/* support/reseal.h: making checksums right again after bytes were changed, as an attacker can who knows FORMAT.md. */
#ifndef TESTS_SUPPORT_RESEAL_H
#define TESTS_SUPPORT_RESEAL_H

#include <stddef.h>
#include <stdint.h>

/* Recomputes every check of one file of a store (a STEPLOG, a log or a segment; what it is its first bytes say, those of
 * intact when they were changed): headers, slots, records and pages, each with the file's id and the place where it lies
 * now. intact, of intact_bytes, is the file before it was changed: it tells where structures begin when lengths no longer
 * do; NULL: the file itself. What no longer fits into the file is left alone. */
void reseal_file(uint8_t *data, size_t bytes, const uint8_t *intact, size_t intact_bytes);

#endif
