/* The arithmetic of a model's forward pass: orders of sums, attention, sine, exponential. */
#include "conformance/models/exponential.h"
#include "conformance/models/llama.h"
#include "conformance/models/sine.h"
#include "samebits/safetensors.h"
#include "tests/random_float.h"
#include "tests/suite.h"

#include <math.h>

static float *random_floats(int64_t count) {
  float *values = malloc((size_t)count * sizeof *values);
  for (int64_t i = 0; i < count; i++) values[i] = random_float();
  return values;
}

/* Captured operands of Linear layers in bf16 give the captured outputs, which sums in other orders do not. */
START_TEST(captured_products) {
  sb_safetensors *file;
  sb_ok(sb_safetensors_open(SAMEBITS_SOURCE_DIR "/tests/models/products.safetensors", &file));
  const sb_tensor *x = sb_safetensors_find(file, "x"), *w = sb_safetensors_find(file, "weight"),
                  *y = sb_safetensors_find(file, "y");
  ck_assert(x && w && y);
  const int64_t k = x->dims[1];
  float *row = malloc((size_t)k * sizeof *row), *column = malloc((size_t)k * sizeof *column),
        *panels = malloc((size_t)sb_panels_size(1, k) * sizeof *panels), sum;
  ck_assert_int_ge((int)x->dims[0], 7);
  for (int64_t r = 0; r < x->dims[0]; r++) {
    for (int64_t i = 0; i < k; i++) {
      row[i] = (float)sb_load(x->format, x->data, r * k + i);
      column[i] = (float)sb_load(w->format, w->data, r * k + i);
    }
    sb_panels_fill(column, 1, k, panels);
    sb_multiply(SB_BF16, row, 1, k, panels, 1, &sum);
    sb_narrow(&sum, 1);
    ck_assert_msg((double)sum == sb_load(y->format, y->data, r), "row %d: %a", (int)r, (double)sum);
  }
  free(row);
  free(column);
  free(panels);
  sb_safetensors_close(file);
}
END_TEST

/* The sum of products [from, to) by fused multiply-adds, one after the other. */
static float in_order(const float *x, const float *w, int64_t from, int64_t to) {
  float sum = 0;
  for (int64_t i = from; i < to; i++) sum = fmaf(x[i], w[i], sum);
  return sum;
}

/* In f32: up to 192 products in their order, up to 384 in two halves, more in blocks of 192; for every number of rows
 * and columns beside the vectors' width. */
START_TEST(blocks_of_f32) {
  static const int64_t lengths[] = {1, 5, 191, 192, 193, 383, 384, 385, 700};
  for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
    const int64_t k = lengths[l], rows = 5, columns = 19, half = (k + 1) / 2;
    float *x = random_floats(rows * k), *w = random_floats(columns * k), *y = random_floats(rows * columns),
          *panels = malloc((size_t)sb_panels_size(columns, k) * sizeof *panels);
    sb_panels_fill(w, columns, k, panels);
    sb_multiply(SB_F32, x, rows, k, panels, columns, y);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = 0; c < columns; c++) {
        const float *a = x + r * k, *b = w + c * k;
        float sum = in_order(a, b, 0, k);
        if (k > 192 && k <= 384) sum = in_order(a, b, 0, half) + in_order(a, b, half, k);
        if (k > 384) sum = in_order(a, b, 0, 192);
        for (int64_t from = 192; k > 384 && from < k; from += 192)
          sum += in_order(a, b, from, from + 192 < k ? from + 192 : k);
        ck_assert_msg(sum == y[r * columns + c], "%d products", (int)k);
      }
    free(x);
    free(w);
    free(y);
    free(panels);
  }
}
END_TEST

/* Attention in f64, of one query. */
static void attend64(const sb_attention *a, int64_t query, double *out) {
  double total = 0, *p = malloc((size_t)(query + 1) * sizeof *p);
  for (int64_t j = 0; j <= query; j++) {
    double score = 0;
    for (int64_t d = 0; d < a->dim; d++)
      score += (double)a->q[query * a->q_stride + d] * (double)a->k[j * a->kv_stride + d];
    total += p[j] = exp(score * (double)a->scaling);
  }
  for (int64_t d = 0; d < a->dim; d++) out[d] = 0;
  for (int64_t j = 0; j <= query; j++)
    for (int64_t d = 0; d < a->dim; d++) out[d] += p[j] / total * (double)a->v[j * a->kv_stride + d];
  free(p);
}

/* Attention is that of f64 within f32's or bf16's precision, in lengths and widths of one and of several blocks. */
START_TEST(attention) {
  static const int64_t shapes[][2] = {{1, 1}, {3, 400}, {17, 7}, {200, 8}, {400, 5}};
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    const int64_t length = shapes[s][0], dim = shapes[s][1];
    float *q = random_floats(length * dim), *k = random_floats(length * dim), *v = random_floats(length * dim),
          *out = random_floats(length * dim), *scratch = random_floats(sb_attention_scratch(length, dim));
    double *exact = malloc((size_t)dim * sizeof *exact);
    for (int narrow = 0; narrow < 2; narrow++) {
      if (narrow) sb_narrow(q, length * dim), sb_narrow(k, length * dim), sb_narrow(v, length * dim);
      const sb_attention a = {.q = q,
                              .k = k,
                              .v = v,
                              .out = out,
                              .scratch = scratch,
                              .length = length,
                              .dim = dim,
                              .q_stride = dim,
                              .kv_stride = dim,
                              .scaling = 0.25F,
                              .narrow = narrow};
      sb_attend(&a);
      for (int64_t i = 0; i < length; i++) {
        attend64(&a, i, exact);
        for (int64_t d = 0; d < dim; d++)
          ck_assert_double_eq_tol((double)out[i * dim + d], exact[d], narrow ? 0.03 : 2e-6);
      }
    }
    free(q);
    free(k);
    free(v);
    free(out);
    free(scratch);
    free(exact);
  }
}
END_TEST

/* Angles with what torch 2.12.1 gives on x86-64; but for the last six, neither value is the nearest f32. */
static const struct {
  float angle, sine, cosine;
} turns[] = {
    {-0x1.19999ap+3F, -0x1.2b7a4p-1F, -0x1.9f4798p-1F},
    {0x1.5454fap-2F, 0x1.4e19d8p-2F, 0x1.e3fb48p-1F},
    {0x1.0061ep+0F, 0x1.af3eecp-1F, 0x1.13fdb6p-1F},
    {0x1.1d0a2p+1F, 0x1.95b478p-1F, -0x1.385370p-1F},
    {0x1.e41b56p+2F, 0x1.eaa5f2p-1F, 0x1.24a1bcp-2F},
    {0x1.ee147ap+3F, 0x1.0f1f7p-2F, -0x1.edba5p-1F},
    {0x1.a6bbbap+5F, 0x1.124f9ap-1F, -0x1.b05102p-1F},
    {0x1.24a474p+7F, 0x1.f1abd4p-1F, -0x1.e11f32p-3F},
    {0x1.b5p+8F, -0x1.40c68ep-2F, -0x1.e63aecp-1F},
    {0x1.f68p+11F, -0x1.e401fp-1F, 0x1.4df344p-2F},
    {0.0F, 0.0F, 1.0F},
    {-0.0F, -0.0F, 1.0F},
    {0x1.4484cp-100F, 0x1.4484cp-100F, 1.0F},
    {2.5F, 0x1.326afp-1F, -0x1.9a2f7ep-1F},
    {0x1.387cp+13F, 0x1.819bf4p-3F, -0x1.f6d7bp-1F},
    {-0x1.5e2p+9F, -0x1.472110p-2F, -0x1.e52bb4p-1F},
};

/* sin and cos are PyTorch's, and within 0.61 ulp everywhere. */
START_TEST(sine_and_cosine) {
  for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
    const float s = sb_sine(turns[i].angle), c = sb_cosine(turns[i].angle);
    ck_assert_msg(sb_f32_bits(s) == sb_f32_bits(turns[i].sine), "sin %a", (double)turns[i].angle);
    ck_assert_msg(sb_f32_bits(c) == sb_f32_bits(turns[i].cosine), "cos %a", (double)turns[i].angle);
  }
  for (int i = 0; i < 200000; i++) {
    const float x = ldexpf(random_float(), i % 16), s = sb_sine(x), c = sb_cosine(x);
    const double exact[2] = {sin((double)x), cos((double)x)}, got[2] = {(double)s, (double)c};
    for (int k = 0; k < 2; k++) {
      const double ulp = ldexp(1.0, ilogb(exact[k]) - 23);
      sb_holds(fabs(got[k] - exact[k]) <= 0.61 * ulp, "%s %a", k ? "cos" : "sin", (double)x);
    }
  }
}
END_TEST

/* Powers that torch 2.12.1 gives; none is the nearest f32. */
static const float powers[][3] = {
    {10000.0F, 0x1.924924p-2F, 0x1.2a351cp+5F},   {10000.0F, 0x1.aaaaaap-2F, 0x1.7353bap+5F},
    {10000.0F, 0x1.bcp-1F, 0x1.6fd744p+11F},      {500000.0F, 0.0F, 1.0F},
    {500000.0F, 0x1.955556p-2F, 0x1.6879p+7F},    {500000.0F, 0x1.bep-1F, 0x1.67d47p+16F},
    {0x1.3f9ep+6F, 0x1.02p-1F, 0x1.22fb88p+3F},   {0x1.317ab2p+26F, 0x1.94p-2F, 0x1.4830d4p+10F},
    {0x1.962ea4p+12F, 0x1.4p-5F, 0x1.68ba32p+0F},
};

/* exp, log and pow are within one ulp, and the powers of the rotary frequencies PyTorch's. */
START_TEST(exponentials) {
  for (size_t i = 0; i < sizeof powers / sizeof *powers; i++)
    ck_assert_msg(sb_power(powers[i][0], powers[i][1]) == powers[i][2], "%a^%a", (double)powers[i][0],
                  (double)powers[i][1]);
  for (int i = 0; i < 200000; i++) {
    const float x = 80 * random_float(), e = sb_exponential(x), l = sb_logarithm(e), y = (random_float() + 1) / 2,
                p = sb_power(2 + x * x * 1e4F, y);
    const double exact = exp((double)x), back = log((double)e), power = pow((double)(2 + x * x * 1e4F), (double)y);
    sb_holds(fabs((double)e - exact) <= ldexp(1.0, ilogb(exact) - 23), "exp %a", (double)x);
    sb_holds(fabs((double)l - back) <= ldexp(1.0, ilogb(back) - 23), "log %a", (double)e);
    sb_holds(fabs((double)p - power) <= ldexp(1.0, ilogb(power) - 23), "pow %a", (double)x);
  }
  ck_assert(sb_logarithm(1.0F) == 0.0F && sb_exponential(0.0F) == 1.0F && sb_exponential(-200.0F) == 0.0F);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("model_arithmetic");
  TCase *tests = tcase_create("model_arithmetic");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, captured_products);
  tcase_add_test(tests, blocks_of_f32);
  tcase_add_test(tests, attention);
  tcase_add_test(tests, sine_and_cosine);
  tcase_add_test(tests, exponentials);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
