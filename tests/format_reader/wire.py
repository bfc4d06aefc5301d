"""Numbers and text out of bytes (FORMAT.md, section 1). A Cursor goes through one structure and never beyond it."""
import struct

NO_TIME = -2**63 + 1
MASK64 = 2**64 - 1


class Broken(Exception):
    """Bytes that fail a check or break a rule of FORMAT.md."""


class Newer(Exception):
    """A file of a later version."""


def need(condition, text):
    if not condition:
        raise Broken(text)


def signed(number):
    """The i64 with the bits of a u64, after wrapping."""
    number &= MASK64
    return number - 2**64 if number >> 63 else number


def unzigzag(code):
    return -(code >> 1) - 1 if code & 1 else code >> 1


def pad8(number):
    return (number + 7) & ~7


def is_zero(data):
    return not any(data)


def u16(data, at):
    return struct.unpack_from("<H", data, at)[0]


def u32(data, at):
    return struct.unpack_from("<I", data, at)[0]


def u64(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def i64(data, at):
    return struct.unpack_from("<q", data, at)[0]


def decode_text(data):
    """Python's decoder is the strict one: shortest forms, no surrogates, nothing above U+10FFFF."""
    try:
        return bytes(data).decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        raise Broken("text is not UTF-8: %s" % error) from None


def is_time(number):
    return number != -2**63


class Cursor:
    """Goes through bytes from the first to the last; taking more than there is breaks a rule."""

    def __init__(self, data, at=0, end=None):
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end

    def left(self):
        return self.end - self.at

    def take(self, count):
        need(0 <= count <= self.left(), "%d bytes wanted where %d are left" % (count, self.left()))
        piece = self.data[self.at:self.at + count]
        self.at += count
        return piece

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack("<H", self.take(2))[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def i64(self):
        return struct.unpack("<q", self.take(8))[0]

    def time(self):
        number = self.i64()
        need(is_time(number), "a time of -2^63")
        return number

    def id(self):
        return bytes(self.take(16))

    def zeros(self, count, what):
        need(is_zero(self.take(count)), "%s is not zero" % what)

    def text(self, count, most, what):
        need(count <= most, "%s of %d bytes, at most %d allowed" % (what, count, most))
        return decode_text(self.take(count))

    def varint(self):
        number = 0
        for place in range(10):
            byte = self.u8()
            number |= (byte & 127) << (7 * place)
            if byte < 128:
                need(place == 0 or byte, "a varint that is not the shortest")
                need(place < 9 or byte == 1, "a varint of more than 64 bits")
                return number
        raise Broken("a varint of more than 10 bytes")

    def signed_varint(self):
        return unzigzag(self.varint())

    def done(self, what):
        need(self.at == self.end, "%s has %d bytes too many" % (what, self.left()))
