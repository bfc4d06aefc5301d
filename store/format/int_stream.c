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
#include "format/differences.h"

#define COUNT_MAX SL_STREAM_COUNT_MAX
#define ORDERS (SL_STREAM_ORDER_MAX + 1)
#define SAMPLE_RUNS 8u
#define SAMPLE_RUN_LENGTH 16u
#define SAMPLE_COUNT (SAMPLE_RUNS * SAMPLE_RUN_LENGTH)
#define MIDDLE_SAMPLES 31u
#define SCORE_SAMPLES 11u

_Static_assert(SL_PACK_LANED_COUNT == COUNT_MAX, "a full stream is what the lane layout is for");

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

static void sort_signed(int64_t *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        int64_t item = items[i];
        size_t at = i;
        for (; at > 0 && items[at - 1] > item; at--) items[at] = items[at - 1];
        items[at] = item;
    }
}

/* Takes up to wanted of the values, evenly spaced, in order. Returns how many. */
static size_t sorted_sample(const uint64_t *values, size_t count, int64_t *sample, size_t wanted)
{
    size_t taken = count < wanted ? count : wanted;
    for (size_t i = 0; i < taken; i++) sample[i] = (int64_t)values[i * count / taken];
    sort_signed(sample, taken);
    return taken;
}

/* Differences of each order at up to 128 places; all of them when there are few. Returns how many. */
static size_t sample_differences(const uint64_t *values, size_t count, uint64_t samples[ORDERS][SAMPLE_COUNT])
{
    size_t runs = SAMPLE_RUNS, length = SAMPLE_RUN_LENGTH, taken = 0;
    if (count < SAMPLE_COUNT + SL_STREAM_ORDER_MAX) runs = 1, length = count - SL_STREAM_ORDER_MAX;
    for (size_t run = 0; run < runs; run++) {
        const uint64_t *v = values + (runs == 1 ? 0 : run * (count - length - SL_STREAM_ORDER_MAX) / (runs - 1));
        for (size_t i = 0; i < length; i++, v++, taken++) {
            uint64_t a = v[1] - v[0], b = v[2] - v[1], c = v[3] - v[2];
            samples[0][taken] = v[3];
            samples[1][taken] = c;
            samples[2][taken] = c - b;
            samples[3][taken] = c - 2 * b + a;
        }
    }
    return taken;
}

/* Sums, for each order, of the bit lengths of the distance from the median of the sample. Returns the sample's size. */
SL_VECTORISED
static size_t score_orders(const uint64_t *values, size_t count, size_t scores[ORDERS])
{
    uint64_t samples[ORDERS][SAMPLE_COUNT];
    size_t taken = sample_differences(values, count, samples);
    for (unsigned order = 0; order < ORDERS; order++) {
        int64_t sorted[SCORE_SAMPLES];
        size_t sorted_count = sorted_sample(samples[order], taken, sorted, SCORE_SAMPLES);
        uint64_t middle = (uint64_t)sorted[sorted_count / 2];
        scores[order] = 0;
        for (size_t i = 0; i < taken; i++) scores[order] += signed_length(samples[order][i] - middle);
    }
    return taken;
}

size_t sl_stream_estimate_bits(const uint64_t *values, size_t count)
{
    size_t scores[ORDERS];
    if (count < 8) return count * 64;
    size_t taken = score_orders(values, count, scores), best = scores[0];
    for (unsigned order = 1; order < ORDERS; order++) best = scores[order] < best ? scores[order] : best;
    return best * count / taken + 2 * count;
}

/* Where most of the values lie, and how widely. */
typedef struct spread {
    int64_t min, max;
    uint64_t median, middle, width;
    int is_often_median; /* half of the values or more are the median, by a sample */
} spread;

SL_VECTORISED
static spread measure_extremes(const uint64_t *values, size_t count)
{
    spread s = {.min = (int64_t)values[0], .max = (int64_t)values[0]};
    for (size_t i = 1; i < count; i++) {
        int64_t value = (int64_t)values[i];
        s.min = value < s.min ? value : s.min;
        s.max = value > s.max ? value : s.max;
    }
    return s;
}

/* A sampled median is off by a fifth of the spread; the mean of all values, each moved to within the spread of
 * it, is nearly as good as one can know the middle. */
SL_VECTORISED
static void measure_middle(const uint64_t *values, size_t count, spread *s)
{
    int64_t sample[MIDDLE_SAMPLES];
    size_t taken = sorted_sample(values, count, sample, MIDDLE_SAMPLES);
    uint64_t median = (uint64_t)sample[taken / 2];
    s->width = (uint64_t)sample[taken - 1 - taken / 10] - (uint64_t)sample[taken / 10];
    s->median = s->middle = median;
    s->is_often_median = sample[taken / 4] == (int64_t)median || sample[taken - 1 - taken / 4] == (int64_t)median;
    if (s->width >> 52 != 0) return; /* the sum below would wrap */
    int64_t sum = 0, bound = (int64_t)s->width;
    for (size_t i = 0; i < count; i++) {
        int64_t distance = (int64_t)(values[i] - median);
        distance = distance < -bound ? -bound : distance;
        sum += distance > bound ? bound : distance;
    }
    s->middle = median + (uint64_t)(sum / (int64_t)count);
}

typedef struct window {
    uint64_t base;
    unsigned width;
    size_t bits; /* estimated, then exact */
} window;

/* Fills lengths[n] with how many of the values, stride apart, lie at a distance of n bits from origin. */
SL_VECTORISED
static void count_lengths(const uint64_t *values, size_t count, size_t stride, uint64_t origin, int is_one_sided,
                          uint16_t lengths[65])
{
    /* Neighbours often have equal lengths: counting them in turn in two tables avoids waiting for the same counter. */
    uint16_t tables[2][65] = {{0}};
    const uint64_t fold = is_one_sided ? 0 : UINT64_MAX;
    for (size_t i = 0, turn = 0; i < count; i += stride, turn ^= 1) {
        uint64_t distance = values[i] - origin;
        tables[turn][sl_bit_length(distance ^ ((0 - (distance >> 63)) & fold))]++;
    }
    for (unsigned n = 0; n <= 64; n++) lengths[n] = (uint16_t)(tables[0][n] + tables[1][n]);
}

/* Picks the width that costs least, by the number of patches each would need: from the smallest value up,
 * or around the middle. Of many values it counts every fourth, which is enough to choose. */
static window choose_window(const uint64_t *values, size_t count, const spread *s, int is_one_sided)
{
    const unsigned sign = is_one_sided ? 0 : 1;
    const uint64_t origin = is_one_sided ? (uint64_t)s->min : s->middle;
    const size_t stride = count >= 512 ? 4 : 1;
    const uint64_t above_origin = (uint64_t)s->max - origin;
    unsigned longest = is_one_sided ? sl_bit_length(above_origin) : signed_length(above_origin);
    unsigned below = is_one_sided ? 0 : signed_length((uint64_t)s->min - origin);
    uint16_t lengths[65];
    longest = below > longest ? below : longest;
    count_lengths(values, count, stride, origin, is_one_sided, lengths);

    window best = {.base = origin, .width = longest + sign, .bits = (longest + sign) * count};
    size_t outside = 0;
    for (unsigned length = longest; length-- > 0;) {
        outside += lengths[length + 1] * stride;
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
    size_t outside = 0;
    uint64_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        outside += values[i] != median;
        longest |= sl_zigzag(values[i] - median);
    }
    if (outside * 4 > count || outside == 0) return (window){.bits = SIZE_MAX};
    size_t gap = sl_bit_length(count / outside) + 1;
    return (window){.base = median, .width = 0, .bits = outside * (gap + sl_bit_length(longest)) + 32};
}

/* ---- patches ---- */

typedef struct patch_list {
    size_t count;                 /* of real patches */
    unsigned gap_width, high_width;
    size_t entries;               /* with those that only skip */
    uint16_t gaps[COUNT_MAX];
    uint64_t highs[COUNT_MAX];
} patch_list;

/* Chooses the width of gaps: wide ones cost every patch, narrow ones need entries that only skip. */
static void choose_gap_width(patch_list *list)
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

/* Fills low with the masked offsets from base, and is_high with 1 where that is not all. Returns all offsets, or-ed. */
SL_VECTORISED
static uint64_t take_offsets(const uint64_t *values, size_t count, uint64_t base, uint64_t mask, uint64_t *low,
                             uint8_t *is_high)
{
    uint64_t every = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t offset = values[i] - base;
        low[i] = offset & mask;
        is_high[i] = (offset & ~mask) != 0;
        every |= offset;
    }
    return every;
}

/* Fills places with the indexes at which is_high is 1, eight at a time. Returns how many. */
static size_t find_high(const uint8_t *is_high, size_t count, uint16_t *places)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i += 8) {
        for (uint64_t eight = sl_load64(is_high + i); eight != 0; eight &= eight - 1)
            places[found++] = (uint16_t)(i + (unsigned)__builtin_ctzll(eight) / 8);
    }
    return found;
}

/* Splits offsets of count values from the window into low parts (in place of low) and patches, and
 * narrows the window while no low part needs its top bit. */
static void split(const uint64_t *values, size_t count, window *w, uint64_t *low, patch_list *list)
{
    const uint64_t mask = w->width == 64 ? UINT64_MAX : ((uint64_t)1 << w->width) - 1;
    uint8_t is_high[COUNT_MAX];
    memset(is_high + count / 8 * 8, 0, count % 8 == 0 ? 0 : 8);
    uint64_t every = take_offsets(values, count, w->base, mask, low, is_high), all = every & mask;
    list->count = 0;
    list->entries = 0;
    list->gap_width = list->high_width = 0;
    if ((every & ~mask) == 0) {
        w->width = sl_bit_length(all);
        return;
    }
    size_t found = find_high(is_high, count, list->gaps), next = 0; /* gaps holds positions until below */
    const unsigned narrowed = w->width - sl_bit_length(all);
    uint64_t highs = 0;
    for (size_t j = 0; j < found; j++) {
        size_t i = list->gaps[j];
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
static void insert_skips(patch_list *list)
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

SL_VECTORISED
static void difference(const uint64_t *values, size_t count, uint64_t *out)
{
    for (size_t i = 0; i + 1 < count; i++) out[i] = values[i + 1] - values[i];
}

/* Completes a plan for a window: exact sizes, from the patches that it really needs. */
static void fill_plan(sl_stream_plan *plan, const uint64_t *differences, size_t count, window w)
{
    uint64_t low[COUNT_MAX];
    patch_list list;
    split(differences, count, &w, low, &list);
    plan->width = w.width;
    plan->base = w.base;
    plan->patch_count = (unsigned)list.entries;
    plan->gap_width = list.gap_width;
    plan->high_width = list.high_width;
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

/* Plans one order; heads and order are set. Keeps the better of a window without and one with patches. */
static void plan_order(sl_stream_plan *plan, const uint64_t *differences, size_t count)
{
    spread s = measure_extremes(differences, count);
    fill_plan_whole(plan, &s);
    if (plan->width < 2 || count < 8) return;

    measure_middle(differences, count, &s);
    window best = choose_window(differences, count, &s, 0);
    if (s.middle - (uint64_t)s.min <= s.width) {
        window one_sided = choose_window(differences, count, &s, 1);
        if (one_sided.bits < best.bits) best = one_sided;
    }
    if (s.is_often_median) {
        window none = choose_no_width(differences, count, s.median);
        if (none.bits < best.bits) best = none;
    }
    if (best.bits >= plan->width * count) return;
    sl_stream_plan patched = *plan;
    fill_plan(&patched, differences, count, best);
    if (patched.bytes < plan->bytes) *plan = patched;
}

/* Bit i is set when order i is worth planning. */
static unsigned orders_worth_planning(const uint64_t *values, size_t count)
{
    size_t scores[ORDERS];
    if (count < 16) return (1u << (count < ORDERS ? count : ORDERS)) - 1;
    size_t taken = score_orders(values, count, scores), best = scores[0];
    for (unsigned order = 1; order < ORDERS; order++) best = scores[order] < best ? scores[order] : best;
    unsigned worth = 0;
    /* A sample cannot tell a quarter of a bit from nothing; of a few bits, not even one. */
    size_t doubt = best < 3 * taken ? taken : taken / 4;
    for (unsigned order = 0; order < ORDERS; order++) {
        if (scores[order] <= best + doubt) worth |= 1u << order;
    }
    return worth;
}

void sl_stream_make_plan(sl_stream_plan *plan, const uint64_t *values, size_t count)
{
    SL_ASSERT(count >= 1 && count <= COUNT_MAX);
    sl_stream_plan candidate = {.count = count};
    uint64_t differences[COUNT_MAX];
    unsigned worth = orders_worth_planning(values, count);
    plan->bytes = SIZE_MAX;
    for (unsigned order = 0; order < ORDERS && worth >> order != 0; order++) {
        if (order > 0) {
            candidate.heads[order - 1] = order == 1 ? values[0] : differences[0];
            difference(order == 1 ? values : differences, count - order + 1, differences);
        }
        if ((worth >> order & 1) == 0) continue;
        candidate.order = order;
        plan_order(&candidate, order == 0 ? values : differences, count - order);
        if (candidate.bytes < plan->bytes) *plan = candidate;
        if (plan->width == 0 && plan->patch_count == 0) return; /* constant, or affine: nothing is smaller */
    }
}

/* ---- bytes ---- */

uint8_t *sl_stream_write(const sl_stream_plan *plan, const uint64_t *values, uint8_t *out)
{
    uint64_t differences[COUNT_MAX], low[COUNT_MAX] = {0};
    patch_list list;
    window w = {.base = plan->base, .width = plan->width};
    const uint64_t *source = values;
    for (unsigned order = 0; order < plan->order; order++) {
        difference(source, plan->count - order, differences);
        source = differences;
    }
    unsigned skipped = plan->count == COUNT_MAX ? plan->order : 0;
    split(source, plan->count - plan->order, &w, low + skipped, &list);
    SL_ASSERT(w.width == plan->width && list.entries == plan->patch_count);

    *out++ = (uint8_t)plan->width;
    for (unsigned i = 0; i < plan->order; i++) out = sl_stream_put_number(out, sl_zigzag(plan->heads[i]));
    out = sl_stream_put_number(out, sl_zigzag(plan->base));
    if (list.entries > 0) {
        out = sl_stream_put_number(out, list.entries);
        *out++ = (uint8_t)list.gap_width;
        *out++ = (uint8_t)list.high_width;
    }
    out += sl_pack(low, packed_count(plan->count, plan->order), plan->width, out);
    if (list.entries == 0) return out;
    insert_skips(&list);
    for (size_t i = 0; i < list.entries; i++) differences[i] = list.gaps[i];
    /* Exactly 1024 patches would be laned; choose_width() never makes so many. */
    out += sl_pack(differences, list.entries, list.gap_width, out);
    return out + sl_pack(list.highs, list.entries, list.high_width, out);
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
    const uint64_t count = plan->count;
    const unsigned width = plan->width;
    uint64_t next = plan->order;
    for (size_t i = 0; i < entries; i++) {
        uint64_t high = highs[i];
        next += gaps[i];
        if (next >= count) return "a patch lies behind the last value";
        int is_skip = high == 0;
        if (is_skip && (gaps[i] != gap_all_ones || gap_all_ones == 0)) return "a patch changes nothing";
        values[next++] += sl_unzigzag(high) << width;
    }
    return highs[entries - 1] == 0 ? "the last patch only skips" : NULL;
}

int sl_stream_read(sl_stream_input *input, size_t count, unsigned order, int has_patches, uint64_t *values)
{
    sl_stream_plan plan;
    if (!sl_stream_read_header(input, count, order, has_patches, &plan)) return 0;
    if ((size_t)(input->end - input->at) != plan.bytes) {
        input->what = "the length differs from what the header says";
        return 0;
    }
    if (plan.width == 0 && order <= 1 && !has_patches) {
        sl_affine_fill(values, count, order == 0 ? plan.base : plan.heads[0], order == 0 ? 0 : plan.base);
        input->at = input->end;
        return order == 0 ? SL_STREAM_IS_CONSTANT : 1;
    }
    const size_t packed = packed_count(count, order);
    const size_t skipped = count - packed;
    uint64_t unused = 0;
    if (!sl_unpack_from(input->at, packed, plan.width, plan.base, values + skipped)) {
        input->what = "the packed values are not in their narrowest form";
        return 0;
    }
    for (size_t i = skipped; i < order; i++) unused |= values[i] ^ plan.base;
    if (unused != 0) {
        input->what = "the packed places of the first differences are not zero";
        return 0;
    }
    if (has_patches) input->what = apply_patches(input->at + sl_pack_bytes(packed, plan.width), &plan, values);
    if (input->what != NULL) return 0;
    if (order > 0) sl_differences_undo(values, count, order, plan.heads);
    input->at = input->end;
    return 1;
}
