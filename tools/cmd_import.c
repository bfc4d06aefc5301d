/* cmd_import.c: records what files hold.
 *
 * The way of a file: import_format.c finds out what it is; its parser runs once over the head, which decides where
 * steps come from and gives the hash the file is known by; then over the whole, through import_table.c, into
 * import_target.c, which passes over the rows that the store holds already and appends the rest. */
#include "args.h"
#include "import_target.h"
#include "time_text.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPT_FORMAT = 256, OPT_RUN, OPT_RUN_KEY, OPT_STEP, OPT_TIME, OPT_PROJECT, OPT_PARAM, OPT_JSON };

static const args_option option_table[] = {
    {OPT_FORMAT, 0, "format", "FORMAT", "csv, tsv, jsonl, text, trainer-state; default: detected"},
    {OPT_RUN, 0, "run", "NAME", "record all files into one run, of this name; again later: into the same"},
    {OPT_RUN, 0, "name", "NAME", "the same"},
    {OPT_RUN_KEY, 0, "run-key", "KEY", "record all files into the run of this key (see steplog_writer_options)"},
    {OPT_STEP, 0, "step-col", "NAME", "the column that holds the step; '#': the record number"},
    {OPT_TIME, 0, "time-col", "NAME", "the column that holds the wall time"},
    {OPT_PROJECT, 0, "project", "NAME", "the run's project"},
    {OPT_PARAM, 0, "param", "KEY=VALUE", "a parameter of the run; may be repeated"},
    {OPT_JSON, 0, "json", NULL, "print one JSON object for each file"},
    {'q', 'q', "quiet", NULL, "say nothing but errors"},
    {0, 0, NULL, NULL, NULL}};

static const args_usage usage = {
    "import", "[options] FILE...",
    "Records the numbers of CSV, TSV, JSONL and text logs and of trainer_state.json; FILE may be '-'.\n"
    "\n"
    "Steps: --step-col, else the first of step, _step, global_step, training_iteration, iteration,\n"
    "current_steps, iter, epoch (in any case) that the first MiB (more, where no number is in it) shows with\n"
    "whole numbers, else the record number. Text logs may name it differently from line to line, also s and\n"
    "epoch_num. '5/100' is 5. A record without a step has that of the record before.\n"
    "Times: _timestamp, timestamp, wall_time, time, date, where it clearly is one; also the date that\n"
    "begins a line of a text log. Without an offset it is UTC.\n"
    "Values: '28926ms' is 28926, true and false are 1 and 0, empty cells are missing. A text that never\n"
    "changes becomes a parameter; changing text and lists are counted and left out.\n"
    "\n"
    "Each file becomes a run named after it and its folder. A file that is imported again, or a longer copy\n"
    "of it under any name, adds only what is new: its first record says which runs to look at, then every\n"
    "row is compared. Files that differ anywhere become runs of their own. Two files of which one is the\n"
    "beginning of the other are taken for one: give --run where they are not. A file that may be in a run\n"
    "of which rows are damaged or were removed is refused: give another --run.\n"
    "A last line without a line end is recorded; if it later proves to be half a line, both stay.\n"
    "\n"
    "Memory is bounded; only trainer_state.json is read whole, up to 64 MiB. Ctrl-C stops with what was\n"
    "recorded so far kept: import the file again to go on.\n"
    "Exit code: 0; 1 when a file held no number; 2 usage; 3 no such file; 4 could not.",
    option_table,
    "steplog import lightning_logs/version_0/metrics.csv\n"
    "steplog import --run base main.log                 # text: s:0 trl:11.0 lr:1e-6\n"
    "steplog import --run base checkpoint-*/trainer_state.json\n"
    "steplog import --step-col timesteps_total --project atari */progress.csv\n"
    "zcat log.txt.gz | steplog import --format text --run old -\n"};

typedef struct import_command {
    import_target_options target;
    import_options options;
    import_format format;
    steplog_pair *params;
    size_t param_count;
    int is_quiet, is_json;
    session s;
    import_runs runs;
    int64_t last_progress_ns;
    int has_progress;
} import_command;

static void on_signal(int number)
{
    (void)number;
    import_stop = 1;
}

/* What the caller chose to ignore (nohup, a shell's background) stays ignored. */
static void stop_on(int number)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    struct sigaction before;
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
        sigaction(number, &action, NULL);
    }
}

/* ---- words ---- */

static void note_tally(const import_command *c, const import_file *file, const import_tally *tally, const char *what)
{
    if (tally->count > 0 && !c->is_quiet) {
        print_note("'%s': %" PRIu64 " %s, the first at line %" PRIu64, file->input.path, tally->count, what,
                   tally->first_line);
    }
}

/* Says which columns held text or lists that could not be kept. */
static void note_columns(const import_file *file, int is_list)
{
    char names[256] = "";
    size_t length = 0;
    uint64_t cells = 0;
    size_t columns = 0;
    const import_table *t = &file->table;
    for (size_t i = 0; i < t->column_count; i++) {
        const import_column *column = &t->columns[i];
        const int is_lost = is_list ? column->list_count > 0
                                    : column->text_count > 0 && (column->is_varied || column->number_count > 0);
        if (!is_lost) {
            continue;
        }
        cells += is_list ? column->list_count : column->text_count;
        columns++;
        if (length + column->name_bytes + 6 < sizeof names) {
            length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", length > 0 ? ", " : "",
                                       column->name);
        } else if (length + 6 < sizeof names && strstr(names, "...") == NULL) {
            length += (size_t)snprintf(names + length, sizeof names - length, ", ...");
        }
    }
    if (columns > 0) {
        print_note("'%s': left out %" PRIu64 " cells of %s in %zu column%s: %s", file->input.path, cells,
                   is_list ? "lists" : "text that is no constant", columns, columns == 1 ? "" : "s", names);
    }
}

static void note_steps(const import_file *file)
{
    const import_table *t = &file->table;
    const char *path = file->input.path;
    if (import_table_step_name(t) == NULL) {
        if (t->options.step_column == NULL) {
            print_note("'%s': no step column found; the record number is the step", path);
        }
    } else if (t->stepless_count > 0) {
        print_note("'%s': %" PRIu64 " records without a step have that of the record before", path, t->stepless_count);
    }
    if (import_table_is_epochs(t) && t->shared_steps > t->row_count / 2) {
        print_note("'%s': the step is '%s', which many rows share; --step-col NAME takes another column, "
                   "--step-col '#' the record number",
                   path, import_table_step_name(t));
    }
}

static void note_file(const import_command *c, const import_file *file)
{
    if (c->is_quiet) {
        return;
    }
    char what[128];
    if (file->is_headless) {
        print_note("'%s': the first line is numbers; columns are named column_1, column_2...", file->input.path);
    }
    note_steps(file);
    note_tally(c, file, &file->ragged, "rows are longer or shorter than the header");
    snprintf(what, sizeof what, "lines could not be read (%s)",
             file->unparsable_reason != NULL ? file->unparsable_reason : "damaged");
    note_tally(c, file, &file->unparsable, what);
    const import_tally longs = {file->input.long_lines, file->input.first_long_line};
    note_tally(c, file, &longs, "lines of more than 16 MiB are left out");
    if (file->table.repeated_cells > 0) {
        print_note("'%s': %" PRIu64 " values came twice in one record; the last one counts", file->input.path,
                   file->table.repeated_cells);
    }
    if (file->table.refused_names > 0) {
        print_note("'%s': %" PRIu64 " values are left out: their names are not UTF-8, or too many", file->input.path,
                   file->table.refused_names);
    }
    note_columns(file, 0);
    note_columns(file, 1);
}

static void report_json(const import_file *file, const import_target *g)
{
    char id[STEPLOG_ID_TEXT_BYTES] = "";
    if (g->has_id) {
        steplog_id_format(&g->id, id);
    }
    printf("{\"schema\":1,\"file\":");
    json_write_text(stdout, file->input.path);
    printf(",\"format\":\"%s\",\"run_id\":\"%s\",\"step_column\":", import_format_names[file->format], id);
    json_write_text(stdout, import_table_step_name(&file->table));
    printf(",\"records\":%" PRIu64 ",\"rows\":%" PRIu64 ",\"points\":%" PRIu64 ",\"new_rows\":%" PRIu64
           ",\"new_points\":%" PRIu64 ",\"timed_rows\":%" PRIu64 ",\"ragged\":%" PRIu64 ",\"unreadable\":%" PRIu64
           "}\n",
           file->table.record_count, file->table.row_count, file->table.point_count, g->new_rows, g->new_points,
           file->table.timed_count, file->ragged.count, file->unparsable.count);
}

static void report(const import_command *c, const import_file *file, const import_target *g)
{
    char id[STEPLOG_ID_TEXT_BYTES] = "";
    if (c->is_json) {
        report_json(file, g);
        return;
    }
    if (c->is_quiet) {
        return;
    }
    if (g->has_id) {
        steplog_id_format(&g->id, id);
    }
    print_safe(stdout, file->input.path, strlen(file->input.path));
    if (g->new_rows == 0) {
        printf(": nothing new, %" PRIu64 " rows are in run %.8s\n", g->known_rows, id);
    } else {
        printf(": %" PRIu64 " rows, %" PRIu64 " points into run %.8s", g->new_rows, g->new_points, id);
        if (g->known_rows > 0) {
            printf(", after %" PRIu64 " rows that were there", g->known_rows);
        }
        printf("\n");
    }
    fflush(stdout);
}

static void show_progress(void *context, const import_file *file)
{
    import_command *c = context;
    const int64_t now = time_text_now();
    if (now - c->last_progress_ns < 300000000) {
        return;
    }
    c->last_progress_ns = now;
    c->has_progress = 1;
    const uint64_t total = file->input.total_bytes;
    fprintf(stderr, "\r%3.0f %%  %" PRIu64 " rows ",
            total > 0 ? 100.0 * (double)file->input.offset / (double)total : 0.0, file->table.row_count);
}

static void end_progress(import_command *c)
{
    if (c->has_progress) {
        fprintf(stderr, "\r%40s\r", "");
    }
    c->has_progress = 0;
}

/* ---- one file ---- */

/* Looks at the head: the format, where steps come from, what the file is known by. */
static int read_head(const import_command *c, import_file *file)
{
    file->format = c->format;
    file->json = json_new(0);
    if (file->json == NULL) {
        print_error("no memory");
        return TOOL_IO;
    }
    import_file_detect(file);
    int code;
    do {
        import_table_clear(&file->table);
        import_table_init(&file->table, &c->options,
                          file->format == IMPORT_TEXT_LOG ? IMPORT_STEP_BY_LINE : IMPORT_STEP_FIXED);
        code = import_file_parse(file, 1);
    } while (code == 0 && file->table.row_count == 0 && file->format != IMPORT_TRAINER_STATE && !import_stop &&
             import_input_extend_head(&file->input));
    if (code != 0 || file->table.record_count == 0) {
        return code;
    }
    const char *wanted = c->options.step_column;
    if (wanted != NULL && strcmp(wanted, "#") != 0 && import_table_best_rank(&file->table) < 0) {
        print_error("'%s': no column '%s' with whole numbers for the step", file->input.path, wanted);
        return TOOL_NOT_FOUND;
    }
    return 0;
}

/* Reads the file until a run is found that it belongs to. */
static int read_body(import_file *file, import_target *g)
{
    int code = import_target_next(g);
    while (code == 0) {
        import_table_start(&file->table, g->step_rank, import_target_row, g);
        code = import_file_parse(file, 0);
        if (code != IMPORT_RESTART) {
            return code;
        }
        code = import_target_next(g);
    }
    return code;
}

static int import_opened(import_command *c, import_file *file)
{
    import_target g;
    steplog_error err = {0};
    int code = read_head(c, file);
    if (code != 0) {
        if (import_stop) {
            print_note("stopped in '%s' before anything of it is recorded", file->input.path);
        }
        return code;
    }
    const steplog_status status = steplog_reader_refresh(c->s.reader, &err);
    if (status != STEPLOG_OK) {
        return print_failure("reading the store", status, &err);
    }
    import_target_init(&g, &c->target, &c->s, &c->runs, file);
    if (!c->is_quiet && isatty(2)) {
        g.progress = show_progress;
        g.progress_context = c;
    }
    code = read_body(file, &g);
    const int closed = import_target_finish(&g, code == 0);
    end_progress(c);
    code = code != 0 ? code : closed;
    if (import_stop) {
        print_note("stopped in '%s' after %" PRIu64 " rows, which are kept; import it again to go on",
                   file->input.path, g.known_rows + g.new_rows);
    } else if (code == 0 && file->table.row_count == 0) {
        note_file(c, file);
        print_note("'%s': no number found as %s", file->input.path, import_format_names[file->format]);
        code = TOOL_NO;
    } else if (code == 0) {
        note_file(c, file);
        report(c, file, &g);
    }
    import_target_clear(&g);
    return code;
}

static int import_one(import_command *c, const char *path)
{
    import_file file = {0};
    int code = import_input_open(&file.input, path);
    if (code == 0) {
        code = import_opened(c, &file);
    }
    import_file_close(&file);
    return code;
}

/* ---- the command line ---- */

static int add_param(args *a, import_command *c)
{
    char *text = (char *)(uintptr_t)a->value;
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        return args_fail(a, "expected KEY=VALUE, found '%.100s'", text);
    }
    *equals = 0;
    c->params = xrealloc(c->params, (c->param_count + 1) * sizeof *c->params);
    c->params[c->param_count++] = (steplog_pair){text, equals + 1};
    return 0;
}

static int take_option(args *a, import_command *c, int id)
{
    size_t format;
    switch (id) {
    case OPT_FORMAT:
        if (!args_choice(a, import_format_names, &format)) {
            return a->exit_code;
        }
        c->format = (import_format)format;
        return 0;
    case OPT_RUN:
        c->target.name = a->value;
        return 0;
    case OPT_RUN_KEY:
        c->target.run_key = a->value;
        return 0;
    case OPT_STEP:
        c->options.step_column = a->value;
        return 0;
    case OPT_TIME:
        c->options.time_column = a->value;
        return 0;
    case OPT_PROJECT:
        c->target.project = a->value;
        return 0;
    case OPT_PARAM:
        return add_param(a, c);
    case OPT_JSON:
        c->is_json = 1;
        return 0;
    case 'q':
        c->is_quiet = 1;
        return 0;
    default:
        return a->exit_code;
    }
}

/* What went worst: could not, then not found, then nothing there. */
static int worse(int left, int right)
{
    static const int order[] = {[TOOL_YES] = 0, [TOOL_NO] = 1, [TOOL_USAGE] = 2, [TOOL_NOT_FOUND] = 3, [TOOL_IO] = 4};
    return order[left] >= order[right] ? left : right;
}

static int import_all(import_command *c, const args *a)
{
    steplog_error err = {0};
    int code = session_open_writer(&c->s, STEPLOG_CREATE);
    if (code != TOOL_YES) {
        return code;
    }
    const steplog_status status = steplog_reader_open(c->s.store, &c->s.reader, &err);
    code = status == STEPLOG_OK ? import_runs_read(&c->runs, &c->s) : print_failure("reading the store", status, &err);
    size_t i = 0;
    for (; code != TOOL_USAGE && i < a->operand_count && c->s.reader != NULL && !import_stop; i++) {
        code = worse(code, import_one(c, a->operands[i]));
    }
    if (import_stop && i < a->operand_count) {
        print_note("stopped before '%s'", a->operands[i]);
        code = worse(code, TOOL_IO);
    }
    import_runs_clear(&c->runs);
    return session_close(&c->s, code);
}

int cmd_import(int argc, char **argv)
{
    args a;
    import_command c = {.format = IMPORT_AUTO};
    args_begin(&a, &usage, argc, argv);
    for (int id; (id = args_next(&a)) != ARGS_DONE;) {
        const int code = take_option(&a, &c, id);
        if (code != 0 || id == ARGS_EXIT) {
            free(c.params);
            return code;
        }
    }
    if (a.operand_count == 0) {
        free(c.params);
        return args_fail(&a, "which FILE?");
    }
    c.target.params = c.params;
    c.target.param_count = c.param_count;
    stop_on(SIGINT);
    stop_on(SIGTERM);
    const int code = import_all(&c, &a);
    free(c.params);
    return code;
}
