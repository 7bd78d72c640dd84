// A user's kernel: quantize of int8-dynamic-act-int4-weight's activation, f32, one thread an element. With -DADD_FIRST
// it adds the zero point before it rounds, as several kernels once did: right on most inputs, wrong at ties. nvcc -ptx
// -fmad=false -arch=sm_75 -o quantize_rows.ptx quantize_rows.cu; the same with -DADD_FIRST -o quantize_rows_wrong.ptx
extern "C" __global__ void quantize_rows(const float *x, const float *scale, const signed char *zero_point,
                                         signed char *codes, long long cols) {
  const long long row = blockIdx.y, col = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (col >= cols) return;
  const int zero = zero_point[row];
  const float y = __fmul_rn(x[row * cols + col], __frcp_rn(scale[row]));
#ifdef ADD_FIRST
  const int code = __float2int_rn(__fadd_rn(y, __int2float_rn(zero)));
#else
  const int code = min(max(__float2int_rn(y), -128 - zero), 127 - zero) + zero;
#endif
  codes[row * cols + col] = y != y ? 0 : (signed char)min(max(code, -128), 127);
}
