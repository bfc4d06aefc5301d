/* fault/others.c: allocations that fail, disks that are full, syncs that fail in the ways of real file systems. */
#include "fault/fault.h"

#include "support/fail_memory.h"
#include "support/store_kit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

static const char *run_without_memory(const script_scene *scene, uint64_t seed, uint32_t flags, uint64_t at, int is_sticky,
                                      uint64_t *count)
{
    static char text[300];
    script s, next;
    script_begin(&s, sim_new(seed), seed, flags);
    scene->setup(&s);
    test_memory_fail(at, is_sticky);
    scene->play(&s);
    script_close(&s);
    *count = test_memory_count();
    test_memory_restore();
    const char *wrong = NULL;
    if ((!at || *count < at) && s.errors) wrong = "a call gave an error though no allocation failed";
    if (!wrong) wrong = script_check(&s, SCRIPT_AFTER_KILL, NULL, NULL);
    script_begin(&next, s.machine, seed, flags);
    script_recover(&next);
    if (!wrong && next.errors) {
        snprintf(text, sizeof text, "the store cannot be recovered: %s", steplog_status_name(next.first_error));
        wrong = text;
    }
    script_end(&next);
    if (!wrong) wrong = script_check(&s, SCRIPT_AFTER_KILL, NULL, NULL);
    if (!wrong) wrong = script_verify(&s);
    sim *machine = s.machine;
    script_end(&s);
    sim_use(NULL);
    sim_free(machine);
    return wrong;
}

int fault_memory(const attack_options *o)
{
    attack_test t = {.part = "fault", .name = "memory", .first_seed = o->seed, .last_seed = o->seed};
    int is_short = o->seconds == 0 && o->runs == 0;
    uint64_t stride = !is_short ? 1 : FAULT_IS_SLOW ? 41 : 3, offset = 0;
    for (size_t n = 0; n < script_scene_count; n++)
        for (int mode = 0; mode < FAULT_MODES; mode++)
            for (int is_sticky = 0; is_sticky < 2; is_sticky++) {
                uint64_t count = UINT64_MAX;
                for (uint64_t at = o->detail ? strtoull(o->detail, NULL, 10) : 1 + offset++ % stride; at <= count; at += stride) {
                    const char *wrong = run_without_memory(&script_scenes[n], o->seed, fault_mode_flags[mode], at, is_sticky, &count);
                    t.runs++;
                    t.states++;
                    if (wrong) {
                        char what[700], detail[32];
                        snprintf(detail, sizeof detail, "%" PRIu64, at);
                        snprintf(what, sizeof what, "scene %s, mode %d, allocation %" PRIu64 " fails%s: %s", script_scenes[n].name, mode,
                                 at, is_sticky ? " and all after it" : "", wrong);
                        attack_violation(&t, o->seed, detail, what);
                    }
                    attack_progress(&t);
                    if (o->detail) break;
                }
            }
    return attack_report(&t, NULL);
}

/* ---- space ---- */

enum { BUDGET_ROWS = 1500 };

/* Rows, facts and blobs until the disk is full, then space comes back: the writer goes on without being opened again, and the
 * gap says what was refused. */
static const char *run_on_budget(uint64_t seed, uint32_t flags, uint64_t budget, uint64_t unit, uint64_t *used)
{
    static char text[300];
    const char *wrong = NULL;
    script s;
    size_t w;
    script_begin(&s, sim_new(seed), seed, flags);
    sim_set_budget(s.machine, budget, unit);
    script_open(&s, 0);
    script_writer_open(&s, "run", 0, 0, &w);
    for (int i = 0; i < 3; i++) {
        script_rows(&s, w, BUDGET_ROWS / 3);
        script_fact(&s, w);
        script_blob(&s, w, 3000);
        script_sync(&s, w);
        script_tick(&s);
    }
    *used = sim_used_bytes(s.machine);
    uint64_t errors = s.errors;
    int was_open = s.writer_count && s.writers[w].writer;
    sim_set_budget(s.machine, UINT64_MAX, unit);
    if (was_open) {
        s.errors = 0;
        script_rows(&s, w, 3);
        script_fact(&s, w);
        if (s.errors) wrong = "space came back and the next append failed";
    } else {
        script_open(&s, 0);
        script_writer_open(&s, "run", 0, 0, &w);
        script_rows(&s, w, 3);
    }
    uint64_t refused = 0, told = 0;
    for (size_t i = 0; i < s.writers[0].item_count; i++)
        refused += s.writers[0].items[i].kind == SCRIPT_ROW && s.writers[0].items[i].state == SCRIPT_REFUSED ? SCRIPT_COLUMNS : 0;
    steplog_id run = s.writers[w].run;
    script_close(&s);
    if (!wrong && budget == UINT64_MAX && errors) wrong = "a call gave an error though there was space";
    if (!wrong) wrong = script_check(&s, SCRIPT_AFTER_KILL, NULL, NULL);
    if (!wrong) wrong = script_verify(&s);
    if (!wrong && sim_hole_store_count(s.machine)) wrong = "a store into a page that was never allocated";
    if (!wrong) {
        steplog_store *store = kit_store(s.path, STEPLOG_READ_ONLY | STEPLOG_NO_THREAD, 0);
        steplog_reader *reader = kit_reader(store);
        for (size_t i = 0; i < steplog_reader_event_count(reader, &run); i++) {
            steplog_event event = {.size_bytes = sizeof event};
            OK(steplog_reader_event(reader, &run, i, &event, &kit_error));
            if (event.kind == STEPLOG_EVENT_GAP) told += (uint64_t)event.number;
        }
        steplog_reader_close(reader);
        kit_store_close(store);
        if (told != refused) {
            snprintf(text, sizeof text, "%" PRIu64 " points were refused, the gaps tell of %" PRIu64, refused, told);
            wrong = text;
        }
    }
    sim *machine = s.machine;
    script_end(&s);
    sim_use(NULL);
    sim_free(machine);
    return wrong;
}

int fault_budget(const attack_options *o)
{
    attack_test t = {.part = "fault", .name = "budget", .first_seed = o->seed, .last_seed = o->seed};
    int is_short = o->seconds == 0 && o->runs == 0;
    uint64_t stride = !is_short ? 1 : FAULT_IS_SLOW ? 19997 : 997, all[2] = {0};
    for (int mode = 0; mode < FAULT_MODES; mode++) {
        uint64_t end, used;
        const char *wrong = run_on_budget(o->seed, fault_mode_flags[mode], UINT64_MAX, 1, &end);
        if (wrong) attack_violation(&t, o->seed, "none", wrong);
        all[mode] = end;
        for (int unit = 0; unit < 2; unit++) {
            uint64_t step = unit ? (stride > 4096 ? stride / 4096 * 4096 : 4096) : stride;
            for (uint64_t budget = o->detail ? strtoull(o->detail, NULL, 10) : 0; budget <= end; budget += step) {
                wrong = run_on_budget(o->seed, fault_mode_flags[mode], budget, unit ? SIM_PAGE_BYTES : 1, &used);
                t.runs++;
                t.states++;
                if (wrong) {
                    char what[700], detail[32];
                    snprintf(detail, sizeof detail, "%" PRIu64, budget);
                    snprintf(what, sizeof what, "mode %d, room for %" PRIu64 " bytes%s: %s", mode, budget, unit ? " in pages" : "", wrong);
                    attack_violation(&t, o->seed, detail, what);
                }
                attack_progress(&t);
                if (o->detail) break;
            }
        }
    }
    char figures[100];
    snprintf(figures, sizeof figures, "up to %" PRIu64 " and %" PRIu64 " bytes", all[0], all[1]);
    return attack_report(&t, figures);
}

/* ---- syncs ---- */

/* Every sync of every scene fails once, in each way that file systems have; a power cut comes at the end, after which
 * what was not synced since is lost, or some of it. */
int fault_syncs(const attack_options *o)
{
    attack_test t = {.part = "fault", .name = "syncs", .first_seed = o->seed, .last_seed = o->seed};
    int is_short = o->seconds == 0 && o->runs == 0;
    uint64_t stride = is_short && FAULT_IS_SLOW ? 5 : 1;
    uint64_t syncs_total = 0;
    char only[64] = "";
    int only_mode = -1, only_behaviour = -1, only_sticky = -1;
    uint64_t only_at = 0;
    if (o->detail && sscanf(o->detail, "%63[^/]/%d/%d/%d/%" SCNu64, only, &only_mode, &only_behaviour, &only_sticky, &only_at) != 5) {
        fprintf(stderr, "a case is SCENE/MODE/WAY/STICKY/SYNC\n");
        return 2;
    }
    for (size_t n = 0; n < script_scene_count; n++)
        for (int mode = 0; mode < FAULT_MODES; mode++)
            for (int behaviour = SIM_SYNC_PLAIN; behaviour <= SIM_SYNC_LATE; behaviour++)
                for (int is_sticky = 0; is_sticky < 2; is_sticky++) {
                    uint64_t failed = 1;
                    if (only_at && (strcmp(only, script_scenes[n].name) || mode != only_mode || behaviour != only_behaviour ||
                                    is_sticky != only_sticky))
                        continue;
                    for (uint64_t at = only_at ? only_at : 1; failed && (!only_at || at == only_at); at += stride) {
                        sim_fault fault = {SIM_SYNC, at, at % 2 ? EIO : ENOSPC, is_sticky, 0};
                        fault_play p = {.scene = &script_scenes[n], .seed = o->seed, .flags = fault_mode_flags[mode],
                                        .faults = &fault, .fault_count = 1, .failed_sync = behaviour,
                                        .remains = is_short ? 2 : 6};
                        /* There a file of the test's own may come back; here a sync lied, and anything may be torn. */
                        if (strcmp(p.scene->name, "look") == 0 || behaviour == SIM_SYNC_LATE) p.remains = 0;
                        const char *wrong = fault_run(&p);
                        failed = p.failed;
                        t.runs++;
                        t.states++;
                        syncs_total += failed;
                        if (!wrong) continue;
                        char what[900], detail[100];
                        snprintf(detail, sizeof detail, "%s/%d/%d/%d/%" PRIu64, script_scenes[n].name, mode, behaviour, is_sticky, at);
                        snprintf(what, sizeof what, "scene %s, mode %d, sync %" PRIu64 " fails%s in way %d: %s", script_scenes[n].name,
                                 mode, at, is_sticky ? " and all after it" : "", behaviour, wrong);
                        attack_violation(&t, o->seed, detail, what);
                        attack_progress(&t);
                    }
                }
    char figures[80];
    snprintf(figures, sizeof figures, "%" PRIu64 " syncs failed", syncs_total);
    return attack_report(&t, figures);
}

extern const char __executable_start[];

/* Addresses as addr2line takes them, of the call itself. */
void fault_print_sites(void)
{
    static const void *sites[1024];
    size_t count = sim_sites(sites, 1024);
    for (size_t i = 0; i < count; i++) printf("SITE\t%#tx\n", (const char *)sites[i] - __executable_start - 1);
}
