// The weight of float8-dynamic-act-int4-weight: float8 per row first, then int4 per group.
//
// A row of the block takes a tensor row as in row.cuh; then its groups as in group.cuh, from the same registers where
// the row fits.
#pragma once
#include "float8_row.cuh"
#include "group.cuh"

// The form of the deployed artifact (MSLK quantize_int4_preshuffle, 2a3c897): groups are taken from the float8 codes.
//   c = e4m3_sat(x / row_scale);  s4 = max(amax |c|, 1e-6) / 8;  code = clamp(round(c / s4), -8, 7), of NaN 0;
//   kept: g = e4m3(s4);  value = e4m3(fl(code * g)) * row_scale
template <class Format, class RowForm> struct Float8Int4Codes {
  typedef Format T;
  typedef typename RowForm::Extrema RowExtrema;
  struct Qparams {
    float scale, row_scale;
  };
  static __device__ __forceinline__ float row_scale(float amax) { return RowForm::template scale<T>(amax); }
  static __device__ __forceinline__ void enter2(float row_scale, float &a, float &b) {
    u32 code_a, code_b;
    e4m3_encode2(__fdiv_rn(a, row_scale), __fdiv_rn(b, row_scale), code_a, code_b);
    e4m3_decode2(code_a, code_b, a, b);
  }
  static __device__ __forceinline__ float group_scale(float amax) { return __fmul_rn(at_least(amax, 1e-6f), 0.125f); }
  static __device__ __forceinline__ int step(const Qparams &q, float c) {
    return min(max(__float2int_rn(__fdiv_rn(c, q.scale)), -8), 7);
  }
  static __device__ __forceinline__ void codes2(const Qparams &q, float a, float b, u32 &code_a, u32 &code_b) {
    code_a = static_cast<u32>(step(q, a));
    code_b = static_cast<u32>(step(q, b));
  }
  static __device__ __forceinline__ float kept(float scale) {
    u32 code, none;
    float g, unused;
    e4m3_encode2(scale, 0.0f, code, none);
    e4m3_decode2(code, none, g, unused);
    return g;
  }
  static __device__ __forceinline__ void values2(const Qparams &q, float &a, float &b) {
    decode2(q, step(q, a), step(q, b), a, b);
  }
  static __device__ __forceinline__ void decode2(const Qparams &q, int code_a, int code_b, float &a, float &b) {
    const float g = kept(q.scale);
    u32 x, y;
    e4m3_encode2(__fmul_rn(__int2float_rn(code_a), g), __fmul_rn(__int2float_rn(code_b), g), x, y);
    e4m3_decode2(x, y, a, b);
    a = __fmul_rn(a, q.row_scale);
    b = __fmul_rn(b, q.row_scale);
  }
};

// The form of torchao 0.18's fake quantizer (quantization/qat/fake_quantizer.py, Int4WeightFakeQuantizer, float8
// activations): groups are taken from the dequantized float8 values, every operation rounded to T.
//   row_scale = r(fl(max(amax, r(1e-12)) * fl(1/448)));  w = r(e4m3_sat(x / row_scale) * row_scale)
//   s4 = max(r(amax |w| / 8), r(1e-6));  value = r(clamp(round(r(w * r(1 / s4))) + 0, -8, 7) * s4)
template <class Format> struct Float8Int4Values {
  typedef Format T;
  typedef AbsMax RowExtrema;
  struct Qparams {
    float scale, row_scale;
  };
  static __device__ __forceinline__ float row_scale(float amax) {
    return T::round(__fmul_rn(at_least(amax, T::round(1e-12f)), 0x1.24924ap-9f));
  }
  static __device__ __forceinline__ void enter2(float row_scale, float &a, float &b) {
    Float8Row<T, RowTorchao>::values2({row_scale}, a, b);
    T::round2(a, b);
  }
  static __device__ __forceinline__ float group_scale(float amax) {
    return at_least(T::round(__fmul_rn(amax, 0.125f)), T::round(1e-6f));
  }
  static __device__ __forceinline__ void steps2(const Qparams &q, float &a, float &b, int &code_a, int &code_b) {
    const float inverse = T::round(__frcp_rn(q.scale));
    a = __fmul_rn(a, inverse);
    b = __fmul_rn(b, inverse);
    T::round2(a, b);
    code_a = min(max(__float2int_rn(a), -8), 7);
    code_b = min(max(__float2int_rn(b), -8), 7);
  }
  static __device__ __forceinline__ void codes2(const Qparams &q, float a, float b, u32 &code_a, u32 &code_b) {
    int x, y;
    steps2(q, a, b, x, y);
    code_a = static_cast<u32>(x);
    code_b = static_cast<u32>(y);
  }
  static __device__ __forceinline__ void values2(const Qparams &q, float &a, float &b) {
    int x, y;
    steps2(q, a, b, x, y);
    a = is_nan(a) ? a : __fmul_rn(__int2float_rn(x), q.scale);
    b = is_nan(b) ? b : __fmul_rn(__int2float_rn(y), q.scale);
  }
  static __device__ __forceinline__ void decode2(const Qparams &q, int code_a, int code_b, float &a, float &b) {
    a = __fmul_rn(__int2float_rn(code_a), q.scale);
    b = __fmul_rn(__int2float_rn(code_b), q.scale);
  }
};

// e4m3 bytes as a format of stored scales.
struct E4M3 {
  static __device__ __forceinline__ float load(const void *base, i64 index) {
    float value, unused;
    e4m3_decode2(__ldg(static_cast<const unsigned char *>(base) + index), 0, value, unused);
    return value;
  }
  static __device__ __forceinline__ void store(void *base, i64 index, float value) {
    u32 code, none;
    e4m3_encode2(value, 0.0f, code, none);
    static_cast<unsigned char *>(base)[index] = static_cast<unsigned char>(code);
  }
};

// Group scales kept in `Kept`; the row scale takes the place of group.cuh's zero point.
template <class Scheme, class Kept> struct Float8Int4In : Scheme {
  typedef typename Scheme::Qparams Stored;
  static __device__ __forceinline__ Stored read(const void *scale, const void *row_scale, i64 index, i64 row) {
    return {Kept::load(scale, index), __ldg(static_cast<const float *>(row_scale) + row)};
  }
  static __device__ __forceinline__ void store(float scale, void *to, i64 index) {
    if (to) Kept::store(to, index, scale);
  }
};

// choose_qparams, quantize, prepare and convert. scale and row_scale may be NULL in PREPARE, codes or packed in the
// others.
template <class S, int op>
__device__ __forceinline__ void float8_int4_step(const void *x, void *scale, void *row_scale, void *codes, void *packed,
                                                 void *output, const GroupShape &shape) {
  typedef typename S::T T;
  const i64 group = shape.group, groups = shape.cols / group;
  const bool aligned = multiple_of(x, shape.x_stride * T::bytes, 16) && shape.cols % T::vec == 0;
  const bool segments = aligned && is_segment(group, T::vec) && (T::vec == 8 || group >= 8) &&
                        (op != PREPARE || multiple_of(output, shape.output_stride * T::bytes, 16)) &&
                        (!codes || multiple_of(codes, shape.codes_stride, T::vec)) &&
                        (!packed || multiple_of(packed, shape.codes_stride / 2, 4));
  const int lanes = segments ? static_cast<int>(group) / T::vec : 1, shift = __ffs(lanes) - 1;
  const i64 vectors = aligned ? shape.cols / T::vec : 0, tile_vectors = static_cast<i64>(blockDim.x) * T::tiles;
  i64 tiles = 0;
  while (tiles * tile_vectors < vectors) tiles++;
  int turn = 0;
  for (i64 first = static_cast<i64>(blockIdx.x) * blockDim.y; first < shape.rows;
       first += static_cast<i64>(gridDim.x) * blockDim.y, turn ^= 1) {
    const i64 row = first + threadIdx.y;
    const bool live = row < shape.rows;
    const char *from = static_cast<const char *>(x) + row * shape.x_stride * T::bytes;
    char *codes_row = codes ? static_cast<char *>(codes) + row * shape.codes_stride : nullptr;
    unsigned char *packed_row =
        packed ? static_cast<unsigned char *>(packed) + row * (shape.codes_stride / 2) : nullptr;
    char *output_row = op == PREPARE ? static_cast<char *>(output) + row * shape.output_stride * T::bytes : nullptr;
    const i64 scales = row * shape.scale_row_stride;
    const i64 row_vectors = live ? vectors : 0, row_tiles = live ? tiles : 0;
    Tile<T> tile;
    float of_row;

    if (op == QUANTIZE) {
      of_row = live ? __ldg(static_cast<const float *>(row_scale) + row) : 0.0f;
    } else {
      typename S::RowExtrema extrema = S::RowExtrema::none();
#pragma unroll 1
      for (i64 t = 0; t < row_tiles; t++) {
        load_tile<T>(tile, from, t, row_vectors);
#pragma unroll
        for (int k = 0; k < T::tiles; k++) {
          float e[T::vec];
          T::unpack(tile.v[k], e);
#pragma unroll
          for (int j = 0; j < T::vec; j++) extrema.add(e[j]);
        }
      }
      if (live)
#pragma unroll 1
        for (i64 i = vectors * T::vec + threadIdx.x; i < shape.cols; i += blockDim.x) extrema.add(T::load(from, i));
      reduce_row(extrema, turn);
      of_row = S::row_scale(extrema.amax());
      if (threadIdx.x == 0 && live && row_scale) static_cast<float *>(row_scale)[row] = of_row;
    }

    if (segments) {
#pragma unroll 1
      for (i64 t = row_tiles - 1; t >= 0; t--) {
        if (op == QUANTIZE || t != row_tiles - 1) load_tile<T>(tile, from, t, row_vectors);
        u32 code[T::tiles][T::vec];
#pragma unroll
        for (int k = 0; k < T::tiles; k++) {
          const i64 at = (t * T::tiles + k) * blockDim.x + threadIdx.x;
          const bool inside = at < row_vectors;
          const i64 index = scales + (at >> shift) * shape.scale_group_stride;
          float e[T::vec];
          T::unpack(tile.v[k], e);
          AbsMax extrema = AbsMax::none();
#pragma unroll
          for (int j = 0; j < T::vec; j += 2) {
            S::enter2(of_row, e[j], e[j + 1]);
            extrema.add(e[j]);
            extrema.add(e[j + 1]);
          }
          typename S::Qparams q;
          if (op == QUANTIZE) {
            q = S::read(scale, row_scale, inside ? index : scales, row);
          } else {
            reduce_segment(extrema, lanes);
            q = {S::group_scale(extrema.amax()), of_row};
            if (inside && (threadIdx.x & (lanes - 1)) == 0) S::store(q.scale, scale, index);
          }
          if (op == PREPARE) {
#pragma unroll
            for (int j = 0; j < T::vec; j += 2) S::values2(q, e[j], e[j + 1]);
            Vector y;
            T::pack(e, y);
            if (inside) store_vector(output_row + at * 16, y);
          } else if (op != CHOOSE) {
#pragma unroll
            for (int j = 0; j < T::vec; j += 2) S::codes2(q, e[j], e[j + 1], code[k][j], code[k][j + 1]);
            if (codes && inside) store_codes<T::vec>(codes_row + at * T::vec, code[k]);
          }
        }
        if (op != PREPARE && op != CHOOSE && packed)
          store_packed<T>(packed_row, code, t, row_vectors, shape.high_first);
      }
    } else if (live) {
      const i64 warps = blockDim.x >> 5;
      auto load = [from, of_row](i64 i) {
        float value = T::load(from, i), unused = 0.0f;
        S::enter2(of_row, value, unused);
        return value;
      };
#pragma unroll 1
      for (i64 g = threadIdx.x >> 5; g < groups; g += warps) {
        const i64 start = g * group, index = scales + g * shape.scale_group_stride;
        typename S::Qparams q;
        if (op == QUANTIZE) {
          q = S::read(scale, row_scale, index, row);
        } else {
          AbsMax extrema = AbsMax::none();
#pragma unroll 1
          for (i64 i = start + (threadIdx.x & 31); i < start + group; i += 32) extrema.add(load(i));
          extrema.warp();
          q = {S::group_scale(extrema.amax()), of_row};
          if ((threadIdx.x & 31) == 0) S::store(q.scale, scale, index);
        }
        if (op != CHOOSE) emit_group<S, op>(q, load, start, group, codes_row, packed_row, output_row, shape.high_first);
      }
    }
  }
}
