#!/usr/bin/env python3
"""subset.py FROM TO [BYTES]: a small golden set out of a large one.

Copies whole cases, bytes unchanged, from the golden files in the folder FROM to files of the same names and metadata in the
folder TO, at most BYTES (6,000,000) in all. Every file keeps at least its smallest ordinary case; the room that is left goes
to the other fills, so that every fill appears for each recipe, side, step, flavor and variant, then for each dtype of them.
The choice depends on the files only: the same set again gives the same bytes. Standard library only.
"""
import collections
import json
import pathlib
import struct
import sys

FILLS = ["nonfinite", "tie", "special", "extreme", "bits", "wild", "tiepow2", "activation", "weight", "normal"]


class Golden:
    """One golden file: its metadata, and its tensors grouped by case."""

    def __init__(self, path):
        self.path = path
        data = path.read_bytes()
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + length])
        self.metadata = header.pop("__metadata__")
        self.cases = collections.defaultdict(dict)
        for name, tensor in header.items():
            begin, end = tensor["data_offsets"]
            case = name.rsplit(".", 1)[0]
            self.cases[case][name] = (tensor["dtype"], tensor["shape"], data[8 + length + begin : 8 + length + end])
        self.chosen = set()

    def key(self, *fields):
        return tuple(self.metadata.get(field, "") for field in fields)

    def write(self, path):
        header, blobs, offset = {"__metadata__": self.metadata}, [], 0
        for case in sorted(self.chosen):
            for name, (dtype, shape, blob) in sorted(self.cases[case].items()):
                header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(blob)]}
                offset += len(blob)
                blobs.append(blob)
        text = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
        text += b" " * (-len(text) % 8)
        path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def fill_of(case):
    return case.split("-")[0]


def case_bytes(tensors):
    """Data, and about what the header takes to describe it."""
    return sum(len(blob) + len(name) + 72 for name, (_, _, blob) in tensors.items())


def choose(files, budget):
    left = budget - sum(len(json.dumps(file.metadata)) + 32 for file in files)
    path = ("recipe", "mapping", "side", "step", "flavor", "variant", "quant_max")
    passes = [(["normal"], None)]
    passes += [([fill], path) for fill in FILLS] + [([fill], path + ("dtype",)) for fill in FILLS]
    for fills, fields in passes:
        candidates = sorted(
            (case_bytes(tensors), file.path.name, case, file)
            for file in files
            for case, tensors in file.cases.items()
            if fill_of(case) in fills
        )
        covered = {
            file.path if fields is None else file.key(*fields)
            for file in files
            for case in file.chosen
            if fill_of(case) in fills
        }
        for size, _, case, file in candidates:
            key = file.path if fields is None else file.key(*fields)
            if key not in covered and size <= left:
                file.chosen.add(case)
                covered.add(key)
                left -= size


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    budget = int(sys.argv[3]) if len(sys.argv) == 4 else 6_000_000
    files = [Golden(path) for path in sorted(source.glob("*.safetensors"))]
    if not files:
        sys.exit(f"subset.py: no golden files in {source}")
    choose(files, budget)
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        if not file.chosen:
            sys.exit(f"subset.py: {budget} bytes leave no case of {file.path.name}")
        file.write(target / file.path.name)
    written = [target / file.path.name for file in files]
    print(f"{len(written)} files, {sum(len(file.chosen) for file in files)} cases,"
          f" {sum(path.stat().st_size for path in written)} bytes")


if __name__ == "__main__":
    main()
