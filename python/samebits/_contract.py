"""Contracts of the user's own (docs/own-contracts.md): recipes from then on."""

import hashlib
import os
import tempfile

from ._library import Handle, case_lines, lib, must


class Contract:
    """A text that states a computation, each rounding explicit; `name` is RECIPE/SIDE/STEP@FLAVOR."""

    def __init__(self, text, recipe, side, step, flavor):
        self.text, self.recipe, self.side, self.step, self.flavor = text, recipe, side, step, flavor
        with tempfile.TemporaryDirectory(prefix="samebits-") as folder:
            os.mkdir(os.path.join(folder, recipe))
            with open(os.path.join(folder, recipe, f"{side}-{step}@{flavor}.contract"), "w") as file:
                file.write(text)
            must(lib.sb_contracts_add(os.fsencode(folder)))
        # a mistake in a name or a format is found now, not at the first comparison
        Handle(case_lines((recipe, side, step, flavor, "f32", None, None, "normal", None, None))[0])

    @property
    def name(self):
        return f"{self.recipe}/{self.side}/{self.step}@{self.flavor}"

    def __repr__(self):
        return f"<samebits.Contract {self.name}>"


def contract(text, recipe=None, side="weight", step="prepare", flavor="mine"):
    """A contract from its text; a mistake in it is a SamebitsError that says where."""
    recipe = recipe or "contract-" + hashlib.sha256(text.encode()).hexdigest()[:8]
    return Contract(text, recipe, side, step, flavor)
