/* places/tree.h: what lies under a directory, as one number, and short ways to change it. */
#ifndef TESTS_PLACES_TREE_H
#define TESTS_PLACES_TREE_H

#include <stdint.h>

/* Of all names, kinds, modes, sizes, times of change and contents of files; follows no link. wanted: only names that
 * hold this text, NULL all. */
uint64_t tree_print(const char *path, const char *wanted);
/* Both must not be there before, but from must. Abort when they can not. */
void tree_copy(const char *from, const char *to);
void tree_move(const char *from, const char *to);
/* Anything of that name, of any kind. */
void tree_remove(const char *path);
/* Makes a file that holds text; aborts when it can not. */
void tree_put(const char *path, const char *text);
/* The name of the first file in a directory that ends so, in a static buffer; NULL when there is none. */
const char *tree_find(const char *directory, const char *suffix);

#endif
