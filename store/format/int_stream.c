/* int_stream.c: integers to differences, to offsets from a base, to packed bits with patches; and back.
 *
 * The width is where the bytes are won. Noise has tails: a width that holds every offset wastes a bit or more
 * on all values for the sake of a few. So offsets that do not fit keep only their low bits in the packed
 * part, and a patch holds the rest. The window [base, base + 2^width) may lie anywhere: around the middle when
 * both tails are patched, from the smallest value when only the upper one is (waiting times). A histogram
 * of the bit lengths of the distance from a point gives the number of patches for every width in one pass.
 *
 * Patches say how many values to skip since the one before, in a fixed width that suits most gaps;
 * an entry whose gap is all ones and whose high part is zero skips that far and patches nothing.
 *
 * All arithmetic on values wraps modulo 2^64. The encoder's choices use integers only, so the same values give the
 * same bytes everywhere. */
#include "format/int_stream.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "format/bit_pack.h"
#include "format/kernels.h"

#define COUNT_MAX SL_STREAM_COUNT_MAX
#define ORDERS (SL_STREAM_ORDER_MAX + 1)
#define SAMPLE_RUNS 8u
#define SAMPLE_RUN_LENGTH 16u
#define SAMPLE_COUNT (SAMPLE_RUNS * SAMPLE_RUN_LENGTH)
#define MIDDLE_SAMPLES 31u
#define SCORE_SAMPLES 11u
#define SCORED_MIN 8u

_Static_assert(SL_PACK_LANED_COUNT == COUNT_MAX, "a full stream is what the lane layout is for");
_Static_assert(SL_KERNEL_COUNT_MAX == COUNT_MAX, "the inner loops have room for a full stream");
_Static_assert(SAMPLE_RUN_LENGTH == 16 && ORDERS == 4, "as the inner loop samples");
_Static_assert(MIDDLE_SAMPLES <= SL_KERNEL_SELECT_MAX, "the middle of a sample can be selected");

/* ---- numbers ---- */

size_t sl_stream_number_bytes(uint64_t number)
{
    return (sl_bit_length(number | 1) + 6) / 7;
}

uint8_t *sl_stream_put_number(uint8_t *out, uint64_t number)
{
    for (; number >= 128; number >>= 7) *out++ = (uint8_t)(number | 128);
    *out++ = (uint8_t)number;
    return out;
}

uint64_t sl_stream_take_number(sl_stream_input *input)
{
    uint64_t number = 0;
    if (input->what != NULL) return 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (input->at == input->end) {
            input->what = "the bytes end inside a number";
            return 0;
        }
        uint8_t byte = *input->at++;
        number |= (uint64_t)(byte & 127) << shift;
        if (byte >= 128) continue;
        if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1)) break;
        return number;
    }
    input->what = "a number is not in its shortest form";
    return 0;
}

unsigned sl_stream_take_byte(sl_stream_input *input, unsigned maximum, const char *what)
{
    if (input->what != NULL) return 0;
    if (input->at == input->end || *input->at > maximum) {
        input->what = input->at == input->end ? "the bytes end inside a header" : what;
        return 0;
    }
    return *input->at++;
}

/* ---- choosing ---- */

/* Lengths of x and of -1 - x are the same, so that [-2^k, 2^k) is what length k holds. */
static unsigned signed_length(uint64_t value)
{
    return sl_bit_length(value ^ (0 - (value >> 63)));
}

/* Takes count of values_count values, evenly spaced. */
static void take_sample(const uint64_t *values, size_t values_count, int64_t *sample, size_t count)
{
    /* At i * values_count / count, without dividing each time. */
    const size_t stride = values_count / count, part = values_count % count;
    for (size_t i = 0, at = 0, parts = 0; i < count; i++, at += stride, parts += part) {
        size_t is_whole = parts >= count;
        at += is_whole;
        parts -= is_whole ? count : 0;
        sample[i] = (int64_t)values[at];
    }
}

/* Differences of each order at up to 128 places; all of them when there are few. Returns how many. */
static size_t sample_differences(const uint64_t *values, size_t count, uint64_t samples[ORDERS][SAMPLE_COUNT])
{
    size_t taken = 0;
    if (count < SAMPLE_COUNT + SL_STREAM_ORDER_MAX) {
        for (const uint64_t *v = values; taken < count - SL_STREAM_ORDER_MAX; v++, taken++) {
            uint64_t a = v[1] - v[0], b = v[2] - v[1], c = v[3] - v[2];
            samples[0][taken] = v[3];
            samples[1][taken] = c;
            samples[2][taken] = c - b;
            samples[3][taken] = c - 2 * b + a;
        }
        return taken;
    }
    const size_t last = count - SAMPLE_RUN_LENGTH - SL_STREAM_ORDER_MAX;
    for (size_t run = 0; run < SAMPLE_RUNS; run++, taken += SAMPLE_RUN_LENGTH) {
        uint64_t *const out[ORDERS] = {samples[0] + taken, samples[1] + taken, samples[2] + taken, samples[3] + taken};
        sl_kernels_now()->sample(values + run * last / (SAMPLE_RUNS - 1), out);
    }
    return taken;
}

/* Sums, for each order, the bit lengths of the distance from the median of the sample. */
void sl_stream_make_score(sl_stream_score *score, const uint64_t *values, size_t count)
{
    _Alignas(64) uint64_t samples[ORDERS][SAMPLE_COUNT];
    *score = (sl_stream_score){.count = count};
    if (count < SCORED_MIN) return;
    score->sampled = sample_differences(values, count, samples);
    for (unsigned order = 0; order < ORDERS; order++) {
        int64_t sample[SCORE_SAMPLES], median;
        const size_t count_of_sample = score->sampled < SCORE_SAMPLES ? score->sampled : SCORE_SAMPLES;
        const unsigned place = (unsigned)count_of_sample / 2;
        take_sample(samples[order], score->sampled, sample, count_of_sample);
        sl_kernels_now()->select(sample, count_of_sample, &place, 1, &median);
        score->bits[order] = sl_kernels_now()->sum_lengths(samples[order], score->sampled, (uint64_t)median);
    }
}

static size_t best_score(const sl_stream_score *score)
{
    size_t best = score->bits[0];
    for (unsigned order = 1; order < ORDERS; order++) best = score->bits[order] < best ? score->bits[order] : best;
    return best;
}

size_t sl_stream_estimate_bits(const sl_stream_score *score)
{
    if (score->count < SCORED_MIN) return score->count * 64;
    return best_score(score) * score->count / score->sampled + 2 * score->count;
}

/* Where most of the values lie, and how widely. */
typedef struct spread {
    int64_t min, max;
    uint64_t median, middle, width;
    int is_often_median; /* half of the values or more are the median, by a sample */
} spread;

/* A sampled median is off by a fifth of the spread; the mean of all values, each moved to within the spread of
 * it, is nearly as good as one can know the middle. */
static void measure_middle(const uint64_t *values, size_t count, spread *s)
{
    enum { LOW, QUARTER, HALF, THREE_QUARTERS, HIGH, PLACES };
    int64_t sample[MIDDLE_SAMPLES], at[PLACES];
    const unsigned taken = count < MIDDLE_SAMPLES ? (unsigned)count : MIDDLE_SAMPLES;
    const unsigned places[PLACES] = {[LOW] = taken / 10,
                                     [QUARTER] = taken / 4,
                                     [HALF] = taken / 2,
                                     [THREE_QUARTERS] = taken - 1 - taken / 4,
                                     [HIGH] = taken - 1 - taken / 10};
    take_sample(values, count, sample, taken);
    sl_kernels_now()->select(sample, taken, places, PLACES, at);
    s->width = (uint64_t)at[HIGH] - (uint64_t)at[LOW];
    s->median = s->middle = (uint64_t)at[HALF];
    s->is_often_median = at[QUARTER] == at[HALF] || at[THREE_QUARTERS] == at[HALF];
    if (s->width >> 52 != 0) return; /* the sum below would wrap */
    int64_t sum = sl_kernels_now()->sum_distances(values, count, s->median, (int64_t)s->width);
    s->middle = s->median + (uint64_t)(sum / (int64_t)count);
}

typedef struct window {
    uint64_t base;
    unsigned width;
    size_t bits; /* estimated, then exact */
} window;

/* Picks the width that costs least, by the number of patches each would need: from the smallest value up,
 * or around the middle. Of many values it counts every fourth, which is enough to choose. */
static window choose_window(const uint64_t *values, size_t count, const spread *s, int is_one_sided)
{
    const sl_kernels *kernels = sl_kernels_now();
    const unsigned sign = is_one_sided ? 0 : 1;
    const uint64_t origin = is_one_sided ? (uint64_t)s->min : s->middle;
    const size_t stride = count >= 512 ? 4 : 1;
    const uint64_t above_origin = (uint64_t)s->max - origin;
    unsigned longest = is_one_sided ? sl_bit_length(above_origin) : signed_length(above_origin);
    unsigned below = is_one_sided ? 0 : signed_length((uint64_t)s->min - origin);
    uint8_t lengths[COUNT_MAX];
    uint64_t seen;
    longest = below > longest ? below : longest;
    const size_t sampled = kernels->lengths(values, count, stride, origin, is_one_sided, lengths, &seen);

    /* Where distances wrap some may be longer than those of the extremes; they do not count. */
    const size_t beyond = longest < 64 && seen >> longest != 0 ? kernels->count_longer(lengths, sampled, longest) : 0;
    window best = {.base = origin, .width = longest + sign, .bits = (longest + sign) * count};
    size_t outside = 0;
    for (unsigned length = longest; length-- > 0;) {
        if (seen >> length & 1) outside = (kernels->count_longer(lengths, sampled, length) - beyond) * stride;
        if (outside * 4 > count) break;
        unsigned width = length + sign, high = longest + 1 - length;
        size_t patches = outside == 0 ? stride / 2 + 1 : outside;
        unsigned gap = sl_bit_length(count / patches) + 1;
        size_t bits = width * count + patches * (high + gap) + 32;
        if (bits < best.bits) best.width = width, best.bits = bits;
    }
    if (!is_one_sided && best.width > 0) best.base = origin - ((uint64_t)1 << (best.width - 1));
    return best;
}

/* When nearly all values are the same, no packed bits at all: the others are patches. */
static window choose_no_width(const uint64_t *values, size_t count, uint64_t median)
{
    uint64_t longest;
    size_t outside = sl_kernels_now()->count_others(values, count, median, &longest);
    if (outside * 4 > count || outside == 0) return (window){.bits = SIZE_MAX};
    size_t gap = sl_bit_length(count / outside) + 1;
    return (window){.base = median, .width = 0, .bits = outside * (gap + sl_bit_length(longest)) + 32};
}

/* ---- patches ---- */

/* Chooses the width of gaps: wide ones cost every patch, narrow ones need entries that only skip. */
static void choose_gap_width(sl_patch_list *list)
{
    unsigned gap_max = 0, sum = 0;
    for (size_t i = 0; i < list->count; i++) {
        gap_max = list->gaps[i] > gap_max ? list->gaps[i] : gap_max;
        sum += list->gaps[i];
    }
    unsigned widest = sl_bit_length(gap_max), first = sl_bit_length(sum / list->count);
    size_t best = SIZE_MAX;
    first = first > widest ? widest : first;
    for (unsigned width = first; width <= widest && width <= first + 4; width++) {
        size_t entries = list->count;
        if (entries * (width + list->high_width) >= best) break;
        if (width < widest) {
            if (width == 0) continue; /* nothing marks a skip */
            for (size_t i = 0; i < list->count; i++) entries += (size_t)list->gaps[i] >> width;
        }
        if (entries * (width + list->high_width) >= best) continue;
        best = entries * (width + list->high_width);
        list->gap_width = width;
        list->entries = entries;
    }
}

/* Finds the patches of count values that are not in the window, and
 * narrows it while no low part needs its top bit. */
static void find_patches(const uint64_t *values, size_t count, window *w, sl_patch_list *list)
{
    const uint64_t mask = w->width == 64 ? UINT64_MAX : ((uint64_t)1 << w->width) - 1;
    uint16_t positions[COUNT_MAX + SL_KERNEL_LANES_MAX];
    uint64_t every;
    const size_t found = sl_kernels_now()->find_outside(values, count, w->base, mask, positions, &every);
    const uint64_t all = every & mask;
    list->count = 0;
    list->entries = 0;
    list->gap_width = list->high_width = 0;
    if (found == 0) {
        w->width = sl_bit_length(all);
        return;
    }
    const unsigned narrowed = w->width - sl_bit_length(all);
    uint64_t highs = 0;
    for (size_t j = 0, next = 0; j < found; j++) {
        size_t i = positions[j];
        uint64_t offset = values[i] - w->base;
        /* An arithmetic shift: what lies below the window has a small negative high part. */
        uint64_t high = offset >> w->width | (offset >> 63 != 0 && w->width > 0 ? ~(UINT64_MAX >> w->width) : 0);
        list->gaps[j] = (uint16_t)(i - next);
        list->highs[j] = sl_zigzag(high << narrowed);
        highs |= list->highs[j];
        next = i + 1;
    }
    list->count = found;
    w->width -= narrowed;
    list->high_width = sl_bit_length(highs);
    choose_gap_width(list);
}

/* Turns gaps that are too long into entries that only skip. */
static void insert_skips(sl_patch_list *list)
{
    size_t to = list->entries;
    const unsigned gap_all_ones = (1u << list->gap_width) - 1;
    for (size_t from = list->count; from-- > 0;) {
        unsigned gap = list->gaps[from];
        list->highs[--to] = list->highs[from];
        list->gaps[to] = (uint16_t)(gap & gap_all_ones);
        for (unsigned skips = gap >> list->gap_width; skips > 0; skips--) {
            list->highs[--to] = 0;
            list->gaps[to] = (uint16_t)gap_all_ones;
        }
    }
    SL_ASSERT(to == 0);
}


/* ---- planning ---- */

static size_t packed_count(size_t count, unsigned order)
{
    return count == COUNT_MAX ? count : count - order;
}

static size_t stream_bytes(const sl_stream_plan *plan)
{
    size_t bytes = 1 + sl_stream_number_bytes(sl_zigzag(plan->base)) +
                   sl_pack_bytes(packed_count(plan->count, plan->order), plan->width);
    for (unsigned i = 0; i < plan->order; i++) bytes += sl_stream_number_bytes(sl_zigzag(plan->heads[i]));
    if (plan->patch_count == 0) return bytes;
    return bytes + sl_stream_number_bytes(plan->patch_count) + 2 + sl_pack_bytes(plan->patch_count, plan->gap_width) +
           sl_pack_bytes(plan->patch_count, plan->high_width);
}

/* Completes a plan for a window: exact sizes, from the patches that it really needs. */
static void fill_plan(sl_stream_plan *plan, const uint64_t *differences, size_t count, window w, sl_patch_list *list)
{
    find_patches(differences, count, &w, list);
    plan->width = w.width;
    plan->base = w.base;
    plan->patch_count = (unsigned)list->entries;
    plan->gap_width = list->gap_width;
    plan->high_width = list->high_width;
    plan->bytes = stream_bytes(plan);
}

/* Completes a plan without patches: the offsets from the smallest are all below 2^width. */
static void fill_plan_whole(sl_stream_plan *plan, const spread *s)
{
    plan->width = sl_bit_length((uint64_t)s->max - (uint64_t)s->min);
    plan->base = (uint64_t)s->min;
    plan->patch_count = plan->gap_width = plan->high_width = 0;
    plan->bytes = stream_bytes(plan);
}

/* Plans one order; heads and order are set, and the extremes in *s. Keeps the better of a window without and one with
 * patches, which are then in list. */
static void plan_order(sl_stream_plan *plan, const uint64_t *differences, size_t count, spread *s, sl_patch_list *list)
{
    fill_plan_whole(plan, s);
    if (plan->width < 2 || count < 8) return;

    measure_middle(differences, count, s);
    window best = choose_window(differences, count, s, 0);
    if (s->middle - (uint64_t)s->min <= s->width) {
        window one_sided = choose_window(differences, count, s, 1);
        if (one_sided.bits < best.bits) best = one_sided;
    }
    if (s->is_often_median) {
        window none = choose_no_width(differences, count, s->median);
        if (none.bits < best.bits) best = none;
    }
    if (best.bits >= plan->width * count) return;
    sl_stream_plan patched = *plan;
    fill_plan(&patched, differences, count, best, list);
    /* As many patches as a full stream has values is one more than the format has. Where distances wrap, what
     * choose_window() did not count may make so many. */
    if (patched.patch_count < COUNT_MAX && patched.bytes < plan->bytes) *plan = patched;
}

/* Bit i is set when order i is worth planning. */
static unsigned orders_worth_planning(const sl_stream_score *score)
{
    const size_t count = score->count;
    if (count < 16) return (1u << (count < ORDERS ? count : ORDERS)) - 1;
    unsigned worth = 0;
    /* A sample cannot tell a quarter of a bit from nothing; of a few bits, not even one. */
    size_t best = best_score(score), doubt = best < 3 * score->sampled ? score->sampled : score->sampled / 4;
    for (unsigned order = 0; order < ORDERS; order++) {
        if (score->bits[order] <= best + doubt) worth |= 1u << order;
    }
    return worth;
}

void sl_stream_make_plan(sl_stream_plan *plan, const uint64_t *values, size_t count, const sl_stream_score *score,
                         sl_stream_work *work)
{
    SL_ASSERT(count >= 1 && count <= COUNT_MAX && score->count == count);
    sl_stream_plan candidate = {.count = count};
    const uint64_t *source = values;
    const unsigned worth = orders_worth_planning(score);
    plan->bytes = SIZE_MAX;
    work->best = 0;
    for (unsigned order = 0; order < ORDERS && worth >> order != 0; order++) {
        const unsigned other = work->best ^ 1;
        spread s = {0};
        if (order > 0) {
            uint64_t *differences = work->side[other].differences + SL_STREAM_DIFFERENCES_AT;
            candidate.heads[order - 1] = source[0];
            sl_kernels_now()->difference(source, count - order + 1, differences,
                                         worth >> order & 1 ? &s.min : NULL, &s.max);
            source = differences;
        }
        if ((worth >> order & 1) == 0) continue;
        candidate.order = order;
        if (order == 0) sl_kernels_now()->extremes(values, count, &s.min, &s.max);
        plan_order(&candidate, source, count - order, &s, &work->side[other].list);
        if (candidate.bytes < plan->bytes) {
            *plan = candidate;
            work->best = other;
        }
        if (plan->width == 0 && plan->patch_count == 0) return; /* constant, or affine: nothing is smaller */
    }
}

/* ---- bytes ---- */

uint8_t *sl_stream_write(const sl_stream_plan *plan, const uint64_t *values, sl_stream_work *work, uint8_t *out)
{
    sl_patch_list *list = &work->side[work->best].list;
    const uint64_t *source = values;

    *out++ = (uint8_t)plan->width;
    for (unsigned i = 0; i < plan->order; i++) out = sl_stream_put_number(out, sl_zigzag(plan->heads[i]));
    out = sl_stream_put_number(out, sl_zigzag(plan->base));
    if (plan->patch_count > 0) {
        out = sl_stream_put_number(out, plan->patch_count);
        *out++ = (uint8_t)plan->gap_width;
        *out++ = (uint8_t)plan->high_width;
    }
    if (plan->order > 0) {
        /* The places of the first values, if there are any, are packed as zeros. */
        const unsigned skipped = plan->count == COUNT_MAX ? plan->order : 0;
        uint64_t *first = work->side[work->best].differences + SL_STREAM_DIFFERENCES_AT - skipped;
        for (unsigned i = 0; i < skipped; i++) first[i] = plan->base;
        source = first;
    }
    out += sl_pack_from(source, packed_count(plan->count, plan->order), plan->width, plan->base, out);
    if (plan->patch_count == 0) return out;
    SL_ASSERT(list->entries == plan->patch_count && list->entries < COUNT_MAX); /* 1024 would be in lanes */
    insert_skips(list);
    uint64_t gaps[COUNT_MAX];
    for (size_t i = 0; i < list->entries; i++) gaps[i] = list->gaps[i];
    out += sl_pack(gaps, list->entries, list->gap_width, out);
    return out + sl_pack(list->highs, list->entries, list->high_width, out);
}

int sl_stream_read_header(sl_stream_input *input, size_t count, unsigned order, int has_patches,
                          sl_stream_plan *plan)
{
    *plan = (sl_stream_plan){.count = count, .order = order};
    if (order > SL_STREAM_ORDER_MAX || order >= count) {
        input->what = "the order of differences is not below the count";
        return 0;
    }
    plan->width = sl_stream_take_byte(input, 64, "the width is above 64");
    for (unsigned i = 0; i < order; i++) plan->heads[i] = sl_unzigzag(sl_stream_take_number(input));
    plan->base = sl_unzigzag(sl_stream_take_number(input));
    if (has_patches) {
        uint64_t entries = sl_stream_take_number(input);
        plan->gap_width = sl_stream_take_byte(input, 10, "the gap width of patches is above 10");
        plan->high_width = sl_stream_take_byte(input, 64 - plan->width, "the high parts of patches are too wide");
        if (input->what == NULL && (entries == 0 || entries >= COUNT_MAX || entries > count - order)) {
            input->what = "there are no patches, or more than values";
        }
        if (input->what == NULL && plan->high_width == 0) input->what = "the high parts of patches are empty";
        plan->patch_count = (unsigned)entries;
    }
    if (input->what != NULL) return 0;
    plan->bytes = sl_pack_bytes(packed_count(count, order), plan->width) +
                  sl_pack_bytes(plan->patch_count, plan->gap_width) +
                  sl_pack_bytes(plan->patch_count, plan->high_width);
    return 1;
}

/* Adds the high parts to the offsets of index order and up. */
static const char *apply_patches(const uint8_t *in, const sl_stream_plan *plan, uint64_t *values)
{
    uint64_t gaps[COUNT_MAX], highs[COUNT_MAX];
    const size_t entries = plan->patch_count;
    if (!sl_unpack(in, entries, plan->gap_width, gaps)) return "the gaps of patches are not in their narrowest form";
    in += sl_pack_bytes(entries, plan->gap_width);
    if (!sl_unpack(in, entries, plan->high_width, highs)) return "the high parts are not in their narrowest form";
    const uint64_t gap_all_ones = ((uint64_t)1 << plan->gap_width) - 1;
    uint64_t next = plan->order;
    for (size_t i = 0; i < entries; i++) {
        next += gaps[i];
        if (next >= plan->count) return "a patch lies behind the last value";
        int is_skip = highs[i] == 0;
        if (is_skip && (gaps[i] != gap_all_ones || gap_all_ones == 0)) return "a patch changes nothing";
        values[next++] += sl_unzigzag(highs[i]) << plan->width;
    }
    return highs[entries - 1] == 0 ? "the last patch only skips" : NULL;
}

static const char *read_offsets(const sl_stream_input *input, const sl_stream_plan *plan, uint64_t *values)
{
    const size_t packed = packed_count(plan->count, plan->order), skipped = plan->count - packed;
    uint64_t unused = 0;
    if (!sl_unpack_from(input->at, packed, plan->width, plan->base, values + skipped)) {
        return "the packed values are not in their narrowest form";
    }
    for (size_t i = skipped; i < plan->order; i++) unused |= values[i] ^ plan->base;
    if (unused != 0) return "the packed places of the first differences are not zero";
    if (plan->patch_count == 0) return NULL;
    return apply_patches(input->at + sl_pack_bytes(packed, plan->width), plan, values);
}

int sl_stream_read(sl_stream_input *input, size_t count, unsigned order, int has_patches, uint64_t *values,
                   int *is_constant)
{
    sl_stream_plan plan;
    *is_constant = 0;
    if (!sl_stream_read_header(input, count, order, has_patches, &plan)) return 0;
    if ((size_t)(input->end - input->at) != plan.bytes) {
        input->what = "the length differs from what the header says";
        return 0;
    }
    if (plan.width == 0 && !has_patches && order <= 1) {
        *is_constant = order == 0 || plan.base == 0;
        sl_kernels_now()->fill(order == 0 ? plan.base : plan.heads[0], order == 0 ? 0 : plan.base,
                               *is_constant ? SL_KERNEL_LANES_MAX : count, values);
    } else {
        input->what = read_offsets(input, &plan, values);
        if (input->what != NULL) return 0;
        if (order > 0) sl_kernels_now()->sum(values, count, order, plan.heads);
    }
    for (size_t i = count; i % SL_KERNEL_LANES_MAX != 0; i++) values[i] = 0;
    input->at = input->end;
    return 1;
}
