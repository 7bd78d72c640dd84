"""A difference that was found, computed a third time: a few lines that share nothing with the contract, the emulator or the kernel.

confirm(rule, tile, file) takes the saved failure of a case: x, what the kernel gave (case.*) and what the contract says (expected.*). Each
rule states in plain arithmetic what the kernel and what its package's description would store as scales and as codes; both must be the
bits of the file, for every group and every element (a NaN is a NaN). Gives the number of scales and of codes in which they part; raises
AssertionError where a bit is another.
"""
import bisect
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
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


E4M3 = [(c & 7) / 512 if c < 8 else (8 + (c & 7)) * 2.0 ** ((c >> 3) - 10) for c in range(127)]  # by code: 0 to 448


def e4m3(value):
    """The byte: round to nearest even, beyond 448 it stays 448, NaN is 0x7f."""
    if math.isnan(value):
        return 0x7F
    sign, size = 0x80 if math.copysign(1, value) < 0 else 0, min(abs(value), 448)
    above = bisect.bisect_left(E4M3, size)
    if E4M3[above] != size:
        low, high = size - E4M3[above - 1], E4M3[above] - size
        above -= low < high or (low == high and above % 2 == 1)
    return sign | above


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
    """(kernel, description) of one block, each a scale and its codes. amax over the numbers alone, and 448 for a NaN; or NaN where any is."""
    numbers = [abs(v) for v in tile if not math.isnan(v)]
    s = f32(448 / max([*numbers, 1e-12]))
    scaled = [f32(v * s) for v in tile]
    kernel = reciprocal(max([*numbers, 1e-12])), [0x7E if math.isnan(y) else e4m3(y) for y in scaled]
    if len(numbers) < len(tile):
        return kernel, (math.nan, [0x7F] * len(tile))
    return kernel, (kernel[0], [e4m3(y) for y in scaled])


def mx_floor(tile):
    """The exponent of the largest magnitude, less 8, as e8m0 stores it. The kernel passes over NaN, and has 1 for the smallest scale."""
    def biased(v):
        return max((struct.unpack("<I", struct.pack("<f", v))[0] >> 23 & 255) - 8, 0)

    numbers = [abs(v) for v in tile if not math.isnan(v)]
    stored = biased(max(numbers)) if numbers else 255 - 8
    kernel = stored, [e4m3(f32(v * (2.0 ** (127 - stored) if stored else 1))) for v in tile]
    if len(numbers) < len(tile):
        return kernel, (255, [0x7F] * len(tile))
    return kernel, (stored, [e4m3(f32(v / 2.0 ** max(stored - 127, -126))) for v in tile])


RULES = {"float8": (float8, "<f"), "mx-floor": (mx_floor, "<B")}


def same(a, b):
    return a == b or (a != a and b != b)


def same_code(a, b):
    return a == b or a & b & 0x7F == 0x7F


def confirm(rule, tile, path):
    compute, form = RULES[rule]
    t = read(path)
    x = bf16(t["case.x"][1])
    scales = [[v[0] for v in struct.iter_unpack(form, t[n + ".scale"][1])] for n in ("case", "expected")]
    codes = [t[n + ".codes"][1] for n in ("case", "expected")]
    parted = [0, 0]
    for k, block in enumerate(blocks(t["case.x"][0], tile)):
        computed = compute([x[i] for i in block])
        for who, (scale, own), got, stored in zip(("kernel", "contract"), computed, scales, codes):
            assert same(scale, got[k]), f"scale {k}: the {who} gave {got[k]}, computed here {scale}"
            for i, code in zip(block, own):
                assert same_code(code, stored[i]), f"code {i}, of {x[i]}: the {who} gave {stored[i]}, computed here {code}"
        parted[0] += not same(computed[0][0], computed[1][0])
        parted[1] += sum(not same_code(a, b) for a, b in zip(computed[0][1], computed[1][1]))
    assert any(parted), "nothing differs"
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
