#!/usr/bin/env python3
"""compare_torch.py [--output FILE.md] [--json FILE] [--only GLOB] [--shape RxC] [--dtype T,...]

Times PyTorch eager, torch.compile and samebits side by side on one core: the fused prepare and the fused convert of every
recipe, taken in turns, medians. Eager's bits are compared with samebits' (all of them, never within a tolerance), and eager's
formulas with the golden data. Prints a table with the ratios and the fraction of this machine's copy bandwidth, and with --output
writes it as Markdown. The pinned environment of conformance/golden/capture.py (torchao 0.18, about 5 GB) is made on first use.

Exit 1 where a bit of eager differs from samebits or from the golden data, 3 where something could not run.
"""
import argparse
import fnmatch
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
FLAVOR = "torchao-0.18-cpu"
sys.path[:0] = [str(TOP / "bench"), str(TOP / "conformance" / "golden")]
SAMEBITS = None  # the program, from --samebits


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--only", default="*", help="glob of RECIPE/SIDE/STEP/DTYPE")
    parser.add_argument("--shape", default="4096x4096")
    parser.add_argument("--dtype", default="bf16,f32")
    parser.add_argument("--turns", type=int, default=3, help="rounds of eager, compile, samebits; default %(default)s")
    parser.add_argument("--samebits", type=pathlib.Path, default=TOP / "build" / "samebits")
    parser.add_argument("--venv", type=pathlib.Path)
    parser.add_argument("--here", action="store_true")
    return parser.parse_args()


def one_call(function, x, least=0.2):
    """CPU seconds of a call (one thread, so that what else the machine does counts for nobody): the median of calls that last `least` seconds together, at least three."""
    times = []
    while len(times) < 3 or sum(times) < least:
        begin = time.thread_time()
        function(x)
        times.append(time.thread_time() - begin)
    return statistics.median(times)


def samebits_bench(recipe, side, step, dtype, shape, threads=1, wall=False):
    """Google Benchmark's JSON of one case: (seconds, fraction of copy bandwidth, copy's bytes a second)."""
    command = [SAMEBITS, "bench", "--recipe", recipe, "--side", side, "--step", step, "--flavor", FLAVOR, "--dtype", dtype,
               "--shape", shape, "--threads", str(threads), "--repetitions", "3", "--min-time", "0.15", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"compare_torch: {' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.strip()}")
    for run in json.loads(done.stdout)["benchmarks"]:
        if run.get("aggregate_name") == "median" and run["run_name"].startswith(recipe):
            return run["cpu_time" if threads == 1 and not wall else "real_time"] * 1e-3, run["copy_fraction"], run["copy_bytes_per_second"]
    sys.exit("compare_torch: samebits bench printed no median")


def verify_file(tensors, recipe, side, step, dtype, group):
    """What `samebits golden verify` says about these tensors: (elements, different)."""
    from safetensors.torch import save_file

    metadata = {"samebits.golden": "1", "recipe": recipe, "side": side, "step": step, "flavor": FLAVOR, "dtype": dtype,
                "group_size": str(group), "upstream": "eager torch operations", "api": "bench/eager.py"}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "eager.safetensors"
        save_file({f"eager.{name}": tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
        done = subprocess.run([SAMEBITS, "golden", "verify", path, "--json"], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"compare_torch: golden verify: exit {done.returncode}: {done.stderr.strip()}")
    last = json.loads(done.stdout.splitlines()[-1])
    return last["elements"], last["different"]


def shaped(tensors, x):
    """With scales as golden files have them: [rows, blocks]."""
    result = {"x": x}
    for name, tensor in tensors.items():
        result[name] = tensor.reshape(x.shape[0], -1) if name in ("scale", "zero_point", "row_scale") else tensor
    return result


def against_golden(function, recipe, side, step, dtype, group):
    """Runs eager's formulas on the finite inputs of the golden file; returns (elements, different)."""
    import torch
    from safetensors import safe_open

    name = "__".join([recipe, f"{side}-{step}", FLAVOR, dtype] + ([f"g{group}"] if group else [])) + ".safetensors"
    file = safe_open(TOP / "conformance" / "golden" / "data" / name, "pt")
    elements = different = 0
    keys = set(file.keys())
    for key in sorted(key for key in keys if key.endswith(".x")):
        x = file.get_tensor(key)
        if not x.isfinite().all():
            continue
        for tensor_name, got in shaped(function(x), x).items():
            full = key[:-1] + tensor_name
            if full not in keys or tensor_name == "x":
                continue
            expected = file.get_tensor(full)
            equal = got.to(torch.float64) == expected.to(torch.float64)
            if got.is_floating_point():
                equal &= torch.signbit(got.to(torch.float64)) == torch.signbit(expected.to(torch.float64))
                equal |= got.to(torch.float64).isnan() & expected.to(torch.float64).isnan()
            elements, different = elements + expected.numel(), different + int((~equal).sum())
    return elements, different


def measure(key, dtype, arguments):
    """One row of the table."""
    import eager
    import torch

    recipe, side, step = key
    rows, cols = map(int, arguments.shape.split("x"))
    group = eager.GROUPS.get((recipe, side), 0)
    torch_dtype = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[dtype]
    torch.manual_seed(1)
    x = (torch.randn(rows, cols) * (0.02 if side == "weight" else 0.3)).to(torch_dtype)
    function = eager.STEPS[key](torch_dtype, group)
    golden = against_golden(function, recipe, side, step, dtype, group)
    part = x[:1024].clone()
    bits = verify_file(shaped(function(part), part), recipe, side, step, dtype, group)

    torch._dynamo.reset()
    compiled, reason = torch.compile(function), ""
    try:
        changed = changed_share(function(part), compiled(x[:1024].clone()))
        compiled(x)
    except Exception as error:  # what Inductor cannot compile has no figure
        compiled, changed, reason = None, None, str(error).splitlines()[0][:120]
    times = {"eager": [], "compiled": [], "samebits": []}
    fractions, copies = [], []
    for _ in range(arguments.turns):
        times["eager"].append(one_call(function, x))
        if compiled:
            times["compiled"].append(one_call(compiled, x))
        seconds, fraction, copied = samebits_bench(recipe, side, step, dtype, arguments.shape)
        times["samebits"].append(seconds)
        fractions.append(fraction)
        copies.append(copied)
    median = {name: statistics.median(values) if values else None for name, values in times.items()}
    rate = {name: rows * cols / seconds * 1e-9 if seconds else None for name, seconds in median.items()}
    width = {"f32": 4, "bf16": 2, "f16": 2}[dtype]
    return {
        "recipe": recipe, "side": side, "step": step, "dtype": dtype, "group": group, **rate,
        "times_eager": rate["samebits"] / rate["eager"],
        "times_compiled": rate["samebits"] / rate["compiled"] if rate["compiled"] else None,
        "copy_fraction": statistics.median(fractions), "copy": statistics.median(copies) / (2 * width) * 1e-9,
        "elements": bits[0], "different": bits[1], "golden_elements": golden[0], "golden_different": golden[1],
        "compile_changed": changed, "compile_error": reason,
    }


def changed_share(left, right):
    """The share of outputs whose bits torch.compile changes."""
    a, b = left["output"], right["output"]
    return float(((a != b) & ~(a.isnan() & b.isnan())).double().mean())


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return "unknown CPU"


def scaling(arguments, cores):
    """Two threads against one, unpinned, for each recipe's prepare: the ratio of their rates."""
    import eager

    os.sched_setaffinity(0, cores)
    result = []
    for key in eager.STEPS:
        name = "/".join([*key, "bf16"])
        if key[2] == "prepare" and fnmatch.fnmatch(name, arguments.only):
            pairs = [(samebits_bench(*key, "bf16", arguments.shape, 1, wall=True)[0], samebits_bench(*key, "bf16", arguments.shape, 2)[0])
                     for _ in range(max(arguments.turns, 5))]
            result.append((name, statistics.median(one / two for one, two in pairs)))
    return result


def markdown(rows, scaled, arguments):
    import torch

    lines = [
        "# Speed of the reference", "",
        "Made by `bench/compare_torch.py --output docs/speed.md`: every figure below is from one run of it.", "",
        f"- Machine: {cpu_name()}, one core (pinned); PyTorch {torch.__version__.split('+')[0]} with one thread, torchao 0.18.0.",
        f"- Tensors of {arguments.shape}; flavor `{FLAVOR}`; G elements/s, medians of {arguments.turns} turns of eager, compiled, samebits,",
        "  by the CPU time of the thread (what else the machine did counts for none of them).",
        "- samebits' timed call writes scale, zero_point, codes and output (packed and row_scale too where the recipe has them).",
        "  prepare of PyTorch returns the output only; its convert returns the same tensors as samebits'.",
        "- copy: `memcpy` between two warm buffers of x's size, in elements; of copy: bytes read and written a second against memcpy's,",
        "  in the same run.",
        "- eager's bits: elements of eager's result that samebits' differ in, of those compared (1,024 of the rows). The formulas of",
        "  eager were compared with the golden data as well: "
        f"{sum(row['golden_different'] for row in rows):,} of {sum(row['golden_elements'] for row in rows):,} elements differ.",
        "- compile changes: the share of outputs whose bits torch.compile changes against eager.", "",
        "| recipe, side | step | dtype | eager | compiled | samebits | x eager | x compiled | copy | of copy | eager's bits | compile changes |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        compiled = f"{row['compiled']:.3f}" if row["compiled"] else "-"
        ratio = f"{row['times_compiled']:.1f}" if row["times_compiled"] else "-"
        changed = f"{row['compile_changed']:.1%}" if row["compile_changed"] is not None else "-"
        lines.append(
            f"| {row['recipe']}, {row['side']} | {row['step']} | {row['dtype']} | {row['eager']:.3f} | {compiled} | {row['samebits']:.3f} |"
            f" **{row['times_eager']:.1f}** | {ratio} | {row['copy']:.2f} | {row['copy_fraction']:.0%} |"
            f" {row['different']:,} of {row['elements']:,} differ | {changed} |")
    if scaled:
        lines += ["", "Two threads against one (bf16, prepare):", "", "| case | x one thread |", "|---|---:|"]
        lines += [f"| {name} | {ratio:.2f} |" for name, ratio in scaled]
    return "\n".join(lines) + "\n"


def write(rows, scaled, arguments):
    """What there is so far: a run that is cut short leaves the rows that it finished."""
    if arguments.json:
        arguments.json.write_text(json.dumps({"rows": rows, "scaling": scaled}, indent=1))
    if arguments.output:
        arguments.output.write_text(markdown(rows, scaled, arguments))


def main():
    arguments = parse()
    import capture

    if not arguments.here:
        capture.reenter(arguments, FLAVOR, __file__)
    capture.check_versions(FLAVOR)
    global SAMEBITS
    SAMEBITS = arguments.samebits.resolve()
    if not SAMEBITS.exists():
        print(f"compare_torch: {SAMEBITS} is missing (./ci/quickstart builds it)", file=sys.stderr)
        return 3
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    import eager
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    rows = []
    for dtype in arguments.dtype.split(","):
        for key in eager.STEPS:
            name = "/".join([*key, dtype])
            if not fnmatch.fnmatch(name, arguments.only):
                continue
            row = measure(key, dtype, arguments)
            rows.append(row)
            compiled = f"{row['compiled']:6.3f} x{row['times_compiled']:5.1f}" if row["compiled"] else f"({row['compile_error']})"
            print(f"{name:60} eager {row['eager']:6.3f} x{row['times_eager']:5.1f}  compiled {compiled}  samebits"
                  f" {row['samebits']:6.3f}  {row['copy_fraction']:4.0%} of copy  {row['different']} of {row['elements']} elements differ",
                  flush=True)
            write(rows, [], arguments)
    if not rows:
        print(f"compare_torch: nothing matches {arguments.only}", file=sys.stderr)
        return 2
    scaled = scaling(arguments, cores) if len(cores) > 1 else []
    for name, ratio in scaled:
        print(f"{name:60} two threads x{ratio:.2f}")
    write(rows, scaled, arguments)
    return 1 if any(row["different"] or row["golden_different"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
