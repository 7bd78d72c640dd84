/* The production kernels on the emulator: launch records, layouts, and captured upstream outputs. What `samebits check`
 * covers (every step against the reference on every fill) is not repeated here. */
#include "cuda/device.h"
#include "cuda/modules.h"
#include "samebits/golden.h"
#include "tests/suite.h"

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
static const sb_flavor flavors[] = {SB_ALIGNED, SB_TORCHAO_0_18_CUDA};
enum { DTYPES = 3, FLAVORS = 2 };

/* ---- expressions ---- */

/* An expression has the value that exact rational arithmetic gives it, rounded down once at the end. */
START_TEST(expressions_are_exact) {
  const sb_variables v = {.rows = 4097, .cols = 11008, .group = 128, .sm = 90, .x_stride = INT64_MAX};
  static const struct {
    const char *text;
    int64_t value;
  } cases[] = {{"ceil(rows/4)", 1025},
               {"rows/4", 1024},
               {"rows/4*4", 4097},
               {"min(1024,ceil(cols/512)*32)", 704},
               {"max(1,floor(128/min(1024,ceil(cols/512)*32)))", 1},
               {"cols % group == 0 && sm >= 90", 1},
               {"cols % 3 == 0 || rows < 5", 0},
               {" - ( 2 - 3 ) * 7 ", 7},
               {"x_stride", INT64_MAX}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t value = -1;
    sb_ok(sb_expression(cases[i].text, &v, &value));
    ck_assert_msg(value == cases[i].value, "%s is %lld, not %lld", cases[i].text, (long long)value,
                  (long long)cases[i].value);
  }
  static const char *const wrong[] = {"",        "rows +", "rows 4",     "(rows", "ceil rows",
                                      "colours", "1/0",    "x_stride*2", "7 % 0", "99999999999999999999"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    int64_t value;
    ck_assert_msg(sb_expression(wrong[i], &v, &value) == SB_INVALID, "'%s' passes", wrong[i]);
    ck_assert_ptr_nonnull(strstr(sb_message(), "expression"));
  }
}
END_TEST

/* ---- records ---- */

/* Every recipe, side, step, flavor and dtype has a record whose entry exists in the PTX of every architecture. */
START_TEST(every_step_has_its_kernel) {
  static const sb_step steps[] = {SB_CHOOSE_QPARAMS, SB_QUANTIZE, SB_DEQUANTIZE, SB_PREPARE, SB_CONVERT};
  static const char *const devices[] = {"emu:sm_75", "emu:sm_80", "emu:sm_89", "emu:sm_90", "emu:sm_100"};
  for (size_t d = 0; d < sizeof devices / sizeof *devices; d++) {
    sb_cuda *cuda;
    sb_ok(sb_cuda_open(devices[d], &cuda));
    int seen = 0;
    for (int r = 0; r < sb_recipe_count(); r++) {
      const sb_recipe *recipe = sb_recipe_at(r);
      for (int p = 0; p < recipe->path_count; p++) {
        const sb_path *path = &recipe->paths[p];
        if (path->flavor != SB_ALIGNED && path->flavor != SB_TORCHAO_0_18_CUDA) continue;
        for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
          sb_spec spec;
          sb_ok(sb_spec_make(recipe->name, path->side, steps[s], path->flavor, path->variant, dtypes[(r + p) % DTYPES],
                             -1, &spec));
          bool found = false;
          for (int k = 0; k < sb_kernel_count(); k++) {
            const sb_kernel *kernel = sb_kernel_at(k);
            if (!sb_kernel_matches(kernel, &spec)) continue;
            found = true;
            const uint64_t pointers[SB_SLOTS] = {0};
            const sb_variables v = sb_variables_of(&spec, 4, 4096, sb_cuda_sm(cuda));
            sb_launch launch;
            const sb_status status = sb_launch_fill(kernel, spec.dtype, &v, pointers, &launch);
            if (status == SB_UNSUPPORTED) continue;
            sb_ok(status);
            const char *text = sb_modules_text(cuda, launch.file);
            char entry[256];
            snprintf(entry, sizeof entry, ".entry %s(", launch.entry);
            ck_assert_msg(text && strstr(text, entry), "%s: no entry %s in %s", devices[d], launch.entry, launch.file);
          }
          ck_assert_msg(found, "no kernel of %s %s %s %s", recipe->name, sb_side_names[path->side],
                        sb_step_names[steps[s]], sb_flavor_names[path->flavor]);
          seen++;
        }
      }
    }
    ck_assert_int_ge(seen, 5 * 14);
    sb_cuda_close(cuda);
  }
}
END_TEST

/* ---- layouts ---- */

static uint32_t state = 12345;
static uint32_t next(void) { return state = state * 1664525u + 1013904223u; }

static void fill(sb_tensor *x) {
  const int64_t count = sb_tensor_count(x);
  for (int64_t i = 0; i < count; i++) {
    const double value = ((double)next() / 4294967296.0 - 0.5) * (next() % 64 ? 1.0 : 40.0);
    sb_store(x->format, x->data, i, value);
  }
}

/* A device image of a tensor with its own distances between rows and columns, `offset` elements into the allocation. */
typedef struct image {
  uint64_t base, data;
  int64_t row, column, offset, count;
  unsigned char *bytes;
} image;

enum { SPARE = 0xB6 };

static image place(sb_cuda *cuda, const sb_tensor *t, int64_t row, int64_t column, int64_t offset, bool with_values) {
  const int64_t width = sb_format_of(t->format)->bits / 8, rows = t->dims[0], cols = t->dims[1];
  image m = {.row = row,
             .column = column,
             .offset = offset,
             .count = offset + (rows - 1) * row + (cols - 1) * column + 1 + 16};
  m.bytes = malloc((size_t)(m.count * width));
  memset(m.bytes, SPARE, (size_t)(m.count * width));
  for (int64_t i = 0; with_values && i < rows * cols; i++)
    memcpy(m.bytes + (offset + i / cols * row + i % cols * column) * width, (const char *)t->data + i * width,
           (size_t)width);
  sb_ok(sb_cuda_alloc(cuda, m.count * width, &m.base));
  sb_ok(sb_cuda_copy_in(cuda, m.base, m.bytes, m.count * width));
  m.data = m.base + (uint64_t)(offset * width);
  return m;
}

/* The image holds exactly `t`, and what lies between is untouched. */
static void expect(sb_cuda *cuda, image *m, const sb_tensor *t, const char *what) {
  const int64_t width = sb_format_of(t->format)->bits / 8, rows = t->dims[0], cols = t->dims[1];
  unsigned char *got = malloc((size_t)(m->count * width));
  sb_ok(sb_cuda_copy_out(cuda, got, m->base, m->count * width));
  for (int64_t i = 0; i < rows * cols; i++) {
    const int64_t at = (m->offset + i / cols * m->row + i % cols * m->column) * width;
    ck_assert_msg(!memcmp(got + at, (const char *)t->data + i * width, (size_t)width), "%s [%lld, %lld]", what,
                  (long long)(i / cols), (long long)(i % cols));
    memset(got + at, SPARE, (size_t)width);
  }
  for (int64_t i = 0; i < m->count * width; i++)
    ck_assert_msg(got[i] == SPARE, "%s: byte %lld between is touched", what, (long long)i);
  free(got);
  sb_ok(sb_cuda_free(cuda, m->base));
  free(m->bytes);
}

static void swap_nibbles(sb_tensor *packed) {
  unsigned char *bytes = packed->data;
  for (int64_t i = 0; i < sb_tensor_count(packed); i++) bytes[i] = (unsigned char)(bytes[i] << 4 | bytes[i] >> 4);
}

typedef struct layout {
  int64_t gap, offset; /* elements between rows, and before the first */
  bool transposed, high_first;
} layout;

/* One step of finite input in a layout, against the reference's contiguous result. */
static void check_layout(sb_cuda *cuda, const sb_spec *spec, int64_t rows, int64_t cols, layout l) {
  sb_tensor in[SB_SLOTS], out[SB_SLOTS];
  sb_ok(sb_spec_tensors(spec, rows, cols, in, out));
  sb_ok(sb_tensor_alloc(&in[SB_X]));
  fill(&in[SB_X]);
  for (int slot = 0; slot < SB_SLOTS; slot++)
    if (out[slot].rank) sb_ok(sb_tensor_alloc(&out[slot]));
  sb_ok(sb_run(spec, in, out, NULL));
  if (out[SB_ZERO_POINT].format == SB_I32) { /* the kernels' is i8 in every flavor */
    sb_tensor narrow;
    sb_ok(sb_tensor_cast(&out[SB_ZERO_POINT], SB_I8, &narrow));
    sb_tensor_free(&out[SB_ZERO_POINT]);
    out[SB_ZERO_POINT] = narrow;
  }
  if (l.high_first && out[SB_PACKED].rank) swap_nibbles(&out[SB_PACKED]);
  const int64_t stride = cols + l.gap, groups = out[SB_SCALE].dims[1];
  const sb_cuda_step template = {.spec = *spec,
                                 .rows = rows,
                                 .cols = cols,
                                 .x_stride = stride,
                                 .codes_stride = stride,
                                 .output_stride = stride,
                                 .scale_row_stride = l.transposed ? 1 : groups,
                                 .scale_group_stride = l.transposed ? rows : 1,
                                 .high_first = l.high_first};
  sb_cuda_step step = template;
  image images[SB_SLOTS] = {0};
  images[SB_X] = place(cuda, &in[SB_X], stride, 1, l.offset, true);
  step.data[SB_X] = images[SB_X].data;
  for (int slot = SB_SCALE; slot < SB_SLOTS; slot++) {
    if (!out[slot].rank || (slot == SB_CODES && spec->step == SB_PREPARE)) continue;
    const bool qparam = slot == SB_SCALE || slot == SB_ZERO_POINT;
    const int64_t row = qparam                 ? step.scale_row_stride
                        : slot == SB_ROW_SCALE ? 1
                        : slot == SB_PACKED    ? stride / 2
                                               : stride;
    images[slot] = place(cuda, &out[slot], row, qparam ? step.scale_group_stride : 1, l.offset, false);
    step.data[slot] = images[slot].data;
  }
  sb_ok(sb_cuda_launch(cuda, &step, NULL));
  sb_ok(sb_cuda_wait(cuda, NULL));
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!images[slot].base) continue;
    expect(cuda, &images[slot], slot == SB_X ? &in[SB_X] : &out[slot], sb_slot_names[slot]);
  }
  sb_tensor_free(&in[SB_X]);
  for (int slot = 0; slot < SB_SLOTS; slot++) sb_tensor_free(&out[slot]);
}

/* prepare and convert give the same bits for every row stride, alignment, scale layout and nibble order, and touch
 * nothing between. */
START_TEST(layouts_change_no_bit) {
  static const layout layouts[] = {
      {0, 0, false, false}, {0, 0, true, true}, {8, 0, false, true}, {2, 0, true, false}, {4, 2, false, false}};
  static const int64_t shapes[][3] = {{3, 256, 32}, {2, 96, 12}, {1, 32, 32}, {2, 36, 3}};
  sb_cuda *cuda;
  sb_ok(sb_cuda_open(_i ? "emu:sm_75" : "emu:sm_90", &cuda));
  for (int r = 0; r < sb_recipe_count(); r++) {
    for (int side = SB_ACTIVATION; side <= SB_WEIGHT; side++) {
      for (int f = 0; f < FLAVORS; f++) {
        for (int s = SB_PREPARE; s <= SB_CONVERT; s++) {
          for (size_t k = 0; k < sizeof layouts / sizeof *layouts; k++) {
            for (size_t h = 0; h < sizeof shapes / sizeof *shapes; h++) {
              const sb_recipe *recipe = sb_recipe_at(r);
              const int64_t group = recipe->default_group[side] ? shapes[h][2] : 0;
              sb_spec spec;
              if (sb_spec_make(recipe->name, (sb_side)side, (sb_step)s, flavors[f], "", dtypes[(k + h) % DTYPES], group,
                               &spec))
                continue;
              check_layout(cuda, &spec, shapes[h][0], shapes[h][1], layouts[k]);
            }
          }
        }
      }
    }
  }
  sb_cuda_close(cuda);
}
END_TEST

/* ---- the short paths ---- */

static int int4_code(double quotient) {
  const double n = nearbyint(quotient);
  return n < -8 ? -8 : n > 7 ? 7 : (int)n;
}

/* What float8_int4.cuh builds on: for every e4m3 code and every largest magnitude of its group, the quotient c / (amax
 * / 8) rounded to f32 and then to f16 has the int4 code of the f32 quotient; code * g and 1040 * g are exact in f16 for
 * every scale g that such a group keeps. */
START_TEST(float8_quotients_may_round_to_f16) {
  enum { LARGEST = 0x7e };
  int seen = 0;
  for (uint8_t a = 1; a <= LARGEST; a++) {
    const double amax = sb_load(SB_E4M3, &a, 0), scale = (double)(float)(amax / 8);
    uint8_t kept;
    sb_store(SB_E4M3, &kept, 0, scale);
    const double g = sb_load(SB_E4M3, &kept, 0);
    ck_assert(amax <= 0x1p-7 || g >= 0x1p-9);
    for (int code = 0; code <= LARGEST * 2 + 1; code++) {
      const uint8_t c = (uint8_t)(code >> 1 | (code & 1) << 7);
      if ((c & 0x7f) > a) continue;
      const double quotient = (double)(float)(sb_load(SB_E4M3, &c, 0) / scale);
      uint16_t half;
      sb_store(SB_F16, &half, 0, quotient);
      ck_assert_int_eq(int4_code(sb_load(SB_F16, &half, 0)), int4_code(quotient));
      seen++;
    }
    for (int code = -8; code <= 7; code++) {
      const double products[] = {code * g, 1040 * g};
      for (int k = 0; k < 2; k++) {
        uint16_t half;
        sb_store(SB_F16, &half, 0, products[k]);
        ck_assert_double_eq(sb_load(SB_F16, &half, 0), products[k]);
      }
    }
  }
  ck_assert_int_gt(seen, 16000);
}
END_TEST

/* ---- captured outputs ---- */

typedef struct through {
  sb_cuda *cuda;
  sb_flavor flavor;
} through;

/* The kernels as an oracle of golden files: the file's step in another flavor. prepare's codes come from its
 * operations. */
static sb_status by_kernels(void *context, const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS]) {
  const through *t = context;
  sb_spec mine;
  sb_status status = sb_spec_make(spec->recipe->name, spec->path->side, spec->step, t->flavor, "", spec->dtype,
                                  spec->group_size, &mine);
  bool given[SB_SLOTS];
  if (!status) status = sb_cuda_run(t->cuda, NULL, &mine, in, out, given, NULL);
  if (status || spec->step != SB_PREPARE || !out[SB_CODES].data) return status;
  sb_tensor qparams[SB_SLOTS], codes[SB_SLOTS] = {[SB_CODES] = out[SB_CODES]};
  mine.step = SB_CHOOSE_QPARAMS;
  status = sb_spec_tensors(&mine, in[SB_X].dims[0], in[SB_X].dims[1], NULL, qparams);
  for (int slot = 0; slot < SB_SLOTS && !status; slot++)
    if (qparams[slot].rank) status = sb_tensor_alloc(&qparams[slot]);
  if (!status) status = sb_cuda_run(t->cuda, NULL, &mine, in, qparams, given, NULL);
  qparams[SB_X] = in[SB_X];
  mine.step = SB_QUANTIZE;
  if (!status) status = sb_cuda_run(t->cuda, NULL, &mine, qparams, codes, given, NULL);
  qparams[SB_X].data = NULL;
  for (int slot = 0; slot < SB_SLOTS; slot++) sb_tensor_free(&qparams[slot]);
  return status;
}

/* Where the formulas of a captured file and of a kernel's flavor are the same. Of a file with non-finite rows: where
 * the flavors part on those (aligned follows the artifact for finite input only; INT_MIN of NaN on CPU against 0). */
static const struct {
  const char *file; /* of shared names: RECIPE__SIDE-STEP__FLAVOR__DTYPE */
  sb_flavor flavor;
  bool finite_only;
} coincide[] = {
    /* bf16 and f16: amax times fl(1 / 255) or fl(1 / 7.5) rounds as the division does, for every value (research A8) */
    {"int8-dynamic-act-int4-weight__activation-*__torchao-0.18-cpu__*f16", SB_TORCHAO_0_18_CUDA, true},
    {"int8-dynamic-act-int4-weight__weight-*__torchao-0.18-cpu__*f16__g*[0-9]", SB_TORCHAO_0_18_CUDA, true},
    {"float8-dynamic-act-float8-weight__*-prepare__torchao-0.18-cpu__bf16", SB_TORCHAO_0_18_CUDA, false},
    {"float8-dynamic-act-float8-weight__*-convert__torchao-0.18-cpu__*__mslk", SB_TORCHAO_0_18_CUDA, false},
    {"float8-dynamic-act-int4-weight__activation-prepare__torchao-0.18-cpu__bf16", SB_TORCHAO_0_18_CUDA, false},
    {"float8-dynamic-act-int4-weight__activation-convert__torchao-0.18-cpu__*", SB_TORCHAO_0_18_CUDA, false},
    {"float8-dynamic-act-int4-weight__weight-prepare__torchao-0.18-cpu__bf16__g128", SB_TORCHAO_0_18_CUDA, false},
    {"float8-dynamic-act-int4-weight__weight-convert__torchao-0.18-cpu__*__g128", SB_TORCHAO_0_18_CUDA, false},
    /* aligned: convert is upstream's artifact */
    {"int8-dynamic-act-int4-weight__*-convert__torchao-0.18-cpu__*[0-9]", SB_ALIGNED, true},
    {"int4-weight-only__weight-convert__torchao-0.18-cpu__*__g*[0-9]", SB_ALIGNED, true},
    {"float8-dynamic-act-float8-weight__*-convert__torchao-0.18-cpu__*__mslk", SB_ALIGNED, true},
    {"float8-dynamic-act-int4-weight__*-convert__torchao-0.18-cpu__*[0-9]", SB_ALIGNED, true},
};

static void complain(void *context, const sb_golden *golden, const sb_golden_case *at, sb_slot slot, int64_t index,
                     const sb_tensor *got) {
  char want[SB_ELEMENT_TEXT], have[SB_ELEMENT_TEXT];
  int *shown = context;
  if ((*shown)++ < 5)
    fprintf(stderr, "%s: %s %s[%lld]: captured %s, kernel %s\n", sb_safetensors_path(golden->file), at->name,
            sb_slot_names[slot], (long long)index, sb_element_text(&at->expected[slot], index, want),
            sb_element_text(got, index, have));
}

static void verify_files(const through *t, const char *folder, const char *pattern, bool finite_only,
                         sb_golden_counts *counts) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s.safetensors", folder, pattern);
  glob_t found = {0};
  glob(path, 0, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    if (strstr(found.gl_pathv[i], "legacy") || strstr(found.gl_pathv[i], "scale-f32")) continue;
    sb_golden golden;
    sb_ok(sb_golden_open(found.gl_pathv[i], &golden));
    sb_golden_case *all = golden.cases;
    const int count = golden.count;
    for (int k = 0; k < count; k++) {
      if (finite_only && (strstr(all[k].name, "nonfinite") || strstr(all[k].name, "extreme"))) continue;
      golden.cases = &all[k];
      golden.count = 1;
      int shown = 0;
      sb_ok(sb_golden_verify(&golden, by_kernels, (void *)(uintptr_t)t, counts, complain, &shown));
    }
    golden.cases = all;
    golden.count = count;
    sb_golden_close(&golden);
  }
  globfree(&found);
}

/* On captured inputs the kernels give the captured bits, wherever a flavor's formulas are upstream's. */
START_TEST(kernels_give_captured_outputs) {
  through t;
  sb_ok(sb_cuda_open(_i ? "emu:sm_80" : "emu:sm_90", &t.cuda));
  char folders[2048];
  const char *more = getenv("SAMEBITS_GOLDEN");
  snprintf(folders, sizeof folders, "%s/conformance/golden/data%s%s", SAMEBITS_SOURCE_DIR, more ? ":" : "",
           more ? more : "");
  sb_golden_counts counts = {0};
  for (char *save, *folder = strtok_r(folders, ":", &save); folder; folder = strtok_r(NULL, ":", &save)) {
    for (size_t i = 0; i < sizeof coincide / sizeof *coincide; i++) {
      t.flavor = coincide[i].flavor;
      verify_files(&t, folder, coincide[i].file, coincide[i].finite_only, &counts);
    }
  }
  printf("%s: %lld files, %lld cases, %lld elements, %lld differ\n", sb_cuda_name(t.cuda), (long long)counts.files,
         (long long)counts.cases, (long long)counts.elements, (long long)counts.different);
  ck_assert_int_gt(counts.elements, 0);
  ck_assert_int_eq(counts.different, 0);
  sb_cuda_close(t.cuda);
}
END_TEST

/* ---- the library's errors ---- */

/* No device, no step, an empty spec, negative rows, a missing pointer, a short stride, a shape that upstream refuses:
 * one message each, and nothing is launched. */
START_TEST(errors_name_their_cause) {
  sb_cuda *cuda;
  sb_ok(sb_cuda_open("emu:sm_90", &cuda));
  sb_cuda_step step = {.rows = 2, .cols = 64};
  sb_ok(sb_spec_make("int8-dynamic-act-int4-weight", SB_WEIGHT, SB_CONVERT, SB_ALIGNED, "", SB_BF16, 32, &step.spec));
  ck_assert_int_eq(sb_cuda_launch(NULL, &step, NULL), SB_INVALID);
  ck_assert_ptr_nonnull(strstr(sb_message(), "no device"));
  ck_assert_int_eq(sb_cuda_launch(cuda, NULL, NULL), SB_INVALID);
  ck_assert_int_eq(sb_cuda_launch(cuda, &(sb_cuda_step){.rows = 1, .cols = 64}, NULL), SB_INVALID);
  ck_assert_ptr_nonnull(strstr(sb_message(), "spec is empty"));
  sb_cuda_step negative = step;
  negative.rows = -4;
  ck_assert_int_ne(sb_cuda_launch(cuda, &negative, NULL), SB_OK);
  ck_assert_ptr_nonnull(strstr(sb_message(), "-4"));
  ck_assert_int_eq(sb_cuda_launch(cuda, &step, NULL), SB_INVALID);
  ck_assert_ptr_nonnull(strstr(sb_message(), "x"));
  step.data[SB_X] = 256;
  ck_assert_int_eq(sb_cuda_launch(cuda, &step, NULL), SB_INVALID);
  ck_assert_ptr_nonnull(strstr(sb_message(), "codes"));
  step.data[SB_PACKED] = 256;
  step.x_stride = 63;
  ck_assert_int_eq(sb_cuda_launch(cuda, &step, NULL), SB_INVALID);
  ck_assert_ptr_nonnull(strstr(sb_message(), "x_stride"));
  step.x_stride = 0;
  step.cols = 65;
  ck_assert_int_eq(sb_cuda_launch(cuda, &step, NULL), SB_UNSUPPORTED);
  ck_assert_ptr_nonnull(strstr(sb_message(), "32"));
  sb_cuda_close(cuda);
  ck_assert_int_eq(sb_cuda_open("emu:sm_91", &cuda), SB_USAGE);
  ck_assert_int_eq(sb_cuda_open("gpu", &cuda), SB_USAGE);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kernels");
  TCase *tests = tcase_create("kernels");
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, expressions_are_exact);
  tcase_add_test(tests, every_step_has_its_kernel);
  tcase_add_loop_test(tests, layouts_change_no_bit, 0, 2);
  tcase_add_loop_test(tests, kernels_give_captured_outputs, 0, 2);
  tcase_add_test(tests, float8_quotients_may_round_to_f16);
  tcase_add_test(tests, errors_name_their_cause);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
