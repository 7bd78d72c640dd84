"""What the modules upstream_<version> share: the record of one thing to capture, and a way to see what a call computes inside."""
import contextlib
import dataclasses
from typing import Callable


@dataclasses.dataclass
class Job:
    """`run(x, group)` gives the tensors of a case by their golden names (scale, zero_point, codes, output, row_scale)."""

    recipe: str
    side: str  # "" for the primitives
    step: str
    api: str
    run: Callable
    ties: str  # the grid of codes on which `tie` makes ties: int8, int4, uint4, fp8
    variant: str = ""
    grouped: bool = False
    groups: tuple = ()  # the only group sizes that make sense; empty: any
    dtypes: tuple = ("f32", "bf16", "f16")
    name: str = ""  # the middle of the file's name, for the primitives
    metadata: dict = dataclasses.field(default_factory=dict)


class Call:
    """The arguments and the result of one seen call."""

    def __init__(self, args, kwargs, result):
        self.args, self.kwargs, self.result = args, kwargs, result


@contextlib.contextmanager
def seen(module, *names):
    """While the block runs, records every call of module.<name>; yields {name: [Call]}. Upstream's code runs unchanged."""
    calls = {name: [] for name in names}
    originals = {name: getattr(module, name) for name in names}

    def recorder(name):
        def call(*args, **kwargs):
            result = originals[name](*args, **kwargs)
            calls[name].append(Call(args, kwargs, result))
            return result

        return call

    for name in names:
        setattr(module, name, recorder(name))
    try:
        yield calls
    finally:
        for name, original in originals.items():
            setattr(module, name, original)


def same(left, right):
    """Every bit equal, NaN as one class."""
    import torch

    assert left.dtype == right.dtype and left.shape == right.shape
    raw = {4: torch.int32, 2: torch.int16, 1: torch.int8}[left.element_size()]
    equal = left.contiguous().view(raw) == right.contiguous().view(raw)
    return bool((equal | (left.isnan() & right.isnan())).all())


def affine_jobs(primitives):
    """choose_qparams_affine, quantize_affine and dequantize_affine over mappings, widths, granularities and formats."""
    import torch

    def runner(mapping, low, high, eps, scale_dtype, zero_point_dtype):
        def run(x, group):
            block = (1, group or x.shape[1])
            scale, zero_point = primitives.choose_qparams_affine(
                x, mapping, block, torch.int8, low, high, eps=eps, scale_dtype=scale_dtype, zero_point_dtype=zero_point_dtype)
            codes = primitives.quantize_affine(x, block, scale, zero_point, torch.int8, low, high)
            output = primitives.dequantize_affine(codes, block, scale, zero_point, torch.int8, low, high, output_dtype=x.dtype)
            return {"scale": scale, "zero_point": zero_point, "codes": codes, "output": output}

        return run

    mappings = {"symmetric": "SYMMETRIC", "asymmetric": "ASYMMETRIC", "noclip": "SYMMETRIC_NO_CLIPPING_ERR"}
    for short, name in mappings.items():
        mapping = primitives.MappingType[name]
        for width in (2, 3, 4, 5, 8):
            low, high = -(2 ** (width - 1)), 2 ** (width - 1) - 1
            for grouped in (False, True):
                for kind in ("", "eps", "s32"):
                    eps = 0.0078125 if kind == "eps" else None
                    wide = kind == "s32"
                    zero_point_dtype = torch.int8 if wide else torch.int32
                    yield Job(
                        "affine", "", "", "quant_primitives: choose_qparams_affine, quantize_affine, dequantize_affine",
                        runner(mapping, low, high, eps, torch.float32 if wide else None, zero_point_dtype),
                        "int8" if width == 8 else "int4", variant=("g32" if grouped else "row") + (f"-{kind}" if kind else ""),
                        grouped=grouped, groups=(32,), name=f"{short}-{width}", dtypes=("bf16", "f16") if wide else ("f32", "bf16", "f16"),
                        metadata={
                            "mapping": name, "quant_min": str(low), "quant_max": str(high), "eps": str(eps) if eps else "default",
                            "scale_dtype": "f32" if wide else "input", "zero_point_dtype": "i8" if wide else "i32",
                            "preserve_zero": "true"})
