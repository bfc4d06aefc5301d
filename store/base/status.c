/* base/status.c: the names and sentences of the public status table, ids as text, and the version. */
#include "steplog/status.h"
#include "steplog/types.h"

#include <string.h>

const char *steplog_status_name(steplog_status status)
{
    switch (status) {
#define NAME_CASE(name, number, sentence) case number: return #name;
        STEPLOG_STATUS_TABLE(NAME_CASE)
#undef NAME_CASE
    default: return "UNKNOWN";
    }
}

const char *steplog_status_text(steplog_status status)
{
    switch (status) {
#define TEXT_CASE(name, number, sentence) case number: return sentence;
        STEPLOG_STATUS_TABLE(TEXT_CASE)
#undef TEXT_CASE
    default: return "unknown status";
    }
}

void steplog_id_format(const steplog_id *id, char text[STEPLOG_ID_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        text[2 * i] = digits[id->bytes[i] >> 4];
        text[2 * i + 1] = digits[id->bytes[i] & 15];
    }
    text[2 * sizeof id->bytes] = '\0';
}

/* Not strtol() and friends: those take signs, spaces and the locale. */
static int digit_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

steplog_status steplog_id_parse(const char *text, steplog_id *out)
{
    if (!text || !out) return STEPLOG_MISUSE;
    steplog_id id;
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        int high = digit_value(text[2 * i]);
        int low = high < 0 ? -1 : digit_value(text[2 * i + 1]);
        if (low < 0) return STEPLOG_MISUSE;
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (text[2 * sizeof id.bytes] != '\0') return STEPLOG_MISUSE;
    *out = id;
    return STEPLOG_OK;
}

const char *steplog_version(void)
{
    return STEPLOG_VERSION;
}
