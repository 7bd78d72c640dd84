"""The inputs of a capture: named fills, made from a seed with numpy and rounded once to the dtype by torch.

A fill is a function of (random generator, rows, cols, scheme) that gives f32 values [rows, cols]. `scheme` says what a tie is:
the group that shares a scale (0: the row) and the grid of codes.
"""
import numpy as np
import torch

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def e4m3_midpoints():
    """Halfway between neighbouring positive float8_e4m3fn values, exactly: m * 2^e has 3 bits of mantissa."""
    values = np.array(sorted({m * 2.0**e for e in range(-6, 9) for m in [1 + k / 8 for k in range(8)] if m * 2.0**e <= 448}
                             | {k * 2.0**-9 for k in range(8)}))
    return (values[1:] + values[:-1]) / 2


def normal(rng, rows, cols, scheme):
    return rng.standard_normal((rows, cols))


def weight(rng, rows, cols, scheme):
    return rng.standard_normal((rows, cols)) * 0.02


def activation(rng, rows, cols, scheme):
    x = rng.standard_normal((rows, cols)) * 0.3
    x[:, rng.choice(cols, max(1, cols // 64), replace=False)] *= 20
    return x


def tie(rng, rows, cols, scheme):
    """x / scale on a half (float8: halfway between two codes), with the extremes that make that scale in each group."""
    kind, group = scheme
    group = group or cols
    x = np.empty((rows, cols // group, group))
    for row in range(rows):
        for block in range(cols // group):
            scale = 2.0 ** rng.integers(-8, 3) * (1 if row % 2 else rng.integers(1, 16) / 8)
            if kind == "fp8":
                points = rng.choice(e4m3_midpoints(), group) * rng.choice([-1, 1], group)
                low, high = -448, 448
            elif kind == "int8":
                low = int(rng.integers(-255, 1))
                high = low + 255
                points = rng.integers(low, high, group) + 0.5
            elif kind == "uint4":
                low = float(rng.integers(-20, 6))
                high = low + 15
                points = low + rng.integers(0, 15, group) + 0.5
            else:  # int4, symmetric: scale = amax / 7.5
                low, high = -7.5, 7.5
                points = rng.integers(-8, 8, group) + 0.5
            points = points.astype(np.float64)
            points[0], points[-1] = (low, high) if rng.integers(2) else (high, low)
            x[row, block] = points * scale
    return x.reshape(rows, cols)


def special(rng, rows, cols, scheme):
    """One row each: zeros of each sign, constants, one non-zero, one-signed, amax 2^k and 1.75 * 2^k, tiny, subnormal."""
    noise = rng.standard_normal((rows, cols))
    x = np.zeros((rows, cols))
    makers = [
        lambda n: 0 * n, lambda n: -0.0 * np.ones_like(n), lambda n: np.where(np.arange(n.size) % 2, 0.0, -0.0),
        lambda n: np.full_like(n, 3.0), lambda n: np.full_like(n, -0.7), lambda n: np.abs(n), lambda n: -np.abs(n),
        lambda n: np.where(np.arange(n.size) == n.size - 1, 5.0, 0.0), lambda n: np.where(np.arange(n.size) == 0, -5.0, 0.0),
        lambda n: np.clip(n, -1, 1) * 2.0**-3, lambda n: np.clip(n, -1, 1) * 1.75 * 2.0**4, lambda n: n * 448 / np.abs(n).max(),
        lambda n: n * 464 / np.abs(n).max(), lambda n: n * 465 / np.abs(n).max(), lambda n: n * 1e-6, lambda n: n * 2.0**-9,
        lambda n: n * 2.0**-20, lambda n: n * 2.0**-130, lambda n: n * 2.0**-140, lambda n: n * 1e-12,
    ]
    for row in range(rows):
        x[row] = makers[row % len(makers)](noise[row])
    return x


def bits(rng, rows, cols, scheme):
    """Random bit patterns of f32 with magnitudes 2^-12 to 2^7."""
    sign = rng.integers(0, 2, (rows, cols), dtype=np.uint32) << 31
    exponent = rng.integers(127 - 12, 127 + 7, (rows, cols), dtype=np.uint32) << 23
    return (sign | exponent | rng.integers(0, 1 << 23, (rows, cols), dtype=np.uint32)).view(np.float32)


def wild(rng, rows, cols, scheme):
    """Random bit patterns whose exponents cover what f16 holds, and a little below."""
    sign = rng.choice([-1.0, 1.0], (rows, cols))
    return sign * np.ldexp(1 + rng.random((rows, cols)), rng.integers(-26, 14, (rows, cols)))


def nonfinite(rng, rows, cols, scheme):
    x = rng.standard_normal((rows, cols))
    for row, value in enumerate([np.inf, -np.inf, np.nan, np.inf, np.nan]):
        if row < rows:
            x[row, rng.integers(cols)] = value
    if rows > 3:
        x[3, rng.integers(cols)] = -np.inf
    return x


FILLS = {fill.__name__: fill for fill in (normal, weight, activation, tie, special, bits, wild, nonfinite)}


def make(fill, seed, index, rows, cols, scheme, dtype):
    """The tensor of one case; every dtype is made from the same f32 values. On ties, a third is moved one ulp up or down."""
    rng = np.random.default_rng([seed, index, rows, cols])
    with np.errstate(over="ignore"):
        values = FILLS[fill](rng, rows, cols, scheme).astype(np.float32)
    x = torch.from_numpy(np.ascontiguousarray(values)).to(DTYPES[dtype])
    if fill == "tie":
        raw = x.view(torch.int32 if dtype == "f32" else torch.int16)
        nudge = torch.from_numpy(rng.integers(-1, 2, (rows, cols)) * (rng.random((rows, cols)) < 0.5)).to(raw.dtype)
        extreme = x.abs() >= x.abs().amax(-1, keepdim=True)
        nudge[(x == 0) | extreme] = 0
        x = (raw + nudge).view(DTYPES[dtype])
    return x
