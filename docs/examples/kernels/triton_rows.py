"""Compiles a Triton kernel offline (no GPU, no torch) and writes its PTX and a manifest for `samebits check --kernels`:
quantize of int8-dynamic-act-int4-weight's activation, f32, one program a row. With --wrong it rounds by floor(y + 0.5),
as kernels do whose language has no round-half-to-even at hand.    usage: triton_rows.py FOLDER [--wrong]"""
import json
import pathlib
import re
import sys

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.language.extra import libdevice


@triton.jit
def quantize_rows(x, scale, zero_point, codes, cols, BLOCK: tl.constexpr, WRONG: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    inverse = tl.math.div_rn(1.0, tl.load(scale + row))  # 1.0 / s would be approximate
    zero = tl.load(zero_point + row).to(tl.int32)
    for start in range(0, cols, BLOCK):
        at = start + tl.arange(0, BLOCK)
        y = tl.load(x + row * cols + at, mask=at < cols, other=0.0) * inverse
        y = tl.where(y != y, 0.0 - zero, y)  # NaN: code 0
        rounded = tl.floor(y + 0.5) if WRONG else libdevice.rint(y)
        code = tl.minimum(tl.maximum(rounded, -128.0 - zero), 127.0 - zero).to(tl.int32) + zero
        tl.store(codes + row * cols + at, code.to(tl.int8), mask=at < cols)


folder, wrong = pathlib.Path(sys.argv[1]), "--wrong" in sys.argv[2:]
signature = {"x": "*fp32", "scale": "*fp32", "zero_point": "*i8", "codes": "*i8", "cols": "i64", "BLOCK": "constexpr",
             "WRONG": "constexpr"}
source = triton.compiler.ASTSource(fn=quantize_rows, signature=signature, constexprs={"BLOCK": 1024, "WRONG": wrong})
kernel = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 4, "enable_fp_fusion": False})
name = "triton_rows_wrong" if wrong else "triton_rows"
ptx = re.sub(r'(\.file\s+\d+) ".*"', rf'\1 "{pathlib.Path(__file__).name}"', kernel.asm["ptx"])  # no path of this machine
ptx = re.sub(r"\t\.section\s+\.debug_\w+\s+\{.*?\n\t\}\n", "", ptx, flags=re.S)
(folder / f"{name}.ptx").write_text(ptx)
given = ["x", "scale", "zero_point", "codes", "i64:cols"]
hidden = re.search(r"\.entry.*?\n\)", ptx, re.S)[0].count(".param ") - len(given)  # scratch pointers that Triton appends
(folder / f"{name}.json").write_text(json.dumps({"kernels": [{
    "recipe": "int8-dynamic-act-int4-weight", "side": "activation", "step": "quantize", "flavor": "aligned", "dtype": "f32",
    "file": f"{name}.ptx", "entry": kernel.metadata.name, "grid": ["rows"], "block": [32 * kernel.metadata.num_warps],
    "shared": str(kernel.metadata.shared), "args": given + ["u64:0"] * hidden}]}, indent=1) + "\n")
