"""A difference that was found, computed a third time: a few lines that share nothing with the contract, the emulator or the kernel.

confirm(rule, file) takes the saved failure of a case: x, what the kernel gave (case.*) and what the contract says (expected.*). Each
rule states in plain arithmetic what the kernel and what its package's description would store as scales; both must be the bits of
the file, for every group. Gives the number of scales in which they part; raises AssertionError where a bit is another.
"""
import json
import math
import struct


def read(path):
    data = open(path, "rb").read()
    size = struct.unpack_from("<Q", data)[0]
    head = json.loads(data[8 : 8 + size])
    at = 8 + size
    return {n: (t["shape"], data[at + t["data_offsets"][0] : at + t["data_offsets"][1]]) for n, t in head.items() if n != "__metadata__"}


def f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0] if abs(value) < 3.4e38 or math.isinf(value) else math.copysign(math.inf, value)


def blocks(shape, tile):
    for top in range(0, shape[0], tile[0]):
        for left in range(0, shape[1], tile[1]):
            yield [r * shape[1] + c for r in range(top, top + tile[0]) for c in range(left, left + tile[1])]


def bf16(data):
    return [struct.unpack("<f", struct.pack("<I", h << 16))[0] for h in struct.unpack(f"<{len(data) // 2}H", data)]


def reciprocal(amax):  # f64 quotient, rounded to f32; its reciprocal, rounded to f32
    s = f32(448 / amax)
    return math.inf if s == 0 else f32(1 / s)


def float8(tile):
    """(kernel, description) of one block: amax over the numbers alone, or NaN where any is NaN."""
    numbers = [abs(v) for v in tile if not math.isnan(v)]
    kernel = reciprocal(max([*numbers, 1e-12]))
    return kernel, math.nan if len(numbers) < len(tile) else reciprocal(max([*numbers, 1e-12]))


def mx_floor(tile):
    """The exponent of the largest magnitude, less 8, as e8m0 stores it."""
    def biased(v):
        return max((struct.unpack("<I", struct.pack("<f", v))[0] >> 23 & 255) - 8, 0)

    numbers = [abs(v) for v in tile if not math.isnan(v)]
    kernel = biased(max(numbers)) if numbers else 255 - 8
    return kernel, 255 if len(numbers) < len(tile) else biased(max(numbers))


RULES = {"float8": (float8, "<f"), "mx-floor": (mx_floor, "<B")}


def same(a, b):
    return a == b or (a != a and b != b)


def confirm(rule, tile, path):
    compute, form = RULES[rule]
    t = read(path)
    x = bf16(t["case.x"][1])
    got, said = ([v[0] for v in struct.iter_unpack(form, t[n + ".scale"][1])] for n in ("case", "expected"))
    parted = 0
    for k, block in enumerate(blocks(t["case.x"][0], tile)):
        kernel, description = compute([x[i] for i in block])
        assert same(kernel, got[k]), f"scale {k}: the kernel gave {got[k]}, computed here {kernel}"
        assert same(description, said[k]), f"scale {k}: the contract says {said[k]}, computed here {description}"
        parted += not same(kernel, description)
    assert parted, "no scale differs"
    return parted


def confirm_product(scales, codes, output, levels, cols):
    """f32 outputs of a table and a scale: each product is the kernel's bit for bit when subnormals are zero, and how many are not
    what the product is without that."""
    scale = [v[0] for v in struct.iter_unpack("<f", scales)]
    flush = lambda v: math.copysign(0, v) if abs(v) < 2.0**-126 else v  # noqa: E731
    parted = 0
    for k, (got,) in enumerate(struct.iter_unpack("<f", output)):
        level, s = f32(levels[codes[k]]), scale[k // 64]
        kernel, said = flush(f32(flush(level) * flush(s))), f32(level * s)
        assert struct.pack("<f", kernel) == struct.pack("<f", got), f"value {k}: the kernel gave {got!r}, computed here {kernel!r}"
        parted += struct.pack("<f", said) != struct.pack("<f", got)
    return parted
