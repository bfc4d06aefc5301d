/* format/file_names.c: names of files, made and recognised. Only the exact spelling that we
 * make is recognised, so that no two names mean one file. */
#include "format/file_names.h"

#include <stdio.h>
#include <string.h>

static int parse_with_suffix(const char *name, const char *suffix, steplog_id *id)
{
    char hex[STEPLOG_ID_TEXT_BYTES], again[STEPLOG_ID_TEXT_BYTES];
    if (strlen(name) < 32 || strcmp(name + 32, suffix) != 0) return 0;
    memcpy(hex, name, 32);
    hex[32] = 0;
    if (steplog_id_parse(hex, id) != STEPLOG_OK) return 0;
    steplog_id_format(id, again);
    return memcmp(hex, again, 32) == 0;
}

static int parse_decimal(const char *text, uint32_t *out)
{
    char again[16];
    uint64_t value = 0;
    size_t length = strlen(text);
    if (length == 0 || length > 10) return 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return 0;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (value > UINT32_MAX) return 0;
    snprintf(again, sizeof again, "%u", (unsigned)value);
    *out = (uint32_t)value;
    return strcmp(again, text) == 0;
}

void sl_log_name(const steplog_id *incarnation, uint32_t ordinal, char name[SL_FILE_NAME_BYTES])
{
    char hex[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(incarnation, hex);
    snprintf(name, SL_FILE_NAME_BYTES, "%s-%u.log", hex, (unsigned)ordinal);
}

int sl_log_name_parse(const char *name, steplog_id *incarnation, uint32_t *ordinal)
{
    char head[STEPLOG_ID_TEXT_BYTES], number[16];
    size_t length = strlen(name);
    if (length < 38 || length > 47 || name[32] != '-' || strcmp(name + length - 4, ".log") != 0) return 0;
    memcpy(head, name, 32);
    head[32] = 0;
    memcpy(number, name + 33, length - 37);
    number[length - 37] = 0;
    return parse_with_suffix(head, "", incarnation) && parse_decimal(number, ordinal) && *ordinal > 0;
}

void sl_segment_name(const steplog_id *file_id, char name[SL_FILE_NAME_BYTES])
{
    char hex[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(file_id, hex);
    snprintf(name, SL_FILE_NAME_BYTES, "%s.seg", hex);
}

int sl_segment_name_parse(const char *name, steplog_id *file_id) { return parse_with_suffix(name, ".seg", file_id); }

void sl_temporary_name(const steplog_id *file_id, char name[SL_FILE_NAME_BYTES])
{
    char hex[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(file_id, hex);
    snprintf(name, SL_FILE_NAME_BYTES, "%s.tmp", hex);
}

int sl_temporary_name_parse(const char *name, steplog_id *file_id) { return parse_with_suffix(name, ".tmp", file_id); }

int sl_level_parse(const char *name, uint32_t *level) { return parse_decimal(name, level); }
