/* format/store_file.c: 64 bytes that say: this directory is a store. */
#include "format/store_file.h"

#include "base/error.h"
#include "format/checksum.h"

static const char magic[8] = {'S', 'T', 'E', 'P', 'L', 'O', 'G', '\n'};

static uint64_t check_of(const uint8_t *bytes, const steplog_id *id)
{
    return sl_check(sl_hash(bytes, SL_STORE_FILE_BYTES - 8), sl_file_key(id), 0, 0, 0);
}

void sl_store_file_encode(const sl_store_file *file, uint8_t out[SL_STORE_FILE_BYTES])
{
    memset(out, 0, SL_STORE_FILE_BYTES);
    memcpy(out, magic, 8);
    sl_store32(out + 8, file->version);
    sl_store32(out + 12, file->features);
    memcpy(out + 16, file->store_id.bytes, 16);
    sl_store64(out + 32, (uint64_t)file->created_time_ns);
    sl_store64(out + 56, check_of(out, &file->store_id));
}

steplog_status sl_store_file_decode(const uint8_t *in, size_t bytes, sl_store_file *out, steplog_error *err)
{
    if (bytes < 16 || memcmp(in, magic, 8) != 0)
        return sl_fail(err, STEPLOG_CORRUPT, 0, "'%s' does not begin with the words of a store", SL_STORE_FILE_NAME);
    out->version = sl_load32(in + 8);
    out->features = sl_load32(in + 12);
    if (bytes == SL_STORE_FILE_BYTES) {
        memcpy(out->store_id.bytes, in + 16, 16);
        if (sl_load64(in + 56) == check_of(in, &out->store_id)) {
            if (out->version > SL_FORMAT_VERSION || (out->features & SL_FEATURES_REQUIRED_MASK & ~SL_FEATURES_KNOWN))
                return sl_fail(err, STEPLOG_NEWER, 8,
                               "'%s' has format version %u, features %#x: this library reads version %u",
                               SL_STORE_FILE_NAME, (unsigned)out->version, (unsigned)out->features, SL_FORMAT_VERSION);
            out->created_time_ns = (int64_t)sl_load64(in + 32);
            if (out->version == 0 || !sl_is_zero(in + 40, 16))
                return sl_fail(err, STEPLOG_CORRUPT, 8, "'%s' breaks a rule of the store file", SL_STORE_FILE_NAME);
            return STEPLOG_OK;
        }
    }
    return sl_fail(err, STEPLOG_CORRUPT, 56, "checksum differs in '%s': %zu bytes, expected %u with a good check",
                   SL_STORE_FILE_NAME, bytes, SL_STORE_FILE_BYTES);
}
