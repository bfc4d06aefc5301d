/* fuzz/repair.h: makes the checksums of mutated bytes right, so that what lies behind them is reached.
 *
 * Everything here takes any bytes, changes only checks (and what a check cannot be made without), and gives up quietly
 * where there is nothing to repair. */
#ifndef TESTS_FUZZ_REPAIR_H
#define TESTS_FUZZ_REPAIR_H

#include <stddef.h>
#include <stdint.h>

/* A structure whose check of [0, check_at) stands at check_at. id_at: where the file's id stands in it; 0: the check is
 * that of file key and offset. */
void fuzz_repair_head(uint8_t *in, size_t check_at, size_t id_at, uint64_t file_key, uint64_t offset);

/* One log record; returns its bytes, or 0 when there is none. */
size_t fuzz_repair_record(uint8_t *in, size_t bytes, uint64_t file_key, uint64_t offset, uint64_t sequence);

/* The records of a log, of which in holds the bytes from offset on. */
void fuzz_repair_records(uint8_t *in, size_t bytes, uint64_t file_key, uint64_t offset, uint64_t first_sequence);

/* The pages of a segment, of which in holds the bytes from offset on. */
void fuzz_repair_pages(uint8_t *in, size_t bytes, uint64_t file_key, uint64_t offset);

/* A whole file, by its magic: the file STEPLOG, a log with slots and records, a segment. */
void fuzz_repair_file(uint8_t *in, size_t bytes);

#endif
