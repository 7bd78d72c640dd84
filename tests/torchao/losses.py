"""Evaluation losses of quantized Llamas of other depth, width, grouping and sharding than the captured ones: samebits beside torchao.

    python3 tests/torchao/losses.py SAMEBITS

By hand; needs torch, torchao 0.18, transformers, safetensors. Random weights, 8 rows of 64 tokens. A line for each model, recipe, dtype and step that
upstream can run on a CPU: its loss, ours minus its, and its own with exact sums minus its: sums that round otherwise move
activations over the edge of a code, and random weights grow that. `artifact`: the file that `model convert` wrote, evaluated as it lies there."""
import copy
import json
import tempfile

import torch
from safetensors.torch import save_file
from torchao.quantization import (Float8DynamicActivationFloat8WeightConfig, Int4WeightOnlyConfig, Int8DynamicActivationIntxWeightConfig, PerGroup,
                                  PerRow, quantize_)
from torchao.quantization.qat import QATConfig
from transformers import LlamaConfig, LlamaForCausalLM

from llamas import loss_of, samebits

INT8 = "int8-dynamic-act-int4-weight"
RECIPES = {  # what prepare and, where a CPU can run it, convert
    INT8: (Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int4, weight_granularity=PerGroup(32)), True),
    "int4-weight-only": (Int4WeightOnlyConfig(group_size=32), False),
    "float8-dynamic-act-float8-weight": (Float8DynamicActivationFloat8WeightConfig(granularity=PerRow()), False),
}
MODELS = {
    "1 block, 64 wide, 4 heads on 1, tied": dict(num_hidden_layers=1, hidden_size=64, intermediate_size=160, num_attention_heads=4,
                                                num_key_value_heads=1, tie_word_embeddings=True),
    "6 blocks, 160 wide, 10 heads on 5, shards": dict(num_hidden_layers=6, hidden_size=160, intermediate_size=416, num_attention_heads=10,
                                                     num_key_value_heads=5, tie_word_embeddings=False),
}


def loss_of_exact_sums(model, tokens):
    """The same model with the products of its Linear layers summed in f64 and rounded once."""
    linear = torch.nn.functional.linear
    torch.nn.functional.linear = lambda x, w, bias=None: (x.double() @ w.double().T).to(x.dtype)
    try:
        return loss_of(model, tokens)
    finally:
        torch.nn.functional.linear = linear


def main():
    torch.manual_seed(2)
    for name, shape in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            config = LlamaConfig(vocab_size=272, max_position_embeddings=256, attn_implementation="eager", **shape)
            model = LlamaForCausalLM(config).eval()
            for weight in model.parameters():
                weight.data = torch.randn_like(weight) * 0.08 if weight.dim() == 2 else 1 + 0.2 * torch.randn_like(weight)
            model.tie_weights()
            model.save_pretrained(f"{folder}/m", max_shard_size="400KB")
            tokens = torch.randint(0, 272, (8, 64))
            save_file({"tokens": tokens.to(torch.int32)}, f"{folder}/tokens")
            print(name)
            for recipe, (base, runs) in RECIPES.items():
                for short, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
                    loaded = LlamaForCausalLM.from_pretrained(f"{folder}/m", dtype=dtype, attn_implementation="eager").eval()
                    group = [] if "float8" in recipe else ["--group", "32"]
                    eval_ = ["--tokens", f"{folder}/tokens", "--dtype", short, "--json"]
                    for step in ["prepare"] + ["convert"] * runs:
                        quantized = copy.deepcopy(loaded)
                        # a tied lm_head stays in float in convert; prepare takes it, too
                        keep = lambda m, n: isinstance(m, torch.nn.Linear) and (step == "prepare" or not shape["tie_word_embeddings"] or n != "lm_head")
                        quantize_(quantized, QATConfig(base, step="prepare") if step == "prepare" else base, filter_fn=keep)
                        theirs = loss_of(quantized, tokens)
                        said = json.loads(samebits("model", "eval", f"{folder}/m", *eval_, "--recipe", recipe, "--linear", step, *group))
                        exact = f", torchao with exact sums minus that {loss_of_exact_sums(quantized, tokens) - theirs:+.1e}" if step == "prepare" else ""
                        print(f"  {recipe} {short} {step}: torchao {theirs:.7f}, samebits minus that {said['eval_loss'] - theirs:+.1e}{exact}"
                              f" ({said['quantized_layers']} of {said['linear_layers']})", flush=True)
                    if runs:
                        samebits("model", "convert", f"{folder}/m", "--recipe", recipe, "--dtype", short, *group, "--output", f"{folder}/{recipe}-{short}")
                        stored = json.loads(samebits("model", "eval", f"{folder}/{recipe}-{short}", *eval_))
                        print(f"  {recipe} {short} artifact: samebits minus torchao's convert {stored['eval_loss'] - theirs:+.1e}")


main()
