"""What a kernel of another project was found to do, and what its package describes: both contracts against the host code of confirm.py, on
values of every kind. The kernels themselves are held to the first of the two by ci/upstream-kernels, which installs the packages."""
import json
import math
import os
import pathlib
import random
import struct
import subprocess

import pytest

from confirm import confirm, confirm_product, read

here = pathlib.Path(__file__).resolve().parent
samebits = os.environ.get("SAMEBITS", here.parent.parent / "build" / "samebits")
DIFFER = [k for k in json.loads((here / "kernels.json").read_text())["kernels"] if k["expect"].startswith("differs")]
by_rule = {(k["contract"], k.get("confirm")): k for k in DIFFER}.values()


def write(path, metadata, tensors):
    head, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, (form, shape, raw) in tensors.items():
        head[name] = {"dtype": form, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def run(k, contract, step, folder, tensors):
    given, gave = folder / "given.safetensors", folder / f"{contract}.safetensors"
    write(given, None, {"case." + n: t for n, t in tensors.items()})
    name = f"{contract}/{k['side']}/{step}@upstream"
    done = subprocess.run([samebits, "contract", "run", name, "--contracts", here / "contracts", "--dtype", k["dtype"], "--input", given, "--output", gave],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return read(gave)


def bf16_of_every_kind(rows, cols):
    """Rows of 128: ordinary, and with NaN, infinities, zeros, subnormals or the largest numbers among them."""
    rng = random.Random(7)
    odd = [None, 0x7FC0, 0x7F80, 0xFF80, 0x0001, 0x7F7F, 0x8000, 0xFFC1]
    out = bytearray()
    for r in range(rows):
        for c in range(cols):
            kind = odd[(r // 128 * 4 + c // 128) % len(odd)]
            value = struct.unpack("<I", struct.pack("<f", rng.gauss(0, 4) * 2.0 ** (rng.randrange(-126, 100) if r % 5 == 1 else 0)))[0] >> 16
            if kind is not None and rng.random() < 0.01:
                value = kind
            if kind == 0x0001 and r % 3 == 0:
                value = rng.randrange(3) | rng.choice([0, 0x8000])  # a block of the smallest
            out += struct.pack("<H", value)
    return bytes(out)


@pytest.mark.parametrize("k", [k for k in by_rule if "confirm" in k], ids=lambda k: k["contract"])
def test_blocks(k, tmp_path):
    rows, cols = 256, 512
    x = {"x": ("BF16", [rows, cols], bf16_of_every_kind(rows, cols))}
    found, described = (run(k, c, "prepare", tmp_path, x) for c in (k["found"], k["contract"]))
    whole = {"case.x": x["x"]}
    for who, t in (("case", found), ("expected", described)):
        for name in ("scale", "codes"):
            shape, raw = next(v for n, v in t.items() if n.endswith("." + name))
            whole[f"{who}.{name}"] = ("U8" if len(raw) == math.prod(shape) else "F32", shape, raw)
    file = tmp_path / "whole.safetensors"
    write(file, None, whole)
    scales, codes = confirm(k["confirm"], k["tile"], file)
    assert scales > 0 and codes > 0
    raw = bytearray(whole["case.codes"][2])
    raw[777] ^= 1  # one bit of one code, and it is seen
    write(file, None, {**whole, "case.codes": (*whole["case.codes"][:2], bytes(raw))})
    with pytest.raises(AssertionError):
        confirm(k["confirm"], k["tile"], file)


@pytest.mark.parametrize("k", [k for k in by_rule if "levels" in k], ids=lambda k: k["contract"])
def test_tables(k, tmp_path):
    rows, cols, rng = 16, 256, random.Random(9)
    codes = bytes(rng.randrange(16) for _ in range(rows * cols))
    scales = struct.pack(f"<{rows * cols // 64}f", *(2.0**-124 * rng.random() if i % 4 == 1 else rng.uniform(0.001, 0.1) for i in range(rows * cols // 64)))
    given = {"codes": ("U8", [rows, cols], codes), "scale": ("F32", [rows, cols // 64], scales)}
    found, described = (run(k, c, "dequantize", tmp_path, given) for c in (k["found"], k["contract"]))
    got, said = (next(v for n, v in t.items() if n.endswith(".output"))[1] for t in (found, described))
    parted = confirm_product(scales, codes, got, k["levels"], cols)
    assert parted == sum(got[i : i + 4] != said[i : i + 4] for i in range(0, len(got), 4)) > 0
