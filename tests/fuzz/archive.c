/* fuzz/archive.c: a directory of files as one input, read and written. */
#include "fuzz/archive.h"

#include "base/bytes.h"
#include "fuzz/fuzz.h"

#include <stdlib.h>

int fuzz_archive_add(fuzz_archive *archive, const char *name, const uint8_t *data, size_t data_bytes, size_t file_bytes)
{
    if (archive->count == FUZZ_ARCHIVE_FILES_MAX || strlen(name) >= sizeof archive->files[0].name) return 0;
    if (file_bytes > FUZZ_FILE_BYTES_MAX) file_bytes = FUZZ_FILE_BYTES_MAX;
    if (data_bytes > FUZZ_FILE_BYTES_MAX) data_bytes = FUZZ_FILE_BYTES_MAX;
    if (file_bytes < data_bytes) file_bytes = data_bytes;
    fuzz_file *file = &archive->files[archive->count++];
    memcpy(file->name, name, strlen(name) + 1);
    file->file_bytes = file_bytes;
    file->data = fuzz_copy(data, data_bytes, file_bytes - data_bytes, 0);
    return 1;
}

void fuzz_archive_read(fuzz_archive *archive, const uint8_t *data, size_t bytes)
{
    fuzz_input input = fuzz_input_of(data, bytes);
    archive->count = 0;
    while (input.left > 0) {
        char name[256] = {0};
        size_t name_bytes = (size_t)fuzz_take(&input, 1);
        for (size_t i = 0; i < name_bytes; i++) name[i] = (char)fuzz_take(&input, 1);
        size_t file_bytes = (size_t)fuzz_take(&input, 4), data_bytes = (size_t)fuzz_take(&input, 4);
        if (data_bytes > input.left) data_bytes = input.left;
        fuzz_archive_add(archive, name, input.at, data_bytes, file_bytes);
        input.at += data_bytes;
        input.left -= data_bytes;
    }
}

size_t fuzz_archive_write(const fuzz_archive *archive, uint8_t *out, size_t bytes_max)
{
    size_t at = 0;
    for (size_t i = 0; i < archive->count; i++) {
        const fuzz_file *file = &archive->files[i];
        size_t name_bytes = strlen(file->name), data_bytes = file->file_bytes;
        while (data_bytes > 0 && file->data[data_bytes - 1] == 0) data_bytes--;
        if (1 + name_bytes + 8 + data_bytes > bytes_max - at) return 0;
        out[at++] = (uint8_t)name_bytes;
        memcpy(out + at, file->name, name_bytes);
        at += name_bytes;
        sl_store32(out + at, (uint32_t)file->file_bytes);
        sl_store32(out + at + 4, (uint32_t)data_bytes);
        memcpy(out + at + 8, file->data, data_bytes);
        at += 8 + data_bytes;
    }
    return at;
}

void fuzz_archive_free(fuzz_archive *archive)
{
    for (size_t i = 0; i < archive->count; i++) free(archive->files[i].data);
    archive->count = 0;
}
