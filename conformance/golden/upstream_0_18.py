"""torchao 0.18 on PyTorch CPU: its modules as QATConfig and the configurations make them."""
import torch
import torchao.quantization.qat.fake_quantizer as fake_quantizer
import torchao.quantization.quant_primitives as primitives
import torchao.quantization.utils as utils
from torchao.quantization import (
    Float8DynamicActivationFloat8WeightConfig,
    Float8DynamicActivationInt4WeightConfig,
    Float8Tensor,
    Int4WeightOnlyConfig,
    Int8DynamicActivationIntxWeightConfig,
    quantize_,
)
from torchao.quantization.granularity import PerGroup, PerRow, PerTensor
from torchao.quantization.qat import Int8DynActInt4WeightQATQuantizer, IntxFakeQuantizeConfig, IntxFakeQuantizer, QATConfig
from torchao.quantization.quantize_.common import KernelPreference
from torchao.quantization.quantize_.workflows.intx import intx_unpacked_to_int8_tensor as intx
from upstream import Job, affine_jobs, same, seen


def linear(weight):
    """A model of one Linear with this weight."""
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
    layer.weight = torch.nn.Parameter(weight.clone(), requires_grad=False)
    return torch.nn.Sequential(layer)


def prepared(base, like):
    model = linear(like)
    quantize_(model, QATConfig(base, step="prepare"))
    return model


def intx_base(group):
    return Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int4, weight_granularity=PerGroup(group))


def intx_prepare(quantizer, x):
    with seen(primitives, "_quantize_affine_no_dtype_cast") as calls:
        output = quantizer(x)
    (call,) = calls["_quantize_affine_no_dtype_cast"]
    return {"scale": quantizer.scale, "zero_point": quantizer.zero_point, "codes": call.result, "output": output}


def int8_activation_prepare(x, group):
    return intx_prepare(prepared(intx_base(32), torch.zeros(8, 32, dtype=x.dtype))[0].activation_fake_quantizer, x)


def int8_activation_prepare_f32(x, group):
    return intx_prepare(IntxFakeQuantizer(IntxFakeQuantizeConfig(torch.int8, "per_token", is_symmetric=False)), x)


def int8_activation_convert(x, group):
    with seen(intx, "choose_qparams_affine", "quantize_affine") as calls:
        output = intx._apply_int8_act_asym_per_token_quant_dequant(x)
    scale, zero_point = calls["choose_qparams_affine"][0].result
    return {"scale": scale, "zero_point": zero_point, "codes": calls["quantize_affine"][0].result, "output": output}


def legacy_model(x):
    return Int8DynActInt4WeightQATQuantizer(groupsize=32, precision=x.dtype, scales_precision=torch.float32).prepare(
        linear(torch.zeros(8, 32, dtype=x.dtype)))


def int8_activation_prepare_legacy(x, group):
    return intx_prepare(legacy_model(x)[0].activation_fake_quantizer, x)


def int8_activation_convert_legacy(x, group):
    """What the converted Linear's forward calls on its input (linear_quant_modules.linear_forward_8da4w)."""
    with seen(utils, "choose_qparams_affine", "quantize_affine") as calls:
        output = utils.per_token_dynamic_quant(x, torch.float32, torch.float32, eps=torch.finfo(torch.float32).eps)
    scale, zero_point = calls["choose_qparams_affine"][0].result
    return {"scale": scale, "zero_point": zero_point, "codes": calls["quantize_affine"][0].result, "output": output}


def int4_weight_prepare(w, group):
    return intx_prepare(prepared(intx_base(group), w)[0].weight_fake_quantizer, w)


def int4_weight_prepare_f32(w, group):
    return intx_prepare(IntxFakeQuantizer(IntxFakeQuantizeConfig(torch.int4, group_size=group)), w)


def int4_weight_convert(w, group):
    model = prepared(intx_base(group), w)
    quantize_(model, QATConfig(intx_base(group), step="convert"))
    weight = model[0].weight
    return {"scale": weight.scale, "zero_point": weight.zero_point, "codes": weight.qdata, "output": weight.dequantize()}


def int4_only_weight_prepare(w, group):
    """The fake quantizer computes everything in one function: qparams and codes are its formulas again, and what they give is
    asserted to be its output."""
    output = prepared(Int4WeightOnlyConfig(group_size=group), w)[0].weight_fake_quantizer(w)
    grouped = w.to(torch.float32).view(w.shape[0], -1, group)
    low, high = torch.amin(grouped, -1, keepdim=True), torch.amax(grouped, -1, keepdim=True)
    scale = torch.clamp(high - low, min=1e-6) / 15
    zero_point = low + scale * 8
    codes = torch.round((grouped - low) / scale).clamp(0, 15) - 8
    assert same((codes * scale + zero_point).view(w.shape).to(w.dtype), output)
    return {"scale": scale, "zero_point": zero_point, "codes": codes.view(w.shape), "output": output}


def float8_prepare(side, base):
    def run(x, group):
        model = prepared(base, torch.zeros(128, 128, dtype=x.dtype))
        with seen(fake_quantizer, "_choose_scale_float8", "_quantize_affine_float8") as calls:
            output = getattr(model[0], f"{side}_fake_quantizer")(x)
        return {"scale": calls["_choose_scale_float8"][0].result, "codes": calls["_quantize_affine_float8"][0].result,
                "output": output}

    return run


def float8_convert(granularity):
    def run(x, group):
        tensor = Float8Tensor.from_hp(x, granularity=granularity, kernel_preference=KernelPreference.TORCH)
        return {"scale": tensor.scale, "codes": tensor.qdata, "output": tensor.dequantize()}

    return run


def float8_int4_weight_prepare(w, group):
    quantizer = prepared(Float8DynamicActivationInt4WeightConfig(), torch.zeros(128, 128, dtype=w.dtype))[0].weight_fake_quantizer
    with seen(fake_quantizer, "_choose_scale_float8") as rows, seen(primitives, "_quantize_affine_no_dtype_cast") as groups:
        output = quantizer(w)
    call = groups["_quantize_affine_no_dtype_cast"][0]
    return {"row_scale": rows["_choose_scale_float8"][0].result, "scale": call.args[2], "codes": call.result, "output": output}


def jobs():
    recipe = "int8-dynamic-act-int4-weight"
    yield Job(recipe, "activation", "prepare", "QATConfig(Int8DynamicActivationIntxWeightConfig, prepare): IntxFakeQuantizer",
              int8_activation_prepare, "int8")
    yield Job(recipe, "activation", "prepare", "IntxFakeQuantizeConfig(int8, per_token) as written by hand: scale_precision f32",
              int8_activation_prepare_f32, "int8", variant="scale-f32")
    yield Job(recipe, "activation", "convert", "IntxUnpackedToInt8Tensor linear: _apply_int8_act_asym_per_token_quant_dequant",
              int8_activation_convert, "int8")
    yield Job(recipe, "activation", "prepare", "Int8DynActInt4WeightQATQuantizer, prepared activation fake quantizer",
              int8_activation_prepare_legacy, "int8", variant="legacy")
    yield Job(recipe, "activation", "convert", "Int8DynActInt4WeightQATQuantizer, converted: per_token_dynamic_quant(f32, f32, eps)",
              int8_activation_convert_legacy, "int8", variant="legacy")
    yield Job(recipe, "weight", "prepare", "QATConfig(Int8DynamicActivationIntxWeightConfig, prepare): IntxFakeQuantizer",
              int4_weight_prepare, "int4", grouped=True)
    yield Job(recipe, "weight", "prepare", "IntxFakeQuantizeConfig(int4, group_size) as written by hand: scale_precision f32",
              int4_weight_prepare_f32, "int4", variant="scale-f32", grouped=True)
    yield Job(recipe, "weight", "convert", "QATConfig(..., convert): IntxUnpackedToInt8Tensor, dequantize",
              int4_weight_convert, "int4", grouped=True)

    yield Job("int4-weight-only", "weight", "prepare", "QATConfig(Int4WeightOnlyConfig, prepare): Int4WeightFakeQuantizer",
              int4_only_weight_prepare, "uint4", grouped=True)

    for granularity, variant, word in ((PerRow(), "", "per-row"), (PerTensor(), "per-tensor", "per-tensor")):
        base = Float8DynamicActivationFloat8WeightConfig(granularity=granularity)
        for side in ("activation", "weight"):
            recipe = "float8-dynamic-act-float8-weight"
            yield Job(recipe, side, "prepare", "QATConfig(Float8DynamicActivationFloat8WeightConfig, prepare): Float8FakeQuantizer",
                      float8_prepare(side, base), "fp8", variant=variant, metadata={"granularity": word})
            yield Job(recipe, side, "convert", "Float8Tensor.from_hp (torch kernel), dequantize", float8_convert(granularity), "fp8",
                      variant=variant, metadata={"granularity": word})

    recipe = "float8-dynamic-act-int4-weight"
    yield Job(recipe, "activation", "prepare", "QATConfig(Float8DynamicActivationInt4WeightConfig, prepare): Float8FakeQuantizer",
              float8_prepare("activation", Float8DynamicActivationInt4WeightConfig()), "fp8")
    yield Job(recipe, "weight", "prepare", "QATConfig(Float8DynamicActivationInt4WeightConfig, prepare): Int4WeightFakeQuantizer",
              float8_int4_weight_prepare, "int4", grouped=True, groups=(128,))

    yield from affine_jobs(primitives)
