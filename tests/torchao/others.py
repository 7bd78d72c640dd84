"""Llamas of other depth, width and grouping than the captured ones, and a LoRA adapter: samebits beside PyTorch, transformers, PEFT and torchao.

    python3 tests/torchao/others.py SAMEBITS

By hand; needs torch, torchao 0.18, transformers, peft, safetensors. Prints a line a model: its evaluation loss in both dtypes by transformers (eager
attention) and by `samebits model eval`; whether the codes and scales of `model convert` are those of torchao's quantize_; and whether
PEFT's merge_and_unload gives the weights that `model equivalence` merges (its check 2).
"""
import copy
import json
import tempfile

import torch
from peft import LoraConfig, get_peft_model
from safetensors import safe_open
from safetensors.torch import save_file
from torchao.prototype.safetensors.safetensors_support import unflatten_tensor_state_dict
from torchao.quantization import Int8DynamicActivationIntxWeightConfig, PerGroup, quantize_
from transformers import LlamaConfig, LlamaForCausalLM

from llamas import loss_of, samebits

RECIPE = "int8-dynamic-act-int4-weight"
MODELS = {
    "1 block, 64 wide, 4 heads on 1, tied": dict(num_hidden_layers=1, hidden_size=64, intermediate_size=160, num_attention_heads=4,
                                                num_key_value_heads=1, tie_word_embeddings=True, rope_theta=10000.0),
    "6 blocks, 160 wide, 10 heads on 5": dict(num_hidden_layers=6, hidden_size=160, intermediate_size=416, num_attention_heads=10,
                                              num_key_value_heads=5, tie_word_embeddings=False, rope_theta=500000.0),
    "3 blocks, 96 wide, 3 heads each its own": dict(num_hidden_layers=3, hidden_size=96, intermediate_size=288, num_attention_heads=3,
                                                   num_key_value_heads=3, tie_word_embeddings=False, rope_theta=10000.0),
}


def codes_differ(folder, model):
    """How many values of codes and scales of `model convert` are not those of torchao's own convert of the same weights."""
    quantized = copy.deepcopy(model).to(torch.bfloat16)
    config = Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int4, weight_granularity=PerGroup(32))
    quantize_(quantized, config, filter_fn=lambda m, name: isinstance(m, torch.nn.Linear) and name != "lm_head")
    samebits("model", "convert", f"{folder}/m", "--recipe", RECIPE, "--dtype", "bf16", "--output", f"{folder}/q")
    with safe_open(f"{folder}/q/model.safetensors", framework="pt") as file:
        ours, _ = unflatten_tensor_state_dict({k: file.get_tensor(k) for k in file.keys()}, file.metadata())
    values = different = 0
    for name, theirs in quantized.state_dict().items():
        if not hasattr(theirs, "qdata"):
            continue
        for part in ("qdata", "scale", "zero_point"):
            a, b = getattr(ours[name], part), getattr(theirs, part)
            values += a.numel()
            different += int((a != b).sum())
    return different, values


def adapter_merged(folder, model):
    """Check 2 of `model equivalence`: base and adapter against PEFT's merge, in the dtype of the model and of the adapter."""
    words = []
    for dtype in (torch.float32, torch.bfloat16):
        base = copy.deepcopy(model).to(dtype)
        peft = get_peft_model(copy.deepcopy(base), LoraConfig(r=8, lora_alpha=12, target_modules=["q_proj", "v_proj", "down_proj"]))
        generator = torch.Generator().manual_seed(3)
        for name, weight in peft.named_parameters():
            if "lora_" in name:
                weight.data = (torch.randn(weight.shape, generator=generator) * 0.05).to(weight.dtype)
        out = f"{folder}/{str(dtype)[6:]}"
        base.save_pretrained(f"{out}/base")
        peft.save_pretrained(f"{out}/adapter")
        peft.merge_and_unload().save_pretrained(f"{out}/merged")
        said = json.loads(samebits("model", "equivalence", f"{out}/base", f"{out}/merged", "--adapter", f"{out}/adapter", "--tokens",
                                   f"{folder}/tokens", "--json", ok=(0, 1)))
        words.append(f"{str(dtype)[6:]} {'the same bits' if said['checks'][1]['ok'] else said['checks'][1]}")
    return ", ".join(words)


def main():
    torch.manual_seed(1)
    for name, shape in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            config = LlamaConfig(vocab_size=272, max_position_embeddings=256, attn_implementation="eager", **shape)
            model = LlamaForCausalLM(config).eval()
            for weight in model.parameters():
                weight.data = torch.randn_like(weight) * 0.08 if weight.dim() == 2 else 1 + 0.2 * torch.randn_like(weight)
            model.tie_weights()
            model.save_pretrained(f"{folder}/m")
            tokens = torch.randint(0, 272, (16, 96))
            save_file({"tokens": tokens.to(torch.int32)}, f"{folder}/tokens")
            print(name)
            for short, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
                # as a user loads it: model.to(dtype) would round the rotary frequencies, too
                loaded = LlamaForCausalLM.from_pretrained(f"{folder}/m", dtype=dtype, attn_implementation="eager").eval()
                theirs = loss_of(loaded, tokens)
                ours = json.loads(samebits("model", "eval", f"{folder}/m", "--tokens", f"{folder}/tokens", "--dtype", short, "--json"))
                print(f"  {short}: transformers {theirs:.7f}, samebits {ours['eval_loss']:.7f}, difference {ours['eval_loss'] - theirs:+.1e}")
            print("  codes, scales and zero points that differ from torchao's: %d of %d" % codes_differ(folder, model))
            print(f"  merged as PEFT merges: {adapter_merged(folder, model)}")


main()
