"""torchao 0.10 on PyTorch CPU, before PR #1964: the activation side of int8-dynamic-act-int4-weight, where prepare and convert
were two implementations."""
import torch
import torchao._executorch_ops as decomposed
from torchao.quantization import quant_primitives as primitives
from torchao.quantization import utils
from torchao.quantization.qat.api import FakeQuantizeConfig
from torchao.quantization.qat.fake_quantizer import FakeQuantizer
from upstream import Job, seen

CHOOSE = "_quantized_decomposed_choose_qparams_per_token_asymmetric_wrapper"
QUANTIZE = "_quantized_decomposed_quantize_per_token_wrapper"


def prepare(x, group):
    quantizer = FakeQuantizer(FakeQuantizeConfig(torch.int8, "per_token", is_symmetric=False, scale_precision=torch.float32,
                                                 zero_point_precision=torch.float32))
    with seen(primitives, "_quantize_affine_no_dtype_cast") as calls:
        output = quantizer(x)
    (call,) = calls["_quantize_affine_no_dtype_cast"]
    return {"scale": quantizer.scale, "zero_point": quantizer.zero_point, "codes": call.result, "output": output}


def convert(x, group):
    with seen(decomposed, CHOOSE, QUANTIZE) as calls:
        output = utils.per_token_dynamic_quant(x)
    scale, zero_point = calls[CHOOSE][0].result
    return {"scale": scale, "zero_point": zero_point, "codes": calls[QUANTIZE][0].result, "output": output}


def jobs():
    recipe = "int8-dynamic-act-int4-weight"
    yield Job(recipe, "activation", "prepare", "FakeQuantizer: _choose_qparams_per_token_asymmetric, _fake_quantize_per_token",
              prepare, "int8")
    yield Job(recipe, "activation", "convert", "per_token_dynamic_quant (torch.ops.quantized_decomposed)", convert, "int8")
