/* format/log_header.c: encoder and decoder of a row log's header.
 *
 * The fixed part is checked as one, and stands there twice; each slot carries its own check, so that a slot which was
 * being written when the power went leaves the other one good. */
#include "format/log_header.h"

#include "base/error.h"
#include "base/span.h"
#include "format/checksum.h"

static const char magic[8] = {'S', 'L', 'R', 'O', 'W', 'L', 'O', 'G'};

static uint64_t fixed_check(const uint8_t *in, const steplog_id *log_id)
{
    return sl_check(sl_hash(in, SL_LOG_FIXED_BYTES - 8), sl_file_key(log_id), 0, 0, 0);
}

void sl_log_header_encode(const sl_log_header *header, uint8_t out[SL_LOG_FIXED_BYTES])
{
    memset(out, 0, SL_LOG_FIXED_BYTES);
    memcpy(out, magic, 8);
    sl_store32(out + 8, header->version);
    sl_store32(out + 12, header->features);
    memcpy(out + 16, header->log_id.bytes, 16);
    memcpy(out + 32, header->incarnation.bytes, 16);
    memcpy(out + 48, header->run.bytes, 16);
    memcpy(out + 64, header->host_id.bytes, 16);
    memcpy(out + 80, header->boot_id.bytes, 16);
    sl_store64(out + 96, header->first_sequence);
    sl_store64(out + 104, header->capacity_bytes);
    sl_store32(out + 112, header->ordinal);
    sl_store32(out + 116, header->mode);
    sl_store32(out + 120, header->attempt);
    sl_store32(out + 124, header->rank);
    sl_store32(out + 128, header->process_id);
    sl_store64(out + 136, (uint64_t)header->process_start_ns);
    sl_store64(out + 144, (uint64_t)header->created_time_ns);
    sl_store64(out + 152, header->inode);
    sl_store64(out + SL_LOG_FIXED_BYTES - 8, fixed_check(out, &header->log_id));
}

steplog_status sl_log_header_decode(const uint8_t *in, const char *name, sl_log_header *out, steplog_error *err)
{
    memcpy(out->log_id.bytes, in + 16, 16);
    /* A spare: all zeros, or what it was before with its id cleared. Nothing else in it counts. */
    if (sl_id_is_zero(&out->log_id)) return STEPLOG_MISSING;
    if (memcmp(in, magic, 8) != 0)
        return sl_fail(err, STEPLOG_CORRUPT, 0, "'%s' does not begin with the words of a row log", name);
    uint64_t stored = sl_load64(in + SL_LOG_FIXED_BYTES - 8), computed = fixed_check(in, &out->log_id);
    if (stored != computed)
        return sl_fail(err, STEPLOG_CORRUPT, SL_LOG_FIXED_BYTES - 8,
                       "header checksum differs in '%s' at offset %u: stored %016llx, computed %016llx", name,
                       SL_LOG_FIXED_BYTES - 8, (unsigned long long)stored, (unsigned long long)computed);
    out->version = sl_load32(in + 8);
    out->features = sl_load32(in + 12);
    if (out->version > SL_FORMAT_VERSION || (out->features & SL_FEATURES_REQUIRED_MASK & ~SL_FEATURES_KNOWN))
        return sl_fail(err, STEPLOG_NEWER, 8, "'%s' has format version %u, features %#x: this library reads version %u",
                       name, (unsigned)out->version, (unsigned)out->features, SL_FORMAT_VERSION);
    memcpy(out->incarnation.bytes, in + 32, 16);
    memcpy(out->run.bytes, in + 48, 16);
    memcpy(out->host_id.bytes, in + 64, 16);
    memcpy(out->boot_id.bytes, in + 80, 16);
    out->first_sequence = sl_load64(in + 96);
    out->capacity_bytes = sl_load64(in + 104);
    out->ordinal = sl_load32(in + 112);
    out->mode = sl_load32(in + 116);
    out->attempt = sl_load32(in + 120);
    out->rank = sl_load32(in + 124);
    out->process_id = sl_load32(in + 128);
    out->process_start_ns = (int64_t)sl_load64(in + 136);
    out->created_time_ns = (int64_t)sl_load64(in + 144);
    out->inode = sl_load64(in + 152);
    if (out->version == 0 || out->first_sequence == 0 || out->first_sequence > INT64_MAX || out->attempt == 0 ||
        out->ordinal == 0 || (out->mode != SL_LOG_MODE_MAPPED && out->mode != SL_LOG_MODE_PWRITE) ||
        out->capacity_bytes < SL_LOG_BYTES_MIN || out->capacity_bytes > SL_LOG_CAPACITY_MAX ||
        !sl_is_zero(in + 132, 4) || !sl_is_zero(in + 160, SL_LOG_FIXED_BYTES - 8 - 160))
        return sl_fail(err, STEPLOG_CORRUPT, 96, "'%s' breaks a rule of the log header", name);
    return STEPLOG_OK;
}

steplog_status sl_log_header_read(const uint8_t *page, const char *name, sl_log_header *out, uint32_t *at,
                                  steplog_error *err)
{
    *at = 0;
    steplog_status status = sl_log_header_decode(page, name, out, err);
    if (status == STEPLOG_OK || status == STEPLOG_NEWER) return status;
    sl_log_header copy;
    steplog_error why;
    steplog_status copy_status = sl_log_header_decode(page + SL_LOG_COPY_OFFSET, name, &copy, &why);
    if (copy_status != STEPLOG_OK && copy_status != STEPLOG_NEWER) return status;
    *at = SL_LOG_COPY_OFFSET;
    *out = copy;
    if (copy_status == STEPLOG_NEWER && err) *err = why;
    return copy_status;
}

int sl_log_header_is_same_boot(const sl_log_header *header, const steplog_id *host_id, const steplog_id *boot_id)
{
    return sl_id_equal(&header->host_id, host_id) && sl_id_equal(&header->boot_id, boot_id) && !sl_id_is_zero(boot_id);
}

sl_log_twin sl_log_header_twin(const uint8_t *page, uint32_t at)
{
    const uint8_t *counts = page + at, *other = page + (at ? 0 : SL_LOG_COPY_OFFSET);
    if (memcmp(counts, other, SL_LOG_FIXED_BYTES) == 0) return SL_LOG_TWIN_SAME;
    for (size_t i = 0; i < SL_LOG_FIXED_BYTES; i++)
        if (other[i] && other[i] != counts[i]) return SL_LOG_TWIN_OTHER;
    return SL_LOG_TWIN_PARTIAL;
}

static void seal_slot(uint8_t *slot, uint64_t file_key, uint64_t at)
{
    sl_store64(slot + 56, sl_check(sl_hash(slot, 56), file_key, at, 0, 0));
}

static int check_slot(const uint8_t *slot, size_t used, uint64_t file_key, uint64_t at)
{
    if (sl_is_zero(slot, SL_LOG_SLOT_BYTES)) return 0;
    return sl_is_zero(slot + used, 56 - used) && sl_load64(slot + 56) == sl_check(sl_hash(slot, 56), file_key, at, 0, 0)
               ? 1
               : -1;
}

void sl_log_mark_encode(const sl_log_mark *mark, uint64_t file_key, uint64_t at, uint8_t out[SL_LOG_SLOT_BYTES])
{
    memset(out, 0, SL_LOG_SLOT_BYTES);
    sl_store64(out, mark->counter);
    sl_store64(out + 8, mark->offset);
    sl_store64(out + 16, mark->sequence);
    seal_slot(out, file_key, at);
}

int sl_log_mark_decode(const uint8_t *in, uint64_t file_key, uint64_t at, sl_log_mark *out)
{
    int found = check_slot(in, 24, file_key, at);
    if (found == 1)
        *out = (sl_log_mark){.counter = sl_load64(in), .offset = sl_load64(in + 8), .sequence = sl_load64(in + 16)};
    return found;
}

void sl_log_gap_count(sl_log_gap *gap, uint64_t points, int64_t step, int64_t time_ns)
{
    if (gap->counter++ == 0) {
        gap->step_first = gap->step_last = step;
        gap->time_first_ns = time_ns;
    }
    gap->refused_count += points;
    gap->time_last_ns = time_ns;
    if (step < gap->step_first) gap->step_first = step;
    if (step > gap->step_last) gap->step_last = step;
}

void sl_log_gap_encode(const sl_log_gap *gap, uint64_t file_key, uint64_t at, uint8_t out[SL_LOG_SLOT_BYTES])
{
    memset(out, 0, SL_LOG_SLOT_BYTES);
    sl_store64(out, gap->counter);
    sl_store64(out + 8, gap->refused_count);
    sl_store64(out + 16, (uint64_t)gap->step_first);
    sl_store64(out + 24, (uint64_t)gap->step_last);
    sl_store64(out + 32, (uint64_t)gap->time_first_ns);
    sl_store64(out + 40, (uint64_t)gap->time_last_ns);
    seal_slot(out, file_key, at);
}

int sl_log_gap_decode(const uint8_t *in, uint64_t file_key, uint64_t at, sl_log_gap *out)
{
    int found = check_slot(in, 48, file_key, at);
    if (found == 1)
        *out = (sl_log_gap){.counter = sl_load64(in),
                            .refused_count = sl_load64(in + 8),
                            .step_first = (int64_t)sl_load64(in + 16),
                            .step_last = (int64_t)sl_load64(in + 24),
                            .time_first_ns = (int64_t)sl_load64(in + 32),
                            .time_last_ns = (int64_t)sl_load64(in + 40)};
    return found;
}

int sl_log_mark_latest(const uint8_t *header, uint64_t file_key, sl_log_mark *out)
{
    int result = 0;
    *out = (sl_log_mark){0};
    for (uint64_t i = 0; i < 2; i++) {
        sl_log_mark mark = {0};
        uint64_t at = SL_LOG_MARK_OFFSET + i * SL_LOG_SLOT_STRIDE;
        int found = sl_log_mark_decode(header + at, file_key, at, &mark);
        if (found < 0) result = -1;
        if (found == 1 && mark.counter > out->counter) *out = mark;
        if (found == 1 && result == 0) result = 1;
    }
    return result;
}

int sl_log_gap_latest(const uint8_t *header, uint64_t file_key, sl_log_gap *out)
{
    int result = 0;
    *out = (sl_log_gap){0};
    for (uint64_t i = 0; i < 2; i++) {
        sl_log_gap gap = {0};
        uint64_t at = SL_LOG_GAP_OFFSET + i * SL_LOG_SLOT_STRIDE;
        int found = sl_log_gap_decode(header + at, file_key, at, &gap);
        if (found < 0) result = -1;
        if (found == 1 && gap.counter > out->counter) *out = gap;
        if (found == 1 && result == 0) result = 1;
    }
    return result;
}
