/* value_decode.c: bytes to doubles, bit for bit; any bytes are safe. */
#include "format/value_codec.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/float_mode.h"
#include "format/int_codec.h"
#include "format/int_stream.h"
#include "format/kernels.h"
#include "format/value_parts.h"

#include <stdio.h>

#define COUNT_MAX SL_BLOCK_VALUES_MAX
#define EXPONENT_MAX SL_DECIMAL_EXPONENT_MAX

typedef struct exception_list {
    size_t run_count, value_count;
    uint16_t gap[COUNT_MAX], length[COUNT_MAX];
    uint64_t bits[COUNT_MAX];
} exception_list;

static void read_exceptions(sl_stream_input *input, size_t count, exception_list *list)
{
    uint64_t runs = sl_stream_take_number(input), bits = 0;
    size_t position = 0;
    list->run_count = list->value_count = 0;
    if (input->what == NULL && (runs == 0 || runs >= count)) {
        input->what = "there are no exceptions, or no values besides";
    }
    for (uint64_t run = 0; input->what == NULL && run < runs; run++) {
        uint64_t gap = sl_stream_take_number(input), code = sl_stream_take_number(input);
        if (input->what != NULL) return;
        int is_same = (int)(code & 1);
        if (gap >= count || code / 2 >= count || position + gap + code / 2 >= count) {
            input->what = "an exception lies behind the last value";
            return;
        }
        if (!is_same && input->end - input->at < 8) {
            input->what = "the bytes end inside an exception";
            return;
        }
        if (is_same ? run == 0 || gap == 0 : run > 0 && sl_load64(input->at) == bits) {
            input->what = "an exception is not in its shortest form";
            return;
        }
        if (!is_same) {
            bits = sl_load64(input->at);
            input->at += 8;
        }
        list->gap[run] = (uint16_t)gap;
        list->length[run] = (uint16_t)(code / 2 + 1);
        list->bits[run] = bits;
        list->value_count += list->length[run];
        position += gap + list->length[run];
        list->run_count++;
    }
    if (input->what == NULL && list->value_count >= count) input->what = "there are no values besides exceptions";
}

/* Moves the kept values apart, from the last, and puts the exceptions between them. */
static void insert_exceptions(const exception_list *list, size_t count, double *values)
{
    size_t to = count, from = count - list->value_count, behind = from;
    for (size_t run = 0; run < list->run_count; run++) behind -= list->gap[run];
    for (size_t run = list->run_count; run-- > 0;) {
        memmove(values + to - behind, values + from - behind, behind * sizeof *values);
        to -= behind;
        from -= behind;
        for (size_t i = 0; i < list->length[run]; i++) values[--to] = sl_double_of(list->bits[run]);
        behind = list->gap[run];
    }
    SL_ASSERT(to == from);
}

static int are_zeros(const uint64_t *integers, size_t count)
{
    size_t i = 0;
    while (i < count && integers[i] == 0) i++;
    return i == count;
}

static const char *convert_decimal(const uint64_t *integers, size_t count, unsigned exponent, int is_float,
                                   double *values)
{
    if (!sl_kernels_now()->decimals(integers, count, exponent, is_float, values)) {
        return "a decimal integer is out of range";
    }
    return exponent != 0 && are_zeros(integers, count) ? "zeros have an exponent" : NULL;
}

static const char *convert_ordered(const uint64_t *integers, size_t count, unsigned shift, double *values)
{
    if (shift != 0 && are_zeros(integers, count)) return "zeros have a shift";
    return sl_kernels_now()->ordered(integers, count, shift, values) ? NULL : "an ordered integer is out of range";
}

/* What stands between the tag and the stream. */
typedef struct value_head {
    unsigned codec, parameter;
    uint64_t number; /* a divisor, or how many values a dictionary has */
    sl_stream_input inner; /* the rests, or the dictionary */
    exception_list list;
} value_head;

static void read_head(sl_stream_input *input, unsigned tag, size_t count, value_head *head)
{
    head->codec = tag & SL_TAG_CODEC;
    head->list.run_count = head->list.value_count = 0;
    if (head->codec < SL_VALUE_FRACTION) {
        head->parameter = sl_stream_take_byte(input, head->codec == SL_VALUE_ORDERED ? 63 : EXPONENT_MAX,
                                              "the exponent or shift is out of range");
    } else {
        head->number = sl_stream_take_number(input);
    }
    if (input->what == NULL && head->codec == SL_VALUE_FRACTION && (head->number == 0 || head->number > SL_DECIMAL_HALF))
        input->what = "the divisor is not 1 to 2^51";
    if (input->what == NULL && head->codec == SL_VALUE_DICTIONARY &&
        (head->number < 2 || head->number > count || (tag & SL_TAG_EXCEPTIONS)))
        input->what = "the dictionary has too few or too many values, or there are exceptions";
    if (input->what == NULL && (tag & SL_TAG_EXCEPTIONS)) read_exceptions(input, count, &head->list);
    if (head->codec < SL_VALUE_FRACTION) return;
    uint64_t bytes = sl_stream_take_number(input);
    if (input->what == NULL && bytes > (uint64_t)(input->end - input->at)) input->what = "the bytes end inside a part";
    if (input->what != NULL) return;
    head->inner = (sl_stream_input){input->at, input->at + bytes, NULL};
    input->at += bytes;
}

static const char *convert_fractions(const value_head *head, const uint64_t *integers, size_t count, double *values)
{
    const char *what = NULL;
    _Alignas(64) int64_t rests[COUNT_MAX];
    size_t bytes = (size_t)(head->inner.end - head->inner.at);
    if (sl_int_decode(head->inner.at, bytes, count, rests, &what) < 0) return what;
    return sl_kernels_now()->fractions(integers, (const uint64_t *)rests, count, (double)head->number, values)
               ? NULL
               : "a numerator is out of range";
}

static const char *decode(const uint8_t *in, size_t bytes, size_t count, int is_inner, double *values);

static const char *convert_indexes(const value_head *head, const uint64_t *integers, size_t count, double *values)
{
    _Alignas(64) double dictionary[COUNT_MAX];
    const size_t size = (size_t)head->number;
    const char *what = decode(head->inner.at, (size_t)(head->inner.end - head->inner.at), size, 1, dictionary);
    int64_t least, most;
    if (what != NULL) return what;
    sl_kernels_now()->extremes(integers, count, &least, &most);
    if (least < 0 || (uint64_t)most != size - 1) return "a value is not in the dictionary, or its last one is not used";
    for (size_t i = 0; i < count; i++) values[i] = dictionary[integers[i]];
    return NULL;
}

static const char *convert(const value_head *head, const uint64_t *integers, size_t count, double *values)
{
    switch (head->codec) {
    case SL_VALUE_ORDERED: return convert_ordered(integers, count, head->parameter, values);
    case SL_VALUE_FRACTION: return convert_fractions(head, integers, count, values);
    case SL_VALUE_DICTIONARY: return convert_indexes(head, integers, count, values);
    default: return convert_decimal(integers, count, head->parameter, head->codec == SL_VALUE_DECIMAL_FLOAT, values);
    }
}

static const char *decode_stream(sl_stream_input *input, unsigned tag, size_t count, double *values)
{
    _Alignas(64) uint64_t integers[COUNT_MAX];
    value_head head;
    read_head(input, tag, count, &head);
    if (input->what != NULL) return input->what;
    const size_t kept = count - head.list.value_count;
    int is_constant;
    if (!sl_stream_read(input, kept, sl_tag_order(tag), (tag & SL_TAG_PATCHES) != 0, integers, &is_constant)) {
        return input->what;
    }
    /* Of a constant only the first is there, and enough; but each fraction has a rest of its own. */
    if (is_constant && head.codec == SL_VALUE_FRACTION) {
        sl_kernels_now()->fill(integers[0], 0, kept, integers);
        is_constant = 0;
    }
    const char *what = convert(&head, integers, is_constant ? 1 : kept, values);
    if (what == NULL && is_constant) sl_kernels_now()->fill(sl_bits_of(values[0]), 0, kept, values);
    if (what == NULL && head.list.run_count > 0) insert_exceptions(&head.list, count, values);
    return what;
}

/* is_inner: a dictionary, which has none in it. */
SL_BEHIND_MODE static const char *decode(const uint8_t *in, size_t bytes, size_t count, int is_inner, double *values)
{
    sl_stream_input input = {in + 1, in + bytes, NULL};
    if (count == 0 || count > COUNT_MAX) return "the count is not 1 to 1024";
    if (bytes == 0) return "there are no bytes";
    if (!sl_tag_is_even(in[0])) return "the tag has an odd number of ones";
    switch (in[0] & 0x7f) {
    case SL_VALUE_RAW:
        if (bytes != 1 + 8 * count) return "the length is not that of raw values";
        for (size_t i = 0; i < count; i++) values[i] = sl_double_of(sl_load64(in + 1 + 8 * i));
        return NULL;
    case SL_VALUE_CONSTANT:
        if (bytes != 9) return "the length is not that of a constant";
        sl_kernels_now()->fill(sl_load64(in + 1), 0, count, values);
        return NULL;
    default:
        break;
    }
    unsigned codec = in[0] & SL_TAG_CODEC;
    if (codec < SL_VALUE_DECIMAL || codec > SL_VALUE_DICTIONARY) return "the codec is unknown";
    if (is_inner && codec == SL_VALUE_DICTIONARY) return "a dictionary has a dictionary";
    return decode_stream(&input, in[0], count, values);
}

steplog_status sl_value_decode(const uint8_t *in, size_t bytes, size_t count, double *values, const char **what)
{
    const sl_float_mode host = sl_float_mode_begin();
    const char *broken = decode(in, bytes, count, 0, values);
    sl_float_mode_end(host);
    if (broken == NULL) return STEPLOG_OK;
    if (what != NULL) *what = broken;
    return STEPLOG_CORRUPT;
}

void sl_value_describe(const uint8_t *in, size_t bytes, size_t count, char *text, size_t text_bytes)
{
    static const char *const names[] = {"raw",           "constant",       "decimal e=",
                                        "decimal-float e=", "ordered shift=", "fraction divisor=",
                                        "dictionary values="};
    sl_stream_input input = {in + 1, in + bytes, NULL};
    sl_stream_plan plan;
    value_head head;
    unsigned codec = bytes == 0 ? SL_TAG_CODEC : in[0] & SL_TAG_CODEC;
    if (count == 0 || count > COUNT_MAX || codec > SL_VALUE_DICTIONARY) {
        snprintf(text, text_bytes, "unknown");
        return;
    }
    if (codec < SL_VALUE_DECIMAL) {
        snprintf(text, text_bytes, "%s", names[codec]);
        return;
    }
    read_head(&input, in[0], count, &head);
    unsigned long long parameter = codec < SL_VALUE_FRACTION ? head.parameter : head.number;
    if (input.what != NULL || !sl_stream_read_header(&input, count - head.list.value_count, sl_tag_order(in[0]),
                                                     (in[0] & SL_TAG_PATCHES) != 0, &plan)) {
        snprintf(text, text_bytes, "%s%llu damaged: %s", names[codec], parameter, input.what);
        return;
    }
    int used = snprintf(text, text_bytes, "%s%llu delta=%u width=%u patches=%u exceptions=%zu", names[codec], parameter,
                        plan.order, plan.width, plan.patch_count, head.list.value_count);
    if (codec < SL_VALUE_FRACTION || used < 0 || (size_t)used >= text_bytes) return;
    snprintf(text + used, text_bytes - (size_t)used, " %s=%zu", codec == SL_VALUE_FRACTION ? "rests" : "bytes",
             (size_t)(head.inner.end - head.inner.at));
}
