/* checkpoint.c: all that a job needs to go on where it was.
 *
 * Rank 0 saves it after all ranks have synced their rows, so that no checkpoint is ever
 * ahead of what is recorded; the launcher loads it. A temporary file is written, synced
 * and renamed over the old one. It is read only by the machine and build that wrote it. */
#include "checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096 };

typedef struct checkpoint_file {
    char magic[8];
    uint64_t bytes;
    uint64_t check;
    checkpoint content;
} checkpoint_file;

static const char checkpoint_magic[8] = "digits1";

/* FNV-1a: enough to notice a file that was cut or changed. */
static uint64_t checksum(const void *data, size_t bytes)
{
    const unsigned char *from = data;
    uint64_t sum = 0xCBF29CE484222325u;
    for (size_t i = 0; i < bytes; i++) sum = (sum ^ from[i]) * 0x100000001B3u;
    return sum;
}

static bool path_join(char *out, const char *directory, const char *name)
{
    const int bytes = snprintf(out, PATH_BYTES_MAX, "%s/%s", directory, name);
    if (bytes > 0 && bytes < PATH_BYTES_MAX) return true;
    fprintf(stderr, "digits: the path '%s' is too long\n", directory);
    return false;
}

static bool write_all(int fd, const void *data, size_t bytes)
{
    const char *from = data;
    while (bytes > 0) {
        const ssize_t written = write(fd, from, bytes);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        from += written;
        bytes -= (size_t)written;
    }
    return true;
}

static bool write_synced(const char *path, const void *data, size_t bytes)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return false;
    const bool is_written = write_all(fd, data, bytes) && fsync(fd) == 0;
    return close(fd) == 0 && is_written;
}

static bool directory_sync(const char *directory)
{
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool is_synced = fsync(fd) == 0;
    close(fd);
    return is_synced;
}

bool checkpoint_save(const checkpoint *saved, const char *directory)
{
    char path[PATH_BYTES_MAX];
    char temporary[PATH_BYTES_MAX];
    if (!path_join(path, directory, "checkpoint") || !path_join(temporary, directory, "checkpoint.tmp")) return false;

    checkpoint_file *file = calloc(1, sizeof *file);
    bool is_saved = false;
    if (file != NULL) {
        memcpy(file->magic, checkpoint_magic, sizeof file->magic);
        file->bytes = sizeof *file;
        file->content = *saved;
        file->check = checksum(&file->content, sizeof file->content);
        is_saved = write_synced(temporary, file, sizeof *file) && rename(temporary, path) == 0 &&
                   directory_sync(directory);
    }
    if (!is_saved) fprintf(stderr, "digits: checkpoint '%s' could not be saved: %s\n", path, strerror(errno));
    free(file);
    return is_saved;
}

static const char *checkpoint_fault(const checkpoint_file *file, size_t bytes)
{
    const checkpoint *content = &file->content;
    if (bytes != sizeof *file || file->bytes != sizeof *file) return "is not as long as a checkpoint";
    if (memcmp(file->magic, checkpoint_magic, sizeof file->magic) != 0) return "is not a checkpoint";
    if (file->check != checksum(content, sizeof *content)) return "is damaged: its checksum differs";
    if (content->rank_count == 0 || BATCH_SIZE % content->rank_count != 0) return "has an impossible number of ranks";
    if (content->checkpoint_steps == 0 || content->step < 0) return "has an impossible step";
    if (memchr(content->run_key, 0, sizeof content->run_key) == NULL) return "has no run key";
    return NULL;
}

bool checkpoint_load(checkpoint *out, const char *directory)
{
    char path[PATH_BYTES_MAX];
    if (!path_join(path, directory, "checkpoint")) return false;

    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        fprintf(stderr, "digits: no checkpoint to resume from at '%s': %s\n", path, strerror(errno));
        return false;
    }
    checkpoint_file *file = calloc(1, sizeof *file);
    const char *fault = "does not fit into memory";
    if (file != NULL) {
        const size_t bytes = fread(file, 1, sizeof *file, stream);
        fault = checkpoint_fault(file, bytes);
    }
    fclose(stream);
    if (fault == NULL)
        *out = file->content;
    else
        fprintf(stderr, "digits: '%s' %s\n", path, fault);
    free(file);
    return fault == NULL;
}
