"""Cuts of real checkpoints, small enough to lie in the repository: the first tensors of each, their bytes and metadata as torchao,
transformers and torch.save wrote them.

    python3 tests/models.py SOURCE OUT

SOURCE holds <recipe>/{master,qat,...} as quantized by torchao 0.18, and torchao-0.11/. In a cut of safetensors, tensors are left
out and the header says so; in a cut of a .bin, the pickle is upstream's, byte for byte, up to the first tensors, and ends there.
"""
import json
import os
import pickletools
import struct
import sys
import zipfile

KEPT = {
    "int8-dynamic-act-int4-weight": ["model.layers.0.self_attn.k_proj", "model.layers.0.self_attn.v_proj"],
    "int4-weight-only": ["model.layers.0.self_attn.k_proj", "model.layers.3.self_attn.v_proj"],
    "float8-dynamic-act-float8-weight": ["model.layers.0.self_attn.k_proj", "lm_head"],
    "float8-dynamic-act-int4-weight": ["model.layers.0.self_attn.k_proj", "model.layers.3.self_attn.v_proj"],
}


def cut_safetensors(source, out, modules):
    data = open(source, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__")
    keep = [n for n in header if any(n.startswith(m + ".") for m in modules) or n == "model.norm.weight"]
    if "tensor_names" in metadata:
        logical = [m + ".weight" for m in modules] + ["model.norm.weight"]
        names = [n for n in json.loads(metadata["tensor_names"]) if n in logical]
        metadata = {"format": metadata["format"], "tensor_names": json.dumps(names), **{n: metadata[n] for n in names}}
    body, entries = b"", {}
    for name in sorted(keep, key=lambda n: header[n]["data_offsets"]):
        begin, end = header[name]["data_offsets"]
        entries[name] = {**header[name], "data_offsets": [len(body), len(body) + end - begin]}
        body += data[8 + size + begin : 8 + size + end]
    text = json.dumps({"__metadata__": metadata, **entries}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(out, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


def cut_bin(source, out, items):
    archive = zipfile.ZipFile(source)
    pickle = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
    prefix, data = pickle[: -len("data.pkl")], archive.read(pickle)
    ops = list(pickletools.genops(data))
    keys, seen, end = [], 0, None
    for op, arg, at in ops:
        if op.name == "BINUNICODE" and arg.endswith((".weight", ".scales", ".zeros")):
            if seen == items:
                end = at
                break
            seen += 1
        if op.name == "BINUNICODE" and arg.isdigit():
            keys.append(arg)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as f:
        for name in archive.namelist():
            if name == pickle:
                text = data[:end] + b"u."
            elif name.startswith(prefix + "data/") and name[len(prefix) + 5 :] not in keys:
                continue
            else:
                text = archive.read(name)
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            f.writestr(entry, text)


def copy(source, out):
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with open(source, "rb") as f, open(out, "wb") as g:
        g.write(f.read())


def main(source, out):
    for recipe, modules in KEPT.items():
        for kind in ("master", "qat", "qat-f32"):
            folder = os.path.join(source, recipe, kind)
            if not os.path.isdir(folder):
                continue
            to = os.path.join(out, recipe, kind)
            copy(os.path.join(folder, "config.json"), os.path.join(to, "config.json"))
            cut_safetensors(os.path.join(folder, "model.safetensors"), os.path.join(to, "model.safetensors"), modules)
    for name, items in (("int8-dynamic-act-int4-weight/qat-bin-noconfig/pytorch_model.bin", 2),
                        ("float8-dynamic-act-float8-weight/qat-bin-noconfig/pytorch_model.bin", 2),
                        ("torchao-0.11/aqt.bin", 11)):
        to = os.path.join(out, name)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        cut_bin(os.path.join(source, name), to, items)


if __name__ == "__main__":
    main(*sys.argv[1:])
