"""The pytest plugin, run by pytest itself."""

import importlib.metadata
import importlib.util

import pytest

pytest_plugins = ["pytester"]
# an installed package brings it by its entry point; beside the sources it has to be named
INSTALLED = any(e.name == "samebits" for e in importlib.metadata.entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "samebits.plugin")

TEST = """
import numpy as np, pytest

@pytest.mark.samebits(recipe="int8-dynamic-act-int4-weight", side="activation", step="quantize", dtype="f32", fill="normal,tie", shape="5x64,7x32")
@pytest.mark.filterwarnings("ignore")
def test_quantize(samebits_case):
    def quantize(x, scale, zero_point):
        return np.clip(np.rint(x * (1 / scale) %s), -128, 127)
    %s
"""
CHECK = "samebits_case.assert_same(quantize)"


def run(pytester, text, *options):
    pytester.makepyfile(text)
    return pytester.runpytest_subprocess(*PLUGIN, *options)


def test_each_case_is_a_test(pytester):
    """Right code: as many tests as cases, all pass."""
    run(pytester, TEST % (") + (zero_point", CHECK)).assert_outcomes(passed=4)


def test_a_failure_repeats_itself(pytester):
    """Wrong code: the ties fail, the mechanism is named, and the printed pytest line runs that one test."""
    result = run(pytester, TEST % ("+ zero_point", CHECK))
    text = result.stdout.str()
    assert "add-before-round" in text
    line = next(word for word in text.splitlines() if "pytest '" in word)
    result = pytester.runpytest_subprocess(*PLUGIN, line.split("'")[1])
    result.assert_outcomes(failed=1)


def test_nothing_compared_fails(pytester):
    """A test with the fixture that compares nothing does not pass; one without a marker is refused."""
    run(pytester, TEST % ("", "pass")).assert_outcomes(failed=4)
    assert run(pytester, "def test_quantize(samebits_case): pass").ret != 0


@pytest.mark.skipif(not importlib.util.find_spec("xdist"), reason="pytest-xdist is not installed")
def test_distributed(pytester):
    """pytest-xdist: the same tests in two processes."""
    run(pytester, TEST % (") + (zero_point", CHECK), "-n", "2").assert_outcomes(passed=4)
