/* number.h: numbers to text and back, exactly, and without regard to the locale. */
#ifndef STEPLOG_NUMBER_H
#define STEPLOG_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#define NUMBER_TEXT_BYTES 40

/* Writes the shortest decimal that reads back as the same bits: "0.1", "-0", "1e-05", "inf", "-inf", "nan" for the
 * usual quiet NaN, "nan:7ff8000000000001" for any other. Returns its length. */
size_t number_format_double(double value, char text[NUMBER_TEXT_BYTES]);

/* Writes at most `digits` significant digits, for people: "0.001235", "nan". Returns its length. */
size_t number_format_brief(double value, int digits, char text[NUMBER_TEXT_BYTES]);

/* Writes a count of bytes for people: "0", "999", "1.2K", "34M". Powers of 1024. Returns its length. */
size_t number_format_bytes(uint64_t value, char text[NUMBER_TEXT_BYTES]);

/* Reads what number_format_double() writes, and the usual spellings: 1, +1, .5, 1., 1e5, inf, infinity, nan in any
 * case, NaN:HEX16. No hexadecimal floats, no spaces, nothing after the number. Returns 1, or 0. */
int number_parse_double(const char *text, size_t bytes, double *out);

/* Read decimal integers in full: no spaces, nothing after, nothing out of range. Return 1, or 0. */
int number_parse_int64(const char *text, size_t bytes, int64_t *out);
int number_parse_uint64(const char *text, size_t bytes, uint64_t *out);

/* Reads a count: "500", "10k", "5M", "1e6" (k, M, G are thousands). Returns 1, or 0. */
int number_parse_count(const char *text, uint64_t *out);

/* Reads a step: an integer, or a whole number such as 1e6 or 100. that fits exactly. Returns 1, or 0. */
int number_parse_step(const char *text, size_t bytes, int64_t *out);

/* A range of steps [begin, end). */
typedef struct number_steps {
    int has_begin, has_end;
    int64_t begin, end;
} number_steps;

/* Reads "A:B", "A:", ":B", ":", or "A" for that one step. Returns 1, or 0. Begin above end is 0. */
int number_parse_steps(const char *text, number_steps *out);

uint64_t number_bits(double value);
double number_from_bits(uint64_t bits);

#endif
