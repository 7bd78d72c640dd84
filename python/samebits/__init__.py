"""Do two quantization computations give the same bits, and if not, which step differs?

    samebits.assert_same(fn, recipe="int8-dynamic-act-int4-weight", side="activation", step="quantize", dtype="f32")

calls fn on every fill and shape of the smoke tier and compares what it gives with the reference, bit by bit, never within a
tolerance. Where bits differ, the AssertionError names the mechanism (docs/python.md)."""

from ._check import Case, Explanation, NothingCompared, Report, assert_same, cases, explain
from ._contract import Contract, contract
from ._library import SamebitsError, library_path, version

__all__ = ["Case", "Contract", "Explanation", "NothingCompared", "Report", "SamebitsError", "assert_same", "cases", "contract",
           "explain", "library_path", "version"]
__version__ = version().split(",")[0]
