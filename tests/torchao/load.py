"""What `samebits model convert` wrote, loaded by torchao itself and compared with what torchao makes of the same master.

    python3 tests/torchao/load.py SAMEBITS

Each cut in tests/models is converted; torchao unflattens the result and upstream's own artifact: subclass, attributes, every inner tensor and
the dequantized weight must be the same bits. Where torchao quantizes on this machine, it quantizes the master afresh, too. Exit 77 where torchao
is not installed.
"""
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
    from safetensors import safe_open
    from torchao.prototype.safetensors.safetensors_support import unflatten_tensor_state_dict
    from torchao.quantization import Int8DynamicActivationIntxWeightConfig, PerGroup, quantize_
except ImportError as error:
    print(f"skipped: torchao 0.18 with safetensors is not installed: {error}")
    sys.exit(77)

ROWS = [
    ("int8-dynamic-act-int4-weight", "qat", "bf16", torch.bfloat16),
    ("int8-dynamic-act-int4-weight", "qat-f32", "f32", torch.float32),
    ("int4-weight-only", "qat", "bf16", torch.bfloat16),
    ("float8-dynamic-act-float8-weight", "qat", "bf16", torch.bfloat16),
    ("float8-dynamic-act-int4-weight", "qat", "bf16", torch.bfloat16),
]
compared = 0


def load(path):
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        whole, left = unflatten_tensor_state_dict(tensors, file.metadata())
    assert not left, f"{path}: torchao leaves {list(left)}"
    return whole


def words(attributes):
    """JSON has no tuples: a shape may come back as a list."""
    return {key: str(list(value) if isinstance(value, tuple) else value) for key, value in attributes.items()}


def same(name, a, b):
    """Every bit of two tensors, of the inner ones where they are subclasses."""
    global compared
    assert type(a) is type(b), f"{name}: {type(a).__name__}, {type(b).__name__}"
    assert a.shape == b.shape and a.dtype == b.dtype, f"{name}: {a.shape} {a.dtype}, {b.shape} {b.dtype}"
    if not hasattr(a, "__tensor_flatten__") or type(a) in (torch.Tensor, torch.nn.Parameter):
        assert a.contiguous().view(-1).view(torch.uint8).equal(b.contiguous().view(-1).view(torch.uint8)), f"{name}: bits differ"
        compared += 1
        return
    parts, attributes = a.__tensor_flatten__()
    other_parts, other = b.__tensor_flatten__()
    assert parts == other_parts and words(attributes) == words(other), f"{name}: {attributes}, {other}"
    for part in parts:
        same(f"{name}.{part}", getattr(a, part), getattr(b, part))
    if type(a).dequantize is not torch.Tensor.dequantize:  # Int4Tensor has none
        same(f"{name}.dequantize()", a.dequantize(), b.dequantize())


def fresh(master, name, dtype):
    """torchao's convert of one weight of the master."""
    with safe_open(master, framework="pt") as file:
        weight = file.get_tensor(name).to(dtype)
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=dtype)
    linear.weight = torch.nn.Parameter(weight, requires_grad=False)
    quantize_(linear, Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int4, weight_granularity=PerGroup(32)))
    return linear.weight


def main():
    samebits, cuts = sys.argv[1], pathlib.Path(__file__).parent.parent / "models"
    with tempfile.TemporaryDirectory() as folder:
        for row, (recipe, artifact, short, dtype) in enumerate(ROWS):
            out = f"{folder}/{row}"
            subprocess.run([samebits, "model", "convert", cuts / recipe / "master", "--recipe", recipe, "--dtype", short,
                            "--lift-gates", "--output", out], check=True, stdout=subprocess.DEVNULL)
            ours, upstream = load(f"{out}/model.safetensors"), load(cuts / recipe / artifact / "model.safetensors")
            assert ours.keys() == upstream.keys(), ours.keys() ^ upstream.keys()
            for name in ours:
                same(f"{recipe} {name}", ours[name], upstream[name])
                if recipe == ROWS[0][0] and name.endswith("_proj.weight"):
                    same(f"{recipe} {name}, quantized here", ours[name],
                         fresh(cuts / recipe / "master" / "model.safetensors", name, dtype))
    print(f"{compared} tensors are the same bits")
    assert compared > 20


main()
