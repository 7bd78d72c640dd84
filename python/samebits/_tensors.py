"""Tensors in and out: numpy, torch, whatever speaks DLPack. Memory is shared, not copied, wherever it lies on this side in row-major
order; a CUDA tensor is copied once."""

import ctypes
import math

import numpy as np

from ._library import FORMAT_NAMES, FORMATS, SLOTS, Tensor

# Formats that numpy has no type for are handed over as their bytes, or as ml_dtypes' where that is installed.
NUMPY = {"f32": "<f4", "f16": "<f2", "f64": "<f8", "i8": "|i1", "u8": "|u1", "i16": "<i2", "u16": "<u2", "i32": "<i4", "u32": "<u4",
         "i64": "<i8", "u64": "<u8", "bool": "|b1", "bf16": "<u2", "e4m3": "|u1", "e5m2": "|u1", "e8m0": "|u1"}
BYTES_OF = {"bf16": ("u16", "i16"), "f16": ("u16", "i16"), "e4m3": ("u8",), "e5m2": ("u8",), "e8m0": ("u8",)}
ML_DTYPES = {"bfloat16": "bf16", "float8_e4m3fn": "e4m3", "float8_e5m2": "e5m2", "float8_e8m0fnu": "e8m0"}
TORCH = {"float32": "f32", "float16": "f16", "float64": "f64", "bfloat16": "bf16", "float8_e4m3fn": "e4m3", "float8_e5m2": "e5m2",
         "float8_e8m0fnu": "e8m0", "int8": "i8", "uint8": "u8", "int16": "i16", "uint16": "u16", "int32": "i32", "uint32": "u32",
         "int64": "i64", "uint64": "u64", "bool": "bool"}
DLPACK = {(0, 8): "i8", (0, 16): "i16", (0, 32): "i32", (0, 64): "i64", (1, 8): "u8", (1, 16): "u16", (1, 32): "u32", (1, 64): "u64",
          (2, 16): "f16", (2, 32): "f32", (2, 64): "f64", (4, 16): "bf16", (6, 8): "bool", (10, 8): "e4m3", (12, 8): "e5m2", (14, 8): "e8m0"}
DTYPES = {"f32": "f32", "float32": "f32", "bf16": "bf16", "bfloat16": "bf16", "f16": "f16", "float16": "f16"}


def dtype_name(dtype):
    """ "f32", "bf16" or "f16" of a name, a numpy or a torch dtype; and whether torch was meant by it."""
    word = str(dtype)
    if not isinstance(dtype, (str, np.dtype)) and isinstance(dtype, type):
        word = np.dtype(dtype).name
    torch = word.startswith("torch.")
    name = DTYPES.get(word[6:] if torch else word)
    if not name:
        raise ValueError(f"samebits: dtype {dtype!r} is none of f32, bf16, f16")
    return name, torch


class _Memory:
    """Memory of the library, and what it belongs to."""

    def __init__(self, tensor, owner):
        name = FORMAT_NAMES[tensor.format]
        self.owner = owner
        self.__array_interface__ = {"version": 3, "shape": tensor.shape, "typestr": NUMPY[name], "data": (tensor.data, False)}


def bits(tensor, owner):
    """The tensor's memory as a numpy array; formats that numpy has no type for are their bits."""
    return np.asarray(_Memory(tensor, owner))


def finite(tensor, owner):
    """Which elements are finite."""
    array, name = bits(tensor, owner), FORMAT_NAMES[tensor.format]
    if name == "bf16":
        return array & 0x7F80 != 0x7F80
    if name in ("e4m3", "e5m2"):
        return array & 0x7F < (0x7F if name == "e4m3" else 0x7C)
    return np.isfinite(array)


def array_of(tensor, owner):
    """The tensor as a numpy array on the same memory. bf16 and float8: ml_dtypes' types where installed, else their bits."""
    array = bits(tensor, owner)
    name = FORMAT_NAMES[tensor.format]
    if name in BYTES_OF and name != "f16":
        try:
            import ml_dtypes
        except ImportError:
            return array
        array = array.view(next(getattr(ml_dtypes, m) for m, f in ML_DTYPES.items() if f == name))
    return array


def torch_of(tensor, owner, device):
    """The tensor as a torch tensor on the same memory, or copied to `device`."""
    import torch

    name = FORMAT_NAMES[tensor.format]
    array = bits(tensor, owner)
    if name in BYTES_OF and name != "f16":
        array = array.view(np.int16 if array.itemsize == 2 else np.uint8)
    result = torch.from_numpy(array)
    if name in BYTES_OF:
        result = result.view(getattr(torch, next(t for t, f in TORCH.items() if f == name)))
    return result.to(device) if device and device != "cpu" else result


def described(name, shape, pointer):
    if len(shape) > 8:
        raise ValueError(f"samebits: a tensor of rank {len(shape)}; at most 8 are compared")
    return Tensor(FORMATS[name], len(shape), (ctypes.c_int64 * 8)(*shape), pointer)


def _of_torch(value):
    value = value.detach()
    if value.device.type != "cpu":
        value = value.cpu()  # the one copy
    value = value.contiguous()
    name = TORCH.get(str(value.dtype).replace("torch.", ""))
    if not name:
        raise TypeError(f"samebits: {value.dtype} is not compared")
    return described(name, tuple(value.shape), value.data_ptr()), value


def _of_numpy(value):
    name = ML_DTYPES.get(value.dtype.name)
    if value.dtype.name in ("int4", "uint4"):  # ml_dtypes': one a byte, compared by value
        value = value.astype(np.int8)
    value = np.ascontiguousarray(value).reshape(value.shape)
    if not name:
        kind = value.dtype.newbyteorder("<").str if value.dtype.byteorder != ">" else ""
        name = next((f for f, s in NUMPY.items() if s == kind), None)
    if not name:
        raise TypeError(f"samebits: numpy's {value.dtype} is not compared")
    return described(name, value.shape, value.ctypes.data), value


class _DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32), ("ndim", ctypes.c_int32),
                ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


def _of_dlpack(value):
    if value.__dlpack_device__()[0] != 1:
        raise TypeError("samebits: a DLPack tensor that is not on the CPU; copy it first")
    capsule = value.__dlpack__()
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    held = _DLTensor.from_address(get(capsule, b"dltensor"))
    name, shape = DLPACK.get((held.code, held.bits)), tuple(held.shape[: held.ndim])
    if not name or held.lanes != 1:
        raise TypeError(f"samebits: a DLPack tensor of type ({held.code}, {held.bits}, {held.lanes}) is not compared")
    step = 1
    for size, stride in zip(reversed(shape), reversed(held.strides[: held.ndim] if held.strides else ())):
        if size > 1 and stride != step:
            raise TypeError("samebits: a DLPack tensor that is not row-major; make it contiguous first")
        step *= size
    return described(name, shape, held.data + held.byte_offset), capsule  # which frees it where it was not consumed


def tensor_of(value, like=None):
    """(Tensor, what keeps its memory). `like`: the Tensor that it will be compared with, which tells what bytes mean and which of
    (n) and (n, 1) is right."""
    kind = type(value).__module__.split(".")[0]
    if kind == "torch" or hasattr(value, "data_ptr"):
        tensor, kept = _of_torch(value)
    elif isinstance(value, (np.ndarray, np.generic)) or not hasattr(value, "__dlpack__"):
        tensor, kept = _of_numpy(np.asarray(value))
    else:
        tensor, kept = _of_dlpack(value)
    if like is not None:
        wanted, name = FORMAT_NAMES[like.format], FORMAT_NAMES[tensor.format]
        if name in BYTES_OF.get(wanted, ()):
            tensor.format = like.format
        same = [n for n in tensor.shape if n != 1] == [n for n in like.shape if n != 1]
        if tensor.shape != like.shape and same:
            tensor = described(FORMAT_NAMES[tensor.format], like.shape, tensor.data)
    return tensor, kept


def named(returned, yields, step, returns=None):
    """What a function returned, by tensor names: a dict as it is; a tuple in the order of `yields`, or of `returns`; one tensor is the
    output of prepare and dequantize, the codes of convert and quantize, unless `returns` says otherwise."""
    if isinstance(returned, dict):
        given = dict(returned)
    else:
        values = returned if isinstance(returned, (tuple, list)) else (returned,)
        names = [returns] if isinstance(returns, str) else list(returns or ())
        if not names and not isinstance(returned, (tuple, list)):
            usual = "codes" if step in ("convert", "quantize") else "output"
            names = [usual] if usual in yields else list(yields)
        names = names or [n for n in yields if n != "packed" or len(values) == len(yields)]
        if len(names) != len(values):
            raise TypeError(f"samebits: the function returned {len(values)} tensors; {', '.join(yields)} are there to be compared: "
                            "return a dict by these names, or say returns=(...)")
        given = dict(zip(names, values))
    for name in given:
        if name not in SLOTS:
            raise TypeError(f"samebits: the function returned '{name}'; the names are {', '.join(SLOTS[1:])}")
    return {name: value for name, value in given.items() if value is not None}


def size_of(tensor):
    return math.prod(tensor.shape)
