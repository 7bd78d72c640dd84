#include "samebits/tensor.h"

#include <stdlib.h>

int64_t sb_tensor_count(const sb_tensor *tensor) {
  int64_t count = 1;
  for (int i = 0; i < tensor->rank; i++) {
    if (tensor->dims[i] < 0 || __builtin_mul_overflow(count, tensor->dims[i], &count)) return -1;
  }
  return count;
}

int64_t sb_tensor_bytes(const sb_tensor *tensor) {
  const int64_t count = sb_tensor_count(tensor);
  return count < 0 ? -1 : sb_format_bytes(tensor->format, count);
}

sb_tensor sb_tensor_2d(sb_format format, int64_t rows, int64_t cols) {
  return (sb_tensor){.format = format, .rank = 2, .dims = {rows, cols}};
}

sb_status sb_tensor_alloc(sb_tensor *tensor) {
  enum { ALIGNMENT = 64 };
  const int64_t bytes = sb_tensor_bytes(tensor);
  if (bytes < 0 || bytes > INT64_MAX - ALIGNMENT) return sb_fail(SB_INVALID, "tensor: its dimensions overflow 64 bits");
  const size_t size = ((size_t)bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
  tensor->data = aligned_alloc(ALIGNMENT, size);
  if (!tensor->data) return sb_fail(SB_NO_MEMORY, "out of memory: %lld bytes for a tensor", (long long)bytes);
  memset(tensor->data, 0, size);
  return SB_OK;
}

void sb_tensor_free(sb_tensor *tensor) {
  free(tensor->data);
  tensor->data = NULL;
}

sb_status sb_tensor_cast(const sb_tensor *from, sb_format format, sb_tensor *to) {
  sb_tensor result = *from;
  result.format = format;
  const sb_status status = sb_tensor_alloc(&result);
  if (status != SB_OK) return status;
  if (format == from->format) {
    memcpy(result.data, from->data, (size_t)sb_tensor_bytes(from));
  } else {
    const int64_t count = sb_tensor_count(from);
    for (int64_t i = 0; i < count; i++) sb_store(format, result.data, i, sb_load(from->format, from->data, i));
  }
  *to = result;
  return SB_OK;
}
