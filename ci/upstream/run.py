"""run.py SAMEBITS BUILD [NAME...]: each kernel of kernels.json against its contract, on the emulator; the table in BUILD/table.md.

The PTX lies in BUILD/ptx. A kernel of exact instructions is checked bit for bit on its fills; where it differs, the contract `found`,
which states what it computes instead, must give every bit, and the rule `confirm` computes the scales a third time. A kernel of
approximate instructions is run with their values drawn from the whole documented bound: UNPROVEN, so many outputs stable.
Exit 1 where a verdict is not the one that kernels.json expects.
"""
import glob
import json
import os
import random
import re
import struct
import subprocess
import sys

from confirm import confirm, confirm_product, read

samebits, build, only = sys.argv[1], sys.argv[2], sys.argv[3:]
here = os.path.dirname(os.path.abspath(__file__))
contracts = os.path.relpath(os.path.join(here, "contracts"))
BYTES = {"f32": 4, "bf16": 2, "f16": 2, "e4m3": 1, "e8m0": 1, "u8": 1, "i8": 1}
NAMES = {"f32": "F32", "bf16": "BF16", "f16": "F16", "e4m3": "F8_E4M3", "e8m0": "F8_E8M0", "u8": "U8", "i8": "I8"}


def run(*args):
    p = subprocess.run([samebits, *args], capture_output=True, text=True)
    return p.returncode, p.stdout, p.stderr


def path(k):
    found = glob.glob(os.path.join(build, "ptx", k["name"], "*.ptx") if "extract" in k else os.path.join(build, "ptx", k["name"] + ".ptx"))
    if len(found) != 1:
        raise RuntimeError(f"{k['name']}: no PTX")
    return found[0]


def entry(file):
    return re.search(r"\.entry\s+(\w+)", open(file).read()).group(1)


def shared(k):
    file = os.path.join(build, "ptx", k["name"] + ".shared")
    return open(file).read() if os.path.exists(file) else "0"


def arguments(k, file, contract, fills):
    """Options of `check`: the kernel in the place of the contract's step."""
    row = {key: k[key] for key in ("side", "step", "dtype", "grid", "block", "args")}
    row.update(recipe=contract, flavor="upstream", file=os.path.abspath(file), entry=entry(file), shared=shared(k))
    manifest = os.path.join(build, f"{k['name']}.{contract}.json")
    with open(manifest, "w") as f:
        json.dump({"kernels": [row]}, f)
    return ["--contracts", contracts, "--kernels", manifest, "--device", f"emu:sm_{k.get('sm', 90)}", "--recipe", contract, "--side", k["side"],
            "--step", k["step"], "--dtype", k["dtype"], "--shape", k["shape"], "--fill", ",".join(fills), "--save-failures",
            os.path.join(build, "failures", k["name"])]


def cases(k, file, contract, fills):
    out = os.path.join(build, "cases.jsonl")
    err = run("check", *arguments(k, file, contract, fills), "--output", out)[2]
    found = [c for c in map(json.loads, open(out)) if c["type"] == "case"] if os.path.exists(out) else []
    if os.path.exists(out):
        os.remove(out)
    return found, err.strip()[:300]


def check(k, file):
    """(verdict, words, repro) of a kernel of exact instructions."""
    found, err = cases(k, file, k["contract"], k["fills"])
    if '"kind":"refused"' in err:
        return "UNPROVEN", "refused: " + re.search(r'"instruction":"([^"]*)"', err).group(1), ""
    if len(found) != len(k["fills"]):
        return "ERROR", err, ""
    odd = [c for c in found if c["status"] not in ("PASS", "FAIL")]
    if odd:
        return odd[0]["status"], odd[0].get("reason", ""), odd[0].get("repro", "")
    failed = [c for c in found if c["status"] == "FAIL"]
    elements = sum(c["elements"] for c in found)
    if not failed:
        return "exact", f"{elements:,} values", ""
    words = "; ".join(c["case"].split("/")[-1].split(":")[0].split("?")[0] + ": " + ", ".join(f"{v:,} {n}" for n, v in c["different"].items() if v)
                      for c in failed)
    words = f"of {elements:,} values, {words}; every bit is that of {k.get('found')}"
    if "found" not in k:
        return "differs: unexplained", words, failed[0]["repro"]
    again, err = cases(k, file, k["found"], k["fills"])
    if len(again) != len(k["fills"]) or any(c["status"] != "PASS" for c in again):
        return "differs: unexplained", err, failed[0]["repro"]
    saved = glob.glob(os.path.join(build, "failures", k["name"], f"{k['contract']}_*"))
    scales, codes = map(sum, zip(*(confirm(k["confirm"], k["tile"], file) for file in saved)))
    return "differs: " + k["mechanism"], f"{words}; {scales:,} scales and {codes:,} codes confirmed by host code", failed[0]["repro"]


def tensors(k):
    """The inputs of a launch: x, scales of ordinary size, random codes."""
    rows, cols = map(int, k["shape"].split("x"))
    rng, head, data = random.Random(1), {}, b""
    for name in [a for a in k["args"] if a.isalpha() or "_" in a]:
        form, *shape = [k["dtype"], "rows", "cols"] if name == "x" else k["tensors"][name]
        shape = [evaluate(s, rows, cols) for s in shape]
        n = shape[0] * shape[1]
        if form in ("f32", "bf16", "f16"):
            values = [rng.gauss(0, 1) if name == "x" else 2.0**-124 * rng.random() if k.get("tiny") and i % 16 == 5 else rng.uniform(0.001, 0.1)
                      for i in range(n)]
            raw = struct.pack(f"<{n}f", *values) if form != "f16" else struct.pack(f"<{n}e", *values)
            if form == "bf16":
                raw = b"".join(raw[4 * i + 2 : 4 * i + 4] for i in range(n))
        else:
            raw = bytes(rng.randrange(100, 140) if form == "e8m0" else rng.choice([0, 128]) | rng.randrange(127) if form == "e4m3" else
                        rng.randrange(256) for _ in range(n))
        head[name] = {"dtype": NAMES[form], "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head).encode()
    name = os.path.join(build, k["name"] + ".safetensors")
    with open(name, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)
    return name


def evaluate(text, rows, cols):
    return int(eval(re.sub(r"ceil\((.*?)\)", r"(-(-(\1)))", str(text)).replace("/", "//"), {}, {"rows": rows, "cols": cols}))


def launch(k, file, *more):
    """`kernel run` on the tensors: what it said, and the line that repeats it."""
    rows, cols = map(int, k["shape"].split("x"))
    line = ["kernel", "run", file, "--entry", entry(file), "--device", f"emu:sm_{k.get('sm', 90)}", "--json", "--counters", "--shared", shared(k),
            "--grid", ",".join(str(evaluate(g, rows, cols)) for g in k["grid"]), "--block", ",".join(map(str, k["block"])), "--output",
            os.path.join(build, k["name"] + ".out.safetensors"), *more]
    given = tensors(k)
    for a in k["args"]:
        if ":" in a:
            kind, value = a.split(":")
            a = f"{kind}:{evaluate(value, rows, cols)}"
        elif a == "output" or (k["step"] == "prepare" and a != "x"):
            form, *shape = k["tensors"][a]
            a = f"out:{a}={form}[{','.join(str(evaluate(s, rows, cols)) for s in shape)}]"
        else:
            a = f"in:{given}#{a}"
        line += ["--arg", a]
    out, err = run(*line)[1:]
    try:
        return json.loads(out.splitlines()[-1]), " ".join([samebits, *line])
    except (IndexError, ValueError):
        return {"status": "error", "message": err.strip()[:300]}, " ".join([samebits, *line])


def golden(k, result):
    """The same for a kernel that takes packed codes: what it gave, as a captured file, against the contracts."""
    if result["status"] != "ok":
        return result["status"].upper(), json.dumps(result)[:300], ""
    rows, cols = map(int, k["shape"].split("x"))
    given, gave = (read(os.path.join(build, k["name"] + end)) for end in (".safetensors", ".out.safetensors"))
    codes = bytes(half for byte in given["packed"][1] for half in (byte >> 4, byte & 15))  # the first in the high half
    head, data = {}, b""
    for name, form, shape, raw in (("codes", "u8", [rows, cols], codes), ("scale", "f32", given["scale"][0], given["scale"][1]),
                                   ("output", k["dtype"], [rows, cols], gave["output"][1])):
        head["k." + name] = {"dtype": NAMES[form], "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    said = []
    for contract in (k["contract"], k.get("found", k["contract"])):
        head["__metadata__"] = {"samebits.golden": "1", "recipe": contract, "side": k["side"], "step": k["step"], "flavor": "upstream",
                                "dtype": k["dtype"], "group_size": "0", "upstream": k["package"], "api": entry(path(k)), "seed": "1"}
        text = json.dumps(head).encode()
        name = os.path.join(build, f"{k['name']}.{contract}.safetensors")
        with open(name, "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text + data)
        line = ["golden", "verify", "--oracle", "contract", "--contracts", contracts, name]
        out, err = run(*line)[1:]
        differ = re.search(r"(\d+) elements, (\d+) differ", out)
        if not differ or int(differ.group(1)) != rows * cols:
            return "ERROR", (out + err).strip()[-300:], " ".join([samebits, *line])
        said.append((int(differ.group(2)), " ".join([samebits, *line])))
    if said[0][0] == 0:
        return "exact", f"{rows * cols:,} values", ""
    if said[1][0]:
        return "differs: unexplained", f"{said[0][0]:,} of {rows * cols:,} values", said[0][1]
    count = confirm_product(given["scale"][1], codes, gave["output"][1], k["levels"], cols)
    return "differs: " + k["mechanism"], (f"{said[0][0]:,} of {rows * cols:,} values, where a scale is below 2^-122; every bit is that of {k['found']}; "
                                          f"{count:,} confirmed by host code"), said[0][1]


def speed(k, result):
    """Thread-instructions an element, and the bytes requested over the least: the two that decide the time of such a kernel."""
    c = result.get("counters")
    if not c:
        return "-"
    rows, cols = map(int, k["shape"].split("x"))
    asked = sum(b[s]["requested_bytes"] for b in c["buffers"] for s in ("load", "store"))
    least = sum(b[s]["distinct_bytes"] for b in c["buffers"] for s in ("load", "store"))
    per, factor = c["thread_instructions"] / (rows * cols), asked / least if least else 0
    kind = "memory" if per <= 25 and factor <= 1.05 else "instructions" if factor <= 1.05 else "reads again"
    return f"{kind}: {per:.0f}, {factor:.2f}"


def main():
    os.makedirs(os.path.join(build, "failures"), exist_ok=True)
    kernels = json.load(open(os.path.join(here, "kernels.json")))
    lines, bad, verdicts = [], 0, 0
    for k in kernels["kernels"]:
        if only and k["name"] not in only:
            continue
        try:
            file = path(k)
            result, repro = launch(k, file, *(["--allow-approx=8"] if k.get("approximate") else []))
            if k.get("approximate"):
                verdict, total = result["status"].upper(), sum(evaluate(t[1], *map(int, k["shape"].split("x"))) * evaluate(
                    t[2], *map(int, k["shape"].split("x"))) for n, t in k["tensors"].items() if n in k["args"] and (k["step"] == "prepare" or n == "output"))
                words = f"{result['stable']:,} of {total:,} values stable" if "stable" in result else result.get("message", "")
            else:
                verdict, words, repro = golden(k, result) if "packed" in k["args"] else check(k, file)
        except (AssertionError, RuntimeError, OSError) as error:
            verdict, words, repro, result = "ERROR", str(error), "", {}
        verdicts += verdict.startswith(("exact", "differs: ")) and "unexplained" not in verdict
        good = verdict == k["expect"]
        bad += not good
        print(f"{'ok  ' if good else 'FAIL'} {k['name']}: {verdict} ({words}; {speed(k, result)})" + ("" if good else f"; expected {k['expect']}"))
        if verdict != "exact":
            print(f"     {repro}")
        version = kernels["packages"][k["package"]]
        lines.append(f"| {k['name']} | {k['package']} {version} | {k['contract']}, {k['step']}, {k['dtype']} | {verdict} ({words}) | {speed(k, result)} |")
        sys.stdout.flush()
    with open(os.path.join(build, "table.md" if not only else "table-part.md"), "w") as f:
        f.write("| kernel | package | contract, step, format | verdict | speed class |\n|---|---|---|---|---|\n" + "\n".join(lines) + "\n")
    print(f"upstream's kernels: {len(lines)}, {verdicts} with a verdict, {bad} not as expected")
    return 1 if bad or not lines else 0


sys.exit(main())
