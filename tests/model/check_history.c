/* model/check_history.c: the history and the facts of a run: which event is which record, and what is not there. */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

static void format_value(char text[32], uint32_t v) { snprintf(text, 32, "value %u", (unsigned)v); }

static int is_target(const oracle *o, const record *r, const steplog_event *e)
{
    const record *t = &o->records[r->target];
    /* One that a removal of the whole run covers may not have been read. */
    return !t->is_known || (memcmp(&t->id, &e->target, sizeof t->id) == 0 && t->event_sequence == e->target_sequence);
}

static int is_event(const oracle *o, const record *r, const steplog_event *e)
{
    char text[32];
    switch (e->kind) {
    case STEPLOG_EVENT_SET:
        format_value(text, r->v);
        return r->kind == REC_SET && e->key && e->key[0] == 'k' && (uint32_t)(e->key[1] - '0') == r->key &&
               (e->value ? r->bytes && strcmp(text, e->value) == 0 : !r->bytes);
    case STEPLOG_EVENT_REWIND:
        return r->kind == REC_REWIND && r->step == e->step_begin && (!r->attempt || r->attempt == e->attempt);
    case STEPLOG_EVENT_UNDO:
        if (r->kind != REC_UNREMOVE) return r->kind == REC_UNDO && is_target(o, r, e);
        for (size_t i = 0; i < o->count; i++) { /* of a removal, not of a rewind */
            const record *t = &o->records[i];
            if (t->kind == REC_REWIND && t->is_known && memcmp(&t->id, &e->target, sizeof t->id) == 0) return 0;
        }
        return 1;
    case STEPLOG_EVENT_FORK:
        return r->kind == REC_FORK && r->step_end == e->step_end && (r->attempt == e->parent_attempt || r->bytes);
    case STEPLOG_EVENT_TOMBSTONE:
        if (r->kind != REC_REMOVAL || r->has_steps != e->has_steps) return 0;
        if (r->has_steps && (r->step != e->step_begin || r->step_end != e->step_end)) return 0;
        return r->is_whole
                   ? !e->key
                   : e->key && e->key[0] >= 'a' && e->key[0] < 'a' + METRICS && (r->mask >> (e->key[0] - 'a') & 1);
    default: return 0;
    }
}

static int is_of_many(const record *r) { return r->kind == REC_REMOVAL || r->kind == REC_UNREMOVE; }

static record *find_event(oracle *o, int run, const steplog_event *e)
{
    for (size_t i = 0; i < o->count; i++) {
        record *r = &o->records[i];
        if (r->run == run && r->is_known && r->event_sequence == e->sequence &&
            memcmp(&r->id, &e->incarnation, sizeof r->id) == 0)
            return is_event(o, r, e) ? r : NULL;
    }
    for (int certain = 1; certain >= 0; certain--)
        for (size_t i = 0; i < o->count; i++) {
            record *r = &o->records[i];
            if (r->run != run || r->state == STATE_NOT || !is_event(o, r, e)) continue;
            if (r->is_known && !(is_of_many(r) && memcmp(&r->id, &e->incarnation, sizeof r->id) == 0)) continue;
            if (is_of_many(r) && certain && r->state != STATE_IS) continue;
            if (r->writer >= 0 && memcmp(&o->writers[r->writer].id, &e->incarnation, sizeof r->id) != 0) continue;
            return r;
        }
    return NULL;
}

/* The tombstone at that place of a removal, added when it is new. */
static tombstone *part_of(record *removal, uint64_t event_sequence)
{
    for (size_t i = 0; i < removal->part_count; i++)
        if (removal->parts[i].event_sequence == event_sequence) return &removal->parts[i];
    removal->parts = realloc(removal->parts, (removal->part_count + 1) * sizeof *removal->parts);
    if (!removal->parts) abort();
    removal->parts[removal->part_count] = (tombstone){.event_sequence = event_sequence};
    return &removal->parts[removal->part_count++];
}

static void note_tombstone(record *r, const steplog_event *e)
{
    tombstone *part = part_of(r, e->sequence);
    part->target = e->target;
    part->mask = (uint8_t)(e->key ? 1u << (e->key[0] - 'a') : 0u);
    if (r->state == STATE_MAYBE) r->is_partial = 1;
}

static void note_undo(oracle *o, const record *undo, const steplog_event *e)
{
    for (size_t i = 0; i < o->count; i++) {
        record *t = &o->records[i];
        if (t->kind != REC_REMOVAL) continue;
        if (undo->state == STATE_MAYBE && t->target == (size_t)(undo - o->records) + 1) t->is_partial = 1;
        if (!t->is_known || memcmp(&t->id, &e->target, sizeof t->id)) continue;
        for (size_t n = 0; n < t->part_count; n++)
            if (t->parts[n].event_sequence == e->target_sequence) t->parts[n].is_undone = 1;
    }
}

const char *check_history(oracle *o, steplog_reader *reader, int run)
{
    size_t count = steplog_reader_event_count(reader, &o->runs[run].id), last = 0;
    for (size_t i = 0; i < o->count; i++) {
        o->records[i].is_found = 0;
        if (o->records[i].run == run) o->records[i].part_count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        steplog_event e = {.size_bytes = sizeof e};
        steplog_error why;
        if (steplog_reader_event(reader, &o->runs[run].id, i, &e, &why) < 0)
            return say_wrong("run %d, event %zu: %s", run, i, why.text);
        if (e.kind == STEPLOG_EVENT_END || e.kind == STEPLOG_EVENT_GAP) continue;
        record *r = find_event(o, run, &e);
        if (!r)
            return say_wrong("run %d, event %zu of kind %d, value '%s': nobody recorded it", run, i, (int)e.kind,
                             e.value ? e.value : "");
        if (r->is_found && !is_of_many(r)) return say_wrong("run %d, event %zu is there twice", run, i);
        r->is_found = 1;
        r->place = (uint32_t)i;
        if (!r->is_known) {
            r->is_known = 1;
            r->id = e.incarnation;
            r->event_sequence = e.sequence;
        }
        if (r->kind == REC_REMOVAL) note_tombstone(r, &e);
        if (r->kind == REC_UNREMOVE) note_undo(o, r, &e);
        r->state = STATE_IS;
        if (e.kind == STEPLOG_EVENT_REWIND) r->attempt = e.attempt;
        if (e.kind == STEPLOG_EVENT_FORK) r->attempt = e.parent_attempt;
        size_t at = (size_t)(r - o->records);
        if (!is_of_many(r) && at < last && !o->runs[run].order_is_lost)
            return say_wrong("run %d: event %zu is out of order", run, i);
        if (!is_of_many(r)) last = at;
    }
    oracle_refresh(o);
    for (size_t i = 0; i < o->count; i++) {
        record *r = &o->records[i];
        if (r->run != run || r->kind == REC_ROW || r->kind == REC_BLOB || r->is_found || !r->seen) continue;
        if (r->state == STATE_IS && !is_of_many(r))
            return say_wrong("run %d: record %zu of kind %d is lost", run, i, r->kind);
        if (r->state == STATE_MAYBE) r->state = STATE_NOT;
    }
    return NULL;
}

const char *check_facts(const oracle *o, steplog_reader *reader, int run)
{
    for (uint32_t key = 0; key < FACT_KEYS; key++) {
        const record *latest = NULL;
        for (size_t i = 0; i < o->count; i++) {
            const record *r = &o->records[i];
            if (r->run != run || r->kind != REC_SET || r->key != key || r->state != STATE_IS || !r->seen) continue;
            if (!latest || !o->runs[run].order_is_lost || r->place > latest->place) latest = r;
        }
        char name[8] = {'k', (char)('0' + key)}, text[32] = "";
        const char *value = NULL;
        if (latest && latest->bytes) format_value(text, latest->v);
        if (steplog_reader_fact(reader, &o->runs[run].id, name, &value) < 0) value = NULL;
        if (strcmp(value ? value : "", text))
            return say_wrong("run %d: fact %s is '%s', not '%s'", run, name, value ? value : "", text);
    }
    return NULL;
}
