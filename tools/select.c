/* select.c: opens the store that was meant and finds the runs and series that were meant, or says why not. */
#include "select.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *select_store_path(void)
{
    if (tool.store_path) return tool.store_path;
    const char *environment = getenv("STEPLOG_DIR");
    return environment && *environment ? environment : "steplog-store";
}

/* ---- sessions ---- */

static int open_store(session *s, const char *path, uint32_t flags)
{
    const steplog_store_options options = {.size_bytes = sizeof options, .flags = flags};
    steplog_error err = {0};
    memset(s, 0, sizeof *s);
    steplog_status status = steplog_store_open(path, &options, &s->store, &err);
    if (status == STEPLOG_OK) return TOOL_YES;
    int code = print_failure(NULL, status, &err);
    if (status == STEPLOG_MISSING && tool.store_path == NULL && getenv("STEPLOG_DIR") == NULL)
        print_note("looked in '%s'; name another store with -C DIR or STEPLOG_DIR", path);
    /* A directory that is not a store: who would have made one finds no way, the others find no store. */
    if (code == TOOL_USAGE) return flags & STEPLOG_CREATE ? TOOL_IO : TOOL_NOT_FOUND;
    return code;
}

int session_open_reader_at(session *s, const char *path)
{
    steplog_error err = {0};
    int code = open_store(s, path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD);
    if (code != TOOL_YES) return code;
    steplog_status status = steplog_reader_open(s->store, &s->reader, &err);
    if (status == STEPLOG_OK) return TOOL_YES;
    return session_close(s, print_failure(NULL, status, &err));
}

int session_open_reader(session *s)
{
    return session_open_reader_at(s, select_store_path());
}

int session_open_writer(session *s, uint32_t flags)
{
    return open_store(s, select_store_path(), flags);
}

int session_close(session *s, int exit_code)
{
    steplog_error err = {0};
    steplog_reader_close(s->reader);
    s->reader = NULL;
    steplog_status status = steplog_store_close(s->store, &err);
    s->store = NULL;
    if (status < 0 && (exit_code == TOOL_YES || exit_code == TOOL_NO)) {
        print_failure("closing the store", status, &err);
        return TOOL_IO;
    }
    return exit_code;
}

int session_check_damage(session *s, int exit_code)
{
    size_t damaged = print_damage(s->reader);
    return damaged > 0 && exit_code == TOOL_YES ? TOOL_NO : exit_code;
}

/* ---- runs ---- */

static int fail_run(session *s, const char *selector, steplog_status status, const steplog_error *err)
{
    if (status != STEPLOG_MISSING) return print_failure(NULL, status, err);
    if (steplog_reader_run_count(s->reader) == 0)
        print_error("no run '%s': the store '%s' holds no runs yet", selector, steplog_store_path(s->store));
    else
        print_error("no run '%s' in '%s'; `steplog ls` lists the runs", selector, steplog_store_path(s->store));
    return TOOL_NOT_FOUND;
}

int select_run(session *s, const char *selector, steplog_id *run)
{
    steplog_error err = {0};
    size_t found = 0;
    char text[STEPLOG_ID_TEXT_BYTES];
    steplog_status status = steplog_reader_find_runs(s->reader, selector, run, 1, &found, &err);
    if (status != STEPLOG_OK) return fail_run(s, selector, status, &err);
    if (found > 1) {
        steplog_id_format(run, text);
        print_note("%zu runs match '%s'; taking the newest, %.8s", found, selector, text);
    }
    return TOOL_YES;
}

int select_runs(session *s, const char *selector, steplog_id **runs, size_t *count)
{
    steplog_error err = {0};
    size_t found = 0;
    *runs = NULL;
    *count = 0;
    steplog_status status = steplog_reader_find_runs(s->reader, selector, NULL, 0, &found, &err);
    if (status != STEPLOG_OK) return fail_run(s, selector, status, &err);
    *runs = xcalloc(found, sizeof **runs);
    status = steplog_reader_find_runs(s->reader, selector, *runs, found, count, &err);
    if (status == STEPLOG_OK) return TOOL_YES;
    free(*runs);
    *runs = NULL;
    return fail_run(s, selector, status, &err);
}

char *select_run_label(session *s, const steplog_id *run)
{
    steplog_run_info info = {.size_bytes = sizeof info};
    char text[STEPLOG_ID_TEXT_BYTES];
    if (steplog_reader_run_by_id(s->reader, run, &info, NULL) == STEPLOG_OK && info.name && *info.name)
        return xstrdup(info.name);
    steplog_id_format(run, text);
    text[8] = 0;
    return xstrdup(text);
}

const char *select_status_name(steplog_run_status status)
{
    switch (status) {
    case STEPLOG_RUN_RUNNING: return "running";
    case STEPLOG_RUN_FINISHED: return "finished";
    case STEPLOG_RUN_FAILED: return "failed";
    case STEPLOG_RUN_KILLED: return "killed";
    case STEPLOG_RUN_EMPTY: return "empty";
    case STEPLOG_RUN_UNKNOWN: break;
    }
    return "unknown";
}

/* ---- series ---- */

/* Series collected so far, with a bit for each handle to keep each once. */
typedef struct series_list {
    steplog_series *items;
    size_t count;
    uint64_t *seen;
    size_t seen_words;
} series_list;

static void list_add(series_list *list, const steplog_series *found, size_t count)
{
    list->items = xrealloc(list->items, (list->count + count) * sizeof *list->items);
    for (size_t i = 0; i < count; i++) {
        size_t word = found[i].index / 64;
        if (word >= list->seen_words) {
            size_t words = word * 2 + 16;
            list->seen = xrealloc(list->seen, words * sizeof *list->seen);
            memset(list->seen + list->seen_words, 0, (words - list->seen_words) * sizeof *list->seen);
            list->seen_words = words;
        }
        uint64_t bit = (uint64_t)1 << found[i].index % 64;
        if (list->seen[word] & bit) continue;
        list->seen[word] |= bit;
        list->items[list->count++] = found[i];
    }
}

static int add_matching(session *s, const steplog_id *run, const char *selector, series_list *list)
{
    steplog_error err = {.file_offset = -1};
    size_t found = 0;
    steplog_status status = steplog_reader_find(s->reader, run, selector, NULL, 0, &found, &err);
    if (status == STEPLOG_OK) {
        steplog_series *series = xcalloc(found, sizeof *series);
        status = steplog_reader_find(s->reader, run, selector, series, found, &found, &err);
        if (status == STEPLOG_OK) list_add(list, series, found);
        free(series);
        if (status == STEPLOG_OK) return TOOL_YES;
    }
    if (status != STEPLOG_MISSING) return print_failure(NULL, status, &err);
    char *label = select_run_label(s, run);
    if (selector) print_error("no series '%s' in run '%s'; `steplog ls RUN` lists them", selector, label);
    else print_error("run '%s' has no series", label);
    free(label);
    return TOOL_NOT_FOUND;
}

int select_series(session *s, const steplog_id *run, char *const *selectors, size_t selector_count,
                  steplog_series **series, size_t *count)
{
    series_list list = {0};
    int code = TOOL_YES;
    *series = NULL;
    *count = 0;
    if (selector_count == 0) code = add_matching(s, run, NULL, &list);
    for (size_t i = 0; i < selector_count && code == TOOL_YES; i++) code = add_matching(s, run, selectors[i], &list);
    free(list.seen);
    if (code != TOOL_YES) {
        free(list.items);
        return code;
    }
    *series = list.items;
    *count = list.count;
    return TOOL_YES;
}

/* ---- names of columns ---- */

typedef struct named_series {
    steplog_series_info info;
    size_t place; /* in the caller's list */
} named_series;

static int compare_names(const void *left, const void *right)
{
    const steplog_series_info *a = &((const named_series *)left)->info, *b = &((const named_series *)right)->info;
    size_t bytes = a->name_bytes < b->name_bytes ? a->name_bytes : b->name_bytes;
    int order = memcmp(a->name, b->name, bytes);
    if (order != 0) return order;
    return (a->name_bytes > b->name_bytes) - (a->name_bytes < b->name_bytes);
}

static select_name column_name(const steplog_series_info *info, int has_labels)
{
    char *labels = has_labels ? print_labels(info, 1) : NULL;
    size_t label_bytes = labels ? strlen(labels) : 0;
    select_name name = {xmalloc(info->name_bytes + label_bytes), info->name_bytes + label_bytes};
    memcpy(name.text, info->name, info->name_bytes);
    if (labels) memcpy(name.text + info->name_bytes, labels, label_bytes);
    free(labels);
    return name;
}

int select_is_taken(const char *name, size_t bytes, const char *const *taken, size_t taken_count)
{
    for (size_t i = 0; i < taken_count; i++)
        if (strlen(taken[i]) == bytes && memcmp(taken[i], name, bytes) == 0) return 1;
    return 0;
}

select_name *select_series_names(session *s, const steplog_series *series, size_t count, const char *const *taken,
                                 size_t taken_count)
{
    named_series *sorted = xcalloc(count, sizeof *sorted);
    select_name *names = xcalloc(count, sizeof *names);
    for (size_t i = 0; i < count; i++) {
        sorted[i].info.size_bytes = sizeof sorted[i].info;
        sorted[i].info.name = "?";
        sorted[i].place = i;
        steplog_reader_series(s->reader, series[i], &sorted[i].info, NULL);
    }
    qsort(sorted, count, sizeof *sorted, compare_names);
    for (size_t i = 0; i < count; i++) {
        int is_shared = (i > 0 && compare_names(&sorted[i - 1], &sorted[i]) == 0) ||
                        (i + 1 < count && compare_names(&sorted[i], &sorted[i + 1]) == 0);
        is_shared |= select_is_taken(sorted[i].info.name, sorted[i].info.name_bytes, taken, taken_count);
        names[sorted[i].place] = column_name(&sorted[i].info, is_shared);
    }
    free(sorted);
    return names;
}

void select_free_names(select_name *names, size_t count)
{
    for (size_t i = 0; names && i < count; i++) free(names[i].text);
    free(names);
}

/* ---- matching one series ---- */

/* Finds the '{' that begins the labels, or the end. */
static size_t find_labels(const char *selector)
{
    size_t i = 0;
    for (; selector[i] != 0 && selector[i] != '{'; i++)
        if (selector[i] == '\\' && selector[i + 1] != 0) i++;
    return i;
}

/* Tells whether one "key=glob" holds. */
static int label_matches(const steplog_series_info *info, char *label)
{
    char *value = strchr(label, '=');
    if (value == NULL) return 0;
    *value++ = 0;
    if (strcmp(label, "rank") == 0) {
        char rank[16];
        snprintf(rank, sizeof rank, "%" PRIu32, info->rank);
        return fnmatch(value, rank, 0) == 0;
    }
    for (size_t i = 0; i < info->label_count; i++)
        if (strcmp(info->labels[i].key, label) == 0) return fnmatch(value, info->labels[i].value, 0) == 0;
    return 0;
}

int select_matches(const steplog_series_info *info, const char *selector)
{
    char *copy = xstrdup(selector);
    size_t name_end = find_labels(copy);
    char *label = copy[name_end] ? copy + name_end + 1 : NULL;
    int is_match;
    copy[name_end] = 0;
    is_match = *copy == 0 || fnmatch(copy, info->name, 0) == 0;
    while (is_match && label && *label != 0 && *label != '}') {
        size_t end = 0;
        while (label[end] != 0 && label[end] != ',' && label[end] != '}')
            end += label[end] == '\\' && label[end + 1] ? 2 : 1;
        char after = label[end];
        label[end] = 0;
        is_match = label_matches(info, label);
        label = after == ',' ? label + end + 1 : NULL;
    }
    free(copy);
    return is_match;
}
