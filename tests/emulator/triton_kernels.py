"""Compiles Triton kernels offline (no GPU, no torch) for test_triton.c: one PTX file a kernel and architecture, and launch.txt with
lines `kernel architecture warps shared`.    usage: triton_kernels.py FOLDER ARCHITECTURE..."""
import pathlib
import sys

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.language.extra import libdevice


@triton.jit
def rows_i8(x, scale, codes, cols, BLOCK: tl.constexpr):
    row, at = tl.program_id(0), tl.arange(0, BLOCK)
    v = tl.load(x + row * cols + at, mask=at < cols, other=0.0)
    s = tl.maximum(tl.math.div_rn(tl.max(tl.abs(v), axis=0), 127.0), 1e-10)
    q = libdevice.rint(tl.math.div_rn(v, s))
    tl.store(scale + row, s)
    tl.store(codes + row * cols + at, tl.minimum(tl.maximum(q, -128.0), 127.0).to(tl.int8), mask=at < cols)


@triton.jit
def matmul_i8(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    n = tl.program_id(1) * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    acc = tl.zeros((BM, BN), dtype=tl.int32)
    for start in range(0, K, BK):
        at = start + k
        x = tl.load(a + m[:, None] * K + at[None, :], mask=(m[:, None] < M) & (at[None, :] < K), other=0)
        y = tl.load(b + n[None, :] * K + at[:, None], mask=(n[None, :] < N) & (at[:, None] < K), other=0)
        acc = tl.dot(x, y, acc, out_dtype=tl.int32)
    tl.store(c + m[:, None] * N + n[None, :], acc, mask=(m[:, None] < M) & (n[None, :] < N))


@triton.jit
def transpose(x, y, rows, cols, B: tl.constexpr):
    r = tl.program_id(0) * B + tl.arange(0, B)
    q = tl.program_id(1) * B + tl.arange(0, B)
    t = tl.load(x + r[:, None] * cols + q[None, :], mask=(r[:, None] < rows) & (q[None, :] < cols), other=0)
    tl.store(y + q[:, None] * rows + r[None, :], tl.trans(t), mask=(q[:, None] < cols) & (r[None, :] < rows))


@triton.jit
def norm(x, y, cols, eps, BLOCK: tl.constexpr):  # sums of small integers: exact in every order
    row, at = tl.program_id(0), tl.arange(0, BLOCK)
    v = tl.load(x + row * cols + at, mask=at < cols, other=0.0)
    mean = tl.math.div_rn(tl.sum(v, axis=0), cols.to(tl.float32))
    d = tl.where(at < cols, v - mean, 0.0)
    var = tl.math.div_rn(tl.sum(d * d, axis=0), cols.to(tl.float32))
    r = tl.math.div_rn(1.0, tl.math.sqrt_rn(var + eps))
    tl.store(y + row * cols + at, d * r, mask=at < cols)


@triton.jit
def counts(x, h, most, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + at, mask=at < n, other=0)
    tl.atomic_add(h + (v & 63), 1, mask=at < n)
    tl.atomic_max(most, tl.max(tl.where(at < n, v, -1000), axis=0))


@triton.jit
def larger(a, b):
    return tl.maximum(a, b)


@triton.jit
def scans(x, sums, tops, B: tl.constexpr):
    at = tl.arange(0, B)
    v = tl.load(x + tl.program_id(0) * B + at)
    tl.store(sums + tl.program_id(0) * B + at, tl.cumsum(v, axis=0))
    tl.store(tops + tl.program_id(0) * B + at, tl.associative_scan(v, 0, larger))


@triton.jit
def sorts(x, y, B: tl.constexpr):
    at = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(y + at, tl.sort(tl.load(x + at)))


@triton.jit
def bins(x, h, n, B: tl.constexpr):
    at = tl.arange(0, B)
    v = tl.load(x + at, mask=at < n, other=0) & 31
    tl.store(h + tl.arange(0, 32), tl.histogram(v, 32, mask=at < n))


@triton.jit
def int4_rows(packed, scale, y, n, B: tl.constexpr):  # low nibble first; bf16
    at = tl.program_id(0) * B + tl.arange(0, B)
    w = tl.load(packed + at, mask=at < n, other=0).to(tl.int32)
    s = tl.load(scale + at // 16, mask=at < n, other=0.0)
    both = tl.join((w & 15) - 8, (w >> 4 & 15) - 8).to(tl.float32) * s[:, None]
    out = 2 * at[:, None] + tl.arange(0, 2)[None, :]
    tl.store(y + out, both.to(tl.bfloat16), mask=at[:, None] < n)


@triton.jit
def last_program(x, part, ticket, y, n, BLOCK: tl.constexpr, PARTS: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(part + tl.program_id(0), tl.sum(tl.load(x + at, mask=at < n, other=0), axis=0))
    tl.debug_barrier()
    if tl.atomic_add(ticket, 1) == PARTS - 1:
        k = tl.arange(0, 16)
        tl.store(y, tl.sum(tl.load(part + k, mask=k < PARTS, other=0, cache_modifier=".cg"), axis=0))


KERNELS = [  # function, signature, constants, warps
    (rows_i8, "*fp32 *fp32 *i8 i32", {"BLOCK": 512}, 4),
    (matmul_i8, "*i8 *i8 *i32 i32 i32 i32", {"BM": 32, "BN": 32, "BK": 64}, 4),
    (transpose, "*i8 *i8 i32 i32", {"B": 32}, 2),
    (norm, "*fp32 *fp32 i32 fp32", {"BLOCK": 256}, 4),
    (counts, "*i32 *i32 *i32 i32", {"BLOCK": 256}, 4),
    (scans, "*i32 *i32 *i32", {"B": 512}, 4),
    (sorts, "*i32 *i32", {"B": 256}, 4),
    (bins, "*i32 *i32 i32", {"B": 512}, 4),
    (int4_rows, "*u8 *fp32 *bf16 i32", {"B": 128}, 2),
    (last_program, "*i32 *i32 *i32 *i32 i32", {"BLOCK": 128, "PARTS": 7}, 2),
]
folder = pathlib.Path(sys.argv[1])
lines = []
for arch in map(int, sys.argv[2:]):
    for function, types, constants, warps in KERNELS:
        names = function.arg_names
        signature = dict(zip(names, types.split())) | {name: "constexpr" for name in constants}
        source = triton.compiler.ASTSource(fn=function, signature=signature, constexprs=constants)
        kernel = triton.compile(source, target=GPUTarget("cuda", arch, 32), options={"num_warps": warps, "enable_fp_fusion": False})
        (folder / f"{function.__name__}_{arch}.ptx").write_text(kernel.asm["ptx"])
        lines.append(f"{function.__name__} {arch} {kernel.metadata.num_warps} {kernel.metadata.shared}\n")
(folder / "launch.txt").write_text("".join(lines))
