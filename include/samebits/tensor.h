/* A tensor: a format, dimensions and contiguous row-major data. */
#ifndef SAMEBITS_TENSOR_H
#define SAMEBITS_TENSOR_H

#include "samebits/formats.h"

enum { SB_MAX_RANK = 8 };

typedef struct sb_tensor {
  sb_format format;
  int rank;
  int64_t dims[SB_MAX_RANK];
  void *data; /* NULL: the tensor is absent, or only described */
} sb_tensor;

/* Number of elements, or -1 where a dimension is negative or the product overflows. */
int64_t sb_tensor_count(const sb_tensor *tensor);

/* Bytes of data, or -1 on overflow. */
int64_t sb_tensor_bytes(const sb_tensor *tensor);

/* Describes a tensor without data. */
sb_tensor sb_tensor_2d(sb_format format, int64_t rows, int64_t cols);

/* Allocates zeroed data (64-byte aligned) for what `tensor` describes; SB_INVALID on overflow, SB_NO_MEMORY. */
sb_status sb_tensor_alloc(sb_tensor *tensor);

/* Frees the data (allocated by sb_tensor_alloc) and marks the tensor absent. */
void sb_tensor_free(sb_tensor *tensor);

/* Casts `from` to `format` (one rounding to nearest even, as torch's Tensor.to) into a newly allocated tensor. */
sb_status sb_tensor_cast(const sb_tensor *from, sb_format format, sb_tensor *to);

#endif
