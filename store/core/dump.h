/* core/dump.h: what the parts of dump share: where items go, and helpers that say a field with its place. */
#ifndef SL_CORE_DUMP_H
#define SL_CORE_DUMP_H

#include "base/span.h"
#include "os/os.h"
#include "steplog/maintain.h"

typedef struct sl_dump {
    int store_dir, fd;
    const char *file; /* relative to the store */
    uint64_t file_bytes;
    uint32_t flags;
    steplog_dump_callback callback;
    void *context;
    int must_stop;
    const char *structure; /* being described */
} sl_dump;

/* Begins a structure: the items that follow are its fields. */
void sl_dump_begin(sl_dump *d, const char *structure, uint64_t offset, uint64_t bytes);
void sl_dump_text(sl_dump *d, uint64_t offset, uint64_t bytes, const char *field, const char *value, size_t value_bytes);
void sl_dump_u64(sl_dump *d, uint64_t offset, uint64_t bytes, const char *field, uint64_t value);
void sl_dump_i64(sl_dump *d, uint64_t offset, uint64_t bytes, const char *field, int64_t value);
void sl_dump_f64(sl_dump *d, uint64_t offset, uint64_t bytes, const char *field, double value);
void sl_dump_hex64(sl_dump *d, uint64_t offset, const char *field, uint64_t value);
void sl_dump_id(sl_dump *d, uint64_t offset, const char *field, const uint8_t *id);
void sl_dump_time(sl_dump *d, uint64_t offset, const char *field, int64_t value);
/* What is wrong, in words; field "" for the structure as a whole. */
void sl_dump_damage(sl_dump *d, uint64_t offset, uint64_t bytes, const char *field, const char *what);
/* Reads at offset: 1, or 0 when it can not be read (told as damage). */
int sl_dump_read(sl_dump *d, void *buffer, size_t bytes, uint64_t offset);

/* A field of a fixed place. kind: 'u' number, 'i' signed, 't' time, 'd' id, 'x' check, 'f' double, 'z' zeros, 's' text of 8. */
typedef struct sl_dump_field {
    uint16_t at;
    uint16_t bytes;
    char kind;
    const char *name;
} sl_dump_field;
/* Says all fields of in, which lies at offset of the file. */
void sl_dump_fields(sl_dump *d, const sl_dump_field *fields, size_t count, const uint8_t *in, uint64_t offset);
#define SL_DUMP_FIELDS(d, fields, in, offset) sl_dump_fields((d), (fields), sizeof(fields) / sizeof *(fields), (in), (offset))

/* dump_bodies.c: 7.1 to 7.3. */
void sl_dump_fact(sl_dump *d, const uint8_t *body, size_t bytes, uint64_t offset);
void sl_dump_blob_head(sl_dump *d, const uint8_t *body, size_t bytes, uint64_t offset);
void sl_dump_writer_description(sl_dump *d, const uint8_t *body, size_t bytes, uint64_t offset);
void sl_dump_schema(sl_dump *d, const uint8_t *body, size_t bytes, uint64_t offset);

/* One file each. */
steplog_status sl_dump_log(sl_dump *d, steplog_error *err);
steplog_status sl_dump_segment(sl_dump *d, steplog_error *err);
/* dump_chunk.c: the content of a CHUNK page; pages serves to read those that it refers to. */
struct sl_page_walk;
void sl_dump_chunk(sl_dump *d, struct sl_page_walk *pages, uint64_t page_offset, const uint8_t *content, uint32_t bytes, uint64_t offset);

#endif
