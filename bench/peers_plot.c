/* bench/peers_plot.c: size against scan speed, ours and others', from the file that the comparison with peers wrote.
 *
 * That file has one member of an object a line; only names, measures and values are looked at, and only of W20. */
#include "bench.h"

#include "plot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEERS_MAX 24u

typedef struct peer_figures {
    char name[64];
    double size, scan;
} peer_figures;

static peer_figures peers[PEERS_MAX];
static size_t peer_count;

/* The text of a member: what is between quotes after the colon. */
static int take_text(const char *line, const char *member, char *out, size_t bytes)
{
    const char *at = strstr(line, member);
    if (!at || !(at = strchr(at + strlen(member), '"'))) return 0;
    snprintf(out, bytes, "%.*s", (int)strcspn(at + 1, "\""), at + 1);
    return 1;
}

static peer_figures *peer_named(const char *name)
{
    for (size_t i = 0; i < peer_count; i++)
        if (strcmp(peers[i].name, name) == 0) return &peers[i];
    if (peer_count == PEERS_MAX) return &peers[PEERS_MAX - 1];
    snprintf(peers[peer_count].name, sizeof peers[0].name, "%s", name);
    return &peers[peer_count++];
}

static void read_peers(FILE *f)
{
    char line[512], name[64] = "", kind[16] = "", measure[64] = "";
    while (fgets(line, sizeof line, f)) {
        take_text(line, "\"name\":", name, sizeof name);
        take_text(line, "\"workload\":", kind, sizeof kind);
        take_text(line, "\"measure\":", measure, sizeof measure);
        const char *value = strstr(line, "\"value\": ");
        if (!value || strcmp(kind, "W20") != 0) continue;
        double number = strtod(value + strlen("\"value\": "), NULL);
        if (strcmp(measure, "size") == 0) peer_named(name)->size = number;
        if (strcmp(measure, "scan") == 0) peer_named(name)->scan = number;
    }
}

void plot_peers(void)
{
    FILE *f = fopen(result_path("peers.json"), "r");
    if (!f) return;
    read_peers(f);
    fclose(f);
    plot *p = plot_new("Stores on W20: small and fast is at the top left", "bytes a point",
                       "one series scanned, Mpoint/s", PLOT_LOG_X | PLOT_LOG_Y);
    for (size_t i = 0; i < peer_count; i++)
        if (peers[i].size > 0 && peers[i].scan > 0) plot_mark(p, peers[i].name, peers[i].size, peers[i].scan);
    plot_write(p, result_path("bench-peers.svg"));
}
