"""Captures: the golden format (docs/files.md), which `samebits explain` reads."""

import ctypes
import json
import math
import struct

from ._library import FORMAT_NAMES

SAFETENSORS = {"f32": "F32", "f16": "F16", "bf16": "BF16", "f64": "F64", "e4m3": "F8_E4M3", "e5m2": "F8_E5M2", "e8m0": "F8_E8M0", "i8": "I8",
               "u8": "U8", "i16": "I16", "u16": "U16", "i32": "I32", "u32": "U32", "i64": "I64", "u64": "U64", "bool": "BOOL"}
SIZES = {"64": 8, "32": 4, "16": 2}


def nbytes(tensor):
    name = FORMAT_NAMES[tensor.format]
    return math.prod(tensor.shape) * next((size for end, size in SIZES.items() if name.endswith(end)), 1)


def write(path, metadata, tensors):
    """tensors: name: Tensor. The file is written from where they lie."""
    header, at = {"__metadata__": {"samebits.golden": "1", **metadata}}, 0
    for name, tensor in tensors.items():
        size = nbytes(tensor)
        header[name] = {"dtype": SAFETENSORS[FORMAT_NAMES[tensor.format]], "shape": list(tensor.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            if nbytes(tensor):
                file.write((ctypes.c_char * nbytes(tensor)).from_address(tensor.data))
