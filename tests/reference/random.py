"""Reference values for tests/test_base_random.c and test_base_hash.c: XXH64, splitmix64, xoshiro256++, the polar method and
the Feistel permutation, written from their papers with Python's whole numbers. Prints the tables that the tests hold.

    python3 tests/reference/random.py
"""
import math

WORD = 1 << 64
P1, P2, P3, P4, P5 = (11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579,
                      2870177450012600261)


def rotate(x, by):
    return (x << by | x >> (64 - by)) % WORD


def xxh64(data, seed=0):
    """https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md"""
    def step(lane, word):
        return rotate((lane + word * P2) % WORD, 31) * P1 % WORD

    def number(at, size):
        return int.from_bytes(data[at:at + size], "little")

    at = 0
    if len(data) >= 32:
        lanes = [(seed + P1 + P2) % WORD, (seed + P2) % WORD, seed, (seed - P1) % WORD]
        while at + 32 <= len(data):
            lanes = [step(lane, number(at + 8 * i, 8)) for i, lane in enumerate(lanes)]
            at += 32
        total = sum(rotate(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18))) % WORD
        for lane in lanes:
            total = ((total ^ step(0, lane)) * P1 + P4) % WORD
    else:
        total = (seed + P5) % WORD
    total = (total + len(data)) % WORD
    while at + 8 <= len(data):
        total = (rotate(total ^ step(0, number(at, 8)), 27) * P1 + P4) % WORD
        at += 8
    if at + 4 <= len(data):
        total = (rotate(total ^ number(at, 4) * P1 % WORD, 23) * P2 + P3) % WORD
        at += 4
    for byte in data[at:]:
        total = rotate(total ^ byte * P5 % WORD, 11) * P1 % WORD
    total = (total ^ total >> 33) * P2 % WORD
    total = (total ^ total >> 29) * P3 % WORD
    return total ^ total >> 32


def mix(z):
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 % WORD
    z = (z ^ z >> 27) * 0x94d049bb133111eb % WORD
    return z ^ z >> 31


def splitmix(state, count):
    return [mix((state + (i + 1) * 0x9e3779b97f4a7c15) % WORD) for i in range(count)]


def xoshiro(s):
    s = list(s)
    while True:
        yield (rotate((s[0] + s[3]) % WORD, 23) + s[0]) % WORD
        t = s[1] << 17 & (WORD - 1)
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 45)


def make(seed, stream):
    return splitmix(xxh64(stream.encode(), seed), 4)


def normal(words):
    while True:
        u = 2 * ((next(words) >> 11) / 2**53) - 1
        v = 2 * ((next(words) >> 11) / 2**53) - 1
        r = u * u + v * v
        if 0 < r < 1:
            return u * math.sqrt(-2 * math.log(r) / r)


def permuted(key, count, index):
    if count <= 1:
        return 0
    half = ((count - 1).bit_length() + 1) // 2
    x = index
    while True:
        left, right = divmod(x, 1 << half)
        for turn in range(1, 9):
            word = mix(mix((key + turn * 0x9e3779b97f4a7c15) % WORD) ^ right)
            left, right = right, left ^ word % (1 << half)
        x = left << half | right
        if x < count:
            return x


def table(name, numbers, form="0x{:016x}"):
    print(name + ":", ", ".join(form.format(n) for n in numbers))


# Published: the splitmix64 of seed 1234567 begins 6457827717110365317, 3203168211198807973; the xoshiro256++ of state
# 1, 2, 3, 4 begins 41943041, 58720359, 3588806011781223; XXH64 of nothing is ef46db3751d8e999.
assert splitmix(1234567, 2) == [6457827717110365317, 3203168211198807973]
words = xoshiro([1, 2, 3, 4])
assert [next(words) for _ in range(3)] == [41943041, 58720359, 3588806011781223]
assert xxh64(b"") == 0xef46db3751d8e999

for count in (0, 1, 3, 4, 8, 31, 32, 33, 100, 1000):
    data = bytes((i * 131 + 7) % 256 for i in range(count))
    table(f"xxh64 of {count} bytes, seeds 0 and 0x9e3779b1", [xxh64(data), xxh64(data, 0x9e3779b1)])
table("rng_make(42, 'init')", make(42, "init"))
table("rng_make(42, 'order')", make(42, "order"))
words = xoshiro([1, 2, 3, 4])
table("xoshiro of 1, 2, 3, 4", [next(words) for _ in range(10)])
words = xoshiro(make(42, "init"))
table("normals of (42, 'init')", [normal(words) for _ in range(6)], "{:.17g}")
for count in (1, 2, 10, 1000, 2**32, 2**63):
    table(f"permuted_index(7, {count}, ...)", [permuted(7, count, i % count) for i in (0, 1, 2, count - 1)], "{}")
