/* fuzz/fuzz_args.c: command lines of the tool.
 *
 * Input: the arguments behind "steplog", a zero byte behind each. The tool's main() is called with them on a store in
 * memory, in a directory of its own that holds a few files to import. Its exit code must be one of the five, and what
 * only reads must leave the store as it is. */
#include "fuzz/fuzz.h"

#include "support/sim_os.h"
#include "support/store_kit.h"
#include "support/temp_dir.h"
#include "tool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 24, MACHINE_SEED = 1 };

int steplog_tool_main(int argc, char **argv); /* main() under another name */

static sim *original;
static const char *directory;

static const struct {
    const char *name, *text;
} files[] = {{"a.csv", "step,loss,acc\n1,0.5,0.1\n2,0.25,0.2\n3,nan,0.3\n"},
             {"b.jsonl", "{\"step\": 1, \"loss\": 0.5}\n{\"step\": 2, \"loss\": 0.25, \"opt\": {\"lr\": 1e-3}}\n"},
             {"c.log", "2026-01-02 03:04:05 step 1 loss: 0.5\nepoch 2/10 loss=0.25 12.5ms\n"}};

static void make_store(void)
{
    original = sim_new(MACHINE_SEED);
    sim_use(original);
    steplog_store *store = kit_store("steplog-store", STEPLOG_CREATE | STEPLOG_NO_THREAD, 65536);
    for (uint32_t run = 0; run < 2; run++) {
        steplog_writer *writer = kit_writer(store, run ? "second" : "first", run, 1);
        steplog_schema schema = kit_schema(writer, "m", 3);
        for (int64_t step = 0; step < 40; step++) {
            double values[3] = {kit_value(1, run, (uint64_t)step, 0), (double)step,
                                kit_value(1, run, (uint64_t)step, 2)};
            OK(steplog_writer_append(writer, schema, step, 1700000000000000000 + step, values));
        }
        OK(steplog_writer_set_fact(writer, "param.lr", "1e-3", &kit_error));
        OK(steplog_writer_blob(writer, "text", 3, STEPLOG_TIME_NONE, "text/plain", "hello", 5, &kit_error));
        kit_writer_close(writer);
    }
    kit_store_close(store);
    sim_use(NULL);
}

/* The files to import are there, and what earlier runs wrote is not. */
static void clean_directory(void)
{
    DIR *listing = opendir(".");
    if (!listing) abort();
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) unlink(entry->d_name);
    closedir(listing);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        FILE *file = fopen(files[i].name, "w");
        if (!file) abort();
        fputs(files[i].text, file);
        fclose(file);
    }
}

static void begin(void)
{
    static const char *const variables[] = {"STEPLOG_DIR", "STEPLOG_RUN_KEY", "NO_COLOR", "COLUMNS", "LINES"};
    /* One below another: a ".." leads nowhere but there. */
    directory = test_path(test_temp_dir(), "here");
    if (mkdir(directory, 0700) != 0) abort();
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) unsetenv(variables[i]);
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0) abort();
    close(null);
    make_store();
}

static int is_one_of(const char *text, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(text, *names) == 0) return 1;
    return 0;
}

/* What would leave the directory, or wait for more to come. */
static int is_refused(int argc, char **argv)
{
    int is_following = 0, is_ending = 0;
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        if (strchr(text, '/')) return 1;
        if (strcmp(text, "--exit-when-done") == 0) is_ending = 1;
        if (text[0] == '-' && text[1] != '-' && strchr(text, 'f')) is_following = 1;
        if (strncmp(text, "--f", 3) == 0) is_following = 1;
    }
    return is_following && !is_ending;
}

/* The verb of a command line without options before it, if it is one that changes nothing. */
static int only_reads(int argc, char **argv)
{
    static const char *const readers[] = {"ls",   "info",   "query",  "tail", "plot",
                                          "diff", "export", "verify", "dump", NULL};
    return argc > 1 && is_one_of(argv[1], readers);
}

static void run(int argc, char **argv)
{
    int is_reader = only_reads(argc, argv);
    sim *machine = sim_after_kill(original);
    sim_use(machine);
    uint64_t before = sim_hash(machine);
    tool = (tool_globals){.verb = ""};
    fuzz_quiet_begin();
    int code = fuzz_call_tool(steplog_tool_main, argc, argv);
    fuzz_quiet_end();
    FUZZ_HOLDS(code >= 0 && code <= 4, "exit code %d", code);
    if (is_reader) FUZZ_HOLDS(sim_hash(machine) == before, "'%s' changed the store", argv[1]);
    sim_free(machine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *argv[ARGUMENTS_MAX + 2];
    static char name[] = "steplog";
    int argc = 1, here;
    if (!directory) begin();
    char *text = (char *)fuzz_copy(data, bytes, 1, 0);
    argv[0] = name;
    for (char *at = text; at < text + bytes && argc <= ARGUMENTS_MAX; at += strlen(at) + 1) argv[argc++] = at;
    argv[argc] = NULL;
    if (!is_refused(argc, argv)) {
        if ((here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) abort();
        if (chdir(directory) != 0) abort();
        clean_directory();
        run(argc, argv);
        if (fchdir(here) != 0) abort();
        close(here);
    }
    free(text);
    return 0;
}
