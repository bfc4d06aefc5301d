/* steplog.c: the command line tool's entry: global options, then the verb.
 *
 * Each verb is a file cmd_VERB.c that uses only the public headers; see tool.h. */
#include "args.h"
#include "print.h"
#include "tool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

tool_globals tool = {.verb = ""};

typedef struct verb_entry {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} verb_entry;

static const verb_entry verbs[] = {
#define VERB_ENTRY(name, summary) {#name, summary, cmd_##name},
    TOOL_VERB_TABLE(VERB_ENTRY)
#undef VERB_ENTRY
};

enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

static void print_help(FILE *file)
{
    fputs("usage: steplog [-C DIR] VERB [options] [arguments]\n\n"
          "steplog records the metrics of training runs and reads them back.\n\nverbs:\n",
          file);
    for (size_t i = 0; i < VERB_COUNT; i++) fprintf(file, "  %-8s  %s\n", verbs[i].name, verbs[i].summary);
    fputs("\noptions, before or after the verb:\n"
          "  -C, --store DIR  the store; else $STEPLOG_DIR, else ./steplog-store\n"
          "  --no-color       no colour on a terminal, as with NO_COLOR set\n"
          "  -h, --help       help, also for a verb: steplog ls --help\n"
          "  --version        the version\n"
          "\nA RUN is an id, a unique prefix of one, a name, a glob over names, or @latest.\n"
          "A SERIES is a glob over metric names, with labels if wanted: loss, 'val/*', 'loss{rank=0}'.\n"
          "\nexit codes: 0 yes, 1 no (nothing matched, damage, difference), 2 usage, 3 not found, 4 could not\n",
          file);
}

static const verb_entry *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    return NULL;
}

static int fail_verb(const char *typed)
{
    const char *names[VERB_COUNT + 2];
    for (size_t i = 0; i < VERB_COUNT; i++) names[i] = verbs[i].name;
    names[VERB_COUNT] = "help";
    names[VERB_COUNT + 1] = NULL;
    const char *nearest = args_nearest(typed, names);
    if (nearest) print_error("unknown verb '%.100s'; did you mean '%s'?", typed, nearest);
    else print_error("unknown verb '%.100s'; `steplog --help` lists them", typed);
    return TOOL_USAGE;
}

static int run_verb(int argc, char **argv)
{
    const verb_entry *verb = find_verb(argv[0]);
    if (verb == NULL) return fail_verb(argv[0]);
    tool.verb = verb->name;
    return verb->run(argc, argv);
}

/* `steplog help VERB` is `steplog VERB --help`. */
static int run_help(int argc, char **argv)
{
    static char option[] = "--help";
    if (argc < 2) {
        print_help(stdout);
        return TOOL_YES;
    }
    char *help_argv[] = {argv[1], option, NULL};
    return run_verb(2, help_argv);
}

/* Takes the value of a global option: "-C DIR", "-CDIR", "--store DIR", "--store=DIR". Returns how many arguments it
 * is, or 0 when argv[0] is another option. */
static int take_store(int argc, char **argv)
{
    const char *text = argv[0];
    if (strncmp(text, "--store=", 8) == 0) {
        tool.store_path = text + 8;
        return 1;
    }
    if (strncmp(text, "-C", 2) == 0 && text[2] != 0) {
        tool.store_path = text + 2;
        return 1;
    }
    if (strcmp(text, "-C") != 0 && strcmp(text, "--store") != 0) return 0;
    if (argc < 2) {
        print_error("option '%s' needs a value: DIR", text);
        exit(TOOL_USAGE);
    }
    tool.store_path = argv[1];
    return 2;
}

/* Prints on stdout may fail late, when its buffer is flushed. */
static int finish(int exit_code)
{
    out_file o = {.file = stdout};
    if (exit_code == TOOL_IO && ferror(stdout)) return exit_code; /* the verb has said so */
    return out_close(&o, exit_code);
}

/* Where standard input, output or error is closed, the next file opened would take its place, and words for people land
 * in it. What stands there now can not be read or written, as before. */
static void fill_standard_places(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
    fill_standard_places();
    /* The reader of a pipe that goes away ends the tool quietly, even where a parent process had ignored SIGPIPE. */
    signal(SIGPIPE, SIG_DFL);
    const char *no_color = getenv("NO_COLOR");
    tool.is_colorless = no_color && *no_color;
    int at = 1;
    while (at < argc && argv[at][0] == '-') {
        const char *text = argv[at];
        int taken = take_store(argc - at, argv + at);
        if (taken > 0) {
            at += taken;
        } else if (strcmp(text, "--no-color") == 0) {
            tool.is_colorless = 1;
            at++;
        } else if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
            print_help(stdout);
            return finish(TOOL_YES);
        } else if (strcmp(text, "--version") == 0 || strcmp(text, "-V") == 0) {
            printf("steplog %s\n", steplog_version());
            return finish(TOOL_YES);
        } else {
            print_error("unknown option '%.100s' before the verb; `steplog --help` lists what there is", text);
            return TOOL_USAGE;
        }
    }
    if (at == argc) {
        print_help(stderr);
        return TOOL_USAGE;
    }
    if (strcmp(argv[at], "help") == 0) return finish(run_help(argc - at, argv + at));
    return finish(run_verb(argc - at, argv + at));
}
