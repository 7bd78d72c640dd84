"""Captures of wrong kernels, made without the contract evaluator: numpy, one rounding an operation.

    python3 tests/captures.py OUT [--small]

writes OUT/<name>.safetensors in the golden format, whose metadata name the contract that the kernel was meant to follow, and
OUT/expected.tsv: name, verdict, mechanisms (any of the sets that are separated by '|'; ids of a set by '+').
"""
import json
import os
import struct
import sys

import numpy as np

f32 = np.float32


# Formats. A value of bf16, f16 or e4m3 is carried in an f32 array that holds only values of the format.
def bf16(x, how="even"):
    x = np.asarray(x, f32)
    b = x.view(np.uint32).astype(np.uint64)
    if how == "even":
        r = (b + 0x7FFF + ((b >> 16) & 1)) & 0xFFFF0000
    elif how == "zero":
        r = b & 0xFFFF0000
    else:
        r = (b + 0x8000) & 0xFFFF0000
    r = np.where(np.isfinite(x), r, b & 0xFFFF0000)
    out = r.astype(np.uint32).view(f32)
    return np.where(np.isnan(x), f32(np.nan), out)


def f16(x):
    with np.errstate(all="ignore"):
        return np.asarray(x, f32).astype(np.float16).astype(f32)


def e4m3(x, how="even", top=448.0, least=-6):
    """Saturating; how: even, away, zero."""
    x = np.asarray(x, np.float64)
    a = np.minimum(np.abs(x), top)
    e = np.floor(np.log2(np.where(a > 0, a, 1)))
    e = np.where(2.0 ** e > a, e - 1, e)
    q = 2.0 ** (np.maximum(e, least) - 3)
    t = a / q
    r = np.rint(t) if how == "even" else np.floor(t + 0.5) if how == "away" else np.floor(t)
    v = np.minimum(r * q, top)
    return np.where(np.isnan(x), np.nan, np.copysign(v, x)).astype(f32)


def e4m3_bits(v, bias=7):
    v = np.asarray(v, np.float64)
    a = np.abs(v)
    e = np.floor(np.log2(np.where(a > 0, a, 1)))
    sub = a < 2.0 ** (1 - bias)
    m = np.where(sub, a / 2.0 ** (1 - bias - 3), (a / 2.0 ** e - 1) * 8)
    field = np.where(sub, 0, e + bias)
    bits = (field * 8 + m).astype(np.int64) | np.where(np.signbit(v), 0x80, 0)
    return np.where(np.isnan(v), 0x7F, bits).astype(np.uint8)


FORMATS = {"f32": lambda x: np.asarray(x, f32), "bf16": bf16, "f16": f16}


def write(path, metadata, tensors):
    order = sorted(tensors, key=lambda k: (-tensors[k][1].dtype.itemsize, k))
    header, offset, blob = {"__metadata__": metadata}, 0, b""
    for k in order:
        kind, a = tensors[k]
        raw = np.ascontiguousarray(a).tobytes()
        header[k] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        blob += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + blob)


def store(x, kind):
    """As a tensor of the safetensors type of a format."""
    x = np.asarray(x)
    if kind == "bf16":
        return "BF16", (np.asarray(x, f32).view(np.uint32) >> 16).astype(np.uint16)
    if kind == "f16":
        return "F16", np.asarray(x, f32).astype(np.float16)
    if kind == "f32":
        return "F32", np.asarray(x, f32)
    if kind == "f64":
        return "F64", np.asarray(x, np.float64)
    if kind == "e4m3":
        return "F8_E4M3", e4m3_bits(x)
    if kind == "bytes":
        return "F8_E4M3", np.asarray(x, np.uint8)
    return {"i8": "I8", "i32": "I32", "u8": "U8"}[kind], np.asarray(x).astype({"i8": np.int8, "i32": np.int32, "u8": np.uint8}[kind])


def rng(seed):
    return np.random.Generator(np.random.PCG64(seed))


SMALL = "--small" in sys.argv


def inputs(seed, rows, cols, kind, T, group=0, divisor=255.0):
    if SMALL:
        rows, cols = 12, 256 if cols == 512 else 128
    g = rng(seed)
    x = g.standard_normal((rows, cols)).astype(f32)
    if kind == "weight":
        x = x * f32(0.02)
    if kind == "mixed":
        scale = 2.0 ** g.integers(-14, 6, (rows, 1))
        x = (x * scale).astype(f32)
        x[1] = 0
        x[2] *= f32(1e-6)
        x[3] = np.abs(x[3])
        x[4] = -np.abs(x[4])
        x[5] = f32(1e-9) * x[5]
    if kind == "positive":
        x = np.abs(x) + f32(2)
    if kind == "tie":
        for i in range(rows):
            s = f32(2.0 ** g.integers(-3, 3)) if i % 2 else f32(g.uniform(0.01, 2))
            k = g.integers(-90, 90, cols) + 0.5
            x[i] = (k * s).astype(f32)
            x[i, 0], x[i, 1] = s * -120, s * 135
    if kind == "nan":
        x[0, 3] = np.nan
        x[2, :] = np.nan
        x[4, 5] = np.inf
        x[6, 7] = -np.inf
    if kind == "tiny":
        x = (x * f32(2.0 ** -128)).astype(f32)
    return FORMATS[T](x)


def rint(x):
    return np.rint(x)


def away(x):
    x = np.asarray(x)
    return np.where(np.isfinite(x), np.trunc(x) + np.where(np.abs(x - np.trunc(x)) >= 0.5, np.sign(x), 0), x)


def group(x, size):
    return x.reshape(x.shape[0], -1, size or x.shape[1])


def flat(x, shape):
    return np.broadcast_to(x, x.shape).reshape(shape)


def affine(x, T, w, group_size, qmin, qmax, symmetric, eps, scale_f32=False, integers=False):
    """int8 per token and int4 per group; w: the set of mistakes. Returns scale, zero_point, codes, output."""
    r = FORMATS[T]
    o = r  # rounding after each operation
    if "ftz-in" in w:
        x = np.where(np.abs(x) < 2.0 ** -126, np.copysign(f32(0), x), x)
    g = group(x, group_size)
    with np.errstate(all="ignore"):
        mn, mx = g.min(-1, keepdims=True), g.max(-1, keepdims=True)
        if "nan-in-reduction" in w:
            mn, mx = np.fmin.reduce(g, -1, keepdims=True), np.fmax.reduce(g, -1, keepdims=True)
        if "preserve-zero" not in w:
            mn, mx = np.minimum(mn, f32(0)), np.maximum(mx, f32(0))
        if "inf-row" in w:
            top = {"f32": np.finfo(f32).max, "f16": f32(65504), "bf16": bf16(f32(3.3895314e38))}[T]
            mn, mx = np.maximum(mn, -top), np.minimum(mx, top)
        if symmetric:
            rng_, c = np.maximum(-mn, mx), f32((qmax - qmin) / 2)
            if "divisor" in w:
                c = f32(w["divisor"])
        else:
            c = f32(qmax - qmin)
            if "range-subtract-rounding" in w or "scale-f32" in w or "chain" in w:
                rng_ = (mx.astype(f32) - mn).astype(f32)
            elif "fp64" in w:
                rng_ = mx.astype(np.float64) - mn
            else:
                rng_ = r(mx - mn)
        e = w.get("eps", eps)
        if "fp64" in w:
            s = r((rng_.astype(np.float64) / float(c)).astype(f32)) if T != "f32" else (rng_.astype(np.float64) / float(c)).astype(f32)
        elif "recip" in w:
            s = r(rng_ * f32(f32(1) / c))
        elif "roundtrip" in w:
            s = r(f32(1) / r(c / rng_))
        elif "noclip" in w:
            s = np.maximum(r(mn / f32(qmin)), r(mx / f32(qmax)))
        elif "signed" in w:
            sign = np.where(-mn > mx, mn, mx)
            s = r(sign / f32(qmin))
        elif "eps-on-range" in w:
            s = r(np.maximum(rng_, r(f32(e))) / c)
            e = 0
        elif "chain" in w:
            s = (rng_ / c).astype(f32)
        else:
            s = r(rng_ / c)
        if "eps-add" in w:
            s = r(s + r(f32(w["eps-add"])))
        elif "signed" not in w and "no-guard" not in w:
            s = np.maximum(s, r(np.asarray(e, f32)))
        if "guard-one" in w:
            s = np.where(s == 0, f32(1), s)
        if "pow2" in w:
            s = np.exp2(np.floor(np.log2(s))).astype(f32)
        if "ftz-scale" in w:
            s = np.where(np.abs(s) < 2.0 ** -126, f32(0), s)
        if "bf16-scale" in w:
            s = bf16(s)
        used = s
        if symmetric:
            z = np.zeros_like(s)
        else:
            d = r if "chain" not in w else (lambda v: np.asarray(v, f32))
            if "nudge" in w:
                a, b = d(mn / s), d(mx / s)
                z = np.where(d(d(f32(qmin) + a) + d(f32(qmax) + b)) > 0, d(f32(qmin) - a), d(f32(qmax) - b))
                z = rint(np.clip(z, qmin, qmax))
            elif "zp-half-away" in w:
                z = np.clip(d(f32(qmin) - away(d(mn / s))), qmin, qmax)
            elif "zp-recip" in w:
                z = np.clip(d(f32(qmin) - rint(d(mn * d(f32(1) / s)))), qmin, qmax)
            else:
                z = np.clip(d(f32(qmin) - rint(d(mn / s))), qmin, qmax)
            if "zp-off" in w:
                z = z + w["zp-off"]
        zint = np.where(np.isnan(z), f32(0 if integers else -2.0 ** 31), z)
        z = zint
        p = o if not (scale_f32 or "chain" in w or "codes-f32" in w) else (lambda v: np.asarray(v, f32))
        if "widened" in w:
            inv = 1.0 / s.astype(np.float64)
            y = g.astype(np.float64) * inv
        elif "div" in w:
            y = p(g / s)
        elif "inv-up" in w:
            y = p(g * np.nextafter((f32(1) / s).astype(f32), f32(np.inf)))
        elif "mul-c-over-range" in w:
            y = p(g * r(c / rng_))
        else:
            y = p(g * p(f32(1) / s))
        round_ = away if "half-away" in w else np.trunc if "truncate" in w else (lambda v: np.floor(p(v + f32(0.5)))) if "floor-half" in w else rint
        if "add-first" in w and "fma" in w:
            q = round_((g.astype(np.float64) * p(f32(1) / s).astype(np.float64) + z).astype(f32))
        elif "add-first" in w:
            q = round_(y + z) if "widened" in w else round_(p(y + z))
        elif "keep-minus-zero" in w:
            q = round_(y)
        else:
            q = p(round_(y) + z)
        lo, hi = (w.get("lo", qmin), qmax)
        if "wrap" in w:
            q = q.astype(np.int64).astype(np.int8).astype(f32)
        elif "nan-clamp" in w:
            q = np.fmin(np.fmax(q, f32(lo)), f32(hi))
        else:
            q = np.clip(q, lo, hi)
        if integers:
            q = np.where(np.isnan(q), 0, q) + f32(0)
        qf = q.astype(f32)
        zz = z + w.get("zp-off-dequant", 0)
        if "distributed" in w:
            y = o(o(qf * s) - o(zz.astype(f32) * s))
        elif "widened" in w:
            y = r(((qf.astype(np.float64) - zz) * s.astype(np.float64)).astype(f32))
        elif "trunc-out" in w:
            y = bf16(((qf - zz).astype(f32) * s).astype(f32), "zero")
        elif "ftz-out" in w:
            y = o((qf - zz).astype(f32) * s)
            y = np.where(np.abs(y) < 2.0 ** -126, np.copysign(f32(0), y), y)
        else:
            y = o((qf - zz).astype(f32) * s)
        if "stored-off" in w:
            z = z + w["stored-off"]
        if "chain" in w:
            s = r(s)
    rows = x.shape[0]
    return s.reshape(rows, -1), z.reshape(rows, -1), q.reshape(x.shape), y.reshape(x.shape)


def int4wo(x, T, w, G, aligned, div=15.0):
    r = FORMATS[T]
    g = group(x, G).astype(f32)
    with np.errstate(all="ignore"):
        mn, mx = g.min(-1, keepdims=True), g.max(-1, keepdims=True)
        if "preserve-zero" in w:
            mn, mx = np.minimum(mn, f32(0)), np.maximum(mx, f32(0))
        d = (mx - mn).astype(f32)
        e = f32(w.get("eps", 1e-6))
        if "eps-on-scale" in w:
            s = np.maximum(d / f32(15), e).astype(f32)
        elif "eps-add" in w:
            s = ((d + f32(w["eps-add"])).astype(f32) / f32(15)).astype(f32)
        elif "recip" in w:
            s = np.maximum(d, e) * f32(f32(1) / f32(15))
        elif "in-T" in w:
            s = r(np.maximum(r(mx - mn), r(e)) / f32(15))
        else:
            s = (np.maximum(d, e) / f32(15)).astype(f32)
        z = (mn + (s * f32(8)).astype(f32)).astype(f32)
        y = ((g - mn).astype(f32) / s).astype(f32)
        if "mul" in w:
            y = ((g - mn).astype(f32) * (f32(1) / s).astype(f32)).astype(f32)
        if "codes-stored" in w:
            y = ((g - mn).astype(f32) / r(s)).astype(f32)
        round_ = away if "half-away" in w else np.trunc if "truncate" in w else rint
        q = (np.clip(round_(y), 0, 15) - 8).astype(f32)
        st, zt = (r(s), r(z)) if aligned else (s, z)
        if "narrow" in w:
            st, zt = bf16(s), bf16(z)
        us, uz = (s, z) if "unrounded-out" in w else (st, zt)
        if "fma" in w:
            out = r((q.astype(np.float64) * us + uz).astype(f32))
        elif "per-op" in w:
            out = r(r(q * us) + uz)
        elif "from-min" in w:
            out = r(((q + 8) * us).astype(f32) + mn)
        else:
            out = r((q * us).astype(f32) + uz)
        if "trunc-out" in w:
            out = bf16((q * us).astype(f32) + uz, "zero")
    rows = x.shape[0]
    return st.reshape(rows, -1), zt.reshape(rows, -1), q.reshape(x.shape), out.reshape(x.shape)


def float8(x, T, w, aligned, axis=-1):
    r = FORMATS[T]
    with np.errstate(all="ignore"):
        a = np.abs(x).max(-1, keepdims=True) if axis == -1 else np.abs(x).max(keepdims=True)
        if "nan-in-reduction" in w:
            a = np.fmax.reduce(np.abs(x), -1, keepdims=True)
        c = f32(w.get("c", 448))
        e = f32(w.get("floor", 2.0 ** -9 if aligned else 0))
        k = (lambda v: np.asarray(v, f32)) if aligned or "scale-f32" in w else r
        if "in-T" in w:
            k = r
        b = np.maximum(a, e)
        if "recip" in w:
            s = k(b * f32(f32(1) / c))
        elif "roundtrip" in w:
            m = (c / b.astype(f32)).astype(f32)
            s = (f32(1) / m).astype(f32)
        elif "floor-on-scale" in w:
            s = k(np.maximum(k(a / c), e))
        elif "fp64" in w:
            s = (b.astype(np.float64) / float(c)).astype(f32)
        else:
            s = k(b / c)
        if "guard-one" in w:
            s = np.where(s == 0, f32(1), s)
        if "pow2" in w:
            s = np.exp2(np.floor(np.log2(s))).astype(f32)
        y = (x / s).astype(f32)
        if "mul" in w:
            y = (x * (f32(1) / s).astype(f32)).astype(f32)
        if "roundtrip" in w:
            y = (x * m).astype(f32)
        if "via" in w:
            y = {"f16": f16, "bf16": bf16}[w["via"]](y)
        if "nan-clamp" in w:
            y = np.fmin(np.fmax(y, f32(-448)), f32(448))
        if "fnuz" in w:
            q = e4m3(y, top=240.0, least=-7)
            q = np.where(q == 0, f32(0), q)
        else:
            q = e4m3(y, w.get("round", "even"), top=float(w.get("clamp", 448)))
        if "flush" in w:
            q = np.where(np.abs(q) < 2.0 ** -6, np.copysign(f32(0), q), q)
        if "no-minus-zero" in w:
            q = q + f32(0)
        out = r(q * s)
        if "trunc-out" in w:
            out = bf16((q * s).astype(f32), "zero")
    return s, q, out


def float8_int4(x, T, w):
    """The flavor aligned."""
    r = FORMATS[T]
    with np.errstate(all="ignore"):
        a = np.abs(x).max(-1, keepdims=True).astype(f32)
        rs = (np.maximum(a, f32(2.0 ** -9)) / f32(448)).astype(f32)
        if "row-recip" in w:
            rs = (np.maximum(a, f32(2.0 ** -9)) * f32(f32(1) / f32(448))).astype(f32)
        y = (x / rs).astype(f32)
        c = y if "no-fp8-first" in w else e4m3(y, w.get("round", "even"))
        g = group(c, 128)
        s = (np.maximum(np.abs(g).max(-1, keepdims=True), f32(w.get("eps", 1e-6))) / f32(w.get("divisor", 8))).astype(f32)
        round_ = away if "half-away" in w else np.trunc if "truncate" in w else rint
        q = np.clip(round_((g / s).astype(f32)), w.get("lo", -8), 7)
        q = q + f32(0)
        st = s if "unrounded-scale" in w else e4m3(s)
        p = (q * st).astype(f32)
        p = p if "no-lut" in w else e4m3(p)
        out = r((p.reshape(x.shape) * rs).astype(f32))
    rows = x.shape[0]
    return rs, e4m3(s).reshape(rows, -1), q.reshape(x.shape), out


SMALLEST = {"f32": 2.0 ** -126, "bf16": 2.0 ** -126, "f16": 2.0 ** -14}
EPS = {"f32": 2.0 ** -23, "bf16": 2.0 ** -7, "f16": 2.0 ** -10}


class Maker:
    def __init__(self, out, small):
        self.out, self.rows, self.seed, self.small = out, [], 1000, small
        os.makedirs(out, exist_ok=True)

    def put(self, name, metadata, tensors, verdict, sets):
        metadata = {k: str(v) for k, v in metadata.items()}
        metadata["samebits.golden"] = "1"
        write(os.path.join(self.out, name + ".safetensors"), metadata, tensors)
        self.rows.append("\t".join([name, verdict, sets]))

    def affine(self, label, path, T, w, sets, kind="normal", G=0, shape=(24, 256), keep=None, verdict=None):
        recipe = "int8-dynamic-act-int4-weight"
        side, rest = path.split("/")
        step, flavor = rest.split("@")
        weight = side == "weight"
        G = G or (32 if weight else 0)
        self.seed += 1
        x = inputs(self.seed, *shape, kind, T)
        eps = EPS[T] if flavor == "torchao-0.11-cpu" else SMALLEST[T]
        wide = flavor == "torchao-0.11-cpu" and not weight
        integers = step == "convert" or flavor == "aligned"
        s, z, q, y = affine(x, T, w, G, *((-8, 7, True) if weight else (-128, 127, False)), eps, wide, integers)
        zkind = "i8" if integers and not (weight and "0.11" in flavor) else "i32"
        t = {"x": store(x, T), "scale": store(s, "f32" if wide else T), "zero_point": store(np.where(np.isfinite(z), z, 0), zkind),
             "codes": store(q, "i8") if integers or np.isfinite(q).all() and "keep-minus-zero" not in w else store(q, "f32"), "output": store(y, T)}
        if not np.isfinite(q).all() and not integers:
            del t["codes"]
        if weight and zkind == "i8" and "0.11" in flavor:
            del t["zero_point"]
        self.finish(label, recipe, side, step, flavor, T, G, t, sets, keep, verdict, w)

    def finish(self, label, recipe, side, step, flavor, T, G, t, sets, keep, verdict, w):
        if keep:
            t = {k: v for k, v in t.items() if k in keep or k == "x"}
        short = {"int8-dynamic-act-int4-weight": "8da4w", "int4-weight-only": "int4wo", "float8-dynamic-act-float8-weight": "fp8",
                 "float8-dynamic-act-int4-weight": "fp8int4"}[recipe]
        name = f"{short}-{side}-{step}-{flavor}-{T}-{label}"
        if keep:
            name += "-" + "-".join(keep)
        verdict = verdict or ("explained" if sets else "same")
        self.put(name, dict(recipe=recipe, side=side, step=step, flavor=flavor, dtype=T, group_size=G, upstream="numpy"),
                 {"case." + k: v for k, v in t.items()}, verdict, sets)

    def int4wo(self, label, step, flavor, T, w, sets, kind="weight", G=32, keep=None, verdict=None, shape=(24, 256), change=None):
        aligned = flavor == "aligned" or step == "convert"
        self.seed += 1
        x = inputs(self.seed, *shape, kind, T)
        s, z, q, y = int4wo(x, T, w, G, aligned)
        k = T if aligned else "f32"
        t = {"x": store(x, T), "scale": store(s, k), "zero_point": store(z, k), "codes": store(q, "i8"), "output": store(y, T)}
        if step == "convert":
            u = q.astype(np.int64) & 15
            t["packed"] = store(u[:, 0::2] | u[:, 1::2] << 4, "u8")
        if change:
            change(t, q, s, z)
        self.finish(label, "int4-weight-only", "weight", step, flavor, T, G, t, sets, keep, verdict, w)

    def float8(self, label, side, step, flavor, T, w, sets, kind="normal", keep=None, verdict=None, shape=(24, 256)):
        self.seed += 1
        x = inputs(self.seed, *shape, kind, T)
        s, q, y = float8(x, T, w, flavor == "aligned")
        codes = ("bytes", e4m3_bits(q, 8)) if "fnuz" in w else ("e4m3", q)
        t = {"x": store(x, T), "scale": store(s, "f32"), "codes": store(codes[1], codes[0]), "output": store(y, T)}
        self.finish(label, "float8-dynamic-act-float8-weight", side, step, flavor, T, 0, t, sets, keep, verdict, w)

    def float8_int4(self, label, step, T, w, sets, kind="weight", keep=None, verdict=None, shape=(16, 512)):
        self.seed += 1
        x = inputs(self.seed, *shape, kind, T)
        rs, s, q, y = float8_int4(x, T, w)
        t = {"x": store(x, T), "row_scale": store(rs, "f32"), "scale": store(s, "e4m3"), "codes": store(q, "i8"), "output": store(y, T)}
        self.finish(label, "float8-dynamic-act-int4-weight", "weight", step, "aligned", T, 128, t, sets, keep, verdict, w)


def all_captures(m):
    P18, C18, AL = "activation/prepare@torchao-0.18-cpu", "activation/convert@torchao-0.18-cpu", "activation/prepare@aligned"
    W18, WAL = "weight/prepare@torchao-0.18-cpu", "weight/convert@aligned"
    P11 = "activation/prepare@torchao-0.11-cpu"
    for T in ("f32", "bf16", "f16"):
        m.affine("right", P18, T, {}, "", "mixed")
        m.affine("right", WAL, T, {}, "", "mixed")
        m.affine("right", P11, T, {}, "", "mixed")
        m.int4wo("right", "prepare", "torchao-0.18-cpu", T, {}, "", "mixed")
        m.int4wo("right", "convert", "aligned", T, {}, "", "mixed")
        m.float8("right", "activation", "prepare", "torchao-0.18-cpu", T, {}, "")
        m.float8("right", "weight", "convert", "aligned", T, {}, "", "mixed")
        m.float8_int4("right", "convert", T, {}, "")
    one = [
        ("recip", P18, "f32", {"recip": 1}, "scalar-div-as-reciprocal", "normal"),
        ("recip", W18, "f32", {"recip": 1}, "scalar-div-as-reciprocal", "normal"),
        ("recip", WAL, "f32", {"recip": 1}, "scalar-div-as-reciprocal", "normal"),
        ("roundtrip", P18, "f32", {"roundtrip": 1}, "inverse-scale-roundtrip", "normal"),
        ("mul-c-over-range", P18, "bf16", {"mul-c-over-range": 1}, "inverse-scale-roundtrip", "normal"),
        ("fp64", P18, "bf16", {"fp64": 1}, "fp64-qparams-computed|range-subtract-rounding", "normal"),
        ("fp64", AL, "f32", {"fp64": 1}, "fp64-qparams-computed", "normal"),
        ("widened", P18, "bf16", {"widened": 1}, "fp64-qparams-widened|per-op-vs-upcast", "normal"),
        ("widened", P11, "f32", {"widened": 1}, "fp64-qparams-widened", "tie"),
        ("chain", P18, "bf16", {"chain": 1}, "per-op-vs-upcast", "normal"),
        ("chain", P18, "f16", {"chain": 1}, "per-op-vs-upcast", "normal"),
        ("codes-f32", P18, "bf16", {"codes-f32": 1}, "per-op-vs-upcast", "normal"),
        ("subtract-f32", P18, "bf16", {"range-subtract-rounding": 1}, "range-subtract-rounding", "normal"),
        ("eps-f32", P18, "bf16", {"eps": 2.0 ** -23}, "eps-value", "mixed"),
        ("eps-bf16", WAL, "bf16", {"eps": 2.0 ** -7}, "eps-value", "weight"),
        ("eps-odd", P18, "f32", {"eps": 3e-5}, "eps-value", "mixed"),
        ("eps-1e-5", P11, "f16", {"eps": 1e-5}, "eps-value", "mixed"),
        ("eps-on-range", P11, "f32", {"eps-on-range": 1}, "eps-on-amax-vs-scale", "mixed"),
        ("eps-add", P18, "f32", {"eps-add": 1e-5}, "eps-additive", "mixed"),
        ("no-guard", W18, "f32", {"no-guard": 1}, "zero-scale-no-guard", "mixed"),
        ("guard-one", AL, "f32", {"no-guard": 1, "guard-one": 1}, "zero-scale-no-guard", "mixed"),
        ("divisor-7", W18, "f32", {"divisor": 7}, "symmetric-divisor", "normal"),
        ("divisor-8", WAL, "bf16", {"divisor": 8}, "symmetric-divisor", "normal"),
        ("divisor-7.3", W18, "f32", {"divisor": 7.3}, "symmetric-divisor", "normal"),
        ("noclip", WAL, "f32", {"noclip": 1}, "no-clipping-symmetric", "normal"),
        ("signed", W18, "f32", {"signed": 1}, "signed-absmax-scale", "normal"),
        ("nudge", P18, "bf16", {"nudge": 1}, "zp-nudge-side", "normal"),
        ("zp-off", P18, "f32", {"stored-off": -1}, "zp-off-by-one", "normal"),
        ("zp-off-dequant", P18, "bf16", {"zp-off-dequant": 1}, "zp-off-by-one", "normal"),
        ("preserve-zero", P18, "f32", {"preserve-zero": 1}, "preserve-zero", "positive"),
        ("nan-reduction", AL, "f32", {"nan-in-reduction": 1}, "nan-in-reduction", "nan"),
        ("div", P18, "bf16", {"div": 1}, "recip-mul-vs-div", "normal"),
        ("div", W18, "f32", {"div": 1}, "recip-mul-vs-div", "normal"),
        ("div", WAL, "f16", {"div": 1}, "recip-mul-vs-div", "normal"),
        ("add-first", P18, "f32", {"add-first": 1}, "add-before-round", "tie"),
        ("add-first", C18, "bf16", {"add-first": 1}, "add-before-round", "normal"),
        ("half-away", P18, "bf16", {"half-away": 1}, "round-half-away", "normal"),
        ("half-away", WAL, "bf16", {"half-away": 1}, "round-half-away", "normal"),
        ("floor-half", P18, "bf16", {"floor-half": 1}, "floor-plus-half", "normal"),
        ("zp-half-away", P18, "bf16", {"zp-half-away": 1}, "round-half-away", "normal"),
        ("truncate", W18, "f32", {"truncate": 1}, "truncate", "normal"),
        ("narrow-range", C18, "f32", {"lo": -127}, "narrow-range-clamp", "normal"),
        ("wrap", W18, "bf16", {"wrap": 1}, "cast-before-clamp", "normal"),
        ("distributed", P18, "f32", {"distributed": 1}, "dequant-distributed", "normal"),
        ("distributed", P18, "bf16", {"distributed": 1}, "dequant-distributed", "normal"),
        ("minus-zero", W18, "f32", {"keep-minus-zero": 1}, "negative-zero", "normal"),
        ("trunc-out", P18, "bf16", {"trunc-out": 1}, "bf16-truncate", "normal"),
        ("pow2", W18, "f32", {"pow2": 1}, "pow2-scale", "normal"),
        ("inv-up", P18, "f32", {"inv-up": 1}, "approx-reciprocal", "tie"),
        ("ftz-in", P18, "f32", {"ftz-in": 1}, "denormal-flush", "tiny"),
        ("bf16-scale", W18, "f32", {"bf16-scale": 1}, "scale-stored-narrow", "normal"),
    ]
    for label, path, T, w, sets, kind in one:
        m.affine(label, path, T, w, sets, kind)
    for keep in (("codes",), ("output",), ("scale", "output")):
        m.affine("half-away", P18, "bf16", {"half-away": 1}, "round-half-away", "normal", keep=keep)
        m.affine("divisor-7", W18, "bf16", {"divisor": 7}, "symmetric-divisor", "normal", keep=keep)
    pairs = [
        ("recip+div", W18, "f32", {"recip": 1, "div": 1}, "scalar-div-as-reciprocal+recip-mul-vs-div", "normal"),
        ("nudge+add-first", P18, "bf16", {"nudge": 1, "add-first": 1}, "zp-nudge-side+add-before-round", "normal"),
        ("half-away+div", P18, "bf16", {"half-away": 1, "div": 1}, "round-half-away+recip-mul-vs-div", "normal"),
        ("eps+half-away", WAL, "bf16", {"eps": 2.0 ** -7, "half-away": 1}, "eps-value+round-half-away", "weight"),
        ("divisor+div", WAL, "bf16", {"divisor": 7, "div": 1}, "symmetric-divisor+recip-mul-vs-div", "normal"),
        ("eps-odd+distributed", P18, "f32", {"eps": 7e-4, "distributed": 1}, "eps-value+dequant-distributed", "mixed"),
        ("add-first+fma", P18, "f32", {"add-first": 1, "fma": 1}, "add-before-round+fma-contraction", "tie"),
        ("recip+truncate", P18, "f32", {"recip": 1, "truncate": 1}, "scalar-div-as-reciprocal+truncate", "normal"),
        ("subtract+narrow", C18, "bf16", {"range-subtract-rounding": 1, "lo": -127}, "range-subtract-rounding+narrow-range-clamp", "normal"),
    ]
    for label, path, T, w, sets, kind in pairs:
        m.affine(label, path, T, w, sets, kind)
    A18 = "torchao-0.18-cpu"
    for label, step, flavor, T, w, sets, kind in [
        ("recip", "prepare", A18, "f32", {"recip": 1}, "scalar-div-as-reciprocal", "weight"),
        ("recip", "convert", "aligned", "bf16", {"recip": 1}, "scalar-div-as-reciprocal", "weight"),
        ("eps", "prepare", A18, "f32", {"eps": 1e-5}, "eps-value", "mixed"),
        ("eps-on-scale", "convert", "aligned", "f32", {"eps-on-scale": 1}, "eps-on-amax-vs-scale", "mixed"),
        ("eps-add", "prepare", A18, "f32", {"eps-add": 1e-6}, "eps-additive", "mixed"),
        ("in-T", "prepare", A18, "bf16", {"in-T": 1}, "scale-computed-in-input-dtype", "normal"),
        ("preserve-zero", "convert", "aligned", "bf16", {"preserve-zero": 1}, "preserve-zero", "positive"),
        ("mul", "prepare", A18, "f32", {"mul": 1}, "recip-mul-vs-div", "normal"),
        ("half-away", "prepare", A18, "bf16", {"half-away": 1}, "round-half-away", "mixed"),
        ("truncate", "convert", "aligned", "f16", {"truncate": 1}, "truncate", "normal"),
        ("fma", "prepare", A18, "f32", {"fma": 1}, "fma-contraction", "normal"),
        ("per-op", "convert", "aligned", "bf16", {"per-op": 1}, "dequant-bf16-fma", "normal"),
        ("from-min", "prepare", A18, "f32", {"from-min": 1}, "dequant-distributed", "normal"),
        ("narrow", "prepare", A18, "f32", {"narrow": 1}, "scale-stored-narrow", "normal"),
        ("unrounded-out", "convert", "aligned", "bf16", {"unrounded-out": 1}, "scale-stored-narrow", "normal"),
        ("codes-stored", "convert", "aligned", "bf16", {"codes-stored": 1}, "quantize-with-one-scale-store-another", "normal"),
        ("trunc-out", "prepare", A18, "bf16", {"trunc-out": 1}, "bf16-truncate", "normal"),
        ("mul+fma", "prepare", A18, "f32", {"mul": 1, "fma": 1}, "recip-mul-vs-div+fma-contraction", "normal"),
        ("recip+truncate", "convert", "aligned", "bf16", {"recip": 1, "truncate": 1}, "scalar-div-as-reciprocal+truncate", "normal"),
    ]:
        m.int4wo(label, step, flavor, T, w, sets, kind, shape=(64, 1024))

    def high_first(t, q, s, z):
        u = q.astype(np.int64) & 15
        t["packed"] = store(u[:, 1::2] | u[:, 0::2] << 4, "u8")

    def offset(t, q, s, z):
        u = (q.astype(np.int64) + 8) & 15
        t["packed"] = store(u[:, 0::2] | u[:, 1::2] << 4, "u8")

    def halves(t, q, s, z):
        u = (q.astype(np.int64) & 15).reshape(q.shape[0], -1, 32)
        t["packed"] = store((u[:, :, :16] | u[:, :, 16:] << 4).reshape(q.shape[0], -1), "u8")

    def cutlass(t, q, s, z):
        u = q.astype(np.int64)
        u = np.where(u > 0, 8 - u, u) & 15
        t["packed"] = store(u[:, 0::2] | u[:, 1::2] << 4, "u8")

    def evens(t, q, s, z):
        u = (q.astype(np.int64) & 15).reshape(q.shape[0], -1, 8)[:, :, [0, 2, 4, 6, 1, 3, 5, 7]].reshape(q.shape)
        t["packed"] = store(u[:, 0::2] | u[:, 1::2] << 4, "u8")

    def transposed(t, q, s, z):
        t["scale"] = (t["scale"][0], t["scale"][1].T)
        t["zero_point"] = (t["zero_point"][0], t["zero_point"][1].T)

    def high_offset(t, q, s, z):
        u = (q.astype(np.int64) + 8) & 15
        t["packed"] = store(u[:, 1::2] | u[:, 0::2] << 4, "u8")

    for label, f, sets in [("high-first", high_first, "nibble-order"), ("offset", offset, "nibble-encoding"), ("halves", halves, "element-interleave"),
                           ("cutlass", cutlass, "nibble-encoding"), ("evens", evens, "element-interleave"), ("transposed", transposed, "scale-layout"),
                           ("high-offset", high_offset, "nibble-order+nibble-encoding")]:
        m.int4wo(label, "convert", "aligned", "bf16", {}, sets, "normal", change=f)
        m.int4wo(label + "-alone", "convert", "torchao-0.18-cpu", "f32", {}, sets, "normal", change=f, keep=("packed", "scale"))
    m.int4wo("high-first+truncate", "convert", "aligned", "bf16", {"truncate": 1}, "nibble-order+truncate", "normal", change=high_first)
    m.int4wo("transposed+recip", "convert", "aligned", "f32", {"recip": 1}, "scale-layout+scalar-div-as-reciprocal", "normal", change=transposed)
    for label, side, step, flavor, T, w, sets, kind in [
        ("recip", "activation", "prepare", A18, "f32", {"recip": 1}, "scalar-div-as-reciprocal", "normal"),
        ("roundtrip", "weight", "convert", "aligned", "bf16", {"roundtrip": 1}, "inverse-scale-roundtrip", "normal"),
        ("roundtrip", "activation", "prepare", A18, "f32", {"roundtrip": 1}, "inverse-scale-roundtrip", "normal"),
        ("scale-f32", "activation", "prepare", A18, "bf16", {"scale-f32": 1}, "scale-computed-in-input-dtype|per-op-vs-upcast", "normal"),
        ("in-T", "activation", "convert", "aligned", "bf16", {"in-T": 1}, "scale-computed-in-input-dtype", "normal"),
        ("fp64", "activation", "convert", "aligned", "f32", {"fp64": 1}, "", "normal"),
        ("floor", "activation", "prepare", "aligned", "bf16", {"floor": 1e-12}, "eps-value", "mixed"),
        ("floor-on-scale", "activation", "prepare", "aligned", "f32", {"floor-on-scale": 1}, "eps-on-amax-vs-scale", "mixed"),
        ("floor-512", "activation", "prepare", A18, "f32", {"floor": 2.0 ** -9}, "zero-scale-no-guard", "mixed"),
        ("guard-one", "weight", "prepare", A18, "f32", {"guard-one": 1}, "zero-scale-no-guard", "mixed"),
        ("mul", "weight", "convert", "aligned", "bf16", {"mul": 1}, "recip-mul-vs-div", "normal"),
        ("via-f16", "activation", "prepare", A18, "f32", {"via": "f16"}, "fp8-double-rounding", "normal"),
        ("via-bf16", "activation", "prepare", A18, "f32", {"via": "bf16"}, "fp8-double-rounding", "normal"),
        ("away", "activation", "prepare", "aligned", "bf16", {"round": "away"}, "fp8-half-away", "normal"),
        ("truncate", "weight", "convert", "aligned", "f16", {"round": "zero"}, "fp8-half-away", "normal"),
        ("fnuz", "activation", "convert", "aligned", "bf16", {"fnuz": 1, "c": 240}, "fnuz-variant", "normal"),
        ("240", "activation", "prepare", A18, "f32", {"c": 240, "clamp": 240}, "fnuz-variant", "normal"),
        ("flush", "activation", "prepare", A18, "f32", {"flush": 1}, "fp8-subnormal-flush", "normal"),
        ("nan-reduction", "activation", "prepare", "aligned", "f32", {"nan-in-reduction": 1}, "nan-in-reduction", "nan"),
        ("nan-clamp", "activation", "prepare", "aligned", "f32", {"nan-clamp": 1}, "nan-clamp", "nan"),
        ("minus-zero", "activation", "prepare", A18, "f32", {"no-minus-zero": 1}, "negative-zero", "normal"),
        ("pow2", "activation", "convert", "aligned", "f32", {"pow2": 1}, "pow2-scale", "normal"),
        ("trunc-out", "weight", "prepare", A18, "bf16", {"trunc-out": 1}, "bf16-truncate", "normal"),
        ("mul+away", "activation", "prepare", A18, "bf16", {"mul": 1, "round": "away"}, "recip-mul-vs-div+fp8-half-away", "normal"),
        ("recip+flush", "activation", "prepare", A18, "f32", {"recip": 1, "flush": 1}, "scalar-div-as-reciprocal+fp8-subnormal-flush", "normal"),
    ]:
        m.float8(label, side, step, flavor, T, w, sets, kind, shape=(64, 1024))
    for label, step, T, w, sets in [
        ("row-recip", "convert", "f32", {"row-recip": 1}, "scalar-div-as-reciprocal"),
        ("away", "prepare", "bf16", {"round": "away"}, "fp8-half-away"),
        ("half-away", "convert", "bf16", {"half-away": 1}, "round-half-away"),
        ("truncate", "prepare", "f16", {"truncate": 1}, "truncate"),
        ("divisor-7", "convert", "bf16", {"divisor": 7}, "symmetric-divisor"),
        ("no-lut", "prepare", "bf16", {"no-lut": 1}, "fp8-lut-weight"),
        ("unrounded-scale", "prepare", "f32", {"unrounded-scale": 1, "no-lut": 1}, "group-scale-to-fp8+fp8-lut-weight"),
        ("narrow", "convert", "f32", {"lo": -7}, "narrow-range-clamp"),
    ]:
        m.float8_int4(label, step, T, w, sets)
    unexplained(m, P18, C18, W18, WAL, AL)


def unexplained(m, P18, C18, W18, WAL, AL):
    """Differences that no mechanism makes: none of them may get a name."""
    def broken(name, change):
        def put(t, *_):
            change(t)
        return name, put
    original = m.finish

    def with_change(change, call, *args, **kwargs):
        def finish(label, recipe, side, step, flavor, T, G, t, sets, keep, verdict, w):
            change(t)
            original(label, recipe, side, step, flavor, T, G, t, sets, keep, "unexplained", w)
        m.finish = finish
        call(*args, **kwargs)
        m.finish = original

    def poke(slot, at, by):
        def change(t):
            kind, a = t[slot]
            a = a.copy()
            flat_ = a.reshape(-1)
            flat_[at] = flat_[at] ^ by if a.dtype != np.float32 else (flat_[at:at + 1].view(np.uint32) ^ np.uint32(by)).view(f32)[0]
            t[slot] = (kind, a)
        return change

    def roll(slot):
        def change(t):
            t[slot] = (t[slot][0], np.roll(t[slot][1], 1, axis=-1))
        return change

    def noise(slot):
        def change(t):
            kind, a = t[slot]
            b = a.copy()
            u = b.view({1: np.uint8, 2: np.uint16, 4: np.uint32}[a.dtype.itemsize])
            u ^= (rng(7).random(u.shape) < 0.01).astype(u.dtype)
            t[slot] = (kind, b)
        return change

    n = 0
    for path in (P18, C18, W18, WAL):
        for T in ("f32", "bf16"):
            for change in (poke("codes", 77, 1), roll("codes"), noise("output")):
                n += 1
                with_change(change, m.affine, f"broken-{n}", path, T, {}, "")
    for change in (poke("output", 500, 1), noise("scale"), roll("output")):
        n += 1
        with_change(change, m.int4wo, f"broken-{n}", "prepare", "torchao-0.18-cpu", "f32", {}, "", "normal")
    for change in (poke("codes", 9, 1), noise("codes"), roll("codes")):
        n += 1
        with_change(change, m.float8, f"broken-{n}", "activation", "prepare", "torchao-0.18-cpu", "bf16", {}, "")
    m.affine("eps-per-row", P18, "f32", {"eps": 2.0 ** -7 * (1 + np.arange(12 if SMALL else 24).reshape(-1, 1, 1) / 7)}, "", "mixed", verdict="unexplained")
    m.affine("divisor-per-row", W18, "f32", {"divisor": (7 + np.arange(12 if SMALL else 24).reshape(-1, 1, 1) / 11)}, "", "normal", verdict="unexplained")


if __name__ == "__main__":
    maker = Maker(sys.argv[1], "--small" in sys.argv)
    all_captures(maker)
    # last, since each capture's numbers depend on how many were before
    maker.affine("divisor-7", "weight/choose_qparams@aligned", "bf16", {"divisor": 7}, "symmetric-divisor", "normal", keep=("scale",))
    with open(os.path.join(sys.argv[1], "expected.tsv"), "w") as f:
        f.write("\n".join(maker.rows) + "\n")
    print(len(maker.rows), "captures")
