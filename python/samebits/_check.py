"""Calling a function on every case and comparing what it gives, bit by bit."""

import ctypes
import inspect
import os
import re
import tempfile
import zlib
from dataclasses import dataclass, field

import numpy as np

from . import _golden
from ._contract import Contract
from ._library import FORMAT_NAMES, SLOTS, UNSUPPORTED, Handle, SamebitsError, case_lines, compare, element, explain_file
from ._tensors import array_of, bits, dtype_name, finite, named, size_of, tensor_of, torch_of

CASE = re.compile(r"(?P<recipe>[^/]+)/(?P<side>[^/]+)/(?P<step>[^@]+)@(?P<flavor>[^/]+)/(?P<dtype>[^/]+)/"
                  r"(?P<rows>\d+)x(?P<cols>\d+)(:g(?P<group>\d+))?/(?P<fill>[^:]+):(?P<seed>\d+)$")
POSITIONAL = ("x", "codes", "scale", "zero_point", "row_scale", "packed")
# Fills with infinities, NaN and the ends of the range: often a mechanism of their own.
EXTREME = ("special", "bits", "directed", "sweep16")


class NothingCompared(Exception):
    """No bits were compared, so nothing was found out. Never a pass."""


class Case:
    """One computation, by its canonical text."""

    def __init__(self, text):
        match = CASE.match(text)
        if not match:
            raise ValueError(f"samebits: '{text}' is no case: RECIPE/SIDE/STEP@FLAVOR[+VARIANT]/DTYPE/ROWSxCOLS[:gGROUP]/FILL:SEED")
        self.text = text
        self.recipe, self.side, self.step, self.flavor, self.dtype, self.fill = match.group("recipe", "side", "step", "flavor",
                                                                                           "dtype", "fill")
        self.rows, self.cols, self.group, self.seed = (int(match.group(g) or 0) for g in ("rows", "cols", "group", "seed"))

    def __repr__(self):
        return self.text


@dataclass
class Report:
    """What was compared. Only what was run counts."""

    cases: int = 0
    elements: int = 0
    compared: set = field(default_factory=set)
    missing: set = field(default_factory=set)  # what the function did not return
    not_run: list = field(default_factory=list)  # (case, reason)

    def __str__(self):
        text = f"{self.cases} cases, {self.elements} elements of {', '.join(sorted(self.compared))}: every bit is the same"
        text += f"; not compared: {', '.join(sorted(self.missing))}" if self.missing else ""
        return text + (f"; not run: {len(self.not_run)}" if self.not_run else "")


@dataclass
class Explanation:
    verdict: str  # same, explained, unexplained
    mechanisms: list
    text: str

    def __str__(self):
        return self.text


@dataclass
class _Run:
    case: Case
    handle: Handle
    got: dict  # name: (Tensor, what keeps it)
    different: dict  # name: Comparison


def cases(recipe=None, side=None, step="prepare", flavor="aligned", dtype=None, shape=None, group=None, fill=None, seed=None, tier=None):
    """The cases of a selection, as on the command line (comma lists multiply; None: all, or the tier's)."""
    return [Case(line) for line in case_lines((recipe, side, step, flavor, dtype, shape, group, fill, seed, tier))]


def _caller(fn, case):
    """How fn takes its tensors: by the names of its parameters where they are those of tensors, else in the order x, codes, scale,
    zero_point."""
    known = set(SLOTS) | {"group_size"}
    try:
        parameters = inspect.signature(getattr(fn, "forward", fn)).parameters.values()
    except (TypeError, ValueError):
        parameters = ()
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    needed = [p.name for p in plain if p.default is p.empty]
    by_name = bool(needed) and set(needed) <= known and not any(p.kind is p.POSITIONAL_ONLY for p in parameters)

    def call(inputs):
        if by_name:
            every = {**inputs, "group_size": case.group}
            absent = [n for n in needed if n not in every]
            if absent:
                raise TypeError(f"samebits: {case.step} has no {', '.join(absent)}: it takes {', '.join(inputs)}")
            return fn(**{p.name: every[p.name] for p in plain if p.name in every})
        extra = {"group_size": case.group} if any(p.name == "group_size" for p in plain) else {}
        return fn(*[inputs[n] for n in POSITIONAL if n in inputs], **extra)

    return call


def _sum(tensors):
    return [zlib.crc32((ctypes.c_char * _golden.nbytes(t)).from_address(t.data)) for t in tensors.values()]


def _run(fn, case, like, returns):
    handle = Handle(case.text)
    inputs, expected = handle.inputs(), handle.expected()
    make = array_of if like == "numpy" else lambda t, owner: torch_of(t, owner, None if like == "torch" else like)
    before = _sum(inputs)
    try:
        returned = _caller(fn, case)({name: make(tensor, handle) for name, tensor in inputs.items()})
    except Exception as error:
        if hasattr(error, "add_note"):
            error.add_note(f"samebits: in case {case.text}")
        raise
    if _sum(inputs) != before:
        raise AssertionError(f"samebits: {_name(fn)} changed its input in case {case.text}")
    run = _Run(case, handle, {}, {})
    for name, value in named(returned, expected, case.step, returns).items():
        if name not in expected:
            continue
        tensor, kept = run.got[name] = tensor_of(value, expected[name])
        if tensor.shape != expected[name].shape:
            raise AssertionError(f"samebits: {_name(fn)} gives {name} of shape {list(tensor.shape)}; it is {list(expected[name].shape)} in "
                                 f"case {case.text}")
        run.different[name] = compare(expected[name], tensor)
    if not any(size_of(t) for t, _ in run.got.values()):
        raise NothingCompared(f"samebits: {_name(fn)} returned nothing of {', '.join(expected)}, which {case.step} gives")
    return run


def _name(fn):
    return getattr(fn, "__name__", type(fn).__name__)


def _explain(runs, path=None):
    """One capture of all these runs (of one computation), explained."""
    first = runs[0].case
    flavor, _, variant = first.flavor.partition("+")
    metadata = {"recipe": first.recipe, "side": first.side, "step": first.step, "flavor": flavor, "dtype": first.dtype,
                "group_size": str(first.group), "upstream": "the user's function"}
    if variant:
        metadata["variant"] = variant
    tensors = {}
    for run in runs:
        label = f"{run.case.fill}-{run.case.seed}-{run.case.rows}x{run.case.cols}"
        both = {**run.handle.inputs(), **{name: tensor for name, (tensor, _) in run.got.items()}}
        tensors.update({f"{label}.{name}": tensor for name, tensor in both.items()})
    folder = tempfile.mkdtemp(prefix="samebits-") if path is None else None
    file = path or os.path.join(folder, "capture.safetensors")
    try:
        _golden.write(file, metadata, tensors)
        text, mechanisms, verdict = explain_file(file)
    finally:
        if folder:
            if os.path.exists(file):
                os.remove(file)
            os.rmdir(folder)
    return Explanation(("same", "explained", "unexplained")[verdict], mechanisms, text)


def _smallest_of_each_fill(runs):
    chosen = {}
    for run in sorted(runs, key=lambda r: r.case.rows * r.case.cols):
        chosen.setdefault(run.case.fill, run)
    return list(chosen.values())


class _Given:
    """Tensors as _explain reads them of a Handle."""

    def __init__(self, tensors):
        self.tensors = tensors

    def inputs(self):
        return {name: tensor for name, (tensor, _) in self.tensors.items()}


def _finite_rows(run):
    """The rows in which every input and the expected scale is finite, as a run of their own; None where rows do not stand alone."""
    inputs, expected = run.handle.inputs(), run.handle.expected()
    every = {**inputs, **{name: tensor for name, (tensor, _) in run.got.items()}}
    scale = {"expected": expected["scale"]} if "scale" in expected else {}
    if any(t.shape[:1] != (run.case.rows,) for t in [*every.values(), *scale.values()]):
        return None
    keep = np.logical_and.reduce([finite(t, run).reshape(run.case.rows, -1).all(1) for t in [*inputs.values(), *scale.values()]])
    if not keep.any():
        return None
    rows = {name: tensor_of(np.ascontiguousarray(bits(tensor, run)[keep]), tensor) for name, tensor in every.items()}
    return _Run(run.case, _Given({n: rows[n] for n in inputs}), {n: rows[n] for n in run.got}, run.different)


def _explained(runs):
    """All fills by one answer; else the rows of finite numbers of all fills by one, and then each fill by itself."""
    chosen = _smallest_of_each_fill(runs)
    whole = _explain(chosen)
    if whole.verdict == "explained":
        return whole.text
    rows = [r for r in map(_finite_rows, chosen) if r]
    finite_rows = _explain(rows) if rows else whole
    if finite_rows.verdict == "explained":
        return "rows in which all is finite: " + finite_rows.text + "what is not finite differs in another way"
    if len(chosen) == 1:
        return whole.text
    return "no one answer for all fills\n" + "".join(f"{r.case.fill}: {_explain([r]).text}" for r in chosen)


def _repro(fn, case, contract):
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rsplit(" (", 1)[0]
    lines = [f"    pytest '{test}'"] if test else []
    call = f"case={case.text!r}" + (", contract=..." if contract else "")
    return "\n".join(["repro:", *lines, f"    samebits.assert_same({_name(fn)}, {call})"])


def _message(fn, bad, report, contract):
    bad = sorted(bad, key=lambda r: r.case.fill in EXTREME)
    first = bad[0]
    counts = {}
    for run in bad:
        for name, c in run.different.items():
            if c.different:
                counts[name] = counts.get(name, 0) + c.different
    lines = [f"{_name(fn)} gives other bits than {first.case.text.split('/' + first.case.dtype + '/')[0]} in {first.case.dtype}: "
             f"{len(bad)} of {report.cases} cases, " + ", ".join(f"{n} of {name}" for name, n in counts.items())]
    name, c = next((n, c) for n, c in first.different.items() if c.different)
    want, got = first.handle.expected()[name], first.got[name][0]
    lines.append(f"first: {first.case.text}: {name}[{c.first}] of {list(want.shape)}: expected {element(want, c.first)}, "
                 f"got {element(got, c.first)}")
    for name, (tensor, _) in first.got.items():
        given, wanted = FORMAT_NAMES[tensor.format], FORMAT_NAMES[first.handle.expected()[name].format]
        if given != wanted and first.different[name].different:
            lines.append(f"note: {name} came as {given}; the specification stores {wanted}")
    try:
        lines.append(_explained(bad).rstrip())
    except SamebitsError as error:
        lines.append(f"no explanation: {error}")
    lines.append(_repro(fn, first.case, contract))
    return "\n".join(lines)


def _like(like, dtype, torch):
    if like not in (None, "numpy", "torch") and not str(like).startswith("cuda"):
        raise ValueError(f"samebits: like={like!r} is none of 'numpy', 'torch', 'cuda', 'cuda:N'")
    return str(like) if like else "torch" if torch else "numpy"


def assert_same(fn, *, recipe=None, side=None, step="prepare", flavor="aligned", dtype="f32", shape=None, group=None, fill=None, seed=None,
                tier=None, contract=None, case=None, like=None, returns=None):
    """Calls fn on every case of the selection and compares what it returns with the reference (or with a contract of the user's own).

    fn takes x, and of a single operation its other tensors (scale, zero_point, codes), by these names where its parameters have
    them; group_size if it has such a parameter. It gets numpy arrays, or torch tensors where dtype is torch's or like="torch"
    ("cuda", "cuda:1": there). It returns a dict by tensor names, a tuple in the order scale, zero_point, codes, output, or one tensor.
    Returns a Report; AssertionError where a bit differs, whose text is explain's; NothingCompared where nothing was."""
    if contract is not None:
        if not isinstance(contract, Contract):
            raise TypeError("samebits: contract= takes what samebits.contract(text) gives")
        if (recipe or contract.recipe, side or contract.side) != (contract.recipe, contract.side):
            raise TypeError("samebits: contract= says recipe and side itself")
        recipe, side, flavor = contract.recipe, contract.side, contract.flavor
        step = contract.step if step == "prepare" else step
    names = [dtype_name(d) for d in (dtype.split(",") if isinstance(dtype, str) else [dtype])]
    torch = any(t for _, t in names)
    if case is not None:
        selected = [case if isinstance(case, Case) else Case(case)]
    elif recipe is None:
        raise TypeError("samebits: assert_same needs recipe=, contract= or case=")
    else:
        selected = cases(recipe, side, step, flavor, ",".join(n for n, _ in names), shape, group, fill, seed, tier)
    if len({(c.recipe, c.side, c.step) for c in selected}) > 1:
        raise TypeError("samebits: one function computes one recipe, side and step: " +
                        ", ".join(sorted({f"{c.recipe}/{c.side}/{c.step}" for c in selected})))
    report, bad, like = Report(), [], _like(like, dtype, torch)
    for c in selected:
        try:
            run = _run(fn, c, like, returns)
        except SamebitsError as error:
            if error.status != UNSUPPORTED or case is not None:
                raise
            report.not_run.append((c.text, str(error)))
            continue
        report.cases += 1
        report.elements += sum(d.elements for d in run.different.values())
        report.compared |= set(run.different)
        report.missing |= set(run.handle.expected()) - set(run.different) - {"packed"}
        if any(d.different for d in run.different.values()):
            bad.append(run)
    if not report.cases:
        reasons = "; ".join(f"{text}: {why}" for text, why in report.not_run[:3])
        raise NothingCompared(f"samebits: nothing ran of {len(selected)} cases{': ' if reasons else ''}{reasons}")
    if bad:
        of_one = [r for r in bad if (r.case.dtype, r.case.flavor, r.case.group) ==
                  (bad[0].case.dtype, bad[0].case.flavor, bad[0].case.group)]
        raise AssertionError(_message(fn, of_one, report, contract))
    return report


def explain(x, got, *, recipe=None, side=None, step="prepare", flavor="aligned", dtype=None, group=None, contract=None, capture=None,
            **inputs):
    """Which mechanism makes `got` (tensors by name, or one) differ from the recipe's, or the contract's, on x. A single operation's
    other inputs are given by name: scale=..., zero_point=..., codes=.... `capture`: keeps the file for `samebits explain FILE`."""
    if contract is not None:
        recipe, side, step, flavor = contract.recipe, contract.side, contract.step, contract.flavor
    if recipe is None or side is None:
        raise TypeError("samebits: explain needs recipe= and side=, or contract=")
    name = dtype_name(dtype)[0] if dtype is not None else None
    like = None
    if name:
        from ._library import FORMATS, Tensor

        like = Tensor(FORMATS[name], 0)
    held = {"x": tensor_of(x, like)} if x is not None else {}
    held.update({n: tensor_of(v) for n, v in inputs.items()})
    name = name or FORMAT_NAMES[held["x"][0].format]
    yields = [n for n in SLOTS[1:] if n not in held]
    tensors = {n: tensor_of(v) for n, v in named(got, yields, step).items()}
    if not tensors:
        raise NothingCompared("samebits: nothing was given to explain")
    shape = held["x"][0].shape if "x" in held else next(iter(tensors.values()))[0].shape
    if len(shape) != 2:
        raise ValueError(f"samebits: x has the shape {list(shape)}; [rows, cols] is needed")
    if group is None:
        found = cases(recipe, side, step, flavor, name)
        group = found[0].group if found else 0
    case = Case(f"{recipe}/{side}/{step}@{flavor}/{name}/{shape[0]}x{shape[1]}:g{group}/given:0")

    return _explain([_Run(case, _Given(held), tensors, {})], capture)
