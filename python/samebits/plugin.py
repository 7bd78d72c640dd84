"""pytest: cases as parametrized tests.

    @pytest.mark.samebits(recipe="int8-dynamic-act-int4-weight", side="activation", step="quantize", dtype="f32,bf16")
    def test_quantize(samebits_case):
        samebits_case.assert_same(quantize)

makes a test of every case: recipes x dtypes x fills x shapes, each named by its case. A test that compared nothing does not pass."""

import pytest


class CaseOfTest:
    """A case, and whether it was compared."""

    def __init__(self, case):
        self.case, self.report = case, None

    def assert_same(self, fn, **how):
        import samebits

        self.report = samebits.assert_same(fn, case=self.case, **how)
        return self.report

    def __getattr__(self, name):  # recipe, side, step, flavor, dtype, rows, cols, group, fill, seed, text
        return getattr(self.case, name)


def pytest_configure(config):
    config.addinivalue_line("markers", "samebits(recipe, side, step, flavor, dtype, shape, group, fill, seed, tier): the cases of a "
                                       "selection, each a test with the fixture samebits_case")


def pytest_generate_tests(metafunc):
    if "samebits_case" not in metafunc.fixturenames:
        return
    import samebits

    marks = list(metafunc.definition.iter_markers("samebits"))
    if not marks:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: samebits_case needs @pytest.mark.samebits(recipe=...)")
    cases = {c.text: c for mark in marks for c in samebits.cases(*mark.args, **mark.kwargs)}
    metafunc.parametrize("samebits_case", list(cases.values()), ids=list(cases), indirect=True)


@pytest.fixture
def samebits_case(request):
    return CaseOfTest(request.param)


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item):  # after the test itself, where that did not fail
    case = getattr(item, "funcargs", {}).get("samebits_case")
    if isinstance(case, CaseOfTest) and case.report is None:
        import samebits

        raise samebits.NothingCompared(f"samebits: {item.name} compared nothing")
