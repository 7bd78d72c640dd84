"""torchao 0.11 on PyTorch CPU: PR #1964 and #2060 are in, so that prepare and convert share their primitives."""
import torch
from torchao.quantization import Int8DynamicActivationInt4WeightConfig, quant_api, quantize_, utils
from torchao.quantization import quant_primitives as primitives
from torchao.quantization.qat.api import FakeQuantizeConfig
from torchao.quantization.qat.fake_quantizer import FakeQuantizer
from torchao.quantization.qat.linear import Int4WeightOnlyQATLinear
from upstream import Job, affine_jobs, same, seen


def prepare(quantizer, x):
    with seen(primitives, "_quantize_affine_no_dtype_cast") as calls:
        output = quantizer(x)
    (call,) = calls["_quantize_affine_no_dtype_cast"]
    return {"scale": quantizer.scale, "zero_point": quantizer.zero_point, "codes": call.result, "output": output}


def plain(tensor):
    """What an AffineQuantizedTensor holds, and what it dequantizes to."""
    codes, scale, zero_point = tensor.tensor_impl.get_plain()
    return {"scale": scale, "zero_point": zero_point, "codes": codes, "output": tensor.dequantize()}


def activation_prepare(x, group):
    return prepare(FakeQuantizer(FakeQuantizeConfig(torch.int8, "per_token", is_symmetric=False)), x)


def activation_convert(x, group):
    return plain(quant_api._int8_asymm_per_token_quant(x))


def weight_prepare(w, group):
    return prepare(FakeQuantizer(FakeQuantizeConfig(torch.int4, group_size=group, scale_precision=w.dtype)), w)


def weight_prepare_f32(w, group):
    return prepare(FakeQuantizer(FakeQuantizeConfig(torch.int4, group_size=group)), w)


def weight_convert(w, group):
    layer = torch.nn.Linear(w.shape[1], w.shape[0], bias=False, dtype=w.dtype)
    layer.weight = torch.nn.Parameter(w.clone(), requires_grad=False)
    model = torch.nn.Sequential(layer)
    quantize_(model, Int8DynamicActivationInt4WeightConfig(group_size=group))
    return plain(model[0].weight.original_weight_tensor)


def tinygemm_prepare(w, group):
    layer = Int4WeightOnlyQATLinear(1024, 8, groupsize=group, precision=w.dtype)
    return prepare(layer.weight_fake_quantizer, w)


def tinygemm_convert(w, group):
    """Codes and qparams as Int4WeightOnlyQATQuantizer.convert makes them, before their packing; output by the same primitive."""
    scale, zero_point = utils.get_groupwise_affine_qparams(w, 4, group, torch.bfloat16)
    codes, packed = utils.groupwise_affine_quantize_tensor(w, 4, group)
    assert same(packed, utils.pack_tinygemm_scales_and_zeros(scale, zero_point))
    output = primitives.dequantize_affine(codes, (1, group), scale, zero_point, torch.int32, 0, 15,
                                          zero_point_domain=primitives.ZeroPointDomain.FLOAT, output_dtype=w.dtype)
    return {"scale": scale, "zero_point": zero_point, "codes": codes.to(torch.int8), "output": output}


def jobs():
    recipe = "int8-dynamic-act-int4-weight"
    yield Job(recipe, "activation", "prepare", "FakeQuantizer(FakeQuantizeConfig(int8, per_token))", activation_prepare, "int8")
    yield Job(recipe, "activation", "convert", "quant_api._int8_asymm_per_token_quant, dequantize", activation_convert, "int8")
    yield Job(recipe, "weight", "prepare", "FakeQuantizer(FakeQuantizeConfig(int4, group_size, scale_precision=dtype of the weight))",
              weight_prepare, "int4", grouped=True)
    yield Job(recipe, "weight", "prepare", "FakeQuantizer(FakeQuantizeConfig(int4, group_size)): scale_precision f32",
              weight_prepare_f32, "int4", variant="scale-f32", grouped=True, dtypes=("bf16", "f16"))
    yield Job(recipe, "weight", "convert", "Int8DynamicActivationInt4WeightConfig: AffineQuantizedTensor, dequantize",
              weight_convert, "int4", grouped=True)
    yield Job("int4-weight-only", "weight", "prepare", "Int4WeightOnlyQATLinear weight FakeQuantizer (tinygemm, scales bf16)",
              tinygemm_prepare, "uint4", variant="tinygemm", grouped=True, groups=(32, 64, 128, 256))
    yield Job("int4-weight-only", "weight", "convert", "utils.groupwise_affine_quantize_tensor, dequantize_affine (FLOAT)",
              tinygemm_convert, "uint4", variant="tinygemm", grouped=True, groups=(32, 64, 128, 256))
    yield from affine_jobs(primitives)
