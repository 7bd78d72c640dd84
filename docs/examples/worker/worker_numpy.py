#!/usr/bin/env python3
"""A worker for samebits: the activation side of int8-dynamic-act-int4-weight in f32, as numpy computes it (docs/worker.md).
   samebits check --device 'worker:python3 worker_numpy.py' --recipe int8-dynamic-act-int4-weight --side activation --dtype f32"""
import json, math, struct, sys
import numpy as np

NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I32": "<i4", "I8": "|i1", "U8": "|u1"}
NAMES = {v: k for k, v in NUMPY.items() if k != "BF16"}

def read(stream):
    length = stream.read(8)
    if len(length) < 8: sys.exit(0)
    blob = stream.read(struct.unpack("<Q", length)[0])
    start = 8 + struct.unpack_from("<Q", blob)[0]
    header = json.loads(blob[8:start])
    meta = header.pop("__metadata__", {})
    return meta, {k: np.frombuffer(blob, NUMPY[t["dtype"]], math.prod(t["shape"]), start + t["data_offsets"][0]).reshape(t["shape"])
                  for k, t in header.items()}

def write(stream, meta, tensors):
    header, data = {"__metadata__": meta}, b""
    for name, t in tensors.items():
        header[name] = {"dtype": NAMES[t.dtype.str], "shape": t.shape, "data_offsets": [len(data), len(data) + t.nbytes]}
        data += t.tobytes()
    text = json.dumps(header).encode()
    stream.write(struct.pack("<QQ", 8 + len(text) + len(data), len(text)) + text + data)
    stream.flush()

def quantize(x, nearest):
    low, high = np.minimum(x.min(1, keepdims=True), 0), np.maximum(x.max(1, keepdims=True), 0)
    scale = np.maximum((high - low) / np.float32(255), np.finfo(np.float32).tiny)
    to_i8 = lambda v: np.nan_to_num(np.clip(v, -128, 127), nan=0).astype(np.int8)
    zero_point = to_i8(-128 - nearest(low / scale))
    codes = to_i8(nearest(x * (1 / scale)) + zero_point.astype(np.float32))
    return scale, zero_point, codes, (codes.astype(np.float32) - zero_point) * scale

np.seterr(all="ignore")  # infinity and NaN are among the inputs
nearest = (lambda v: np.floor(v + np.float32(0.5))) if "--half-up" in sys.argv else np.rint  # floor(v + 0.5): the wrong one
while True:
    meta, tensors = read(sys.stdin.buffer)
    if meta["op"] == "quit": break
    answer, outputs = {"status": "ok", "device": "numpy " + np.__version__}, {}
    mine = ("int8-dynamic-act-int4-weight", "activation", "aligned", "f32")
    if meta["op"] == "run" and (meta["recipe"], meta["side"], meta["flavor"], meta["dtype"]) == mine and meta["step"] in ("prepare", "convert"):
        outputs = dict(zip(("scale", "zero_point", "codes", "output"), quantize(tensors["x"], nearest)))
    elif meta["op"] == "run":
        answer.update(status="unsupported", message="only prepare and convert of " + "/".join(mine))
    write(sys.stdout.buffer, answer, outputs)
