"""Contracts of the user's own (docs/contracts.md), and input for them."""

import hashlib

import numpy as np

from ._library import FORMAT_NAMES, Filled, Handle, lib, must
from ._tensors import NUMPY, _Memory


class Contract:
    """A text that states a computation, each rounding explicit. `name` is RECIPE/SIDE/STEP@FLAVOR."""

    def __init__(self, text, name):
        self.text, self.name = text, name
        must(lib.sb_contracts_add_text(name.encode(), text.encode()))
        self.recipe, self.side, rest = name.split("/", 2)
        self.step, self.flavor = rest.split("@", 1)
        if self.step in ("prepare", "convert"):  # a mistake is found now, on two rows, not at the first case
            Handle(contract=name, dtype="f32", group=0, x=Filled("normal", 1, self.side, "f32", 0, 2, 64))

    def __repr__(self):
        return f"<samebits.Contract {self.name}>"


def contract(text, recipe=None, side="weight", step="prepare", flavor="mine"):
    """A contract from its text; a mistake in it is a SamebitsError that says where."""
    recipe = recipe or "contract-" + hashlib.sha256(text.encode()).hexdigest()[:8]
    return Contract(text, f"{recipe}/{side}/{step}@{flavor}")


def _floats(tensor, owner):
    bits = np.asarray(_Memory(tensor, owner))
    if FORMAT_NAMES[tensor.format] == "bf16":
        return (bits.astype(np.uint32) << 16).view(np.float32)
    return bits


def _store(tensor, owner, values, where):
    """Rounds float64 values to the tensor's format (any neighbour will do) where the mask says so."""
    bits = np.asarray(_Memory(tensor, owner))
    if FORMAT_NAMES[tensor.format] == "bf16":
        bits[where] = (values[where].astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    else:
        bits[where] = values[where].astype(NUMPY[FORMAT_NAMES[tensor.format]])


def tie(contract_name, seed, side, dtype, group, rows, cols):
    """x whose elements lie halfway between two neighbouring outputs of the contract, under scales that do not move: in every tile of
    the scale, the elements of least and largest value and of largest magnitude stay."""
    x = Filled("normal", seed, side, dtype, group, rows, cols)
    handle = Handle(contract=contract_name, dtype=dtype, group=group, x=x)
    expected = handle.expected()
    if "output" not in expected or expected["output"].shape != (rows, cols):
        return x
    output = _floats(expected["output"], handle).astype(np.float64)
    values = _floats(x.tensor, x).astype(np.float64)
    scales = expected["scale"].shape if "scale" in expected else (rows, 1)
    tall, wide = (max(1, n // s) for n, s in zip((rows, cols), (scales + (1, 1))[:2]))
    ties, where = values.copy(), np.zeros((rows, cols), bool)
    for top in range(0, rows, tall):
        for left in range(0, cols, wide):
            tile = (slice(top, top + tall), slice(left, left + wide))
            levels = np.unique(output[tile][np.isfinite(output[tile])])
            if len(levels) < 2:
                continue
            middle = (levels[1:] + levels[:-1]) / 2
            moved = np.clip(np.searchsorted(levels, values[tile]) - 1, 0, len(middle) - 1)
            ties[tile], inside = middle[moved], np.ones(values[tile].shape, bool)
            for keep in (values[tile].argmin(), values[tile].argmax(), np.abs(values[tile]).argmax()):
                inside.flat[keep] = False
            where[tile] = inside
    _store(x.tensor, x, ties, where)
    return x
