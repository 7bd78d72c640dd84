"""numpy functions: right ones pass on every bit, wrong ones are named."""

import numpy as np
import pytest

import samebits

INT8 = dict(recipe="int8-dynamic-act-int4-weight", side="activation", dtype="f32")
FINITE = "normal,activation,tie"
quiet = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def codes(values):
    return np.nan_to_num(np.clip(values, -128, 127), nan=0).astype(np.int8)


def quantize(x, scale, zero_point):
    return codes(np.rint(x * (1 / scale)) + zero_point)


def qparams(x):
    low, high = np.minimum(x.min(1, keepdims=True), 0), np.maximum(x.max(1, keepdims=True), 0)
    scale = np.maximum((high - low) / np.float32(255), np.finfo(np.float32).tiny)
    return scale, codes(-128 - np.rint(low / scale))


def prepare(x, rint=np.rint):
    scale, zero_point = qparams(x)
    q = codes(rint(x * (1 / scale)) + zero_point)
    return scale, zero_point, q, (q.astype(np.float32) - zero_point) * scale


def message(fn, **how):
    with pytest.raises(AssertionError) as caught:
        samebits.assert_same(fn, **how)
    return str(caught.value)


@quiet
def test_a_right_function_passes_on_every_fill():
    """What gives the reference's bits passes, and the report counts what was compared."""
    report = samebits.assert_same(quantize, step="quantize", **INT8)
    assert report.cases > 30 and report.compared == {"codes"} and not report.not_run
    report = samebits.assert_same(prepare, **INT8)
    assert report.compared == {"scale", "zero_point", "codes", "output"} and not report.missing


WRONG = {
    "add-before-round": lambda x, scale, zero_point: codes(np.rint(x * (1 / scale) + zero_point)),
    "half-away": lambda x, scale, zero_point: codes(np.trunc(x * (1 / scale) + np.copysign(np.float32(0.5), x)) + zero_point),
    "floor-plus-half": lambda x, scale, zero_point: codes(np.floor(x * (1 / scale) + np.float32(0.5)) + zero_point),
    "recip-mul-vs-div": lambda x, scale, zero_point: codes(np.rint(x / scale) + zero_point),
}


@quiet
@pytest.mark.parametrize("mechanism", WRONG)
def test_a_wrong_function_is_named(mechanism):
    """The message of a wrong quantizer has the mechanism, the first difference and a line that repeats it."""
    text = message(WRONG[mechanism], step="quantize", fill=FINITE, **INT8)
    assert mechanism in text and "every bit is reproduced" in text and "expected" in text
    case = text.split("case='")[1].split("'")[0]
    again = message(WRONG[mechanism], case=case)
    assert case in again and "of codes" in again


@quiet
def test_extreme_input_is_explained_beside_finite_input():
    """A function that is wrong on finite and, in a way of its own, on infinite input has its finite mechanism named all the same."""
    def wrong(x, scale, zero_point):
        scaled = np.rint(x * (1 / scale) + zero_point)
        return np.where(np.isfinite(scaled), np.clip(scaled, -128, 127), 17)

    text = message(wrong, step="quantize", **INT8)
    assert "add-before-round" in text and "rows in which all is finite: explained" in text


@quiet
def test_names_orders_and_parts():
    """A dict may hold a part, a tuple is in the order of the tensors, `returns` says what else it is; and what is missing is told."""
    report = samebits.assert_same(lambda x: {"scale": qparams(x)[0]}, **INT8)
    assert report.compared == {"scale"} and report.missing == {"zero_point", "codes", "output"}
    samebits.assert_same(lambda x: qparams(x)[::-1], returns=("zero_point", "scale"), **INT8)
    samebits.assert_same(lambda x: prepare(x)[3], **INT8)
    samebits.assert_same(lambda x: {"scale": qparams(x)[0][:, 0]}, **INT8)  # (rows) for (rows, 1)
    with pytest.raises(TypeError, match="returned 2 tensors"):
        samebits.assert_same(qparams, **INT8)
    with pytest.raises(TypeError, match="the names are"):
        samebits.assert_same(lambda x: {"scales": x}, **INT8)


def test_nothing_compared_is_no_pass():
    """What gives nothing that can be compared, or runs on no case, is an error of its own and never a pass."""
    for fn in (lambda x: {}, lambda x: {"packed": x}, lambda x: None):
        with pytest.raises((samebits.NothingCompared, TypeError)):
            samebits.assert_same(fn, **INT8)
    with pytest.raises(samebits.SamebitsError, match="no recipe|unknown recipe|recipe"):
        samebits.assert_same(quantize, recipe="int9", side="activation")
    with pytest.raises(samebits.SamebitsError):
        samebits.assert_same(quantize, recipe="int4-weight-only", side="activation")
    with pytest.raises(TypeError, match="one recipe, side and step"):
        samebits.assert_same(quantize, recipe="int8-dynamic-act-int4-weight")


def test_mistakes_of_the_function_are_seen():
    """A wrong shape, a changed input and an exception are told with their case, and none of them passes."""
    assert "of shape [1, 1]" in message(lambda x: x[:1, :1], shape="4x64", **INT8)

    def changes(x):
        x[0, 0] = 1
        return x

    assert "changed its input" in message(changes, shape="4x64", **INT8)
    with pytest.raises(ZeroDivisionError):
        samebits.assert_same(lambda x: 1 // 0, **INT8)


def test_16_bit_inputs_are_their_bits():
    """bf16 comes and goes as its bits where ml_dtypes is not installed: the identity of x is a right dequantization of nothing."""
    case = samebits.cases(step="dequantize", shape="3x64", fill="normal", **{**INT8, "dtype": "bf16"})[0]
    seen = {}

    def dequantize(codes, scale, zero_point):
        seen.update(codes=codes, scale=scale)
        wide = (scale.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        q = (codes.astype(np.float32) - zero_point.astype(np.float32)) * wide
        bits = q.view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)

    samebits.assert_same(dequantize, case=case)
    assert seen["scale"].itemsize == 2 and seen["codes"].shape == (3, 64)


def test_explain_of_arrays():
    """explain() names the mechanism of tensors in memory, and says same where they are."""
    x = np.linspace(-3, 5, 4 * 96, dtype=np.float32).reshape(4, 96) ** 3
    right = dict(zip(("scale", "zero_point", "codes", "output"), prepare(x)))
    how = dict(recipe=INT8["recipe"], side="activation")
    assert samebits.explain(x, right, **how).verdict == "same"
    x = np.clip((np.arange(4 * 96, dtype=np.float32).reshape(4, 96) - 128) / 4, -64, 63.5)
    x[:, :2] = -64, 63.5  # the scale is 1/2
    scale, zero_point = qparams(x)
    wrong = {"scale": scale, "zero_point": zero_point, "codes": codes(np.floor(x * (1 / scale) + np.float32(0.5)) + zero_point)}
    answer = samebits.explain(x, wrong, **how)
    assert answer.verdict == "explained" and answer.mechanisms == ["floor-plus-half"], answer.text


BLOCKS = """
over    block 128x128
amax   : f32  = amax(abs(f32(x)))
scale  : f32  = max(amax, 1e-12) / 448
codes  : e4m3 = e4m3.sat(f32(x) / scale)
output : T    = T(f32(codes) * scale)
"""


def test_a_contract_of_ones_own():
    """A scheme that only a contract knows: its kernel passes, one that multiplies by 1/448 is named, a broken text says where."""
    contract = samebits.contract(BLOCKS, recipe="my-blocks")

    def scale(x, reciprocal=False):
        rows, cols = x.shape
        with np.errstate(all="ignore"):
            amax = np.abs(x).reshape(rows // 128, 128, cols // 128, 128).max((1, 3))
            amax = np.maximum(amax, np.float32(1e-12))
            return {"scale": amax * np.float32(1 / 448) if reciprocal else amax / np.float32(448)}

    report = samebits.assert_same(scale, contract=contract, shape="128x256,256x128")
    assert report.cases >= 8 and report.compared == {"scale"} and not report.not_run
    text = message(lambda x: scale(x, True), contract=contract, shape="128x256", fill="normal,tie")
    assert "scalar-div-as-reciprocal" in text
    groups = samebits.contract("over group 32\nscale : f32 = amax(abs(f32(x)))\n")
    report = samebits.assert_same(lambda x: np.abs(x).reshape(len(x), -1, 32).max(2), contract=groups, returns="scale", group=32,
                                  shape="3x33,3x64", fill="normal")
    assert report.cases == 1 and str(report).endswith("not run: 1") and "3x33" in report.not_run[0][0]  # upstream's rule: a group divides the row
    with pytest.raises(samebits.SamebitsError, match=":2:"):
        samebits.contract("over row\nscale : f32 = amax(y)\n")
