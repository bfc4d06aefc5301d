/* bench/bench.c: the benchmark. `bench` runs all sections and writes build/bench.json; `bench append`, `bench
 * sustained`, `bench codec` run one; `bench big [ROWS]` writes, compacts, opens and scans a store of a hundred
 * million points and says what memory that took. README.md beside this file tells what each number means. */
#include "bench.h"

#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIG_ROWS 5000000u

static void usage(void)
{
    fputs("usage: bench [append | sustained | codec | big [ROWS]]\n", stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    const char *section = argc > 1 ? argv[1] : "";
    int is_all = argc == 1;
    print_machine();
    if (strcmp(section, "big") == 0) {
        char *end = NULL;
        uint64_t rows = argc > 2 ? strtoull(argv[2], &end, 10) : BIG_ROWS;
        if (argc > 3 || (end && *end) || rows == 0) usage();
        bench_big(rows);
        return 0;
    }
    if (argc > 2 || (!is_all && strcmp(section, "append") && strcmp(section, "sustained") && strcmp(section, "codec")))
        usage();
    if (is_all || strcmp(section, "append") == 0) bench_append();
    if (is_all || strcmp(section, "sustained") == 0) bench_sustained();
    if (is_all || strcmp(section, "codec") == 0) bench_codec();
    if (is_all && write_json("build/bench.json") != 0) die("cannot write build/bench.json");
    return 0;
}
