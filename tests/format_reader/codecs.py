"""The two codecs of FORMAT.md, section 9: integers and doubles. Doubles are handled as their 64 bits."""
import struct

from .wire import MASK64, Cursor, need, signed, unzigzag

RAW, PLAIN, FACTOR = 0, 1, 2
CONSTANT, DECIMAL, DECIMAL_FLOAT, ORDERED, FRACTION, DICTIONARY = 1, 2, 3, 4, 5, 6


# --- packed bits (9.1) ---

def packed(cursor, count, width):
    need(width <= 64, "packed numbers of %d bits" % width)
    if width == 0:
        return [0] * count
    data = cursor.take((count * width + 7) // 8)
    mask = (1 << width) - 1
    if count == 1024:
        numbers = unpack_lanes(data, width, mask)
    else:
        bits = int.from_bytes(data, "little")
        need(bits >> (count * width) == 0, "bits left over in packed numbers are not zero")
        numbers = [bits >> (index * width) & mask for index in range(count)]
    need(any(number >> (width - 1) for number in numbers), "packed numbers are wider than they need be")
    return numbers


def unpack_lanes(data, width, mask):
    words = struct.unpack("<%dQ" % (16 * width), data)
    numbers = [0] * 1024
    for lane in range(16):
        bits = 0
        for index in range(width - 1, -1, -1):
            bits = bits << 64 | words[16 * index + lane]
        for index in range(64):
            numbers[16 * index + lane] = bits >> (index * width) & mask
    return numbers


# --- tag (9.3) ---

class Tag:
    def __init__(self, byte, codecs, stream_codecs):
        self.codec = byte & 7
        self.order = byte >> 3 & 3
        self.has_patches = bool(byte & 32)
        self.has_exceptions = bool(byte & 64)
        need(bin(byte).count("1") % 2 == 0, "tag %02x has an odd number of ones" % byte)
        need(self.codec in codecs, "tag %02x has an unknown codec" % byte)
        if self.codec not in stream_codecs:
            need(byte & 0x78 == 0, "tag %02x has an order, patches or exceptions without a stream" % byte)


# --- integer streams (9.2) ---

def decode_stream(cursor, count, tag):
    """The numbers of a stream, wrapped to 64 bits without sign; the stream is all that is left of the cursor."""
    order = tag.order
    need(order < count, "order %d for %d numbers" % (order, count))
    width = cursor.u8()
    need(width <= 64, "width %d" % width)
    heads = [cursor.signed_varint() for _ in range(order)]
    base = cursor.signed_varint()
    entries = gap_width = high_width = 0
    if tag.has_patches:
        entries = cursor.varint()
        need(1 <= entries <= min(count - order, 1023), "%d patches" % entries)
        gap_width = cursor.u8()
        need(gap_width <= 10, "gap width %d" % gap_width)
        high_width = cursor.u8()
        need(1 <= high_width <= 64 - width, "high width %d beside width %d" % (high_width, width))
    offsets = decode_offsets(cursor, count, order, width)
    if tag.has_patches:
        gaps = packed(cursor, entries, gap_width)
        highs = packed(cursor, entries, high_width)
        patch(offsets, order, width, gaps, highs, gap_width)
    cursor.done("an integer stream")
    return integrate([(offset + base) & MASK64 for offset in offsets[order:]], heads)


def decode_offsets(cursor, count, order, width):
    if count == 1024:
        offsets = packed(cursor, 1024, width)
        need(not any(offsets[:order]), "an unused offset is not zero")
        return offsets
    return [0] * order + packed(cursor, count - order, width)


def patch(offsets, order, width, gaps, highs, gap_width):
    place = order
    for gap, high in zip(gaps, highs):
        place += gap
        need(place < len(offsets), "a patch beyond the end")
        if high == 0:
            need(gap_width != 0 and gap == (1 << gap_width) - 1, "an entry that skips has another gap than all ones")
        else:
            offsets[place] = (offsets[place] + (unzigzag(high) << width)) & MASK64
        place += 1
    need(highs[-1] != 0, "the last patch only skips")


def integrate(differences, heads):
    """Undoes the differences: each head is the value, the first difference, the second difference at the start."""
    if not heads:
        return differences
    if len(heads) == 1:
        numbers = [heads[0] & MASK64]
    elif len(heads) == 2:
        numbers = [heads[0] & MASK64, (heads[0] + heads[1]) & MASK64]
    else:
        first, second = heads[1], heads[1] + heads[2]
        numbers = [heads[0] & MASK64, (heads[0] + first) & MASK64, (heads[0] + first + second) & MASK64]
    slopes = [0, 0, 0]  # slopes[k] is the k-th difference reached so far
    if len(heads) == 2:
        slopes[1] = heads[1]
    elif len(heads) == 3:
        slopes[1], slopes[2] = heads[1] + heads[2], heads[2]
    value = numbers[-1]
    for difference in differences:
        step = difference
        for k in range(len(heads) - 1, 0, -1):
            slopes[k] = step = (slopes[k] + step) & MASK64
        value = (value + step) & MASK64
        numbers.append(value)
    return numbers


# --- integers (9.4) ---

def decode_integers(data, count):
    """`count` integers as i64; `data` must be used up."""
    cursor = Cursor(data)
    tag = Tag(cursor.u8(), (RAW, PLAIN, FACTOR), (PLAIN, FACTOR))
    need(not tag.has_exceptions, "an integer encoding with exceptions")
    if tag.codec == RAW:
        numbers = [signed(cursor.u64()) for _ in range(count)]
        cursor.done("raw integers")
        return numbers
    if tag.codec == PLAIN:
        return [signed(number) for number in decode_stream(cursor, count, tag)]
    factor = cursor.varint()
    need(2 <= factor < 2**63, "factor %d" % factor)
    first = cursor.signed_varint()
    multiples = [signed(number) for number in decode_stream(cursor, count, tag)]
    most = (2**63 - 1) // factor
    need(multiples[0] == 0, "the first multiple is not 0")
    need(all(-most <= number <= most for number in multiples), "a multiple is out of range")
    return [signed(first + number * factor) for number in multiples]


# --- doubles (9.5) ---

def decode_doubles(data, count):
    """The bits of `count` doubles; `data` must be used up."""
    cursor = Cursor(data)
    return decode_values(cursor, count, (RAW, CONSTANT, DECIMAL, DECIMAL_FLOAT, ORDERED, FRACTION, DICTIONARY))


def decode_values(cursor, count, codecs):
    tag = Tag(cursor.u8(), codecs, (DECIMAL, DECIMAL_FLOAT, ORDERED, FRACTION, DICTIONARY))
    if tag.codec == RAW:
        values = [cursor.u64() for _ in range(count)]
        cursor.done("raw values")
        return values
    if tag.codec == CONSTANT:
        values = [cursor.u64()] * count
        cursor.done("a constant")
        return values
    if tag.codec == FRACTION:
        return decode_fractions(cursor, count, tag)
    if tag.codec == DICTIONARY:
        return decode_dictionary(cursor, count, tag)
    scale = cursor.u8()
    need(scale <= (63 if tag.codec == ORDERED else 22), "exponent or shift %d" % scale)
    runs = decode_exceptions(cursor, count) if tag.has_exceptions else []
    exceptional = sum(length for _, length, _ in runs)
    numbers = [signed(number) for number in decode_stream(cursor, count - exceptional, tag)]
    if not any(numbers):
        need(scale == 0, "exponent or shift %d though all numbers are 0" % scale)
    return put_back(runs, decode_scaled(numbers, tag.codec, scale))


def decode_fractions(cursor, count, tag):
    divisor = cursor.varint()
    need(1 <= divisor <= 2**51, "divisor %d" % divisor)
    runs = decode_exceptions(cursor, count) if tag.has_exceptions else []
    kept = count - sum(length for _, length, _ in runs)
    rests = decode_integers(cursor.take(cursor.varint()), kept)
    numbers = [signed(number) for number in decode_stream(cursor, kept, tag)]
    need(all(-2**51 <= number < 2**51 for number in numbers), "a numerator is out of range")
    quotients = [double_bits(float(number) / float(divisor)) for number in numbers]
    places = [bits if bits >> 63 == 0 else -(bits - 2**63) for bits in quotients]
    return put_back(runs, [ordered_bits(place + rest, 0) for place, rest in zip(places, rests)])


def decode_dictionary(cursor, count, tag):
    need(not tag.has_exceptions, "a dictionary with exceptions")
    size = cursor.varint()
    need(2 <= size <= count, "a dictionary of %d for %d values" % (size, count))
    words = decode_values(Cursor(cursor.take(cursor.varint())), size,
                          (RAW, CONSTANT, DECIMAL, DECIMAL_FLOAT, ORDERED, FRACTION))
    indexes = decode_stream(cursor, count, tag)
    need(max(indexes) == size - 1, "the largest index is %d of %d" % (max(indexes), size))
    return [words[index] for index in indexes]


def decode_exceptions(cursor, count):
    """Runs of equal bits as (position, length, bits)."""
    run_count = cursor.varint()
    need(1 <= run_count <= count - 1, "%d runs of exceptions among %d values" % (run_count, count))
    runs, place, covered, bits = [], 0, 0, None
    for index in range(run_count):
        gap = cursor.varint()
        code = cursor.varint()
        length = (code >> 1) + 1
        if code & 1:
            need(index > 0 and gap > 0, "a run of exceptions repeats the one before without a gap")
        else:
            before, bits = bits, cursor.u64()
            need(bits != before, "a run of exceptions states the bits of the one before again")
        place += gap
        need(place + length <= count, "a run of exceptions goes beyond the end")
        runs.append((place, length, bits))
        place += length
        covered += length
    need(covered < count, "every value is an exception")
    return runs


def put_back(runs, values):
    whole, taken = [], 0
    for place, length, bits in runs:
        ordinary = place - len(whole)
        whole += values[taken:taken + ordinary]
        taken += ordinary
        whole += [bits] * length
    return whole + values[taken:]


def decode_scaled(numbers, codec, scale):
    if codec == ORDERED:
        most = 2**(63 - scale)
        need(all(-most <= number < most for number in numbers), "a number is out of range")
        return [ordered_bits(number, scale) for number in numbers]
    most = 2**51 if codec == DECIMAL else 2**22
    need(all(-most <= number < most for number in numbers), "a number is out of range")
    divisor = float(10**scale)
    values = [float(number) / divisor for number in numbers]
    if codec == DECIMAL_FLOAT:
        values = [struct.unpack("<f", struct.pack("<f", value))[0] for value in values]
    return [double_bits(value) for value in values]


def ordered_bits(number, shift):
    bits = (number << shift) & MASK64
    return bits if bits >> 63 == 0 else 2**63 | (-bits & MASK64)


def double_bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def bits_double(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]
