/* bench/peers/peer_files.c: plain files, the floors: binary rows, and JSON lines. A write a step when steps are handed
 * over one by one (what is in a buffer of the process dies with it), 1 MiB a write when many are loaded. No index, no
 * checksum, no word about a torn tail. */
#include "peer.h"

#include "timing.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define UNIT_BYTES (1u << 20)
#define LINE_BYTES_MAX 8192u

typedef struct file {
    int fd;
    const peer_data *data;
} file;

static const char *version(void) { return ""; }

static int open_file(const char *directory, const char *name, int flags)
{
    char path[1024];
    peer_path(path, directory, name);
    int fd = open(path, flags | O_CLOEXEC, 0644);
    if (fd < 0) die("cannot open '%s'", path);
    return fd;
}

static void write_all(int fd, const void *bytes, size_t count)
{
    if (write(fd, bytes, count) != (ssize_t)count) die("a write did not write all");
}

static void sync_and_close(int fd)
{
    if (fsync(fd) != 0 || close(fd) != 0) die("fsync or close failed");
}

/* ---- binary: step, time, values ---- */

static size_t binary_row(double out[2 + WORKLOAD_METRICS_MAX], int64_t step, int64_t time_ns, const double *values,
                         uint32_t count)
{
    memcpy(out, &step, sizeof step);
    return sizeof step + peer_record(out + 1, time_ns, values, count);
}

static void *binary_open(const char *directory, const peer_data *data)
{
    static file f;
    f = (file){open_file(directory, "rows.bin", O_WRONLY | O_CREAT | O_APPEND), data};
    return &f;
}

static void binary_step(void *handle, int64_t step, int64_t time_ns, const double *values)
{
    const file *f = handle;
    double row[2 + WORKLOAD_METRICS_MAX];
    write_all(f->fd, row, binary_row(row, step, time_ns, values, f->data->metric_count));
}

static void binary_load(const char *directory, const peer_data *data)
{
    static uint8_t unit[UNIT_BYTES];
    double row[2 + WORKLOAD_METRICS_MAX];
    size_t used = 0;
    int fd = open_file(directory, "rows.bin", O_WRONLY | O_CREAT);
    for (size_t i = 0; i < data->row_count; i++) {
        size_t bytes = binary_row(row, data->steps[i], data->times_ns[i], peer_row(data, i), data->metric_count);
        if (used + bytes > sizeof unit) {
            write_all(fd, unit, used);
            used = 0;
        }
        memcpy(unit + used, row, bytes);
        used += bytes;
    }
    write_all(fd, unit, used);
    sync_and_close(fd);
}

static void *binary_reader(const char *directory, const peer_data *data)
{
    static file f;
    f = (file){open_file(directory, "rows.bin", O_RDONLY), data};
    return &f;
}

static void binary_scan(void *reader, uint32_t metric, peer_sink *out)
{
    static double unit[UNIT_BYTES / sizeof(double)];
    const file *f = reader;
    size_t row_values = 2 + f->data->metric_count, row_bytes = row_values * sizeof(double);
    size_t unit_bytes = sizeof unit / row_bytes * row_bytes;
    off_t offset = 0;
    ssize_t got;
    while ((got = pread(f->fd, unit, unit_bytes, offset)) > 0) {
        for (size_t i = 0; i < (size_t)got / row_bytes; i++) {
            const double *row = unit + i * row_values;
            int64_t step, time_ns;
            memcpy(&step, row, sizeof step);
            memcpy(&time_ns, row + 1, sizeof time_ns);
            peer_sink_row(out, step, time_ns, row[2 + metric]);
        }
        offset += got;
    }
}

const peer peer_binary = {.name = "binary file",
                          .key = "binary",
                          .durability = "kill: all steps; power: whatever the kernel wrote",
                          .is_floor = 1,
                          .version = version,
                          .open = binary_open,
                          .step = binary_step,
                          .load = binary_load,
                          .open_reader = binary_reader,
                          .scan = binary_scan};

/* ---- JSON lines ---- */

static size_t json_line(char out[LINE_BYTES_MAX], const peer_data *data, int64_t step, int64_t time_ns,
                        const double *values)
{
    char *at = out;
    at += sprintf(at, "{\"step\":%" PRId64 ",\"time_ns\":%" PRId64, step, time_ns);
    for (uint32_t i = 0; i < data->metric_count; i++) at += sprintf(at, ",\"%s\":%.17g", data->names[i], values[i]);
    at += sprintf(at, "}\n");
    return (size_t)(at - out);
}

static void *json_open(const char *directory, const peer_data *data)
{
    static file f;
    f = (file){open_file(directory, "rows.jsonl", O_WRONLY | O_CREAT | O_APPEND), data};
    return &f;
}

static void json_step(void *handle, int64_t step, int64_t time_ns, const double *values)
{
    const file *f = handle;
    char line[LINE_BYTES_MAX];
    write_all(f->fd, line, json_line(line, f->data, step, time_ns, values));
}

static void json_load(const char *directory, const peer_data *data)
{
    static char unit[UNIT_BYTES];
    size_t used = 0;
    int fd = open_file(directory, "rows.jsonl", O_WRONLY | O_CREAT);
    for (size_t i = 0; i < data->row_count; i++) {
        if (used + LINE_BYTES_MAX > sizeof unit) {
            write_all(fd, unit, used);
            used = 0;
        }
        used += json_line(unit + used, data, data->steps[i], data->times_ns[i], peer_row(data, i));
    }
    write_all(fd, unit, used);
    sync_and_close(fd);
}

static void *json_reader(const char *directory, const peer_data *data)
{
    static file f;
    f = (file){open_file(directory, "rows.jsonl", O_RDONLY), data};
    return &f;
}

/* Looks for the keys, which is quicker than a JSON parser and enough for lines that were just written. */
static void json_scan(void *reader, uint32_t metric, peer_sink *out)
{
    const file *f = reader;
    char key[80], *line = NULL;
    size_t capacity = 0, key_bytes = (size_t)snprintf(key, sizeof key, "\"%s\":", f->data->names[metric]);
    int fd = dup(f->fd);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "r");
    if (!stream) die("fdopen failed");
    rewind(stream);
    setvbuf(stream, NULL, _IOFBF, UNIT_BYTES);
    while (getline(&line, &capacity, stream) > 0) {
        char *end, *found = strstr(line, key);
        int64_t step = strtoll(line + 8, &end, 10);
        int64_t time_ns = strtoll(end + 11, NULL, 10);
        if (!found) die("a line without its metric");
        peer_sink_row(out, step, time_ns, strtod(found + key_bytes, NULL));
    }
    free(line);
    fclose(stream);
}

const peer peer_jsonl = {.name = "JSONL file",
                         .key = "jsonl",
                         .durability = "kill: all steps; power: whatever the kernel wrote",
                         .is_floor = 1,
                         .version = version,
                         .open = json_open,
                         .step = json_step,
                         .load = json_load,
                         .open_reader = json_reader,
                         .scan = json_scan};
