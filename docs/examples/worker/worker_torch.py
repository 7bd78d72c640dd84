#!/usr/bin/env python3
"""A worker for samebits in PyTorch: the activation side of int8-dynamic-act-int4-weight, flavor aligned, in f32, bf16 and f16, on
   a GPU where there is one. Put your own module in the place of `quantize` (docs/worker.md).
   samebits check --device 'worker:python3 worker_torch.py' --recipe int8-dynamic-act-int4-weight --side activation --flavor aligned"""
import json, struct, sys
import torch

TYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16, "I8": torch.int8}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

def read(stream):
    blob = stream.read(struct.unpack("<Q", stream.read(8) or sys.exit())[0])
    start = 8 + struct.unpack_from("<Q", blob)[0]
    header = json.loads(blob[8:start])
    tensor = lambda t: torch.frombuffer(bytearray(blob[start:][slice(*t["data_offsets"])]), dtype=TYPES[t["dtype"]]).reshape(t["shape"])
    return header.pop("__metadata__", {}), {name: tensor(t).to(DEVICE) for name, t in header.items() if t["dtype"] in TYPES}

def write(stream, meta, tensors):
    header, data = {"__metadata__": meta}, b""
    for name, t in tensors.items():
        raw = bytes(t.contiguous().cpu().reshape(-1).view(torch.uint8).tolist())
        kind = next(kind for kind, dtype in TYPES.items() if dtype == t.dtype)
        header[name] = {"dtype": kind, "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    stream.write(struct.pack("<QQ", 8 + len(text) + len(data), len(text)) + text + data)
    stream.flush()

def quantize(x):  # every operation rounds to x's own type, as eager PyTorch does
    low, high = x.amin(1, keepdim=True).clamp(max=0), x.amax(1, keepdim=True).clamp(min=0)
    scale = ((high - low) / torch.tensor(255.0, dtype=x.dtype, device=x.device)).clamp(min=torch.finfo(x.dtype).tiny)
    to_i8 = lambda v: v.clamp(-128, 127).nan_to_num(nan=0).to(torch.int8)
    zero_point = to_i8(-128 - torch.round(low / scale))
    codes = to_i8(torch.round(x * (1 / scale)) + zero_point)
    return dict(scale=scale, zero_point=zero_point, codes=codes, output=(codes.to(x.dtype) - zero_point.to(x.dtype)) * scale)

mine = {"recipe": "int8-dynamic-act-int4-weight", "side": "activation", "flavor": "aligned"}
while (request := read(sys.stdin.buffer))[0]["op"] != "quit":
    meta, tensors = request
    can = meta["op"] == "run" and mine.items() <= meta.items() and meta["step"] in ("prepare", "convert")
    answer = {"status": "ok" if can or meta["op"] == "hello" else "unsupported", "device": f"torch {torch.__version__} on {DEVICE}",
              "message": "" if can else "only prepare and convert of " + "/".join(mine.values())}
    write(sys.stdout.buffer, answer, quantize(tensors["x"]) if can else {})
