/* support/temp_dir.h: directories for one test each. */
#ifndef TESTS_SUPPORT_TEMP_DIR_H
#define TESTS_SUPPORT_TEMP_DIR_H

/* Makes a fresh, empty directory under $TMPDIR (or /tmp) and gives its absolute path, valid until the
 * process ends. It is removed with all it holds when the process that made it exits. Aborts when it
 * cannot. */
const char *test_temp_dir(void);

/* path/name, in a buffer of its own that lives until the process ends. */
const char *test_path(const char *directory, const char *name);

/* Removes a directory and all it holds; follows no link. */
void test_remove_tree(const char *path);

#endif
