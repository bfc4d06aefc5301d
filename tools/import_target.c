/* import_target.c: from a file to a run.
 *
 * Without --run or --run-key a run's key is "import:" and the hash of the file's first record. Files that begin alike
 * share that much, so it is only where to look: the rows there are compared with the file, and at the first difference
 * the next key ("...#2") is tried, until one agrees to its end or is not taken. A file and every longer or shorter copy
 * of it, of any name in any place, find the same run; two files that differ anywhere in their common length never do.
 *
 * With --run or --run-key the run is given and the source within it is looked for in the same way. */
#include "import_target.h"

#include "print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *format_text(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    va_start(arguments, format);
    const int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return length < 0 ? xstrdup("") : text;
}

/* ---- runs that were imported ---- */

static void add_run(import_runs *runs, const char *key, const steplog_id *id)
{
    if ((runs->count & (runs->count - 1)) == 0) {
        const size_t capacity = runs->count == 0 ? 1 : runs->count * 2;
        runs->runs = xrealloc(runs->runs, capacity * sizeof *runs->runs);
    }
    runs->runs[runs->count].key = xstrdup(key);
    runs->runs[runs->count++].id = *id;
}

int import_runs_read(import_runs *runs, session *s)
{
    const size_t count = steplog_reader_run_count(s->reader);
    for (size_t i = 0; i < count; i++) {
        const char *key;
        steplog_error err = {0};
        steplog_run_info info = {.size_bytes = sizeof info};
        const steplog_status status = steplog_reader_run(s->reader, i, &info, &err);
        if (status != STEPLOG_OK) {
            return print_failure("reading the runs", status, &err);
        }
        if (steplog_reader_fact(s->reader, &info.id, IMPORT_KEY_FACT, &key) == STEPLOG_OK) {
            add_run(runs, key, &info.id);
        }
    }
    return 0;
}

void import_runs_clear(import_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++) {
        free(runs->runs[i].key);
    }
    free(runs->runs);
    *runs = (import_runs){0};
}

static const struct import_run *find_run(const import_runs *runs, const char *key)
{
    for (size_t i = 0; i < runs->count; i++) {
        if (strcmp(runs->runs[i].key, key) == 0) {
            return &runs->runs[i];
        }
    }
    return NULL;
}

/* ---- choosing ---- */

/* "parent/stem" of the file's real path: many logs are all called metrics.csv. */
static char *make_name(const char *path)
{
    char *real = realpath(path, NULL);
    char *text = xstrdup(real != NULL ? real : path);
    free(real);
    char *base = strrchr(text, '/');
    char *dot = strrchr(base != NULL ? base : text, '.');
    if (dot != NULL && dot != text && dot[-1] != '/') {
        *dot = 0;
    }
    char *begin = text;
    if (base != NULL && base != text) {
        *base = 0;
        char *parent = strrchr(text, '/');
        *base = '/';
        begin = parent != NULL ? parent + 1 : text;
    } else if (base != NULL) {
        begin = base + 1;
    }
    size_t bad;
    char *name = xstrdup(import_cell_is_utf8(begin, strlen(begin), &bad) && begin[0] != 0 ? begin : "import");
    free(text);
    return name;
}

void import_target_init(import_target *g, const import_target_options *options, session *s, import_runs *runs,
                        import_file *file)
{
    const char *path = file->input.path;
    const char *slash = strrchr(path, '/');
    *g = (import_target){.options = options, .s = s, .runs = runs, .file = file};
    g->default_name = make_name(path);
    g->base = slash != NULL ? slash + 1 : path;
    g->head_hash = file->table.head_hash;
    g->head_rank = import_table_best_rank(&file->table);
}

static int is_given(const import_target *g)
{
    return g->options->run_key != NULL || g->options->name != NULL;
}

static void make_key(import_target *g)
{
    const unsigned n = g->candidate;
    free(g->key);
    free(g->source);
    if (is_given(g)) {
        g->key = g->options->run_key != NULL ? xstrdup(g->options->run_key)
                                             : format_text("import:run:%s", g->options->name);
        g->source = n == 1 ? format_text("%016" PRIx64, g->head_hash)
                           : format_text("%016" PRIx64 "#%u", g->head_hash, n);
    } else {
        g->key = n == 1 ? format_text("import:%016" PRIx64, g->head_hash)
                        : format_text("import:%016" PRIx64 "#%u", g->head_hash, n);
        g->source = format_text("%016" PRIx64, g->head_hash);
    }
}

int import_target_next(import_target *g)
{
    import_resume_close(&g->resume);
    g->candidate++;
    g->known_rows = 0;
    g->next_index = 0;
    g->is_comparing = 0;
    g->step_rank = g->head_rank;
    make_key(g);
    g->run = find_run(g->runs, g->key);
    if (g->run == NULL) {
        return 0;
    }
    g->id = g->run->id;
    g->has_id = 1;
    const int code = import_resume_open(&g->resume, g->s, &g->run->id, g->source, &g->is_comparing);
    if (code == 0 && g->is_comparing && g->resume.has_step_rank && g->file->table.options.step_column == NULL) {
        g->step_rank = g->resume.step_rank;
    }
    return code;
}

/* Says why rows of a run that cannot be compared stand against recording the file. */
static int refuse(const import_target *g, import_doubt doubt, const steplog_id *run)
{
    char id[STEPLOG_ID_TEXT_BYTES];
    steplog_id_format(run, id);
    if (doubt == IMPORT_DAMAGED) {
        print_damage(g->s->reader);
    }
    print_error("'%s' line %" PRIu64 ": run %.8s may hold this file, but some of its rows %s and cannot be compared; "
                "nothing was recorded; give another --run to record the file anew",
                g->file->input.path, g->file->table.line, id, doubt == IMPORT_DAMAGED ? "are damaged" : "were removed");
    return TOOL_IO;
}

/* The file differs from what the chosen run holds. Where not all of that is shown it may be another copy of the file
 * nevertheless: then only a run that agrees may go on. */
static int reject(import_target *g)
{
    const import_doubt doubt = import_resume_doubt(&g->resume);
    if (doubt != IMPORT_NO_DOUBT && g->doubt == IMPORT_NO_DOUBT) {
        g->doubt = doubt;
        g->doubt_run = g->id;
    }
    if (doubt != IMPORT_NO_DOUBT) {
        g->has_id = 0;
        return IMPORT_RESTART;
    }
    const int is_same_file = g->resume.file != NULL && strcmp(g->resume.file, g->base) == 0;
    if (is_given(g) && is_same_file) {
        print_error("'%s' line %" PRIu64 ": differs from what was imported from a file of this name into this run "
                    "before; nothing was recorded; give another --run to keep both",
                    g->file->input.path, g->file->table.line);
        return TOOL_IO;
    }
    g->has_id = 0;
    return IMPORT_RESTART;
}

/* ---- recording ---- */

static int fail(const import_target *g, steplog_status status, const steplog_error *err)
{
    const int code = print_failure(g->file->input.path, status, err);
    if (g->new_rows > 0) {
        print_note("%" PRIu64 " rows before that are recorded; import the file again to go on", g->new_rows);
    }
    return code == TOOL_USAGE || code == TOOL_NOT_FOUND ? TOOL_IO : code;
}

/* Another import of the file may have begun since the rows were compared. Of two that begin at once each has noted its
 * source before it looks: so at least one sees the other. */
static int check_alone(const import_target *g, const steplog_id *own)
{
    const int has_others = import_resume_has_others(g->s, &g->id, g->source, g->sources, g->source_count, own);
    if (has_others > 0) {
        print_error("'%s': another import of this file is at work; nothing was recorded; import it again when that has "
                    "ended", g->file->input.path);
    }
    return has_others == 0 ? 0 : TOOL_IO;
}

static int open_writer(import_target *g)
{
    steplog_error err = {0};
    const steplog_writer_options options = {
        .size_bytes = sizeof options,
        .run_key = g->key,
        .run_name = g->options->name != NULL ? g->options->name : g->run == NULL ? g->default_name : NULL,
        .project = g->options->project,
        .step_axis = import_table_is_epochs(&g->file->table) ? "epoch" : NULL};
    steplog_status status = steplog_writer_open(g->s->store, &options, &g->writer, &err);
    if (status != STEPLOG_OK) {
        return fail(g, status, &err);
    }
    size_t bad;
    const int is_utf8 = import_cell_is_utf8(g->base, strlen(g->base), &bad);
    char *source = format_text("%s %s %s", g->source, import_table_rank_text(g->step_rank), is_utf8 ? g->base : "?");
    import_rows_init(&g->rows, g->writer);
    steplog_writer_stats stats = {.size_bytes = sizeof stats};
    steplog_writer_get_stats(g->writer, &stats);
    g->id = stats.run;
    g->has_id = 1;
    status = steplog_writer_set_fact(g->writer, IMPORT_SOURCE_FACT, source, &err);
    if (status == STEPLOG_OK && g->run == NULL) {
        status = steplog_writer_set_fact(g->writer, IMPORT_KEY_FACT, g->key, &err);
        add_run(g->runs, g->key, &stats.run);
    }
    free(source);
    return status == STEPLOG_OK ? check_alone(g, &stats.incarnation) : fail(g, status, &err);
}

/* Takes over what is recorded by now: a row that is held back is not. */
static void count_rows(import_target *g)
{
    g->new_rows = g->rows.row_count;
    g->new_points = g->rows.point_count;
}

/* Notes that the row to come is of a line without an end, which a longer copy may show to have been half a line. Before
 * the row: whatever ends this process in between, no such row is taken for a whole one. */
static steplog_status note_partial(import_target *g, steplog_error *err)
{
    if (!g->file->input.is_unterminated) {
        return STEPLOG_OK;
    }
    char *value = format_text("%s %" PRIu64, g->source, g->next_index);
    const steplog_status status = steplog_writer_set_fact(g->writer, IMPORT_PARTIAL_FACT, value, err);
    free(value);
    return status;
}

static int append(import_target *g, const import_table *t, const import_row *row)
{
    steplog_error err = {0};
    if (g->writer == NULL) {
        const int code = g->doubt != IMPORT_NO_DOUBT && g->known_rows == 0 ? refuse(g, g->doubt, &g->doubt_run)
                                                                           : open_writer(g);
        if (code != 0) {
            return code;
        }
    }
    steplog_status status = note_partial(g, &err);
    if (status == STEPLOG_OK) {
        status = import_rows_append(&g->rows, t, row, &err);
    }
    count_rows(g);
    if (status != STEPLOG_OK) {
        return fail(g, status, &err);
    }
    g->next_index++;
    return 0;
}

int import_target_row(void *context, const import_table *t, const import_row *row)
{
    import_target *g = context;
    if (import_stop) {
        return TOOL_IO;
    }
    if (g->progress != NULL && (t->row_count & 1023) == 0) {
        g->progress(g->progress_context, g->file);
    }
    if (g->is_comparing) {
        int is_end;
        const int match = import_resume_match(&g->resume, t, row, &is_end);
        if (match != 0) {
            g->known_rows++;
            return match < 0 ? TOOL_IO : 0;
        }
        if (!is_end) {
            return reject(g);
        }
        const import_doubt doubt = import_resume_doubt(&g->resume);
        if (doubt != IMPORT_NO_DOUBT) {
            return refuse(g, doubt, &g->id);
        }
        g->is_comparing = 0;
        g->next_index = g->resume.index;
        free(g->sources);
        g->sources = g->resume.sources;
        g->source_count = g->resume.source_count;
        g->resume.sources = NULL;
        import_resume_close(&g->resume);
    }
    return append(g, t, row);
}

/* ---- the end ---- */

typedef struct fact_list {
    steplog_pair *facts; /* keys are owned */
    size_t count;
} fact_list;

/* Adds a param, unless the run has it already. A value of NULL takes it away where it is `old`. */
static void add_param(const import_target *g, fact_list *list, const char *name, const char *value, const char *old)
{
    const char *now = NULL;
    char *key = format_text("param.%s", name);
    if (g->run != NULL && steplog_reader_fact(g->s->reader, &g->run->id, key, &now) != STEPLOG_OK) {
        now = NULL;
    }
    const int is_wanted = value != NULL ? now == NULL || strcmp(now, value) != 0
                                        : now != NULL && old != NULL && strcmp(now, old) == 0;
    if (!is_wanted || list->count >= IMPORT_PARAMS_MAX) {
        free(key);
        return;
    }
    list->facts = xrealloc(list->facts, (list->count + 1) * sizeof *list->facts);
    list->facts[list->count++] = (steplog_pair){key, value};
}

static void gather_params(const import_target *g, fact_list *list)
{
    const import_table *t = &g->file->table;
    for (size_t i = 0; i < g->options->param_count; i++) {
        add_param(g, list, g->options->params[i].key, g->options->params[i].value, NULL);
    }
    for (size_t i = 0; i < g->file->param_count; i++) {
        add_param(g, list, g->file->params[i].key, g->file->params[i].value, NULL);
    }
    for (size_t i = 0; i < t->column_count; i++) {
        const import_column *column = &t->columns[i];
        if (column->text_count == 0 || column->text == NULL || memchr(column->name, 0, column->name_bytes) != NULL) {
            continue;
        }
        const int is_constant = !column->is_varied && column->number_count == 0;
        add_param(g, list, column->name, is_constant ? column->text : NULL, column->text);
    }
}

static steplog_status set_facts(import_target *g, const fact_list *list, steplog_error *err)
{
    steplog_status status = STEPLOG_OK;
    if (g->writer == NULL) {
        return steplog_run_set_facts(g->s->store, &g->id, list->facts, list->count, err);
    }
    for (size_t i = 0; i < list->count && status == STEPLOG_OK; i++) {
        status = steplog_writer_set_fact(g->writer, list->facts[i].key, list->facts[i].value, err);
    }
    return status;
}

int import_target_finish(import_target *g, int is_whole)
{
    fact_list list = {0};
    steplog_error err = {0};
    int code = 0;
    steplog_status status = STEPLOG_OK;
    if (g->writer != NULL) {
        status = import_rows_flush(&g->rows, &g->file->table, &err);
        count_rows(g);
        code = status == STEPLOG_OK ? 0 : fail(g, status, &err);
    }
    if (code == 0 && is_whole && g->has_id) {
        gather_params(g, &list);
        status = list.count > 0 ? set_facts(g, &list, &err) : STEPLOG_OK;
        if (status != STEPLOG_OK) {
            code = fail(g, status, &err);
        }
    }
    for (size_t i = 0; i < list.count; i++) {
        free((char *)(uintptr_t)list.facts[i].key);
    }
    free(list.facts);
    if (g->writer != NULL) {
        import_rows_clear(&g->rows);
        status = steplog_writer_close(g->writer, 0, &err);
        g->writer = NULL;
        if (status != STEPLOG_OK && code == 0) {
            code = fail(g, status, &err);
        }
    }
    return code;
}

void import_target_clear(import_target *g)
{
    import_resume_close(&g->resume);
    free(g->sources);
    free(g->default_name);
    free(g->key);
    free(g->source);
}
