// Steps whose scale belongs to a group of `group` consecutive elements of a row; codes are int4.
//
// A block row (blockDim.x threads, a multiple of 32) takes a tensor row, blockDim.y rows a block; gridDim.y shares a
// row's length. Where a group is 1, 2, 4 ... 32 whole 16-byte vectors and everything is aligned, a lane takes a vector,
// a group is a segment of the warp, and memory is read once. Any other group is taken by one warp, element by element,
// and read twice.
//
// A scheme S is as in row.cuh, with S::Qparams choose(extrema, step), and decode2 from signed codes.
#pragma once
#include "nibble.cuh"
#include "row.cuh"

struct GroupShape {
  i64 rows, cols, group;
  i64 x_stride, codes_stride, output_stride; // elements between rows; packed rows are codes_stride / 2 bytes apart
  i64 scale_row_stride, scale_group_stride;  // elements between rows and between groups: both layouts
  int high_first;                            // which nibble of a packed byte is the even element
};

__device__ __forceinline__ bool is_segment(i64 group, int vec) {
  const i64 lanes = group / vec;
  return lanes * vec == group && lanes >= 1 && lanes <= 32 && (lanes & (lanes - 1)) == 0;
}

// Stores four or eight codes a lane as nibbles, a full word at a time. Lanes of a format with four elements in a vector
// trade halves with their neighbour: the even lane gets the word of tile k, the odd lane that of tile k + 1.
template <class T>
__device__ __forceinline__ void store_packed(unsigned char *row, const u32 (&code)[T::tiles][T::vec], i64 tile,
                                             i64 vectors, int high_first) {
  if constexpr (T::vec == 8) {
#pragma unroll
    for (int k = 0; k < T::tiles; k++) {
      const i64 at = (tile * T::tiles + k) * blockDim.x + threadIdx.x;
      const u32 word = nibbles8(code[k]);
      if (at < vectors) *reinterpret_cast<u32 *>(row + at * 4) = high_first ? swap_nibbles(word) : word;
    }
  } else {
    const bool odd = threadIdx.x & 1;
#pragma unroll
    for (int k = 0; k < T::tiles; k += 2) {
      const u32 first = nibbles4(code[k]), second = nibbles4(code[k + 1]);
      const u32 other = __shfl_xor_sync(~0u, odd ? first : second, 1);
      const u32 word = odd ? other | second << 16 : first | other << 16;
      const i64 at = (tile * T::tiles + k + (odd ? 1 : 0)) * blockDim.x + (threadIdx.x & ~1u);
      if (at < vectors) *reinterpret_cast<u32 *>(row + at * 2) = high_first ? swap_nibbles(word) : word;
    }
  }
}

// Codes of one group, a warp at a time, by elements.
template <class S, int op, class Load>
__device__ __forceinline__ void emit_group(const typename S::Qparams &q, Load load, i64 start, i64 group, char *codes,
                                           unsigned char *packed, char *output, int high_first) {
  typedef typename S::T T;
#pragma unroll 1
  for (i64 i = start + 2 * (threadIdx.x & 31); i < start + group; i += 64) {
    const bool both = i + 1 < start + group;
    float a = load(i), b = both ? load(i + 1) : 0.0f;
    if (op == PREPARE) {
      S::values2(q, a, b);
      T::store(output, i, a);
      if (both) T::store(output, i + 1, b);
    } else {
      u32 code_a, code_b;
      S::codes2(q, a, b, code_a, code_b);
      if (codes) {
        codes[i] = static_cast<char>(code_a);
        if (both) codes[i + 1] = static_cast<char>(code_b);
      }
      if (packed)
        packed[i / 2] = static_cast<unsigned char>(high_first ? (code_a & 15u) << 4 | (code_b & 15u)
                                                              : (code_a & 15u) | (code_b & 15u) << 4);
    }
  }
}

// choose_qparams, quantize, prepare and convert of groups. codes, packed, and in PREPARE scale and zero_point, may be
// NULL.
template <class S, int op>
__device__ __forceinline__ void group_step(const void *x, void *scale, void *zero_point, void *codes, void *packed,
                                           void *output, const GroupShape &shape) {
  typedef typename S::T T;
  const i64 group = shape.group, groups = shape.cols / group;
  const bool segments = is_segment(group, T::vec) && (T::vec == 8 || group >= 8) &&
                        multiple_of(x, shape.x_stride * T::bytes, 16) &&
                        (op != PREPARE || multiple_of(output, shape.output_stride * T::bytes, 16)) &&
                        (!codes || multiple_of(codes, shape.codes_stride, T::vec)) &&
                        (!packed || multiple_of(packed, shape.codes_stride / 2, 4));
  for (i64 first = static_cast<i64>(blockIdx.x) * blockDim.y; first < shape.rows;
       first += static_cast<i64>(gridDim.x) * blockDim.y) {
    const i64 row = first + threadIdx.y;
    if (row >= shape.rows) continue;
    const char *from = static_cast<const char *>(x) + row * shape.x_stride * T::bytes;
    char *codes_row = codes ? static_cast<char *>(codes) + row * shape.codes_stride : nullptr;
    unsigned char *packed_row =
        packed ? static_cast<unsigned char *>(packed) + row * (shape.codes_stride / 2) : nullptr;
    char *output_row = op == PREPARE ? static_cast<char *>(output) + row * shape.output_stride * T::bytes : nullptr;
    const i64 scales = row * shape.scale_row_stride;

    if (segments) {
      const int lanes = static_cast<int>(group) / T::vec, shift = __ffs(lanes) - 1;
      const i64 vectors = groups << shift, tile_vectors = static_cast<i64>(blockDim.x) * T::tiles;
#pragma unroll 1
      for (i64 t = blockIdx.y; t * tile_vectors < vectors; t += gridDim.y) {
        Tile<T> tile;
        u32 code[T::tiles][T::vec];
        load_tile<T>(tile, from, t, vectors);
        typename S::Extrema extrema[T::tiles];
#pragma unroll
        for (int k = 0; k < T::tiles; k++) {
          extrema[k] = S::Extrema::none();
          if (op != QUANTIZE || S::needs_extrema) {
            float e[T::vec];
            T::unpack(tile.v[k], e);
#pragma unroll
            for (int j = 0; j < T::vec; j++) extrema[k].add(e[j]);
          }
        }
        if (op != QUANTIZE || S::needs_extrema)
#pragma unroll 1
          for (int offset = lanes >> 1; offset > 0; offset >>= 1)
#pragma unroll
            for (int k = 0; k < T::tiles; k++) extrema[k].join(extrema[k].across(offset));
#pragma unroll
        for (int k = 0; k < T::tiles; k++) {
          const i64 at = (t * T::tiles + k) * blockDim.x + threadIdx.x;
          const i64 index = scales + (at >> shift) * shape.scale_group_stride;
          typename S::Qparams q;
          if (op == QUANTIZE)
            q = S::load(scale, zero_point, at < vectors ? index : scales, extrema[k]);
          else
            q = S::choose(extrema[k]);
          if (op != QUANTIZE && at < vectors && (threadIdx.x & (lanes - 1)) == 0) S::store(q, scale, zero_point, index);
          if (op == PREPARE) {
            if (at < vectors) emit_vector<S, PREPARE>(q, tile.v[k], output_row, at);
          } else if (op != CHOOSE) {
            float e[T::vec];
            T::unpack(tile.v[k], e);
#pragma unroll
            for (int j = 0; j < T::vec; j += 2) S::codes2(q, e[j], e[j + 1], code[k][j], code[k][j + 1]);
            if (codes && at < vectors) store_codes<T::vec>(codes_row + at * T::vec, code[k]);
          }
        }
        if (op != PREPARE && op != CHOOSE && packed) store_packed<T>(packed_row, code, t, vectors, shape.high_first);
      }
    } else {
      const i64 warps = blockDim.x >> 5;
#pragma unroll 1
      for (i64 g = blockIdx.y * warps + (threadIdx.x >> 5); g < groups; g += gridDim.y * warps) {
        const i64 start = g * group, index = scales + g * shape.scale_group_stride;
        typename S::Extrema extrema = S::Extrema::none();
        if (op != QUANTIZE || S::needs_extrema) {
#pragma unroll 1
          for (i64 i = start + (threadIdx.x & 31); i < start + group; i += 32) extrema.add(T::load(from, i));
          extrema.warp();
        }
        const typename S::Qparams q = op == QUANTIZE ? S::load(scale, zero_point, index, extrema) : S::choose(extrema);
        if (op != QUANTIZE && (threadIdx.x & 31) == 0) S::store(q, scale, zero_point, index);
        if (op != CHOOSE)
          emit_group<S, op>(
              q, [from](i64 i) { return T::load(from, i); }, start, group, codes_row, packed_row, output_row,
              shape.high_first);
      }
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
