#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes square_sums.json beside this file: sums of squares of float32 values as exact integers in units of
2^-298 (limbs of 32 bits, the lowest first), and their means rounded once. Python's own integers and
fractions, whose conversion to float rounds correctly; no numpy arithmetic."""
import json
import pathlib
import random
import struct
from fractions import Fraction

LIMBS = 20


def bits_of(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


def fraction_of(bits):
    """The exact value, or None of what is not finite."""
    exponent, mantissa = bits >> 23 & 255, bits & 0x7FFFFF
    if exponent == 255:
        return None
    value = mantissa * Fraction(2)**-149 if exponent == 0 else (mantissa + 2**23) * Fraction(2)**(exponent - 150)
    return -value if bits >> 31 else value


def case(name, bits, doublings=0):
    finite = [v for v in map(fraction_of, bits) if v is not None]
    total = sum((v * v for v in finite), Fraction(0)) * 2**doublings
    scaled = total * 2**298
    assert scaled.denominator == 1
    limbs = [int(scaled) >> 32 * i & 0xFFFFFFFF for i in range(LIMBS)]
    assert int(scaled) >> 32 * LIMBS == 0
    count = len(finite) * 2**doublings
    return {"name": name, "bits": bits, "doublings": doublings, "limbs": limbs, "finite": count,
            "non_finite": (len(bits) - len(finite)) * 2**doublings,
            "mean": float(total / count).hex() if count else "0x0p+0"}


def make_cases():
    source = random.Random(5)
    normal = [bits_of(source.gauss(0, 1)) for _ in range(257)]
    anything = [source.getrandbits(32) for _ in range(300)]
    largest, smallest, infinity, nan = 0x7F7FFFFF, 1, 0x7F800000, 0x7FC00001
    yield case("nothing", [])
    yield case("zeros", [0, 0x80000000, 0])
    yield case("one, two, three", [bits_of(v) for v in (1, -2, 3)])
    yield case("ordinary values", normal)
    yield case("any bits", anything)
    yield case("no number", [infinity, nan, infinity | 1 << 31])
    yield case("some that are no numbers", normal[:9] + [nan, infinity])
    yield case("the smallest", [smallest])
    yield case("the largest", [largest])
    yield case("the smallest beside the largest", [largest, smallest, largest])
    yield case("1e-38 to 3e38", [bits_of(v) for v in (1e-38, 3e38, 1e-30, 1e30, 1e-45, 7e-10, 123456.7)])
    yield case("every power of two", [e << 23 for e in range(1, 255)])
    yield case("2^62 of the largest", [largest], 62)
    yield case("2^61 of the smallest", [smallest], 61)
    yield case("2^50 mixed", [largest, smallest, bits_of(1.1)], 50)
    yield case("carries through every limb", [e << 23 | 0x7FFFFF for e in range(0, 255, 8)], 20)
    for n in (3, 7, 10, 49):
        yield case(f"a mean over {n}", normal[:n])
    # 2^53 + 1 and 2^53 + 3 lie halfway between two doubles.
    floats = lambda *values: [bits_of(v) for v in values]
    yield case("a tie, down to even", floats(2.0**27, 2.0**27, 2, 0))
    yield case("a tie, up to even", floats(2.0**28, 4, 2, 2, 0, 0, 0, 0))
    yield case("just above a tie", floats(2.0**27, 2.0**27, 2, 1e-20))


if __name__ == "__main__":
    cases = list(make_cases())
    with open(pathlib.Path(__file__).with_name("square_sums.json"), "w", encoding="utf-8") as out:
        out.write('{"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")
    print(len(cases), "cases")
