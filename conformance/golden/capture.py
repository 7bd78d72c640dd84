#!/usr/bin/env python3
"""capture.py --flavor FLAVOR --output DIR [--seed N] [--shape RxC,...] [--group G,...] [--fill F,...] [--dtype T,...]

Runs upstream's own code (torchao on PyTorch CPU, pinned) on inputs made from the seed, and writes what it computes as golden
files: one for each recipe, side, step, variant, dtype and group size that the flavor has and the Python package index can run.
A pinned environment (about 5 GB) is made on first use in build/venv/FLAVOR, or where --venv says; --here uses this
interpreter, which must hold exactly the pinned versions.

Left out, because their code is not on the package index (MSLK): convert of int4-weight-only, convert of
float8-dynamic-act-int4-weight, and the variants preshuffled, plain, mslk and mslk-cpu-fallback.
"""
import argparse
import importlib
import os
import pathlib
import subprocess
import sys

PINNED = {  # flavor -> packages; the module upstream_<version> next to this file runs them
    "torchao-0.18-cpu": {"torch": "2.12.1", "torchao": "0.18.0", "numpy": "2.4.6", "safetensors": "0.8.0"},
    "torchao-0.11-cpu": {"torch": "2.7.1", "torchao": "0.11.0", "numpy": "2.4.6", "safetensors": "0.8.0"},
    "torchao-0.10-cpu": {"torch": "2.7.1", "torchao": "0.10.0", "numpy": "2.4.6", "safetensors": "0.8.0"},
}
HERE = pathlib.Path(__file__).resolve().parent


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flavor", required=True, choices=sorted(PINNED))
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shape", default="1x512,33x256,7x384", help="rows x columns; default %(default)s")
    parser.add_argument("--group", default="32,64,128", help="group sizes of the weights; default %(default)s")
    parser.add_argument("--fill", default="normal,weight,activation,tie,special,bits,wild,nonfinite")
    parser.add_argument("--dtype", default="f32,bf16,f16")
    parser.add_argument("--venv", type=pathlib.Path)
    parser.add_argument("--here", action="store_true")
    return parser.parse_args()


def reenter(arguments, flavor, script):
    """Runs the script again in the pinned environment of a flavor, made if it is missing."""
    venv = arguments.venv or HERE.parent.parent / "build" / "venv" / flavor
    python = venv / "bin" / "python"
    if not (venv / "complete").exists():
        print(f"capture: making {venv} (about 5 GB)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        pins = [f"{name}=={version}" for name, version in PINNED[flavor].items()]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *pins], check=True)
        (venv / "complete").touch()
    os.execv(python, [str(python), script, *sys.argv[1:], "--here"])


def check_versions(flavor):
    from importlib.metadata import version

    for name, pinned in PINNED[flavor].items():
        if version(name) != pinned:
            sys.exit(f"capture: {name} {version(name)} is here, the flavor {flavor} is pinned to {pinned}")


def integers_or_none(codes):
    """A fake quantizer keeps its codes in the model's dtype: i8 where all are integers, else (a NaN) none."""
    import torch

    if not codes.dtype.is_floating_point or codes.dtype == torch.float8_e4m3fn:
        return codes
    whole = codes.to(torch.int8)
    return whole if torch.equal(whole.to(codes.dtype), codes) else None


def capture_file(job, dtype, group, arguments):
    """One golden file: the job's tensors for every fill and shape. Returns how many cases it has."""
    import inputs
    from safetensors.torch import save_file

    tensors, cases = {}, 0
    for index, fill in enumerate(arguments.fill.split(",")):
        if fill == ("activation" if job.side == "weight" else "weight") and job.side:
            continue
        for shape in arguments.shape.split(","):
            rows, cols = map(int, shape.split("x"))
            if group and cols % group:
                continue
            if fill in ("special", "nonfinite") and rows < 5:
                continue
            x = inputs.make(fill, arguments.seed, index, rows, cols, (job.ties, group), dtype)
            out = job.run(x, group)
            out["codes"] = integers_or_none(out["codes"])
            tensors[f"{fill}-{shape}.x"] = x
            for name, tensor in out.items():
                if tensor is None:
                    continue
                if name in ("scale", "zero_point", "row_scale"):
                    tensor = tensor.reshape(1, 1) if tensor.numel() == 1 and rows > 1 else tensor.reshape(rows, -1)
                tensors[f"{fill}-{shape}.{name}"] = tensor.detach().contiguous().clone()
            cases += 1
    if not cases:
        return 0
    versions = PINNED[arguments.flavor]
    metadata = {
        "samebits.golden": "1", "recipe": job.recipe, "flavor": arguments.flavor, "dtype": dtype, "group_size": str(group),
        "upstream": f"torchao {versions['torchao']}, torch {versions['torch']} CPU", "api": job.api,
        "seed": str(arguments.seed), **job.metadata,
    }
    if job.side:
        metadata |= {"side": job.side, "step": job.step}
    else:
        metadata["output_dtype"] = dtype
    if job.variant:
        metadata["variant"] = job.variant
    middle = f"{job.side}-{job.step}" if job.side else job.name
    parts = [job.recipe, middle, arguments.flavor, dtype]
    parts += [f"g{group}"] if group and job.side else []
    parts += [job.variant] if job.variant else []
    save_file(tensors, arguments.output / ("__".join(parts) + ".safetensors"), metadata)
    return cases


def main():
    arguments = parse()
    if not arguments.here:
        reenter(arguments, arguments.flavor, __file__)
    check_versions(arguments.flavor)
    import torch

    torch.set_num_threads(1)
    sys.path.insert(0, str(HERE))
    upstream = importlib.import_module("upstream_" + arguments.flavor.split("-")[1].replace(".", "_"))
    arguments.output.mkdir(parents=True, exist_ok=True)
    files = cases = 0
    for job in upstream.jobs():
        for dtype in arguments.dtype.split(","):
            if dtype not in job.dtypes:
                continue
            for group in map(int, arguments.group.split(",")) if job.grouped else [0]:
                if job.groups and group not in job.groups:
                    continue
                made = capture_file(job, dtype, group, arguments)
                files, cases = files + (made > 0), cases + made
    if not cases:
        sys.exit("capture: nothing was captured (does a group size divide a shape?)")
    print(f"capture: {files} files, {cases} cases in {arguments.output}")


if __name__ == "__main__":
    main()
