/* json.h: JSON text to a tree of values, and strings and numbers to JSON text.
 *
 * The reader takes RFC 8259 plus what Python writes (NaN, Infinity, -Infinity). Numbers keep their text, so that
 * integers beyond 2^53 and every double stay exact. A tree lives in its document and is freed with it, or by the
 * next json_parse() on it: one document serves a whole file of lines without allocating anew for each. */
#ifndef STEPLOG_JSON_H
#define STEPLOG_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } json_kind;

typedef struct json_value {
    json_kind kind;
    int is_true;             /* of a bool */
    const char *text;        /* a number as written; a string decoded (UTF-8, terminated, may hold zero bytes) */
    size_t bytes;            /* of text */
    const char *key;         /* as a member of an object: decoded, terminated; else NULL */
    size_t key_bytes;
    size_t child_count;      /* of an array or object */
    struct json_value *first; /* of its children, in order; repeated keys all stay */
    struct json_value *next;  /* its sibling */
    size_t offset;           /* in the input */
} json_value;

typedef struct json_error {
    size_t offset;    /* where in the input */
    const char *what; /* static, lower case */
} json_error;

#define JSON_DEPTH_MAX 128

typedef struct json_document json_document;

/* Makes a document whose trees may take up to bytes_max of memory (0: 256 MiB). NULL when there is no memory. */
json_document *json_new(size_t bytes_max);
void json_free(json_document *document);

/* Parses a text that must be one value with spaces around it. Returns the root, or NULL with *error filled
 * (error may be NULL). The root is valid until the next parse or free. */
json_value *json_parse(json_document *document, const char *text, size_t bytes, json_error *error);

/* The same, but text may go on after the value: *used receives where it ended. */
json_value *json_parse_prefix(json_document *document, const char *text, size_t bytes, size_t *used,
                              json_error *error);

/* Gives an object's member (the last of a repeated key, as Python does), or NULL; NULL for any other kind. */
const json_value *json_member(const json_value *object, const char *key);

/* Read a number. Return 1, or 0 when value is not a number, or not an integer in range (1.0 and 1e3 are). */
int json_double(const json_value *value, double *out);
int json_int64(const json_value *value, int64_t *out);

/* Write JSON. Strings: control bytes, DEL, C1, bidirectional controls are escaped; invalid UTF-8 becomes U+FFFD.
 * Doubles: shortest exact, -0 as -0.0; non-finite as the strings "nan", "inf", "-inf", "nan:HEX". Integers beyond
 * 2^53 are strings. */
void json_write_string(FILE *file, const char *text, size_t bytes);
void json_write_text(FILE *file, const char *text); /* terminated; NULL writes null */
void json_write_double(FILE *file, double value);
void json_write_int64(FILE *file, int64_t value);
void json_write_uint64(FILE *file, uint64_t value);

#endif
