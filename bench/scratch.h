/* bench/scratch.h: directories and processes that do not outlive the program, however it ends.
 *
 * A thread waits for SIGINT, SIGTERM and SIGHUP (all other threads have them blocked): it ends the children, removes
 * the directories and ends the program. A child dies with its parent. */
#ifndef BENCH_SCRATCH_H
#define BENCH_SCRATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Before anything else, and before any thread is started. */
void scratch_begin(void);

/* Does not return when a signal is ending the program: what fails then fails because its files are being removed. */
void scratch_await_end(void);

/* Where directories are made: $BENCH_DIR, else build/. */
const char *scratch_parent(void);
void scratch_directory(char *path, size_t bytes);
void scratch_remove(const char *path);
/* A file without a name in that place, its bytes allocated. The descriptor; the caller closes it. */
int scratch_file(size_t bytes);

uint64_t directory_bytes(const char *path);
uint64_t directory_files(const char *path); /* regular ones */

/* As fork(); the child takes signals as usual and is killed when its parent ends. */
pid_t child_start(void);
/* Waits, and ends the program when the child did not exit with 0. */
void child_wait(pid_t child, const char *what);
/* Takes a child off the list that somebody else has waited for. */
void child_ended(pid_t child);
/* Runs a program with its output thrown away, or, with `out`, read into that. Its exit code. */
int command_run(const char *const *arguments, char *out, size_t out_bytes);

/* Memory that children share with their parent, zeroed. */
void *shared_new(size_t bytes);
void shared_free(void *memory, size_t bytes);

/* A number of /proc/self/io, such as "write_bytes:": what this process has dirtied of files; 0 when not known. */
uint64_t process_io(const char *field);

#endif
