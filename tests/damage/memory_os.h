/* damage/memory_os.h: an os table over files in memory: a store is copied, damaged and put back in microseconds, each
 * byte of it is the same in each process, and who writes is seen.
 *
 * For one thread. Names are whole paths below the store's directory, "log/x.log"; the store itself is MEMORY_STORE. */
#ifndef TESTS_DAMAGE_MEMORY_OS_H
#define TESTS_DAMAGE_MEMORY_OS_H

#include <stddef.h>
#include <stdint.h>

#define MEMORY_STORE "/memory"

enum { MEMORY_NAME_BYTES = 80, MEMORY_FILES_MAX = 64 };

typedef struct memory_node {
    uint8_t *data;
    size_t bytes, capacity;
    uint64_t inode;
    int is_directory;
    int reference_count; /* names, and open descriptors */
    int lock_count;
} memory_node;

typedef struct memory_file {
    char name[MEMORY_NAME_BYTES];
    memory_node *node;
} memory_file;

typedef struct memory_disk {
    memory_file files[MEMORY_FILES_MAX];
    size_t count;
} memory_disk;

/* The table in use from now on, on this disk; seed is for random(), which begins again, as the clock does. */
void memory_os_use(memory_disk *disk, uint64_t seed);
/* Another machine's boot: what was mapped may have been lost with the power. */
void memory_os_set_boot(uint8_t boot);
/* From now on allocating more than this many bytes in all gives -ENOSPC; UINT64_MAX: never. */
void memory_os_set_room(uint64_t bytes);
/* The pread with this number from now on fails; 0: none. */
void memory_os_fail(uint64_t number);
int memory_os_has_failed(void);
/* What the clock said last; the next one to ask is told 1000 more. */
int64_t memory_os_now_ns(void);
/* Calls that changed something, and all calls, since memory_os_use(). */
uint64_t memory_os_write_count(void);
uint64_t memory_os_call_count(void);
uint64_t memory_os_bytes_read(void);
/* Descriptors that are open. */
size_t memory_os_open_count(void);

/* Makes to what from is; what to held is freed. Both may hold any files. */
void memory_disk_copy(memory_disk *to, const memory_disk *from);
void memory_disk_free(memory_disk *disk);
memory_file *memory_disk_find(memory_disk *disk, const char *name);
/* Makes the file hold exactly these bytes; it is made, with the directories above it, when it is not there. */
void memory_disk_put(memory_disk *disk, const char *name, const void *data, size_t bytes);
void memory_disk_remove(memory_disk *disk, const char *name);

#endif
