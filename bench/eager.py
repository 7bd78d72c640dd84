"""What PyTorch computes in one prepare or convert step, as functions that eager mode runs and torch.compile can compile.

Where torchao has the step, its own fake quantizer or primitives are called. The convert steps whose upstream code is in MSLK
(not on the package index) are its formulas, one eager operation each. `STEPS` maps (recipe, side, step) to a maker: maker(dtype,
group) gives a function of x that returns the tensors by their golden names.
"""
import torch
import torchao.quantization.quant_primitives as primitives
from torchao.quantization import (
    Float8DynamicActivationFloat8WeightConfig,
    Float8DynamicActivationInt4WeightConfig,
    Int4WeightOnlyConfig,
    Int8DynamicActivationIntxWeightConfig,
    quantize_,
)
from torchao.quantization.granularity import PerGroup, PerRow
from torchao.quantization.qat import QATConfig
from torchao.quantization.quantize_.workflows.intx.intx_unpacked_to_int8_tensor import MappingType

E4M3 = torch.float8_e4m3fn


def fake_quantizer(base, side):
    def maker(dtype, group):
        model = torch.nn.Sequential(torch.nn.Linear(256, 128, bias=False, dtype=dtype))
        quantize_(model, QATConfig(base(group), step="prepare"))
        quantizer = getattr(model[0], f"{side}_fake_quantizer")
        return lambda x: {"output": quantizer(x)}

    return maker


def affine_convert(mapping, low, high):
    """choose_qparams_affine, quantize_affine, dequantize_affine as IntxUnpackedToInt8Tensor calls them."""

    def maker(dtype, group):
        def run(x):
            block = (1, group or x.shape[1])
            scale, zero_point = primitives.choose_qparams_affine(
                x, mapping, block, target_dtype=torch.int8, quant_min=low, quant_max=high, zero_point_dtype=torch.int8)
            codes = primitives.quantize_affine(x, block, scale, zero_point, torch.int8, low, high)
            output = primitives.dequantize_affine(codes, block, scale, zero_point, torch.int8, low, high, output_dtype=dtype)
            return {"scale": scale, "zero_point": zero_point, "codes": codes, "output": output}

        return run

    return maker


def float8_convert(dtype, group):
    """Float8Tensor.from_hp with torchao's own kernel, and dequantize."""

    def run(x):
        scale = primitives._choose_scale_float8(x, (1, x.shape[1]), E4M3)
        codes = primitives._quantize_affine_float8(x, scale, E4M3)
        return {"scale": scale, "codes": codes, "output": primitives._dequantize_affine_float8(codes, scale, dtype)}

    return run


def mslk_float8_row(x):
    """MSLK quantize_fp8_row: f32, amax at least 2^-9, two true divisions."""
    wide = x.to(torch.float32)
    scale = wide.abs().amax(-1, keepdim=True).clamp(min=2.0**-9) / 448.0
    return scale, (wide / scale).clamp(-448.0, 448.0).to(E4M3)


def mslk_float8_convert(dtype, group):
    def run(x):
        scale, codes = mslk_float8_row(x)
        return {"scale": scale, "codes": codes, "output": (codes.to(torch.float32) * scale).to(dtype)}

    return run


def pack(codes):
    """Two's complement nibbles, the even column in the low half."""
    return ((codes[:, 0::2] & 0xF) | (codes[:, 1::2] << 4)).view(torch.uint8)


def int4_only_convert(dtype, group):
    """MSLK int4_row_quantize_zp in f32, stored in the weight's dtype; the weight that the stored artifact means."""

    def run(w):
        grouped = w.to(torch.float32).view(w.shape[0], -1, group)
        low, high = grouped.amin(-1, keepdim=True), grouped.amax(-1, keepdim=True)
        scale = (high - low).clamp(min=1e-6) / 15
        codes = ((grouped - low) / scale).round().clamp(0, 15) - 8
        zero_point = (low + scale * 8).to(dtype)
        scale = scale.to(dtype)
        output = (codes * scale.to(torch.float32) + zero_point.to(torch.float32)).to(dtype).view(w.shape)
        codes = codes.to(torch.int8).view(w.shape)
        return {"scale": scale, "zero_point": zero_point, "codes": codes, "packed": pack(codes), "output": output}

    return run


def float8_int4_convert(dtype, group):
    """MSLK quantize_int4_preshuffle: the row's float8 codes, int4 of those codes, the group's scale in float8."""

    def run(w):
        row_scale, float8 = mslk_float8_row(w)
        grouped = float8.to(torch.float32).view(w.shape[0], -1, group)
        scale = grouped.abs().amax(-1, keepdim=True).clamp(min=1e-6) / 8
        codes = (grouped / scale).round().clamp(-8, 7).to(torch.int8)
        scale = scale.to(E4M3)
        weight = (codes.to(torch.float32) * scale.to(torch.float32)).to(E4M3).to(torch.float32).view(w.shape) * row_scale
        codes = codes.view(w.shape)
        return {"row_scale": row_scale, "scale": scale, "codes": codes, "packed": pack(codes), "output": weight.to(dtype)}

    return run


def int8_int4(group):
    return Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int4, weight_granularity=PerGroup(group or 32))


def float8_float8(group):
    return Float8DynamicActivationFloat8WeightConfig(granularity=PerRow())


def float8_int4(group):
    return Float8DynamicActivationInt4WeightConfig()


def int4_only(group):
    return Int4WeightOnlyConfig(group_size=group)


STEPS = {
    ("int8-dynamic-act-int4-weight", "activation", "prepare"): fake_quantizer(int8_int4, "activation"),
    ("int8-dynamic-act-int4-weight", "activation", "convert"): affine_convert(MappingType.ASYMMETRIC, -128, 127),
    ("int8-dynamic-act-int4-weight", "weight", "prepare"): fake_quantizer(int8_int4, "weight"),
    ("int8-dynamic-act-int4-weight", "weight", "convert"): affine_convert(MappingType.SYMMETRIC, -8, 7),
    ("int4-weight-only", "weight", "prepare"): fake_quantizer(int4_only, "weight"),
    ("int4-weight-only", "weight", "convert"): int4_only_convert,
    ("float8-dynamic-act-float8-weight", "activation", "prepare"): fake_quantizer(float8_float8, "activation"),
    ("float8-dynamic-act-float8-weight", "activation", "convert"): float8_convert,
    ("float8-dynamic-act-float8-weight", "weight", "prepare"): fake_quantizer(float8_float8, "weight"),
    ("float8-dynamic-act-float8-weight", "weight", "convert"): float8_convert,
    ("float8-dynamic-act-int4-weight", "activation", "prepare"): fake_quantizer(float8_int4, "activation"),
    ("float8-dynamic-act-int4-weight", "activation", "convert"): mslk_float8_convert,
    ("float8-dynamic-act-int4-weight", "weight", "prepare"): fake_quantizer(float8_int4, "weight"),
    ("float8-dynamic-act-int4-weight", "weight", "convert"): float8_int4_convert,
}
GROUPS = {("int8-dynamic-act-int4-weight", "weight"): 32, ("int4-weight-only", "weight"): 128,
          ("float8-dynamic-act-int4-weight", "weight"): 128}
