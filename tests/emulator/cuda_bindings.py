"""A program of the public cuda-bindings package that knows nothing of the emulator: PTX in, results out.

usage: cuda_bindings.py FILE.ptx   (kernels_a.cu compiled for the first device; ci/python does so)
"""
import ctypes
import sys

from cuda.bindings import driver


def ok(result):
    code, *values = result
    if code != driver.CUresult.CUDA_SUCCESS:
        raise RuntimeError(f"{code} {driver.cuGetErrorName(code)[1]}")
    return values[0] if len(values) == 1 else values


ok(driver.cuInit(0))
device = ok(driver.cuDeviceGet(0))
name = ok(driver.cuDeviceGetName(64, device)).split(b"\0")[0].decode()
context = ok(driver.cuDevicePrimaryCtxRetain(device))
ok(driver.cuCtxSetCurrent(context))
with open(sys.argv[1], "rb") as file:
    module = ok(driver.cuModuleLoadData(file.read() + b"\0"))
kernel = ok(driver.cuModuleGetFunction(module, b"axpy"))

n, a = 1000, 3.0
x = (ctypes.c_float * n)(*[k * 0.5 for k in range(n)])
y = (ctypes.c_float * n)(*[1.0] * n)
size = ctypes.sizeof(x)
stream = ok(driver.cuStreamCreate(0))
dx, dy = ok(driver.cuMemAlloc(size)), ok(driver.cuMemAlloc(size))
ok(driver.cuMemcpyHtoDAsync(dx, ctypes.addressof(x), size, stream))
ok(driver.cuMemcpyHtoDAsync(dy, ctypes.addressof(y), size, stream))
values = (dx, dy, a, n)
types = (None, None, ctypes.c_float, ctypes.c_int)
start, stop = ok(driver.cuEventCreate(0)), ok(driver.cuEventCreate(0))
ok(driver.cuEventRecord(start, stream))
ok(driver.cuLaunchKernel(kernel, 4, 1, 1, 256, 1, 1, 0, stream, (values, types), 0))
ok(driver.cuEventRecord(stop, stream))
ok(driver.cuStreamSynchronize(stream))
if ok(driver.cuEventElapsedTime(start, stop)) < 0:
    raise SystemExit("time runs backwards")
ok(driver.cuMemcpyDtoH(ctypes.addressof(y), dy, size))
wrong = [k for k in range(n) if y[k] != 1.0 + 3.0 * (k * 0.5)]
for pointer in (dx, dy):
    ok(driver.cuMemFree(pointer))
ok(driver.cuModuleUnload(module))
ok(driver.cuDevicePrimaryCtxRelease(device))
print(f"{name}: {n} elements, {len(wrong)} wrong")
raise SystemExit(1 if wrong else 0)
