"""The checksums of FORMAT.md, section 4."""
import xxhash

from .wire import MASK64, u64

P1 = 0x9E3779B97F4A7C15
P2 = 0xC2B2AE3D27D4EB4F
P3 = 0x165667919E3779F9
P3_INVERSE = 0x08DA8EE41D6DF849


def hash64(data):
    return xxhash.xxh3_64_intdigest(bytes(data))


def file_key(identity):
    return hash64(identity)


def scramble(x):
    x ^= x >> 37
    x = x * P3 & MASK64
    return x ^ (x >> 32)


def unscramble(x):
    x ^= x >> 32
    x = x * P3_INVERSE & MASK64
    return x ^ (x >> 37)


def check(hashed, key, offset, low, high):
    x = scramble(((hashed ^ key) + offset * P1) & MASK64)
    x = scramble(x ^ (low * P2 & MASK64))
    return (x + high * P1) & MASK64


def record_check(hashed, key, offset, low, sequence):
    return scramble((check(hashed, key, offset, low, 0) + sequence) & MASK64)


def record_number(stored, hashed, key, offset, low):
    """The sequence number that the check of a log record was made with, if the record is whole."""
    return (unscramble(stored) - check(hashed, key, offset, low, 0)) & MASK64


def is_head_right(data, at, key, offset):
    """Whether a structure whose check stands last, over all bytes before it, is whole; `at` is where its check is."""
    return u64(data, at) == check(hash64(data[:at]), key, offset, 0, 0)
