// The weight of float8-dynamic-act-int4-weight: float8 per row first, then int4 per group.
//
// A row of the block takes a tensor row as in row.cuh; then its groups as in group.cuh, from the same registers where
// the row fits.
#pragma once
#include "float8_row.cuh"
#include "group.cuh"

// A 16-bit format's elements hold e4m3 values as f16, exactly; f32 ones as they are.
template <class T> struct Inner16 { typedef F16 type; };
template <> struct Inner16<F32> { typedef F32 type; };

// The form of the deployed artifact (MSLK quantize_int4_preshuffle, 2a3c897): groups are taken from the float8 codes.
//   c = e4m3_sat(x / row_scale);  s4 = max(amax |c|, 1e-6) / 8;  code = clamp(round(c / s4), -8, 7), of NaN 0;
//   kept: g = e4m3(s4);  value = e4m3(fl(code * g)) * row_scale
template <class Format, class RowForm> struct Float8Int4Codes {
  typedef Format T;
  typedef typename Inner16<Format>::type Inner; // holds c
  typedef typename RowForm::Extrema RowExtrema;
  typedef AbsMax Extrema;
  typedef float Row;
  enum { needs_extrema = 0, has_plain = T::packed };
  struct Qparams {
    float scale, row_scale;
    bool number; // c is not NaN, and g is not 0
  };
  static __device__ __forceinline__ float row_scale(float amax) { return RowForm::template scale<T>(amax); }
  static __device__ __forceinline__ void enter2(const Row &row_scale, float &a, float &b) {
    a = __fdiv_rn(a, row_scale);
    b = __fdiv_rn(b, row_scale);
    e4m3_round2(a, b);
  }
  static __device__ __forceinline__ void enter(const Row &row_scale, Vector &v) {
    float e[T::vec];
    T::unpack(v, e);
#pragma unroll
    for (int j = 0; j < T::vec; j += 2) {
      if constexpr (T::vec == 8)
        v.word[j / 2] = e4m3_round_f16(__fdiv_rn(e[j], row_scale), __fdiv_rn(e[j + 1], row_scale));
      else
        enter2(row_scale, e[j], e[j + 1]);
    }
    if constexpr (T::vec == 4) T::pack(e, v);
  }
  static __device__ __forceinline__ Qparams choose(const Extrema &e, const Row &row_scale) {
    return {__fmul_rn(at_least(e.amax(), 1e-6f), 0.125f), row_scale, e.amax() > 0x1p-7f};
  }
  static __device__ __forceinline__ int step(const Qparams &q, float c) {
    return min(max(__float2int_rn(__fdiv_rn(c, q.scale)), -8), 7);
  }
  static __device__ __forceinline__ void codes2(const Qparams &q, float a, float b, u32 &code_a, u32 &code_b) {
    code_a = static_cast<u32>(step(q, a));
    code_b = static_cast<u32>(step(q, b));
  }
  static __device__ __forceinline__ float kept(float scale) {
    float g = scale, unused = 0.0f;
    e4m3_round2(g, unused);
    return g;
  }
  static __device__ __forceinline__ void values2(const Qparams &q, float &a, float &b) {
    decode2(q, step(q, a), step(q, b), a, b);
  }
  static __device__ __forceinline__ void decode2(const Qparams &q, int code_a, int code_b, float &a, float &b) {
    const float g = kept(q.scale);
    a = __fmul_rn(__int2float_rn(code_a), g);
    b = __fmul_rn(__int2float_rn(code_b), g);
    e4m3_round2(a, b);
    a = __fmul_rn(a, q.row_scale);
    b = __fmul_rn(b, q.row_scale);
  }

  // |c| is at most 8 * scale: below, nothing is clamped. c / scale is 8 times a ratio of numbers of four bits, which is
  // a tie or further from one than f16 rounds it: rounding the quotient to f16 first changes no code. code * g is exact
  // in f16. (tests/test_kernels.c takes all of them.)
  static __device__ __forceinline__ bool plain(const Qparams &q) { return q.number; }
  static __device__ __forceinline__ void plain_sums(const Qparams &q, const Vector &v, u32 number, u32 *sum) {
    typedef Packed<F16> P;
#pragma unroll
    for (int k = 0; k < 4; k++) {
      float a, b;
      F16::widen(v.word[k], a, b);
      sum[k] = P::add(P::min(F16::pair(__fdiv_rn(a, q.scale), __fdiv_rn(b, q.scale)), P::seven), number);
    }
  }
  static __device__ __forceinline__ void plain_values(const Qparams &q, Vector &v) {
    // 1040, as Packed<F16>::integer: its product with g, of 7 and 4 bits and at most 2^16, is exact, and then so is the
    // sum - 1040 times g in one step
    const u32 number = 0x64106410u, g = e4m3_round_f16(q.scale, q.scale);
    const u32 product = Packed<F16>::mul(g, number ^ 0x80008000u);
    u32 sum[4];
    plain_sums(q, v, number, sum);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      float a, b;
      F16::widen(e4m3_round_f16(Packed<F16>::fma(sum[k], g, product)), a, b);
      v.word[k] = T::pair(__fmul_rn(a, q.row_scale), __fmul_rn(b, q.row_scale));
    }
  }
  static __device__ __forceinline__ u32 plain_codes(const Qparams &q, const Vector &v) {
    u32 sum[4];
    plain_sums(q, v, Packed<F16>::integer8, sum);
    return PackedInt4<F16>::nibbles(sum);
  }
};

// The form of torchao 0.18's fake quantizer (quantization/qat/fake_quantizer.py, Int4WeightFakeQuantizer, float8
// activations): groups are taken from the dequantized float8 values, every operation rounded to T.
//   row_scale = r(fl(max(amax, r(1e-12)) * fl(1/448)));  w = r(e4m3_sat(x / row_scale) * row_scale)
//   s4 = max(r(amax |w| / 8), r(1e-6));  value = r(clamp(round(r(w * r(1 / s4))) + 0, -8, 7) * s4)
template <class Format> struct Float8Int4Values {
  typedef Format T;
  typedef Format Inner; // holds w
  typedef AbsMax RowExtrema;
  typedef AbsMax Extrema;
  typedef float Row;
  enum { needs_extrema = 0, has_plain = T::packed };
  struct Qparams {
    float scale, row_scale;
    bool number; // w * r(1 / s4) is not NaN, nor far from 8
  };
  static __device__ __forceinline__ float row_scale(float amax) {
    return T::round(__fmul_rn(at_least(amax, T::round(1e-12f)), 0x1.24924ap-9f));
  }
  static __device__ __forceinline__ void enter2(const Row &row_scale, float &a, float &b) {
    Float8Row<T, RowTorchao>::values2({row_scale}, a, b);
    T::round2(a, b);
  }
  static __device__ __forceinline__ void enter(const Row &row_scale, Vector &v) {
    float e[T::vec];
    T::unpack(v, e);
    u32 scale2 = 0;
    if constexpr (T::packed) scale2 = both<T>(row_scale);
#pragma unroll
    for (int j = 0; j < T::vec; j += 2) {
      if constexpr (T::packed && T::significand == 11) // the product with row_scale, itself of T, is exact in f32
        v.word[j / 2] =
            Packed<T>::mul(e4m3_round_f16(__fdiv_rn(e[j], row_scale), __fdiv_rn(e[j + 1], row_scale)), scale2);
      else
        Float8Row<T, RowTorchao>::values2({row_scale}, e[j], e[j + 1]);
    }
    if constexpr (!T::packed || T::significand != 11) T::pack(e, v);
  }
  static __device__ __forceinline__ Qparams choose(const Extrema &e, const Row &row_scale) {
    const float amax = e.amax();
    const float scale = at_least(T::round(__fmul_rn(amax, 0.125f)), T::round(1e-6f));
    return {scale, row_scale, amax < u2f(0x7f800000u) && inverse(scale) < u2f(0x7f800000u)};
  }
  static __device__ __forceinline__ float inverse(float scale) { return T::round(__frcp_rn(scale)); }
  static __device__ __forceinline__ void steps2(const Qparams &q, float &a, float &b, int &code_a, int &code_b) {
    a = __fmul_rn(a, inverse(q.scale));
    b = __fmul_rn(b, inverse(q.scale));
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

  static __device__ __forceinline__ bool plain(const Qparams &q) { return q.number; }
  static __device__ __forceinline__ void plain_values(const Qparams &q, Vector &v) {
    PackedInt4<T>::values(v, inverse(q.scale), q.scale);
  }
  static __device__ __forceinline__ u32 plain_codes(const Qparams &q, const Vector &v) {
    return PackedInt4<T>::codes(v, inverse(q.scale));
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
  typedef typename Scheme::Qparams Qparams;
  typedef Qparams Stored;
  static __device__ __forceinline__ Stored read(const void *scale, const void *row_scale, i64 index, i64 row) {
    return {Kept::load(scale, index), __ldg(static_cast<const float *>(row_scale) + row)};
  }
  static __device__ __forceinline__ Qparams load(const void *scale, const void *, i64 index,
                                                 const typename Scheme::Extrema &, const float &row_scale) {
    return {Kept::load(scale, index), row_scale};
  }
  static __device__ __forceinline__ void store(const Qparams &q, void *scale, const void *, i64 index) {
    if (scale) Kept::store(scale, index, q.scale);
  }
};

// choose_qparams, quantize, prepare and convert. scale and row_scale may be NULL in PREPARE, codes or packed in the
// others.
template <class S, int op>
__device__ __forceinline__ void float8_int4_step(const void *x, void *scale, void *row_scale, void *codes, void *packed,
                                                 void *output, const GroupShape &shape) {
  typedef typename S::T T;
  const bool aligned = multiple_of(x, shape.x_stride * T::bytes, 16) && shape.cols % T::vec == 0;
  const bool segments = has_segments<T, op>(x, codes, packed, output, shape);
  const int shift = segments ? __ffs(static_cast<int>(shape.group) / T::vec) - 1 : 0;
  const i64 vectors = aligned ? shape.cols / T::vec : 0;
  const unsigned tile_vectors = blockDim.x * T::tiles;
  int turn = 0;
  for (i64 first = static_cast<i64>(blockIdx.x) * blockDim.y; first < shape.rows;
       first += static_cast<i64>(gridDim.x) * blockDim.y, turn ^= 1) {
    const i64 row = first + threadIdx.y;
    const bool live = row < shape.rows;
    const GroupRow place = group_row(x, codes, packed, output, row, shape, T::bytes);
    const i64 row_vectors = live ? vectors : 0;
    i64 tiles = 0;
    Tile<T> tile;
    float of_row;

    if (op == QUANTIZE) {
      of_row = live ? __ldg(static_cast<const float *>(row_scale) + row) : 0.0f;
      while (tiles * tile_vectors < row_vectors) tiles++;
    } else {
      Gather<T, typename S::RowExtrema> gather = Gather<T, typename S::RowExtrema>::none();
#pragma unroll 1
      for (; tiles * tile_vectors < row_vectors; tiles++) {
        load_tile<T>(tile, place.from, tiles, row_vectors);
#pragma unroll
        for (int k = 0; k < T::tiles; k++) gather.add(tile.v[k]);
      }
      typename S::RowExtrema extrema = gather.result();
      if (live)
#pragma unroll 1
        for (i64 i = vectors * T::vec + threadIdx.x; i < shape.cols; i += blockDim.x)
          extrema.add(T::load(place.from, i));
      reduce_row(extrema, turn);
      of_row = S::row_scale(extrema.amax());
      if (threadIdx.x == 0 && live && row_scale) static_cast<float *>(row_scale)[row] = of_row;
    }

    if (segments) {
#pragma unroll 1
      for (i64 t = tiles - 1; t >= 0; t--) {
        if (op == QUANTIZE || t != tiles - 1) load_tile<T>(tile, place.from, t, row_vectors);
        group_tile<S, op>(tile, t, row_vectors, shift, of_row, scale, nullptr, place, shape);
      }
    } else if (live) {
      group_elements<S, op>(threadIdx.x >> 5, blockDim.x >> 5, of_row, scale, nullptr, place, shape);
    }
  }
}
