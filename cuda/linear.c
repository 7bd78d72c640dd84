/* Launches of the module `linear` on the caller's pointers. */
#include "samebits/linear.h"

#include "cuda/modules.h"

#include <stdio.h>

static sb_status check_shape(sb_linear_shape s) {
  if (s.m < 1 || s.n < 1 || s.k < 1 || s.m > 65535 || s.n > INT32_MAX || s.k > INT32_MAX)
    return sb_fail(SB_INVALID, "linear: m, n, k of %lld, %lld, %lld: 1 to 65535, 2147483647, 2147483647",
                   (long long)s.m, (long long)s.n, (long long)s.k);
  return SB_OK;
}

static sb_status launch(sb_cuda *cuda, const char *what, sb_format format, sb_linear_shape s, const unsigned block[2],
                        const uint64_t *values, int count, void *stream) {
  sb_launch l = {.grid = {(unsigned)((s.n + block[0] - 1) / block[0]), (unsigned)((s.m + block[1] - 1) / block[1]), 1},
                 .block = {block[0], block[1], 1},
                 .arg_count = count};
  snprintf(l.file, sizeof l.file, "linear_%s", sb_format_of(format)->name);
  snprintf(l.entry, sizeof l.entry, "%s_%s", what, sb_format_of(format)->name);
  memcpy(l.values, values, (size_t)count * sizeof *values);
  return sb_modules_launch(cuda, &l, &(sb_on){.stream = stream});
}

sb_status sb_cuda_linear_plain(sb_cuda *cuda, sb_format format, sb_linear_shape s, uint64_t x, uint64_t w, uint64_t y,
                               void *stream) {
  const uint64_t values[] = {x, w, y, (uint64_t)s.m, (uint64_t)s.n, (uint64_t)s.k};
  const sb_status status = check_shape(s);
  return status ? status : launch(cuda, "linear_plain", format, s, (const unsigned[2]){16, 16}, values, 6, stream);
}

sb_status sb_cuda_linear_i8_i4(sb_cuda *cuda, sb_format format, sb_linear_shape s, const sb_linear_operands *in,
                               uint64_t y, void *stream) {
  const uint64_t values[] = {in->x_codes, in->x_scale,   in->x_zero_point, in->w_packed,  in->w_scale,
                             y,           (uint64_t)s.m, (uint64_t)s.n,    (uint64_t)s.k, (uint64_t)in->group};
  const sb_status status = check_shape(s);
  if (status) return status;
  if (in->group < 1 || s.k % in->group || s.k % 2)
    return sb_fail(SB_INVALID, "linear: k is %lld, not an even multiple of the group of %lld", (long long)s.k,
                   (long long)in->group);
  return launch(cuda, "linear_i8_i4", format, s, (const unsigned[2]){64, 1}, values, 10, stream);
}
