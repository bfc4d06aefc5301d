/* fuzz/corpus_texts.h: first inputs that are texts. */
#ifndef TESTS_FUZZ_CORPUS_TEXTS_H
#define TESTS_FUZZ_CORPUS_TEXTS_H

#include <stddef.h>

typedef struct fuzz_text {
    const char *target, *text;
    size_t bytes;
} fuzz_text;

extern const fuzz_text fuzz_texts[];
extern const size_t fuzz_text_count;

#endif
