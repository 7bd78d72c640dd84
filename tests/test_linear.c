/* Linear layers of quantized operands: prepare against convert at the level of the module, and the kernels against
 * their statements. */
#include "cuda/modules.h"
#include "tests/suite.h"

#include <math.h>
#include <stdio.h>

enum { M = 6, N = 40, K = 96, GROUP = 32 };
static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};

static uint64_t state;
static double uniform(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 11) * 0x1p-53;
}

static void fill(sb_tensor *x, double sigma) {
  const int64_t count = sb_tensor_count(x);
  for (int64_t i = 0; i < count; i++) {
    const double radius = sqrt(-2 * log(1 - uniform())), angle = 6.283185307179586 * uniform();
    sb_store(x->format, x->data, i, sigma * radius * cos(angle));
  }
}

/* The outputs of one step of one side of int8-dynamic-act-int4-weight, by the reference. */
static void run_step(sb_side side, sb_step step, sb_flavor flavor, const sb_tensor *x, sb_tensor out[SB_SLOTS]) {
  sb_spec spec;
  sb_ok(sb_spec_make("int8-dynamic-act-int4-weight", side, step, flavor, "", x->format, side == SB_WEIGHT ? GROUP : 0,
                     &spec));
  sb_tensor in[SB_SLOTS] = {[SB_X] = *x};
  sb_ok(sb_spec_tensors(&spec, x->dims[0], x->dims[1], NULL, out));
  for (int slot = 0; slot < SB_SLOTS; slot++)
    if (out[slot].rank) sb_ok(sb_tensor_alloc(&out[slot]));
  sb_ok(sb_run(&spec, in, out, NULL));
}

static void free_all(sb_tensor slots[SB_SLOTS]) {
  for (int slot = 0; slot < SB_SLOTS; slot++) sb_tensor_free(&slots[slot]);
}

static sb_tensor product(sb_format format) {
  sb_tensor y = sb_tensor_2d(format, M, N);
  sb_ok(sb_tensor_alloc(&y));
  return y;
}

/* y = r(sum by fused multiply-add, k ascending), of the dequantized operands: linear_plain of cuda/kernels/linear.cu.
 */
static sb_tensor linear_plain(const sb_tensor *x, const sb_tensor *w) {
  sb_tensor y = product(x->format);
  for (int64_t i = 0; i < M; i++) {
    for (int64_t j = 0; j < N; j++) {
      float acc = 0;
      for (int64_t k = 0; k < K; k++)
        acc = fmaf((float)sb_load(x->format, x->data, i * K + k), (float)sb_load(w->format, w->data, j * K + k), acc);
      sb_store(y.format, y.data, i * N + j, (double)acc);
    }
  }
  return y;
}

/* The integer form: linear_i8_i4 of cuda/kernels/linear.cu. */
static sb_tensor linear_i8_i4(const sb_tensor x[SB_SLOTS], const sb_tensor w[SB_SLOTS], sb_format format) {
  sb_tensor y = product(format);
  const int8_t *a = x[SB_CODES].data, *b = w[SB_CODES].data;
  for (int64_t i = 0; i < M; i++) {
    const int32_t zero = (int32_t)sb_load_int(x[SB_ZERO_POINT].format, x[SB_ZERO_POINT].data, i);
    for (int64_t j = 0; j < N; j++) {
      float acc = 0;
      for (int64_t g = 0; g < K / GROUP; g++) {
        int32_t sum = 0;
        for (int64_t k = g * GROUP; k < (g + 1) * GROUP; k++) sum += (a[i * K + k] - zero) * b[j * K + k];
        acc = fmaf((float)sum, (float)sb_load(format, w[SB_SCALE].data, j * (K / GROUP) + g), acc);
      }
      sb_store(format, y.data, i * N + j, (double)(acc * (float)sb_load(format, x[SB_SCALE].data, i)));
    }
  }
  return y;
}

static int64_t different(const sb_tensor *a, const sb_tensor *b) {
  int64_t count = 0;
  for (int64_t i = 0; i < sb_tensor_count(a); i++)
    count += sb_load_bits(a->format, a->data, i) != sb_load_bits(b->format, b->data, i);
  return count;
}

/* ---- on the emulator ---- */

static uint64_t upload(sb_cuda *cuda, const sb_tensor *t) {
  uint64_t pointer;
  sb_ok(sb_cuda_alloc(cuda, sb_tensor_bytes(t), &pointer));
  sb_ok(sb_cuda_copy_in(cuda, pointer, t->data, sb_tensor_bytes(t)));
  return pointer;
}

/* Launches an entry of the module `linear` with pointers and sizes as its parameters, and reads the last pointer's
 * tensor back. */
static void launch_linear(sb_cuda *cuda, const char *what, sb_format format, unsigned bx, unsigned by,
                          const uint64_t *values, int count, sb_tensor *y, uint64_t y_pointer) {
  sb_launch l = {.grid = {(N + bx - 1) / bx, (M + by - 1) / by, 1}, .block = {bx, by, 1}, .arg_count = count};
  snprintf(l.file, sizeof l.file, "linear_%s", sb_format_of(format)->name);
  snprintf(l.entry, sizeof l.entry, "%s_%s", what, sb_format_of(format)->name);
  memcpy(l.values, values, (size_t)count * sizeof *values);
  sb_ok(sb_modules_launch(cuda, &l, &(sb_on){.wait = true}));
  sb_ok(sb_cuda_copy_out(cuda, y->data, y_pointer, sb_tensor_bytes(y)));
}

static sb_tensor device_plain(sb_cuda *cuda, const sb_tensor *x, const sb_tensor *w) {
  sb_tensor y = product(x->format);
  const uint64_t values[] = {upload(cuda, x), upload(cuda, w), upload(cuda, &y), M, N, K};
  launch_linear(cuda, "linear_plain", x->format, 16, 16, values, 6, &y, values[2]);
  for (int i = 0; i < 3; i++) sb_ok(sb_cuda_free(cuda, values[i]));
  return y;
}

static sb_tensor device_i8_i4(sb_cuda *cuda, const sb_tensor x[SB_SLOTS], const sb_tensor w[SB_SLOTS],
                              sb_format format) {
  sb_tensor y = product(format);
  const uint64_t values[] = {upload(cuda, &x[SB_CODES]),
                             upload(cuda, &x[SB_SCALE]),
                             upload(cuda, &x[SB_ZERO_POINT]),
                             upload(cuda, &w[SB_PACKED]),
                             upload(cuda, &w[SB_SCALE]),
                             upload(cuda, &y),
                             M,
                             N,
                             K,
                             GROUP};
  launch_linear(cuda, "linear_i8_i4", format, 64, 1, values, 10, &y, values[5]);
  for (int i = 0; i < 6; i++) sb_ok(sb_cuda_free(cuda, values[i]));
  return y;
}

/* For 1,000 seeds in each dtype and flavor, the linear of prepare is the linear of convert bit for bit: the dequantized
 * operands are the same, and so is any sum of them in one order. Every 100th seed also on the emulator, where the
 * integer form gives the bits of its own statement. Against prepare only the order and the roundings of the sums set
 * that form apart: how often is printed. */
START_TEST(qat_8da4w_prepare_vs_convert) {
  const sb_format format = dtypes[_i];
  sb_cuda *cuda;
  sb_ok(sb_cuda_open("emu:sm_90", &cuda));
  int64_t elements = 0, integer_form = 0;
  for (uint64_t seed = 0; seed < 1000; seed++) {
    state = seed;
    sb_tensor x = sb_tensor_2d(format, M, K), w = sb_tensor_2d(format, N, K);
    sb_ok(sb_tensor_alloc(&x));
    sb_ok(sb_tensor_alloc(&w));
    fill(&x, 0.3);
    fill(&w, 0.02);
    const sb_flavor flavor = seed % 2 ? SB_ALIGNED : SB_TORCHAO_0_18_CUDA;
    sb_tensor xp[SB_SLOTS], wp[SB_SLOTS], xc[SB_SLOTS], wc[SB_SLOTS];
    run_step(SB_ACTIVATION, SB_PREPARE, flavor, &x, xp);
    run_step(SB_WEIGHT, SB_PREPARE, flavor, &w, wp);
    run_step(SB_ACTIVATION, SB_CONVERT, flavor, &x, xc);
    run_step(SB_WEIGHT, SB_CONVERT, flavor, &w, wc);
    sb_tensor prepared = linear_plain(&xp[SB_OUTPUT], &wp[SB_OUTPUT]),
              converted = linear_plain(&xc[SB_OUTPUT], &wc[SB_OUTPUT]);
    sb_tensor integer = linear_i8_i4(xc, wc, format);
    ck_assert_msg(different(&prepared, &converted) == 0, "seed %llu", (unsigned long long)seed);
    elements += M * N;
    integer_form += different(&prepared, &integer);
    if (seed % 100 == 0) {
      sb_tensor plain = device_plain(cuda, &xc[SB_OUTPUT], &wc[SB_OUTPUT]), codes = device_i8_i4(cuda, xc, wc, format);
      ck_assert_int_eq(different(&prepared, &plain), 0);
      ck_assert_int_eq(different(&integer, &codes), 0);
      sb_tensor_free(&plain);
      sb_tensor_free(&codes);
    }
    sb_tensor *const products[] = {&prepared, &converted, &integer, &x, &w};
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) sb_tensor_free(products[i]);
    free_all(xp), free_all(wp), free_all(xc), free_all(wc);
  }
  printf("%s: %lld outputs, prepare = convert in all; the integer form differs in %lld (%.1f %%)\n",
         sb_format_of(format)->name, (long long)elements, (long long)integer_form,
         100.0 * (double)integer_form / (double)elements);
  ck_assert_int_gt(integer_form, 0); /* else the comparison above could not tell sums apart */
  sb_cuda_close(cuda);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("linear");
  TCase *tests = tcase_create("linear");
  tcase_set_timeout(tests, 300);
  tcase_add_loop_test(tests, qat_8da4w_prepare_vs_convert, 0, 3);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
