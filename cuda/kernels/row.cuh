// Steps whose scale belongs to a whole row: one block row (blockDim.x threads, a multiple of 32) a tensor row,
// blockDim.y rows a block. A row of up to 32 * blockDim.x elements is read from memory once: it stays in registers
// between the reduction and the result. A longer row is read again, last part first. Vectors cover what is aligned;
// scalars the rest of the row.
//
// A scheme S states the numerics: S::T the format, S::Extrema what is reduced (zeros must not change it), S::Qparams,
// and
//   choose(extrema), load(scale, zero_point, index), store(qparams, scale, zero_point, index)
//   codes2(qparams, a, b, code_a, code_b)       two elements to their codes (low byte)
//   values2(qparams, a, b)                      two elements to their fake-quantized values, before the last rounding
//   decode2(qparams, code_a, code_b, a, b)      two codes (sign-extended or raw byte) to values, before the last
//   rounding
// Where S::has_plain, a fused step whose qparams are S::plain (no element is or becomes a NaN, and none leaves the
// range that its own scale was made for) takes a vector at a time, in fewer instructions and the same bits:
//   plain_values(qparams, vector)               to the rounded values, in place
//   plain_codes(qparams, vector, words)         to the codes, as they are stored
#pragma once
#include "flavor.cuh"
#include "reduce.cuh"

enum Op { CHOOSE, QUANTIZE, PREPARE, CONVERT };

template <class T> struct Tile { Vector v[T::tiles]; };

__device__ __forceinline__ bool multiple_of(const void *pointer, i64 stride_bytes, int bytes) {
  return ((reinterpret_cast<unsigned long long>(pointer) | static_cast<unsigned long long>(stride_bytes)) &
          (bytes - 1)) == 0;
}

// Loads the vectors of tile `index` that lie below `vectors`; zeros elsewhere. All loads are issued before the first
// use.
template <class T> __device__ __forceinline__ void load_tile(Tile<T> &tile, const char *row, i64 index, i64 vectors) {
  const i64 first = index * (blockDim.x * T::tiles) + threadIdx.x;
  const char *from = row + first * 16;
  if ((index + 1) * (blockDim.x * T::tiles) <= vectors) {
#pragma unroll
    for (int k = 0; k < T::tiles; k++) tile.v[k] = load_vector(from + k * (blockDim.x * 16));
  } else {
#pragma unroll
    for (int k = 0; k < T::tiles; k++)
      tile.v[k] = first + k * blockDim.x < vectors ? load_vector(from + k * (blockDim.x * 16)) : Vector{{0, 0, 0, 0}};
  }
}

// Whether the fused path of `op` may take S's plain form.
template <class S, int op> __device__ __forceinline__ bool is_plain(const typename S::Qparams &q) {
  if constexpr (S::has_plain && op != QUANTIZE) return S::plain(q);
  return false;
}

// The fake-quantized vector, rounded; v holds elements in S::Inner.
template <class S, bool plain> __device__ __forceinline__ void value_vector(const typename S::Qparams &q, Vector &v) {
  typedef typename S::T T;
  if constexpr (plain) {
    S::plain_values(q, v);
  } else {
    float x[T::vec];
    S::Inner::unpack(v, x);
#pragma unroll
    for (int k = 0; k < T::vec; k += 2) S::values2(q, x[k], x[k + 1]);
    T::pack(x, v);
  }
}

// A vector to values or codes.
template <class S, int op, bool plain>
__device__ __forceinline__ void emit_vector(const typename S::Qparams &q, Vector &v, char *to) {
  typedef typename S::T T;
  if constexpr (op == PREPARE) {
    value_vector<S, plain>(q, v);
    store_vector(to, v);
  } else {
    u32 word[2];
    if constexpr (plain) {
      S::plain_codes(q, v, word);
    } else {
      float x[T::vec];
      u32 code[T::vec];
      T::unpack(v, x);
#pragma unroll
      for (int k = 0; k < T::vec; k += 2) S::codes2(q, x[k], x[k + 1], code[k], code[k + 1]);
      code_words<T::vec>(code, word);
    }
    store_codes<T::vec>(to, word);
  }
}

// The vectors of a tile, the thread's first of them at `at`; `width`: bytes of a vector's result.
template <class S, int op, bool plain>
__device__ __forceinline__ void emit_row_tile(const typename S::Qparams &q, Tile<typename S::T> &tile, char *to, i64 at,
                                              i64 vectors, int width) {
#pragma unroll
  for (int k = 0; k < S::T::tiles; k++)
    if (at + k * blockDim.x < vectors)
      emit_vector<S, op, plain>(q, tile.v[k], to + at * width + k * (blockDim.x * width));
}

template <class S, int op>
__device__ __forceinline__ void emit_scalar(const typename S::Qparams &q, float x, char *to, i64 at) {
  typedef typename S::T T;
  float unused = 0.0f;
  if (op == PREPARE) {
    S::values2(q, x, unused);
    T::store(to, at, x);
  } else {
    u32 code, none;
    S::codes2(q, x, unused, code, none);
    to[at] = static_cast<char>(code);
  }
}

// choose_qparams, quantize, prepare and convert of rows. `result`: codes (a byte each) or the output; strides in
// elements. PREPARE stores scale and zero_point where these are not NULL.
template <class S, int op>
__device__ __forceinline__ void row_step(const void *x, void *scale, void *zero_point, void *result, i64 rows, i64 cols,
                                         i64 x_stride, i64 result_stride) {
  typedef typename S::T T;
  const int width = op == PREPARE ? T::bytes : 1;
  const bool aligned = multiple_of(x, x_stride * T::bytes, 16) &&
                       (op == CHOOSE || multiple_of(result, result_stride * width, T::vec * width));
  int turn = 0;
  for (i64 first = static_cast<i64>(blockIdx.x) * blockDim.y; first < rows;
       first += static_cast<i64>(gridDim.x) * blockDim.y, turn ^= 1) {
    const i64 row = first + threadIdx.y, length = row < rows ? cols : 0;
    const char *from = static_cast<const char *>(x) + row * x_stride * T::bytes;
    char *to = static_cast<char *>(result) + row * result_stride * width;
    const i64 vectors = aligned ? static_cast<i64>(static_cast<unsigned long long>(length) / T::vec) : 0;
    const unsigned tile_vectors = blockDim.x * T::tiles;
    i64 tiles = 0;
    Tile<T> tile;
    typename S::Qparams q;

    if (op == QUANTIZE) {
      if (length) q = S::load(scale, zero_point, row);
      while (tiles * tile_vectors < vectors) tiles++;
    } else {
      Gather<T, typename S::Extrema> gather = Gather<T, typename S::Extrema>::none();
#pragma unroll 1
      for (; tiles * tile_vectors < vectors; tiles++) {
        load_tile<T>(tile, from, tiles, vectors);
#pragma unroll
        for (int k = 0; k < T::tiles; k++) gather.add(tile.v[k]);
      }
      typename S::Extrema extrema = gather.result();
#pragma unroll 1
      for (i64 i = vectors * T::vec + threadIdx.x; i < length; i += blockDim.x) extrema.add(T::load(from, i));
      reduce_row(extrema, turn);
      q = S::choose(extrema);
      if (threadIdx.x == 0 && length) S::store(q, scale, zero_point, row);
    }
    if constexpr (op != CHOOSE) {
#pragma unroll 1
      for (i64 t = tiles - 1; t >= 0; t--) {
        if (op == QUANTIZE || t != tiles - 1) load_tile<T>(tile, from, t, vectors);
        const i64 at = t * tile_vectors + threadIdx.x;
        if (is_plain<S, op>(q)) {
          if constexpr (S::has_plain && op != QUANTIZE)
            emit_row_tile<S, op, true>(q, tile, to, at, vectors, width * T::vec);
        } else {
          emit_row_tile<S, op, false>(q, tile, to, at, vectors, width * T::vec);
        }
      }
#pragma unroll 1
      for (i64 i = vectors * T::vec + threadIdx.x; i < length; i += blockDim.x)
        emit_scalar<S, op>(q, T::load(from, i), to, i);
    }
  }
}

// output = round(decode(codes)), a row at a time.
template <class S>
__device__ __forceinline__ void row_dequantize(const void *codes, const void *scale, const void *zero_point,
                                               void *output, i64 rows, i64 cols, i64 codes_stride, i64 output_stride) {
  typedef typename S::T T;
  const bool aligned = multiple_of(codes, codes_stride, T::vec) && multiple_of(output, output_stride * T::bytes, 16);
  for (i64 first = static_cast<i64>(blockIdx.x) * blockDim.y; first < rows;
       first += static_cast<i64>(gridDim.x) * blockDim.y) {
    const i64 row = first + threadIdx.y;
    if (row >= rows) continue;
    const unsigned char *from = static_cast<const unsigned char *>(codes) + row * codes_stride;
    char *to = static_cast<char *>(output) + row * output_stride * T::bytes;
    const i64 vectors = aligned ? static_cast<i64>(static_cast<unsigned long long>(cols) / T::vec) : 0;
    const typename S::Qparams q = S::load(scale, zero_point, row);
#pragma unroll 1
    for (i64 base = 0; base < vectors; base += static_cast<i64>(blockDim.x) * T::tiles) {
      u32 word[T::tiles][2];
#pragma unroll
      for (int k = 0; k < T::tiles; k++) {
        const i64 at = base + static_cast<i64>(k) * blockDim.x + threadIdx.x;
        if (at < vectors) load_codes<T::vec>(from + at * T::vec, word[k]);
      }
#pragma unroll
      for (int k = 0; k < T::tiles; k++) {
        const i64 at = base + static_cast<i64>(k) * blockDim.x + threadIdx.x;
        if (at >= vectors) continue;
        float y[T::vec];
#pragma unroll
        for (int j = 0; j < T::vec; j += 2)
          S::decode2(q, S::code(word[k][j / 4], j % 4), S::code(word[k][j / 4], j % 4 + 1), y[j], y[j + 1]);
        Vector v;
        T::pack(y, v);
        store_vector(to + at * 16, v);
      }
    }
#pragma unroll 1
    for (i64 i = vectors * T::vec + threadIdx.x; i < cols; i += blockDim.x) {
      float y, unused;
      S::decode2(q, S::code(__ldg(from + i), 0), S::code(0, 0), y, unused);
      T::store(to, i, y);
    }
  }
}
