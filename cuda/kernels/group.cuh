// Steps whose scale belongs to a group of `group` consecutive elements of a row; codes are int4.
//
// A block row (blockDim.x threads, a multiple of 32) takes a tensor row, blockDim.y rows a block; gridDim.y shares a
// row's length. Where a group is 1, 2, 4 ... 32 whole 16-byte vectors and everything is aligned, a lane takes a vector,
// a group is a segment of the warp, and memory is read once. Any other group is taken by one warp, element by element,
// and read twice.
//
// A scheme S is as in row.cuh, but for
//   S::Row, enter(row, vector), enter2(row, a, b)   what a row's elements are before its groups are taken: a vector
//                                                   goes from S::T to S::Inner
//   choose(extrema, row)                            qparams of a group
//   load(scale, zero_point, index, extrema, row)    the same as they were stored; extrema where S::needs_extrema
//   plain_codes(qparams, vector)                    the codes as nibbles
//   read(scale, zero_point, index, row), decode2(stored, code_a, code_b, a, b)      of dequantize, from signed codes
#pragma once
#include "nibble.cuh"
#include "row.cuh"

struct GroupShape {
  i64 rows, cols, group;
  i64 x_stride, codes_stride, output_stride; // elements between rows; packed rows are codes_stride / 2 bytes apart
  i64 scale_row_stride, scale_group_stride;  // elements between rows and between groups: both layouts
  int high_first;                            // which nibble of a packed byte is the even element
};

// Of a scheme that takes the groups from the elements as they are.
template <class Format> struct GroupsOfElements {
  typedef Format T;
  typedef Format Inner;
  struct Row {};
  static __device__ __forceinline__ void enter(const Row &, Vector &) {}
  static __device__ __forceinline__ void enter2(const Row &, float &, float &) {}
};

__device__ __forceinline__ bool is_segment(i64 group, int vec) {
  const i64 lanes = group / vec;
  return lanes * vec == group && lanes >= 1 && lanes <= 32 && (lanes & (lanes - 1)) == 0;
}

// Stores the four or eight nibbles of a lane's vectors, a full word at a time. Lanes of a format with four elements in
// a vector trade halves with their neighbour: the even lane gets the word of tile k, the odd lane that of tile k + 1.
template <class T>
__device__ __forceinline__ void store_packed(unsigned char *row, const u32 (&nibbles)[T::tiles], i64 first, i64 vectors,
                                             int high_first) {
  if constexpr (T::vec == 8) {
#pragma unroll
    for (int k = 0; k < T::tiles; k++) {
      if (first + k * blockDim.x < vectors)
        *reinterpret_cast<u32 *>(row + first * 4 + k * (blockDim.x * 4)) =
            high_first ? swap_nibbles(nibbles[k]) : nibbles[k];
    }
  } else {
    const bool odd = threadIdx.x & 1;
#pragma unroll
    for (int k = 0; k < T::tiles; k += 2) {
      const u32 one = nibbles[k], next = nibbles[k + 1];
      const u32 other = __shfl_xor_sync(~0u, odd ? one : next, 1);
      const u32 word = odd ? other | next << 16 : one | other << 16;
      const i64 at = (first & ~1ll) + (k + (odd ? 1 : 0)) * blockDim.x;
      if (at < vectors) *reinterpret_cast<u32 *>(row + at * 2) = high_first ? swap_nibbles(word) : word;
    }
  }
}

// A vector's codes as nibbles; `to`, where it is not NULL, gets them as bytes.
template <class S, bool plain>
__device__ __forceinline__ u32 code_vector(const typename S::Qparams &q, const Vector &v, char *to) {
  enum { vec = S::T::vec };
  u32 word[2], nibbles;
  if constexpr (plain) {
    nibbles = S::plain_codes(q, v);
    word[0] = bytes_of_nibbles(nibbles);
    if (vec == 8) word[1] = bytes_of_nibbles(nibbles >> 16);
  } else {
    float x[vec];
    u32 code[vec];
    S::Inner::unpack(v, x);
#pragma unroll
    for (int j = 0; j < vec; j += 2) S::codes2(q, x[j], x[j + 1], code[j], code[j + 1]);
    code_words<vec>(code, word);
    nibbles = vec == 8 ? nibbles8(word[0], word[1]) : nibbles4(word[0]);
  }
  if (to) store_codes<vec>(to, word);
  return nibbles;
}

// Where a row's groups are read and written: pointers to the row, NULL for what is not wanted.
struct GroupRow {
  const char *from;
  char *codes, *output;
  unsigned char *packed;
  i64 row, scales; // scales: the index of the row's first scale
};

__device__ __forceinline__ GroupRow group_row(const void *x, void *codes, void *packed, void *output, i64 row,
                                              const GroupShape &shape, int bytes) {
  return {static_cast<const char *>(x) + row * shape.x_stride * bytes,
          codes ? static_cast<char *>(codes) + row * shape.codes_stride : nullptr,
          output ? static_cast<char *>(output) + row * shape.output_stride * bytes : nullptr,
          packed ? static_cast<unsigned char *>(packed) + row * (shape.codes_stride / 2) : nullptr,
          row,
          row * shape.scale_row_stride};
}

// Whether groups are segments of a warp, and everything is aligned to the vectors.
template <class T, int op>
__device__ __forceinline__ bool has_segments(const void *x, const void *codes, const void *packed, const void *output,
                                             const GroupShape &shape) {
  return is_segment(shape.group, T::vec) && (T::vec == 8 || shape.group >= 8) &&
         multiple_of(x, shape.x_stride * T::bytes, 16) &&
         (op != PREPARE || multiple_of(output, shape.output_stride * T::bytes, 16)) &&
         (!codes || multiple_of(codes, shape.codes_stride, T::vec)) &&
         (!packed || multiple_of(packed, shape.codes_stride / 2, 4));
}

// The vectors of a tile, the thread's first of them at `at`, to values or codes.
template <class S, int op, bool plain>
__device__ __forceinline__ void emit_tile(Tile<typename S::T> &tile, i64 at, i64 vectors,
                                          const typename S::Qparams (&q)[S::T::tiles], const GroupRow &place,
                                          int high_first) {
  typedef typename S::T T;
  u32 nibbles[T::tiles];
#pragma unroll
  for (int k = 0; k < T::tiles; k++) {
    const unsigned beyond = k * blockDim.x;
    const bool inside = at + beyond < vectors;
    if (op == PREPARE) {
      value_vector<S, plain>(q[k], tile.v[k]);
      if (inside) store_vector(place.output + at * 16 + beyond * 16, tile.v[k]);
    } else if (op != CHOOSE) {
      char *to = place.codes && inside ? place.codes + at * T::vec + beyond * T::vec : nullptr;
      nibbles[k] = code_vector<S, plain>(q[k], tile.v[k], to);
    }
  }
  if (op != PREPARE && op != CHOOSE && place.packed) store_packed<T>(place.packed, nibbles, at, vectors, high_first);
}

// One tile of a row whose groups are segments of 1 << shift lanes. The tile is used up.
template <class S, int op>
__device__ __forceinline__ void group_tile(Tile<typename S::T> &tile, i64 t, i64 vectors, int shift,
                                           const typename S::Row &of_row, void *scale, void *zero_point,
                                           const GroupRow &place, const GroupShape &shape) {
  typedef typename S::T T;
  const int lanes = 1 << shift;
  const i64 at = t * (blockDim.x * T::tiles) + threadIdx.x; // the first of the thread's vectors
#pragma unroll
  for (int k = 0; k < T::tiles; k++) S::enter(of_row, tile.v[k]);
  typename S::Extrema extrema[T::tiles];
  if (op != QUANTIZE || S::needs_extrema) gather_segments<typename S::Inner>(tile.v, lanes, extrema);
  typename S::Qparams q[T::tiles];
  bool plain = true;
#pragma unroll
  for (int k = 0; k < T::tiles; k++) {
    const bool inside = at + k * blockDim.x < vectors;
    const i64 index = place.scales + ((at + k * blockDim.x) >> shift) * shape.scale_group_stride;
    if (op == QUANTIZE) {
      q[k] = S::load(scale, zero_point, inside ? index : place.scales, extrema[k], of_row);
    } else {
      q[k] = S::choose(extrema[k], of_row);
      if (inside && (threadIdx.x & (lanes - 1)) == 0) S::store(q[k], scale, zero_point, index);
    }
    plain = plain && is_plain<S, op>(q[k]);
  }
  if (plain) {
    if constexpr (S::has_plain && op != QUANTIZE) emit_tile<S, op, true>(tile, at, vectors, q, place, shape.high_first);
  } else {
    emit_tile<S, op, false>(tile, at, vectors, q, place, shape.high_first);
  }
}

// The groups first, first + step, ... of a row, a warp a group, by elements.
template <class S, int op>
__device__ __forceinline__ void group_elements(i64 first, i64 step, const typename S::Row &of_row, void *scale,
                                               void *zero_point, const GroupRow &place, const GroupShape &shape) {
  typedef typename S::T T;
  const i64 group = shape.group, groups = shape.cols / group;
#pragma unroll 1
  for (i64 g = first; g < groups; g += step) {
    const i64 start = g * group, end = start + group, index = place.scales + g * shape.scale_group_stride;
    typename S::Extrema extrema = S::Extrema::none();
    if (op != QUANTIZE || S::needs_extrema) {
#pragma unroll 1
      for (i64 i = start + (threadIdx.x & 31); i < end; i += 32) {
        float a = T::load(place.from, i), unused = 0.0f;
        S::enter2(of_row, a, unused);
        extrema.add(a);
      }
      extrema.warp();
    }
    typename S::Qparams q;
    if (op == QUANTIZE) {
      q = S::load(scale, zero_point, index, extrema, of_row);
    } else {
      q = S::choose(extrema, of_row);
      if ((threadIdx.x & 31) == 0) S::store(q, scale, zero_point, index);
    }
#pragma unroll 1
    for (i64 i = start + 2 * (threadIdx.x & 31); op != CHOOSE && i < end; i += 64) {
      const bool both = i + 1 < end;
      float a = T::load(place.from, i), b = both ? T::load(place.from, i + 1) : 0.0f;
      S::enter2(of_row, a, b);
      if (op == PREPARE) {
        S::values2(q, a, b);
        T::store(place.output, i, a);
        if (both) T::store(place.output, i + 1, b);
      } else {
        u32 code_a, code_b;
        S::codes2(q, a, b, code_a, code_b);
        if (place.codes) {
          place.codes[i] = static_cast<char>(code_a);
          if (both) place.codes[i + 1] = static_cast<char>(code_b);
        }
        if (place.packed)
          place.packed[i / 2] = static_cast<unsigned char>(shape.high_first ? (code_a & 15u) << 4 | (code_b & 15u)
                                                                            : (code_a & 15u) | (code_b & 15u) << 4);
      }
    }
  }
}

// choose_qparams, quantize, prepare and convert of groups. codes, packed, and in PREPARE scale and zero_point, may be
// NULL.
template <class S, int op>
__device__ __forceinline__ void group_step(const void *x, void *scale, void *zero_point, void *codes, void *packed,
                                           void *output, const GroupShape &shape) {
  typedef typename S::T T;
  const bool segments = has_segments<T, op>(x, codes, packed, output, shape);
  const int shift = segments ? __ffs(static_cast<int>(shape.group) / T::vec) - 1 : 0;
  const i64 vectors = shape.cols / shape.group << shift;
  const unsigned tile_vectors = blockDim.x * T::tiles;
  for (i64 first = static_cast<i64>(blockIdx.x) * blockDim.y; first < shape.rows;
       first += static_cast<i64>(gridDim.x) * blockDim.y) {
    const i64 row = first + threadIdx.y;
    if (row >= shape.rows) continue;
    const GroupRow place = group_row(x, codes, packed, output, row, shape, T::bytes);
    if (segments) {
#pragma unroll 1
      for (i64 t = blockIdx.y; t * tile_vectors < vectors; t += gridDim.y) {
        Tile<T> tile;
        load_tile<T>(tile, place.from, t, vectors);
        group_tile<S, op>(tile, t, vectors, shift, {}, scale, zero_point, place, shape);
      }
    } else {
      const i64 warps = blockDim.x >> 5;
      group_elements<S, op>(blockIdx.y * warps + (threadIdx.x >> 5), gridDim.y * warps, {}, scale, zero_point, place,
                            shape);
    }
  }
}

// output = round(decode(codes)), from nibbles or, where `packed` is NULL, from bytes.
template <class S>
__device__ __forceinline__ void group_dequantize(const void *codes, const void *packed, const void *scale,
                                                 const void *zero_point, void *output, const GroupShape &shape) {
  typedef typename S::T T;
  const i64 group = shape.group, groups = shape.cols / group;
  const bool segments = is_segment(group, T::vec) && multiple_of(output, shape.output_stride * T::bytes, 16) &&
                        (!packed ? multiple_of(codes, shape.codes_stride, T::vec)
                                 : multiple_of(packed, shape.codes_stride / 2, T::vec / 2));
  for (i64 first = static_cast<i64>(blockIdx.x) * blockDim.y; first < shape.rows;
       first += static_cast<i64>(gridDim.x) * blockDim.y) {
    const i64 row = first + threadIdx.y;
    if (row >= shape.rows) continue;
    const unsigned char *bytes = static_cast<const unsigned char *>(codes) + (packed ? 0 : row * shape.codes_stride);
    const unsigned char *nibbles =
        static_cast<const unsigned char *>(packed) + (packed ? row * (shape.codes_stride / 2) : 0);
    char *to = static_cast<char *>(output) + row * shape.output_stride * T::bytes;
    const i64 scales = row * shape.scale_row_stride;

    if (segments) {
      const int shift = __ffs(static_cast<int>(group) / T::vec) - 1;
      const i64 vectors = groups << shift, step = static_cast<i64>(gridDim.y) * blockDim.x * T::tiles;
#pragma unroll 1
      for (i64 base = static_cast<i64>(blockIdx.y) * blockDim.x * T::tiles + threadIdx.x; base < vectors;
           base += step) {
        u32 word[T::tiles][2];
#pragma unroll
        for (int k = 0; k < T::tiles; k++) {
          const i64 at = base + static_cast<i64>(k) * blockDim.x;
          if (at >= vectors) continue;
          if (!packed) {
            load_codes<T::vec>(bytes + at * T::vec, word[k]);
          } else {
            const u32 packed_word = T::vec == 8 ? __ldg(reinterpret_cast<const u32 *>(nibbles + at * 4))
                                                : __ldg(reinterpret_cast<const unsigned short *>(nibbles + at * 2));
            word[k][0] = shape.high_first ? swap_nibbles(packed_word) : packed_word;
          }
        }
#pragma unroll
        for (int k = 0; k < T::tiles; k++) {
          const i64 at = base + static_cast<i64>(k) * blockDim.x;
          if (at >= vectors) continue;
          const typename S::Stored q =
              S::read(scale, zero_point, scales + (at >> shift) * shape.scale_group_stride, row);
          float y[T::vec];
#pragma unroll
          for (int j = 0; j < T::vec; j += 2) {
            const int a = !packed ? byte_value(word[k][j / 4], j % 4) : nibble_value(word[k][0], j);
            const int b = !packed ? byte_value(word[k][j / 4], j % 4 + 1) : nibble_value(word[k][0], j + 1);
            S::decode2(q, a, b, y[j], y[j + 1]);
          }
          Vector v;
          T::pack(y, v);
          store_vector(to + at * 16, v);
        }
      }
    } else {
      const i64 warps = blockDim.x >> 5;
#pragma unroll 1
      for (i64 g = blockIdx.y * warps + (threadIdx.x >> 5); g < groups; g += gridDim.y * warps) {
        const typename S::Stored q = S::read(scale, zero_point, scales + g * shape.scale_group_stride, row);
#pragma unroll 1
        for (i64 i = g * group + (threadIdx.x & 31); i < (g + 1) * group; i += 32) {
          const u32 byte = __ldg(!packed ? bytes + i : nibbles + i / 2);
          const int code =
              !packed ? byte_value(byte, 0) : nibble_value(byte, static_cast<int>(i & 1) ^ (shape.high_first ? 1 : 0));
          float y, unused;
          S::decode2(q, code, 0, y, unused);
          T::store(to, i, y);
        }
      }
    }
  }
}
