/* fuzz/archive.h: a directory of files as one input.
 *
 * An entry is u8 name bytes, the name (a path within the store), u32 file bytes, u32 data bytes, data; zeros follow in
 * the file up to file bytes, so that a log of 64 KiB is a few hundred bytes here. */
#ifndef TESTS_FUZZ_ARCHIVE_H
#define TESTS_FUZZ_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

enum { FUZZ_ARCHIVE_FILES_MAX = 24, FUZZ_FILE_BYTES_MAX = 32 << 10 };

typedef struct fuzz_file {
    char name[256];
    uint8_t *data; /* file_bytes of them, allocated */
    size_t file_bytes;
} fuzz_file;

typedef struct fuzz_archive {
    fuzz_file files[FUZZ_ARCHIVE_FILES_MAX];
    size_t count;
} fuzz_archive;

/* Takes any bytes: what does not fit is left out. */
void fuzz_archive_read(fuzz_archive *archive, const uint8_t *data, size_t bytes);
/* Returns the bytes written, or 0 when there is no room for them. */
size_t fuzz_archive_write(const fuzz_archive *archive, uint8_t *out, size_t bytes_max);
/* Adds a file; 0 when there is no room. */
int fuzz_archive_add(fuzz_archive *archive, const char *name, const uint8_t *data, size_t data_bytes,
                     size_t file_bytes);
void fuzz_archive_free(fuzz_archive *archive);

#endif
