"""PyTorch functions on the CPU. Skipped where torch is not installed."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: its functions were not tested")

import samebits  # noqa: E402

INT8 = dict(recipe="int8-dynamic-act-int4-weight", side="activation")


def prepare(x):
    low, high = x.amin(1, True).clamp(max=0), x.amax(1, True).clamp(min=0)
    scale = ((high - low) / 255).clamp(min=torch.finfo(x.dtype).smallest_normal)
    zero_point = (-128 - (low / scale).round()).clamp(-128, 127).nan_to_num(0).to(torch.int8)
    q = ((x * (1 / scale)).round() + zero_point).clamp(-128, 127).nan_to_num(0)
    return {"scale": scale, "zero_point": zero_point, "codes": q.to(torch.int8), "output": (q - zero_point) * scale}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_right_function_passes(dtype):
    """The formula in eager PyTorch gives the reference's bits in every dtype."""
    report = samebits.assert_same(prepare, dtype=dtype, **INT8)
    assert report.cases > 30 and report.compared == {"scale", "zero_point", "codes", "output"}


def test_a_wrong_function_is_named():
    """Adding the zero point before rounding is named."""

    def quantize(x, scale, zero_point):
        return (x * (1 / scale) + zero_point).round().clamp(-128, 127)

    with pytest.raises(AssertionError, match="add-before-round"):
        samebits.assert_same(quantize, step="quantize", dtype=torch.bfloat16, fill="normal,tie", **INT8)


def test_float8_and_strides():
    """float8 comes back as torch's type; what is not contiguous is compared by its elements."""

    def convert(x):
        x = x.t().contiguous().t()
        scale = x.float().abs().amax(1, True).clamp(min=2**-9) / 448
        codes = (x.float() / scale).clamp(-448, 448).to(torch.float8_e4m3fn)
        return {"scale": scale, "codes": codes.t().contiguous().t()}

    how = dict(recipe="float8-dynamic-act-float8-weight", side="activation", step="convert", fill="normal,tie,activation")
    for dtype in (torch.float32, torch.bfloat16):
        assert samebits.assert_same(convert, dtype=dtype, **how).compared >= {"scale", "codes"}


def test_a_module_and_no_copies():
    """A module is called like a function; a CPU tensor's memory is compared where it lies."""
    from samebits._tensors import tensor_of

    class Module(torch.nn.Module):
        def forward(self, x):
            return prepare(x)["output"]

    samebits.assert_same(Module(), like="torch", fill="normal", **INT8)
    for dtype in (torch.float32, torch.bfloat16, torch.float8_e4m3fn):
        t = torch.zeros(3, 4).to(dtype)
        assert tensor_of(t)[0].data == t.data_ptr()


def test_dlpack():
    """What only speaks DLPack is read where it lies, bf16 included."""
    from samebits._library import FORMAT_NAMES
    from samebits._tensors import tensor_of

    class Foreign:
        def __init__(self, t):
            self.t = t

        def __dlpack__(self, **how):
            return self.t.__dlpack__(**how)

        def __dlpack_device__(self):
            return self.t.__dlpack_device__()

    t = torch.arange(12.0).reshape(3, 4).to(torch.bfloat16)
    tensor, _ = tensor_of(Foreign(t))
    assert (tensor.data, tensor.shape, FORMAT_NAMES[tensor.format]) == (t.data_ptr(), (3, 4), "bf16")
    with pytest.raises(TypeError, match="row-major"):
        tensor_of(Foreign(t.t()))
