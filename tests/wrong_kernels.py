"""Random wrong kernels, written apart from the contracts: plain numpy, one rounding an operation.

    python3 tests/wrong_kernels.py OUT COUNT SEED [--small|--budget]   writes COUNT captures, damaged ones after them, and OUT/truth.tsv
    python3 tests/wrong_kernels.py --score OUT SAMEBITS  runs `samebits explain` on them and counts

A kernel is a recipe's own computation with none, one or two mistakes. What counts as the truth is the smallest set of those
mistakes that gives the same bits on this input (a mistake may not show), so that `same` can be the right answer. Some captures are
damaged in a way that no mechanism makes, and DAMAGED more come after the COUNT; some hold a part of the tensors only, or packed codes in
another layout. With --budget every file has 64 x 1024 elements, the size that has to be answered in 5 s on two cores.
"""
import itertools
import json
import os
import random
import struct
import subprocess
import sys
import time

import numpy as np

F = np.float32


def down(x, kind):
    """f32 values rounded to the format, ties to even, carried in f32."""
    x = np.asarray(x, F)
    if kind == "f16":
        return x.astype(np.float16).astype(F)
    if kind == "bf16":
        u = np.ascontiguousarray(x).view(np.uint32)
        r = ((u.astype(np.uint64) + 0x7FFF + (u >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(F)
        return np.where(np.isfinite(x), r, x)
    return x


E4M3 = np.array([(-1) ** (b >> 7) * ((b & 7) * 2.0 ** -9 if b >> 3 & 15 == 0 else (8 + (b & 7)) * 2.0 ** ((b >> 3 & 15) - 10)) for b in range(127)])


def e4m3(x, tie="even"):
    """Codes (bytes) of clamped values, by search in the table of all 127 magnitudes."""
    a = np.minimum(np.abs(np.asarray(x, np.float64)), 448.0)
    hi = np.clip(np.searchsorted(E4M3, a), 1, 126)
    lo = hi - 1
    below, above = a - E4M3[lo], E4M3[hi] - a
    up = {"even": (above < below) | ((above == below) & (hi % 2 == 0)), "away": above <= below, "zero": above == 0}[tie]
    code = np.where(a == 0, 0, np.where(up, hi, lo)).astype(np.uint8)
    return np.where(np.isnan(x), 127, code | np.where(np.signbit(x), 128, 0)).astype(np.uint8)


def e4m3_value(b):
    v = np.where((b & 127) == 127, np.nan, E4M3[np.minimum(b & 127, 126)])
    return np.where(b & 128, -v, v).astype(F)


def chop(x):
    """bf16 by dropping the low half."""
    x = np.asarray(x, F)
    u = (np.ascontiguousarray(x).view(np.uint32) & 0xFFFF0000).astype(np.uint32).view(F)
    return np.where(np.isnan(x), x, u)


def half_away(x):
    t = np.trunc(x)
    return (t + np.where(np.abs(x - t) >= 0.5, np.copysign(F(1), x), F(0))).astype(x.dtype)


def half_up(T):
    return lambda y: np.floor(down(y + F(0.5), T))


ROUND = {"": np.rint, "away": half_away, "trunc": np.trunc}
SMALLEST = {"f32": 2.0 ** -126, "bf16": 2.0 ** -126, "f16": 2.0 ** -14}
EPSILON = {"f32": 2.0 ** -23, "bf16": 2.0 ** -7, "f16": 2.0 ** -10}
INT = "int8-dynamic-act-int4-weight"
W4 = "int4-weight-only"
F8 = "float8-dynamic-act-float8-weight"
F84 = "float8-dynamic-act-int4-weight"


SMALL, BUDGET = "--small" in sys.argv, "--budget" in sys.argv
DAMAGED = 0 if SMALL else 24


def groups(x, size):
    return x.reshape(x.shape[0], -1, size if size else x.shape[1])


def int8(x, c, w):
    """Activation per token (asymmetric, 8 bits) and weight per group (symmetric, 4 bits) of 0.11, 0.18, cuda and aligned."""
    T, weight, old, cuda = c["dtype"], c["side"] == "weight", "0.11" in c["flavor"], "cuda" in c["flavor"]
    wide = old and not weight
    lo, hi = (-8, 7) if weight else (-128, 127)
    r = (lambda v: chop(v)) if "chop" in w else (lambda v: down(v, T))
    k = (lambda v: np.asarray(v, F)) if wide or "codes-f32" in w else r
    g = groups(x, w.get("group", c["group"]))
    low, high = (np.fmin.reduce, np.fmax.reduce) if "nan-ignored" in w else (np.min, np.max)
    mn = np.minimum(low(g, axis=-1, keepdims=True), F(0)) if "true-extrema" not in w else low(g, axis=-1, keepdims=True)
    mx = np.maximum(high(g, axis=-1, keepdims=True), F(0)) if "true-extrema" not in w else high(g, axis=-1, keepdims=True)
    span = np.maximum(-mn, mx) if weight else (mx - mn if "span-f32" in w else r(mx - mn))
    d = F(w.get("divisor", 7.5 if weight else 255))
    e = F(w.get("eps", EPSILON[T] if old else SMALLEST[T]))
    recip = ("recip" in w) != cuda
    div = (lambda a, b: a * (F(1) / b)) if recip else (lambda a, b: a / b)
    if "noclip" in w:
        s = np.maximum(r(div(mn, F(lo))), r(div(mx, F(hi))))
    elif "signed" in w:
        first = np.argmax(np.abs(g), axis=-1)
        s = r(np.take_along_axis(g, first[..., None], -1) / F(-8))
    elif "floor-on-span" in w:
        s = r(div(np.maximum(span, r(e)), d))
    elif "q64" in w:
        wide64 = (np.maximum(-mn, mx).astype(np.float64) if weight else mx.astype(np.float64) - mn) / float(d)
        s = wide64.astype(F) if T == "f32" else r64(wide64, T)
    else:
        s = r(div(span, d))
    s = s if "signed" in w else r(s + r(e)) if "eps-add" in w else s if "floor-on-span" in w else np.maximum(s, r(e))
    if "pow2" in w:
        s = np.where((s == 0) | ~np.isfinite(s), s, np.ldexp(F(1), np.frexp(s)[1] - 1)).astype(F)
    if weight:
        z = np.zeros_like(s)
    elif "nudge" in w:
        a, b = r(mn / s), r(mx / s)
        z = np.rint(np.clip(np.where(r(r(F(lo) + a) + r(F(hi) + b)) > 0, r(F(lo) - a), r(F(hi) - b)), lo, hi))
    elif "from-max" in w:
        z = np.clip(r(F(hi) - np.rint(r(mx / s))), lo, hi)
    else:
        z = np.clip(r(F(lo) - np.rint(r(mn / s))), lo, hi)
    y = k(g / s) if "div" in w else k(g * k(F(1) / s))
    if "f64" in w:
        y = g.astype(np.float64) * (1.0 / s.astype(np.float64))
    rnd = half_up(T if k is r else "f32") if w.get("round") == "floor" else ROUND[w.get("round", "")]
    q = (rnd(y + z) if "f64" in w else rnd(k(y + z))) if "add-first" in w else (rnd(y) + z if "f64" in w else k(rnd(y) + z))
    q = np.clip(q, -hi if "narrow" in w else lo, hi).astype(F)
    if "minus-zero" in w:
        q = np.where((q == 0) & np.signbit(y), F(-0.0), q)
    else:
        q = q + F(0)
    if c["step"] == "convert" or c["flavor"] == "aligned":  # integers hold no NaN
        q, z = np.where(np.isnan(q), F(0), q), np.where(np.isnan(z), F(0), z)
    o = r
    if "distributed" in w:
        out = r(k(q * s) - k(z * s)) if not wide else r((q * s) - (z * s))
    else:
        out = o((q - z) * s)
    zs = z + F(w.get("zp-stored", 0))
    rows = x.shape[0]
    return {"scale": (s.reshape(rows, -1), "f32" if wide else T), "zero_point": (zs.reshape(rows, -1), "i32" if c["step"] != "convert" and c["flavor"] != "aligned" else "i8"),
            "codes": (q.reshape(x.shape), "i8"), "output": (out.reshape(x.shape), T)}


def old10(x, c, w):
    """torchao 0.10, activation."""
    T = c["dtype"]
    r = (lambda v: down(v, T))
    mn, mx = np.minimum(x.min(-1, keepdims=True), F(0)), np.maximum(x.max(-1, keepdims=True), F(0))
    span = mx - mn if "span-f32" in w else r(mx - mn)
    s = np.maximum(r(span * (F(1) / F(255))) if "recip" in w else r(span / F(255)), r(F(w.get("eps", 2.0 ** -23))))
    a, b = r(mn / s), r(mx / s)
    z = np.rint(np.clip(np.where(r(r(F(-128) + a) + r(F(127) + b)) > 0, r(F(-128) - a), r(F(127) - b)), -128, 127))
    if "from-min" in w:
        z = np.clip(r(F(-128) - np.rint(a)), -128, 127)
    convert = c["step"] == "convert"
    k = np.float64 if convert or "f64" in w else F
    if convert and "f32" in w:
        k = F
    y = x.astype(k) / s.astype(k) if "div" in w else x.astype(k) * (k(1) / s.astype(k))
    rnd = ROUND[w.get("round", "")]
    first = convert != ("add-first" in w)
    q = np.clip(rnd(y + z.astype(k)) if first else rnd(y) + z.astype(k), -127 if "narrow" in w else -128, 127).astype(F) + F(0)
    out = r(((q - z).astype(k) * s.astype(k)).astype(F)) if T == "f32" or k is F else r64((q - z).astype(k) * s, T)
    return {"scale": (s, "f64" if convert else "f32"), "zero_point": (z, "i64" if convert else "f32"), "codes": (q, "i8"), "output": (out, T)}


def r64(v, T):
    """f64 to a 16-bit format in one rounding."""
    if T == "f16":
        return v.astype(np.float16).astype(F)
    hi = v.astype(F)
    odd = np.where(hi.astype(np.float64) == v, hi, np.where((hi.astype(np.float64) > v) == (v > 0), np.nextafter(hi, F(0)), hi))
    u = np.ascontiguousarray(odd).view(np.uint32) | np.where(hi.astype(np.float64) == v, 0, 1).astype(np.uint32)
    return down(u.view(F), "bf16")


def int4(x, c, w):
    """int4 weight-only, torchao 0.18 and aligned."""
    T, stored = c["dtype"], c["step"] == "convert" or c["flavor"] == "aligned"
    g = groups(x, w.get("group", c["group"])).astype(F)
    mn, mx = g.min(-1, keepdims=True), g.max(-1, keepdims=True)
    if "zero-in" in w:
        mn, mx = np.minimum(mn, F(0)), np.maximum(mx, F(0))
    e, recip = F(w.get("eps", 1e-6)), ("recip" in w) != ("cuda" in c["flavor"])
    div = (lambda a: a * (F(1) / F(15))) if recip else (lambda a: a / F(15))
    s = np.maximum(div(mx - mn), e) if "floor-on-scale" in w else div((mx - mn) + e) if "eps-add" in w else div(np.maximum(mx - mn, e))
    z = mn + s * F(8)
    us = down(s, T) if "codes-stored" in w else s
    y = (g - mn) * (F(1) / us) if "mul" in w else (g - mn) / us
    rnd = (lambda v: np.floor(v + F(0.5))) if w.get("round") == "floor" else ROUND[w.get("round", "")]
    q = np.clip(rnd(y), 1 if "narrow" in w else 0, 15) - F(8)
    st, zt = (down(s, T), down(z, T)) if stored or "stored" in w else (s, z)
    os_, oz = (s, z) if "wide-out" in w else (st, zt)
    if "fma" in w:
        out = down((q.astype(np.float64) * os_ + oz).astype(F), T)
    elif "per-op" in w:
        out = down(down(q * os_, T) + oz, T)
    else:
        out = down(q * os_ + oz, T)
    rows, kind = x.shape[0], T if stored else "f32"
    codes = q.reshape(x.shape)
    t = {"scale": (st.reshape(rows, -1), kind), "zero_point": (zt.reshape(rows, -1), kind), "codes": (codes, "i8"), "output": (out.reshape(x.shape), T)}
    if c["step"] == "convert":
        t["packed"] = (pack(codes, c.get("layout", "")), "u8")
    return t


def pack(codes, layout):
    n = codes.astype(np.int64)
    u = (n + 8 if "offset" in layout else n) & 15
    if "halves" in layout:
        v = u.reshape(u.shape[0], -1, 2, 16)
        a, b = v[:, :, 0].reshape(u.shape[0], -1), v[:, :, 1].reshape(u.shape[0], -1)
    else:
        a, b = u[:, ::2], u[:, 1::2]
    return b | a << 4 if "high" in layout else a | b << 4


def float8(x, c, w):
    T, own = c["dtype"], c["flavor"] == "aligned"
    k = (lambda v: np.asarray(v, F)) if own != ("other-format" in w) else (lambda v: down(v, T))
    a = (np.fmax.reduce if "nan-ignored" in w else np.max)(np.abs(x), axis=-1, keepdims=True)
    e = F(0) if "no-floor" in w else F(w.get("floor", 2.0 ** -9 if own else 0))
    d, recip = F(w.get("divisor", 448)), ("recip" in w) != ("cuda" in c["flavor"])
    if "roundtrip" in w:
        m = d / np.maximum(a, e).astype(F)
        s = F(1) / m
    elif "floor-on-scale" in w:
        s = np.maximum(k(a / d), e)
    else:
        s = k(np.maximum(a, e) * (F(1) / d)) if recip else k(np.maximum(a, e) / d)
    if "pow2" in w:
        s = np.where((s == 0) | ~np.isfinite(s), s, np.ldexp(F(1), np.frexp(s)[1] - 1)).astype(F)
    y = x * m if "roundtrip" in w else x * (F(1) / s) if "mul" in w else x / s
    if "via" in w:
        y = down(y, w["via"])
    b = e4m3(y, w.get("tie", "even"))
    if "plus-zero" in w:
        b = np.where((b & 127) == 0, 0, b).astype(np.uint8)
    if "flush" in w:
        b = np.where((b & 0x78) == 0, b & 0x80, b).astype(np.uint8)
    return {"scale": (s, "f32"), "codes": (b, "e4m3"), "output": (down(e4m3_value(b) * s, T), T)}


def float8_int4(x, c, w):
    T = c["dtype"]
    a = np.abs(x).max(-1, keepdims=True).astype(F)
    top = np.maximum(a, F(2.0 ** -9))
    rs = top * (F(1) / F(448)) if "row-recip" in w else top / F(448)
    v = e4m3_value(e4m3(x * (F(1) / rs) if "row-mul" in w else x / rs, w.get("tie", "even")))
    if "from-w" in w:
        v = (x / rs).astype(F)
    g = groups(v, 128)
    s = np.maximum(np.abs(g).max(-1, keepdims=True), F(w.get("eps", 1e-6))) / F(w.get("divisor", 8))
    q = np.clip(ROUND[w.get("round", "")](g / s), -7 if "narrow" in w else -8, 7) + F(0)
    b = e4m3(s)
    p = q * (s if "scale-f32" in w else e4m3_value(b))
    out = down((p if "no-lut" in w else e4m3_value(e4m3(p))).reshape(x.shape) * rs, T)
    rows = x.shape[0]
    return {"row_scale": (rs, "f32"), "scale": (b.reshape(rows, -1), "e4m3"), "codes": (q.reshape(x.shape), "i8"), "output": (out, T)}


def prepare84(x, c, w):
    """float8-int4 weight, prepare of torchao 0.18: everything in T."""
    T = c["dtype"]
    r = (lambda v: down(v, T))
    rs = r(np.maximum(np.abs(x).max(-1, keepdims=True), r(F(1e-12))) / F(448))
    if "row-f32" in w:
        rs = (np.maximum(np.abs(x).max(-1, keepdims=True), r(F(1e-12))) / F(448)).astype(F)
    v = r(e4m3_value(e4m3(x / rs, w.get("tie", "even"))) * rs)
    if "no-fp8" in w:
        v = x
    g = groups(v, 128)
    s = np.maximum(r(np.abs(g).max(-1, keepdims=True) / F(w.get("divisor", 8))), r(F(w.get("eps", 1e-6))))
    y = r(g / s) if "div" in w else r(g * r(F(1) / s))
    q = np.clip(ROUND[w.get("round", "")](y), -7 if "narrow" in w else -8, 7) + F(0)
    rows = x.shape[0]
    return {"row_scale": (rs, "f32"), "scale": (s.reshape(rows, -1), T), "codes": (q.reshape(x.shape), "i8"), "output": (r(q * s).reshape(x.shape), T)}


E_ = ("eps", lambda g: g.choice([1e-5, 1e-6, 1e-12, 2.0 ** -23, 3.7e-5, 2.5e-4, 2.0 ** -9, 0.003]))
MISTAKES = {
    int8: [("recip", 1, "scalar-div-as-reciprocal"), (*E_, "eps-value"), ("floor-on-span", 1, "eps-on-amax-vs-scale"), ("span-f32", 1, "range-subtract-rounding"),
           ("eps-add", 1, "eps-additive"), ("pow2", 1, "pow2-scale"), ("nudge", 1, "zp-nudge-side"), ("from-max", 1, "zp-nudge-side"), ("div", 1, "recip-mul-vs-div"),
           ("codes-f32", 1, "per-op-vs-upcast"), ("f64", 1, "fp64-qparams-widened"), ("round", "away", "round-half-away"), ("round", "floor", "floor-plus-half"),
           ("round", "trunc", "truncate"), ("add-first", 1, "add-before-round"), ("narrow", 1, "narrow-range-clamp"), ("distributed", 1, "dequant-distributed"),
           ("true-extrema", 1, "preserve-zero"), ("zp-stored", 1, "zp-off-by-one"), ("zp-stored", -1, "zp-off-by-one"),
           ("divisor", lambda g: g.choice([7.0, 8.0, 7.25, 6.0]), "symmetric-divisor"), ("noclip", 1, "no-clipping-symmetric"),
           ("signed", 1, "signed-absmax-scale"), ("q64", 1, "fp64-qparams-computed"), ("chop", 1, "bf16-truncate"), ("nan-ignored", 1, "nan-in-reduction"),
           ("minus-zero", 1, "negative-zero"), ("group", lambda g: g.choice([64, 128]), "group-size-ignored")],
    old10: [("recip", 1, "scalar-div-as-reciprocal"), (*E_, "eps-value"), ("span-f32", 1, "range-subtract-rounding"), ("from-min", 1, "zp-nudge-side"), ("div", 1, "recip-mul-vs-div"),
            ("f64", 1, "fp64-qparams-widened"), ("f32", 1, "fp64-qparams-widened"), ("round", "away", "round-half-away"), ("round", "trunc", "truncate"),
            ("add-first", 1, "add-before-round"), ("narrow", 1, "narrow-range-clamp")],
    int4: [("recip", 1, "scalar-div-as-reciprocal"), (*E_, "eps-value"), ("floor-on-scale", 1, "eps-on-amax-vs-scale"), ("eps-add", 1, "eps-additive"), ("zero-in", 1, "preserve-zero"),
           ("codes-stored", 1, "quantize-with-one-scale-store-another"), ("mul", 1, "recip-mul-vs-div"), ("round", "away", "round-half-away"), ("round", "floor", "floor-plus-half"),
           ("round", "trunc", "truncate"), ("narrow", 1, "narrow-range-clamp"), ("stored", 1, "scale-stored-narrow"), ("wide-out", 1, "scale-stored-narrow"),
           ("fma", 1, "fma-contraction"), ("per-op", 1, "dequant-bf16-fma"), ("group", lambda g: g.choice([64, 128]), "group-size-ignored")],
    float8: [("other-format", 1, "scale-computed-in-input-dtype"), ("floor", lambda g: g.choice([1e-12, 1e-5, 2.0 ** -9, 0.004, 3e-3]), "eps-value"), ("roundtrip", 1, "inverse-scale-roundtrip"),
             ("floor-on-scale", 1, "eps-on-amax-vs-scale"), ("recip", 1, "scalar-div-as-reciprocal"), ("pow2", 1, "pow2-scale"), ("mul", 1, "recip-mul-vs-div"),
             ("via", "f16", "fp8-double-rounding"), ("via", "bf16", "fp8-double-rounding"), ("tie", "away", "fp8-half-away"), ("tie", "zero", "fp8-half-away"), ("flush", 1, "fp8-subnormal-flush"),
             ("nan-ignored", 1, "nan-in-reduction"), ("no-floor", 1, "zero-scale-no-guard"), ("plus-zero", 1, "negative-zero")],
    float8_int4: [("row-recip", 1, "scalar-div-as-reciprocal"), ("row-mul", 1, "recip-mul-vs-div"), ("tie", "away", "fp8-half-away"), ("tie", "zero", "fp8-half-away"),
                  ("divisor", lambda g: g.choice([7.0, 7.5]), "symmetric-divisor"), ("round", "away", "round-half-away"), ("round", "trunc", "truncate"), ("narrow", 1, "narrow-range-clamp"),
                  ("no-lut", 1, "fp8-lut-weight"), ("from-w", 1, "fp8-first-weight"), ("scale-f32", 1, "group-scale-to-fp8")],
    prepare84: [("row-f32", 1, "scale-computed-in-input-dtype"), ("tie", "away", "fp8-half-away"), ("divisor", lambda g: g.choice([7.0, 7.5]), "symmetric-divisor"), ("div", 1, "recip-mul-vs-div"),
                ("round", "away", "round-half-away"), ("round", "trunc", "truncate"), ("narrow", 1, "narrow-range-clamp"), (*E_, "eps-value"), ("no-fp8", 1, "fp8-first-weight")],
}
# Which mistakes a computation can make at all.
ASYMMETRIC = {"nudge", "from-max", "add-first", "distributed", "true-extrema", "zp-stored", "span-f32", "f64"}
WHERE = [(int8, INT, "activation", s, f) for s, f in (("prepare", "torchao-0.11-cpu"), ("prepare", "torchao-0.18-cpu"), ("convert", "torchao-0.18-cpu"), ("prepare", "torchao-0.18-cuda"), ("prepare", "aligned"))] + \
        [(int8, INT, "weight", s, f) for s, f in (("prepare", "torchao-0.18-cpu"), ("convert", "torchao-0.18-cpu"), ("prepare", "torchao-0.18-cuda"), ("convert", "aligned"))] + \
        [(old10, INT, "activation", s, "torchao-0.10-cpu") for s in ("prepare", "convert")] + \
        [(int4, W4, "weight", s, f) for s, f in (("prepare", "torchao-0.18-cpu"), ("convert", "torchao-0.18-cpu"), ("prepare", "torchao-0.18-cuda"), ("convert", "aligned"), ("prepare", "aligned"))] + \
        [(float8, F8, side, s, f) for side in ("activation", "weight") for s, f in (("prepare", "torchao-0.18-cpu"), ("convert", "torchao-0.18-cpu"), ("prepare", "torchao-0.18-cuda"), ("convert", "aligned"))] + \
        [(float8_int4, F84, "weight", s, "aligned") for s in ("prepare", "convert")] + [(prepare84, F84, "weight", "prepare", "torchao-0.18-cpu")]


def make_input(g, seed, rows, cols, T, group, may_be_wild):
    n = np.random.Generator(np.random.MT19937(seed))
    x = n.standard_normal((rows, cols)).astype(F)
    kind = g.choice(["plain", "weight", "ranges", "ties", "ranges", "offset", "wild"])
    if kind == "wild" and not may_be_wild:
        kind = "ranges"
    if kind == "weight":
        x *= F(0.02)
    if kind == "ranges":
        x *= np.exp2(n.integers(-13, 5, (rows, 1))).astype(F)
        x[n.integers(0, rows)] = 0
        x[n.integers(0, rows)] *= F(1e-5)
        x[n.integers(0, rows)] = np.abs(x[n.integers(0, rows)]) + F(0.5)
    if kind == "offset":
        x = np.abs(x) + F(n.uniform(0.1, 3))
    if kind == "wild":
        for value in (np.nan, np.inf, -np.inf):
            x[n.integers(0, rows), n.integers(0, cols)] = value
        x[n.integers(0, rows), ::7] = np.nan
    if kind == "ties":
        step = np.exp2(n.integers(-6, 3, (rows, 1))).astype(F)
        x = ((n.integers(-100, 100, (rows, cols)) + F(0.5)) * step).astype(F)
        x[:, 0], x[:, -1] = (-118 * step)[:, 0], (137 * step)[:, 0]
    return down(x, T), kind


KINDS = {"f64": ("F64", np.float64), "f32": ("F32", F), "f16": ("F16", np.float16), "bf16": ("BF16", None), "i8": ("I8", np.int8), "i32": ("I32", np.int32), "i64": ("I64", np.int64), "u8": ("U8", np.uint8), "e4m3": ("F8_E4M3", np.uint8)}


def raw(a, kind):
    name, dtype = KINDS[kind]
    if kind == "bf16":
        return name, (np.ascontiguousarray(a, F).view(np.uint32) >> 16).astype(np.uint16)
    return name, np.ascontiguousarray(a).astype(dtype)


def save(path, meta, tensors):
    head, at, body = {"__metadata__": meta}, 0, []
    for name in sorted(tensors, key=lambda k: -tensors[k][1].itemsize):
        kind, a = tensors[name]
        data = a.tobytes()
        head[name] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
        body.append(data)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(body))


def same_bits(a, b):
    """As they are stored: an integer has no -0, NaN is one class."""
    for k in a:
        (kind, u), (other, v) = raw(*a[k]), raw(*b[k])
        if u.shape != v.shape:
            return False
        nan = (u != u) & (v != v)
        if kind != other or not ((u.view(f"u{u.itemsize}") == v.view(f"u{v.itemsize}")) | nan).all():
            return False
    return True


LAYOUTS = {"": [], "high": ["nibble-order"], "offset": ["nibble-encoding"], "halves": ["element-interleave"], "high offset": ["nibble-order", "nibble-encoding"]}


def one(g, index, out, seed, damage=False):
    function, recipe, side, step, flavor = g.choice(WHERE)
    c = {"dtype": g.choice(["f32", "bf16", "f16"]), "side": side, "step": step, "flavor": flavor, "group": 0}
    grouped = side == "weight" and recipe != F8
    if grouped:
        c["group"] = 128 if recipe == F84 else g.choice([32, 64, 128, 256])
    rows, cols = g.choice([(5, 256), (8, 256)] if SMALL else [(64, 1024)] if BUDGET else [(7, 512), (24, 256), (33, 768), (16, 1024), (64, 1024), (5, 256)])
    may_be_wild = function is float8 or (function is int8 and (flavor == "aligned" or step == "convert"))
    x, kind = make_input(g, seed * 100003 + index, rows, cols, c["dtype"], c["group"], may_be_wild)
    usable = [m for m in MISTAKES[function] if not (function is int8 and side == "weight" and m[0] in ASYMMETRIC) and
              not (function is int8 and side == "activation" and m[0] in ("divisor", "noclip")) and
              not (c["dtype"] == "f32" and m[0] in ("codes-f32", "span-f32", "stored", "per-op", "other-format", "row-f32", "codes-stored", "wide-out")) and
              not (m[0] in ("stored", "fma", "per-op", "wide-out") and function is int4 and (step == "convert" and flavor != "aligned")) and
              not (m[0] in ("floor-on-scale", "floor") and function is float8 and flavor != "aligned" and m[0] == "floor-on-scale") and
              not (m[0] in ("chop",) and c["dtype"] != "bf16") and not (m[0] == "nan-ignored" and kind != "wild") and
              not (m[0] == "group" and (not c["group"] or cols % 128 or 128 % c["group"])) and not (m[0] in ("signed", "minus-zero") and side != "weight") and
              not (m[0] == "minus-zero" and (step == "convert" or flavor == "aligned")) and not (m[0] == "no-floor" and flavor != "aligned") and
              not (m[0] == "f64" and function is old10 and step == "convert") and not (m[0] == "f32" and function is old10 and step == "prepare")]
    count = g.choice([0, 1, 1, 1, 1, 2, 2]) if index % 5 else 0
    if function is float8 and flavor != "aligned":
        usable = [(m[0], m[1], "zero-scale-no-guard") if m[0] == "floor" else m for m in usable]  # this contract has no floor
    picked = g.sample(usable, min(count, len(usable)))
    if len({m[0] for m in picked}) < len(picked) or {m[0] for m in picked} >= {"eps", "eps-add"} or {"roundtrip", "mul"} <= {m[0] for m in picked} or {"noclip", "divisor"} <= {m[0] for m in picked} or len({m[0] for m in picked} & {"signed", "noclip", "divisor", "q64", "recip", "eps", "eps-add", "floor-on-span", "pow2"}) > 1 and {m[0] for m in picked} & {"signed", "q64"} or {"no-floor", "floor"} <= {m[0] for m in picked} or {"chop", "codes-f32"} <= {m[0] for m in picked}:
        picked = picked[:1]
    if any(m[0] == "group" for m in picked) and c["group"] == 128:
        picked = [m for m in picked if m[0] != "group"]
    w = {m[0]: m[1](g) if callable(m[1]) else m[1] for m in picked}
    with np.errstate(all="ignore"):
        got = function(x, c, w)
        subsets = sorted((s for k in range(len(picked) + 1) for s in itertools.combinations(picked, k)), key=len)
        truth = next([m[2] for m in s] for s in subsets if same_bits(function(x, c, {m[0]: w[m[0]] for m in s}), got))
    layout = g.choice(list(LAYOUTS)) if "packed" in got and len(picked) < 2 and g.random() < 0.4 and c["group"] else ""
    if layout:
        got["packed"] = (pack(got["codes"][0], layout), "u8")
        truth = LAYOUTS[layout] + truth
    tensors = {k: raw(*v) for k, v in got.items()}
    if step == "convert" and flavor == "torchao-0.18-cpu" and function is int4:
        tensors.pop("output")
    present = sorted(tensors)
    if g.random() < 0.3:
        kept = g.sample(present, g.randint(1, len(present)))
        with np.errstate(all="ignore"):
            for s in subsets:
                part = function(x, c, {m[0]: w[m[0]] for m in s})
                if layout and "packed" in kept:
                    part["packed"] = (pack(part["codes"][0], layout), "u8")
                if same_bits({k: part[k] for k in kept}, {k: got[k] for k in kept}):
                    truth = (LAYOUTS[layout] if "packed" in kept else []) + [m[2] for m in s]
                    break
        tensors = {k: tensors[k] for k in kept}
    verdict = "explained" if truth else "same"
    if damage or (index % 7 == 3 and not picked and not layout):
        slot = g.choice(sorted(tensors))
        kind_, a = tensors[slot]
        b = a.copy().reshape(-1)
        how = g.choice(["bit", "swap", "noise"])
        bits = b.view({1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}[b.itemsize])
        at = g.randrange(b.size)
        if how == "bit":
            bits[at] ^= 1
        elif how == "noise":
            bits[np.random.Generator(np.random.MT19937(seed + index)).random(b.size) < 0.02] ^= 1
        else:
            bits[:] = np.roll(bits, 1)
        if not (bits == a.reshape(-1).view(bits.dtype)).all():
            tensors[slot], truth, verdict = (kind_, b.reshape(a.shape)), [], "unexplained"
    tensors["x"] = raw(x, c["dtype"])
    label = f"k{index:04d}"
    meta = {"samebits.golden": "1", "recipe": recipe, "side": side, "step": step, "flavor": flavor, "dtype": c["dtype"], "group_size": str(c["group"]), "upstream": "numpy"}
    save(os.path.join(out, label + ".safetensors"), meta, {"case." + k: v for k, v in tensors.items()})
    what = f"{recipe}/{side}/{step}@{flavor}/{c['dtype']}/{rows}x{cols}:g{c['group']}/{kind} {w} {layout} {sorted(tensors)}"
    return "\t".join([label, verdict, "+".join(sorted(set(truth))), what])


def generate(out, count, seed):
    os.makedirs(out, exist_ok=True)
    g = random.Random(seed)
    with open(os.path.join(out, "truth.tsv"), "w") as f:
        for i in range(count + DAMAGED):
            f.write(one(g, i, out, seed, i >= count) + "\n")


def score(out, program):
    """right: the answer is the truth. listed: the truth is an alternative that gives every bit as well. smaller: a part of the
    truth, in another form than this file's, gives every bit. wrong: none of these."""
    tally, worst, longest = {}, (0, ""), (0, "")
    for line in open(os.path.join(out, "truth.tsv")):
        label, verdict, truth, what = line.rstrip("\n").split("\t")
        start, before = time.time(), os.times()
        run = subprocess.run([program, "explain", "--json", os.path.join(out, label + ".safetensors")], capture_output=True, text=True)
        after = os.times()
        worst = max(worst, (time.time() - start, label))
        longest = max(longest, (after.children_user - before.children_user + after.children_system - before.children_system, label))
        answer = json.loads(run.stdout.splitlines()[0]) if run.stdout else {"verdict": "none: " + run.stderr.strip(), "mechanisms": [], "alternatives": []}
        wanted, ids = set(filter(None, truth.split("+"))), set(answer["mechanisms"])
        if answer["verdict"] != verdict:
            result = f"{verdict} called {answer['verdict'][:60]}"
        elif verdict != "explained" or ids == wanted:
            result = "right"
        elif any(set(a) == wanted for a in answer["alternatives"]):
            result = "listed"
        else:
            result = "smaller" if ids < wanted else "wrong"
        tally[(verdict, result)] = tally.get((verdict, result), 0) + 1
        if result != "right":
            print(f"{label}: {result}: {truth} -> {'+'.join(sorted(ids))}   {what}")
    for key in sorted(tally):
        print(*key, tally[key])
    print(f"slowest: {worst[0]:.1f} s, {worst[1]}; most processor time: {longest[0]:.1f} s, {longest[1]}")


if __name__ == "__main__":
    score(sys.argv[2], sys.argv[3]) if sys.argv[1] == "--score" else generate(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
