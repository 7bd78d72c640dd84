#!/usr/bin/env python3
"""A worker for samebits: the activation side of int8-dynamic-act-int4-weight in f32, as numpy computes it (docs/worker.md).
   samebits check --device 'worker:python3 worker_numpy.py' --recipe int8-dynamic-act-int4-weight --side activation --dtype f32"""
import json, struct, sys
import numpy as np

def read(stream):
    blob = stream.read(struct.unpack("<Q", stream.read(8) or sys.exit())[0])
    start = 8 + struct.unpack_from("<Q", blob)[0]
    header = json.loads(blob[8:start])
    tensor = lambda t: np.frombuffer(blob[start:][slice(*t["data_offsets"])], np.float32).reshape(t["shape"])
    return header.pop("__metadata__", {}), {name: tensor(t) for name, t in header.items() if t["dtype"] == "F32"}

def write(stream, meta, tensors):
    header, data = {"__metadata__": meta}, b""
    for name, t in tensors.items():
        kind = t.dtype.kind.upper() + str(8 * t.dtype.itemsize)  # "F32", "I8"
        header[name] = {"dtype": kind, "shape": t.shape, "data_offsets": [len(data), len(data) + t.nbytes]}
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
    return dict(scale=scale, zero_point=zero_point, codes=codes, output=(codes.astype(np.float32) - zero_point) * scale)

np.seterr(all="ignore")  # infinity and NaN are among the inputs
nearest = (lambda v: np.floor(v + np.float32(0.5))) if "--half-up" in sys.argv else np.rint  # floor(v + 0.5): the wrong one
mine = {"recipe": "int8-dynamic-act-int4-weight", "side": "activation", "flavor": "aligned", "dtype": "f32"}
while (request := read(sys.stdin.buffer))[0]["op"] != "quit":
    meta, tensors = request
    can = meta["op"] == "run" and mine.items() <= meta.items() and meta["step"] in ("prepare", "convert")
    answer = {"status": "ok" if can or meta["op"] == "hello" else "unsupported", "device": "numpy " + np.__version__,
              "message": "" if can else "only prepare and convert of " + "/".join(mine.values())}
    write(sys.stdout.buffer, answer, quantize(tensors["x"], nearest) if can else {})
