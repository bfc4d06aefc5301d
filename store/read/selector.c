/* read/selector.c: "loss", "grad.norm*", "loss{rank=0,split=val}": globs over names and labels. */
#include "base/error.h"
#include "base/glob.h"
#include "read/reader.h"

#include <stdio.h>

void sl_selector_free(sl_selector *s)
{
    for (size_t i = 0; i < s->labels.count; i++) {
        sl_free((char *)(uintptr_t)s->labels.items[i].key);
        sl_free((char *)(uintptr_t)s->labels.items[i].value);
    }
    SL_VEC_FREE(&s->labels);
    sl_free(s->text);
    *s = (sl_selector){0};
}

/* Finds the end of a piece: the first of the stop characters that no backslash precedes. */
static size_t find_stop(const char *text, size_t at, const char *stops)
{
    while (text[at] && !strchr(stops, text[at])) at += text[at] == '\\' && text[at + 1] ? 2 : 1;
    return at;
}

static steplog_status parse_labels(const char *text, size_t at, sl_selector *out, steplog_error *err)
{
    while (text[at] != '}') {
        size_t equal = find_stop(text, at, "=,}");
        if (text[equal] != '=' || equal == at)
            return sl_fail(err, STEPLOG_MISUSE, (int64_t)equal, "selector '%s' at byte %zu: expected label=value", text,
                           equal);
        size_t end = find_stop(text, equal + 1, ",}");
        if (!text[end])
            return sl_fail(err, STEPLOG_MISUSE, (int64_t)end, "selector '%s': expected '}' at its end", text);
        size_t bad = 0;
        if (!sl_glob_check(text + equal + 1, end - equal - 1, &bad))
            return sl_fail(err, STEPLOG_MISUSE, (int64_t)(equal + 1 + bad), "selector '%s' at byte %zu: bad glob", text,
                           equal + 1 + bad);
        steplog_pair pair = {sl_copy_bytes(text + at, equal - at), sl_copy_bytes(text + equal + 1, end - equal - 1)};
        if (!pair.key || !pair.value || !SL_VEC_PUSH(&out->labels, pair)) {
            sl_free((void *)(uintptr_t)pair.key);
            sl_free((void *)(uintptr_t)pair.value);
            return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a selector");
        }
        at = text[end] == ',' ? end + 1 : end;
    }
    if (text[at + 1])
        return sl_fail(err, STEPLOG_MISUSE, (int64_t)at + 1, "selector '%s' at byte %zu: expected its end after '}'",
                       text, at + 1);
    return STEPLOG_OK;
}

steplog_status sl_selector_parse(const char *text, sl_selector *out, steplog_error *err)
{
    size_t bad = 0;
    *out = (sl_selector){0};
    if (!text) text = "*";
    size_t end = find_stop(text, 0, "{");
    out->text = sl_copy_bytes(text, end);
    out->text_bytes = end;
    if (!out->text) return sl_fail(err, STEPLOG_NOMEM, -1, "no memory for a selector");
    steplog_status status = STEPLOG_OK;
    if (!sl_glob_check(text, end, &bad))
        status = sl_fail(err, STEPLOG_MISUSE, (int64_t)bad, "selector '%s' at byte %zu: bad glob", text, bad);
    else if (text[end] == '{')
        status = parse_labels(text, end + 1, out, err);
    if (status < 0) sl_selector_free(out);
    return status;
}

int sl_selector_matches_key(const sl_selector *s, uint32_t rank, const steplog_pair *labels, size_t label_count)
{
    for (size_t i = 0; i < s->labels.count; i++) {
        const char *key = s->labels.items[i].key, *glob = s->labels.items[i].value, *value = NULL;
        char number[16];
        if (strcmp(key, "rank") == 0) {
            snprintf(number, sizeof number, "%u", (unsigned)rank);
            value = number;
        }
        for (size_t n = 0; n < label_count && !value; n++)
            if (strcmp(labels[n].key, key) == 0) value = labels[n].value;
        if (!value || !sl_glob_match(glob, strlen(glob), value, strlen(value))) return 0;
    }
    return 1;
}

int sl_selector_matches(const sl_selector *s, const char *name, uint32_t name_bytes, uint32_t rank,
                        const steplog_pair *labels, size_t label_count)
{
    return sl_glob_match(s->text, s->text_bytes, name, name_bytes) &&
           sl_selector_matches_key(s, rank, labels, label_count);
}
