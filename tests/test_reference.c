/* The recipes: their results depend on the input and on nothing else, and their steps fit together. */
#include "tests/reference_runs.h"

static void isa_and_threads(const sb_spec *spec, int64_t rows, int64_t cols) {
  for (int kind = 0; kind < INPUT_KINDS; kind++) {
    sb_tensor x = make_input(spec->dtype, rows, cols, (input_kind)kind, (uint64_t)cols + 1);
    run one = run_x(spec, &x, SB_ISA_PORTABLE, 1);
    for (int isa = SB_ISA_BEST; isa < SB_ISAS; isa++) {
      static const int threads[] = {1, 2, 3, 7};
      if (!sb_isa_available((sb_isa)isa)) continue;
      for (int t = 0; t < 4 && (t == 0 || rows > 1); t++) {
        run other = run_x(spec, &x, (sb_isa)isa, threads[t]);
        same_run(sb_isa_names[isa], &one, &other);
        run_free(&other);
      }
    }
    run_free(&one);
    sb_tensor_free(&x);
  }
}

/* Every instruction set and 1, 2, 3 and 7 threads give the bits of the portable code on one thread, for finite input
 * and for random bit patterns, and no byte beside an output changes. */
START_TEST(any_isa_and_any_threads_give_the_same_bits) { for_all_specs(true, isa_and_threads); }
END_TEST

static void rows_alone(const sb_spec *spec, int64_t rows, int64_t cols) {
  sb_tensor x = make_input(spec->dtype, rows, cols, INPUT_BITS, (uint64_t)cols + 2);
  run batch = run_x(spec, &x, SB_ISA_BEST, 1);
  const bool per_tensor = batch.out[SB_SCALE].dims[0] != rows;
  for (int64_t row = 0; row < rows && !per_tensor; row++) {
    sb_tensor alone = sb_tensor_2d(x.format, 1, cols);
    alone.data = (char *)x.data + row * cols * sb_format_of(x.format)->bits / 8;
    run single = run_x(spec, &alone, SB_ISA_BEST, 1);
    for (int slot = 0; slot < SB_SLOTS; slot++) {
      if (!single.out[slot].rank) continue;
      const int64_t count = sb_tensor_count(&single.out[slot]);
      same_tensor(&batch, "a row alone", slot, &batch.out[slot], row * count, &single.out[slot]);
    }
    run_free(&single);
  }
  run_free(&batch);
  sb_tensor_free(&x);
}

/* A row alone gives the bits that it gives among others, whatever those hold (per-tensor paths apart). */
START_TEST(each_row_alone_is_as_in_a_batch) { for_all_specs(true, rows_alone); }
END_TEST

static void outputs_absent(const sb_spec *spec, int64_t rows, int64_t cols) {
  sb_tensor x = make_input(spec->dtype, rows, cols, INPUT_BITS, (uint64_t)cols + 3);
  const sb_tensor in[SB_SLOTS] = {[SB_X] = x};
  const size_t bytes = (size_t)sb_tensor_bytes(&x);
  void *before = malloc(bytes);
  ck_assert_ptr_nonnull(before);
  memcpy(before, x.data, bytes);
  run all = run_x(spec, &x, SB_ISA_BEST, 1);
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (!all.out[slot].rank) continue;
    run one = run_step(spec, in, 1U << slot, SB_ISA_BEST, 2);
    same_run("alone of the outputs", &all, &one);
    run_free(&one);
    run others = run_step(spec, in, ~(1U << slot), SB_ISA_BEST, 1);
    same_run("all outputs but one", &all, &others);
    run_free(&others);
  }
  sb_holds(memcmp(before, x.data, bytes) == 0, "the input changed");
  /* packed: two's complement, element 2j in the low nibble */
  for (int64_t i = 0; all.out[SB_PACKED].rank && i < rows * cols; i++) {
    const int64_t code = sb_load_int(SB_I8, all.out[SB_CODES].data, i);
    sb_holds(sb_load_int(SB_I4, all.out[SB_PACKED].data, i) == code, "packed[%d]", (int)i);
  }
  run_free(&all);
  free(before);
  sb_tensor_free(&x);
}

/* An output that is wanted alone, or not wanted, changes no bit of any; the input stays; packed holds the codes. */
START_TEST(absent_outputs_change_nothing) { for_all_specs(true, outputs_absent); }
END_TEST

static void composed(const sb_spec *spec, int64_t rows, int64_t cols) {
  sb_tensor x = make_input(spec->dtype, rows, cols, INPUT_FINITE, (uint64_t)cols + 4);
  run whole = run_x(spec, &x, SB_ISA_BEST, 1);
  sb_spec step = *spec;
  step.step = SB_CHOOSE_QPARAMS;
  run choose = run_x(&step, &x, SB_ISA_BEST, 1);
  sb_tensor in[SB_SLOTS] = {[SB_X] = x};
  for (int slot = 0; slot < SB_SLOTS; slot++) {
    if (choose.out[slot].rank) in[slot] = choose.out[slot];
  }
  step.step = SB_QUANTIZE;
  for (int isa = SB_ISA_BEST; isa < SB_ISAS; isa++) {
    if (!sb_isa_available((sb_isa)isa)) continue;
    step.step = SB_QUANTIZE;
    run quantize = run_step(&step, in, ~0U, (sb_isa)isa, 1);
    same_run("quantize of chosen qparams", &whole, &quantize);
    sb_tensor codes[SB_SLOTS];
    memcpy(codes, in, sizeof codes);
    codes[SB_CODES] = quantize.out[SB_CODES];
    step.step = SB_DEQUANTIZE;
    run dequantize = run_step(&step, codes, ~0U, (sb_isa)isa, 2);
    same_run("dequantize of those codes", &whole, &dequantize);
    run_free(&dequantize);
    run_free(&quantize);
  }
  run_free(&choose);
  run_free(&whole);
  sb_tensor_free(&x);
}

/* choose_qparams, quantize and dequantize in a row give the codes and the output of prepare (of convert, where a path
 * has no prepare), bit for bit, for finite input. */
START_TEST(the_three_operations_make_prepare) { for_all_specs(false, composed); }
END_TEST

static void aligned_agrees(const sb_spec *spec, int64_t rows, int64_t cols) {
  if (spec->path->flavor != SB_ALIGNED) return;
  ck_assert(spec->path->prepare && spec->path->convert);
  for (int kind = 0; kind < INPUT_KINDS; kind++) {
    sb_tensor x = make_input(spec->dtype, rows, cols, (input_kind)kind, (uint64_t)cols + 5);
    sb_spec step = *spec;
    run prepare = run_x(&step, &x, SB_ISA_BEST, 1);
    step.step = SB_CONVERT;
    run convert = run_x(&step, &x, SB_ISA_BEST, 1);
    ck_assert(prepare.out[SB_OUTPUT].rank && convert.out[SB_OUTPUT].rank && prepare.out[SB_CODES].rank);
    same_run("aligned: prepare and convert", &prepare, &convert);
    run_free(&prepare);
    run_free(&convert);
    sb_tensor_free(&x);
  }
}

/* Under `aligned`, prepare and convert agree on every tensor, for finite input and for any bits at all. */
START_TEST(aligned_prepare_is_convert) { for_all_specs(false, aligned_agrees); }
END_TEST

/* Checks that the last failure was `wanted` and that its line names every word. */
static void refused(sb_status got, sb_status wanted, const char *const words[3]) {
  ck_assert_int_eq(got, wanted);
  for (int i = 0; i < 3 && words[i]; i++) {
    sb_holds(strstr(sb_message(), words[i]), "the message \"%s\" does not name %s", sb_message(), words[i]);
  }
  ck_assert_ptr_null(strchr(sb_message(), '\n'));
}
#define refuses(call, status, ...) refused(call, status, (const char *const[3]){__VA_ARGS__})

/* What cannot be computed is refused with the status of its kind and a line that names the thing and its value. */
START_TEST(refusals) {
  const char *name = "int8-dynamic-act-int4-weight";
  sb_spec spec;
  refuses(sb_spec_make("int7", SB_WEIGHT, SB_PREPARE, SB_ALIGNED, "", SB_F32, 32, &spec), SB_USAGE, "int7", name);
  refuses(sb_spec_make(name, SB_WEIGHT, SB_PREPARE, SB_TORCHAO_0_10_CPU, "", SB_F32, 32, &spec), SB_USAGE, "weight",
          "torchao-0.10-cpu");
  refuses(sb_spec_make(name, SB_WEIGHT, SB_PREPARE, SB_ALIGNED, "nix", SB_F32, 32, &spec), SB_USAGE, "nix");
  refuses(sb_spec_make("int4-weight-only", SB_ACTIVATION, SB_PREPARE, SB_ALIGNED, "", SB_F32, 32, &spec), SB_USAGE,
          "activation");
  refuses(sb_spec_make(name, SB_WEIGHT, SB_PREPARE, SB_ALIGNED, "", SB_F64, 32, &spec), SB_UNSUPPORTED, "float64");
  refuses(sb_spec_make(name, SB_WEIGHT, SB_PREPARE, SB_ALIGNED, "", SB_I8, 32, &spec), SB_USAGE, "i8");
  refuses(sb_spec_make(name, SB_ACTIVATION, SB_PREPARE, SB_ALIGNED, "", SB_F32, 32, &spec), SB_USAGE, "32");
  sb_ok(sb_spec_make(name, SB_WEIGHT, SB_PREPARE, SB_ALIGNED, "", SB_F32, -1, &spec));
  ck_assert_int_eq(spec.group_size, 32);
  sb_tensor out[SB_SLOTS], in[SB_SLOTS];
  refuses(sb_spec_tensors(&spec, 4, 33, in, out), SB_UNSUPPORTED, "32", "33");
  refuses(sb_spec_tensors(&spec, 4, 0, in, out), SB_UNSUPPORTED, "4x0");
  refuses(sb_spec_tensors(&spec, 0, 32, in, out), SB_UNSUPPORTED, "0x32");
  refuses(sb_spec_tensors(&spec, -1, 32, in, out), SB_INVALID, "-1x32");
  refuses(sb_spec_tensors(&spec, INT64_MAX / 2, 32, in, out), SB_INVALID, "overflow");
  refuses(sb_spec_tensors(&spec, INT64_MAX / 64, 32, in, out), SB_INVALID, "overflow");
  sb_side side;
  sb_step step;
  sb_flavor flavor;
  refuses(sb_side_parse("left", &side), SB_USAGE, "left", "activation", "weight");
  refuses(sb_step_parse("fly", &step), SB_USAGE, "fly", "prepare");
  refuses(sb_flavor_parse("torchao-0.9", &flavor), SB_USAGE, "torchao-0.9", "aligned");
}
END_TEST

/* sb_run refuses tensors that are not what the step takes or yields, and touches none of them. */
START_TEST(wrong_tensors) {
  sb_spec spec;
  sb_ok(sb_spec_make("int8-dynamic-act-int4-weight", SB_WEIGHT, SB_PREPARE, SB_ALIGNED, "", SB_F32, 32, &spec));
  sb_tensor x = make_input(SB_F32, 2, 64, INPUT_FINITE, 1), half = make_input(SB_BF16, 2, 64, INPUT_FINITE, 1);
  sb_tensor in[SB_SLOTS] = {[SB_X] = x}, out[SB_SLOTS] = {0};
  refuses(sb_run(&spec, in, out, NULL), SB_INVALID, "output");
  sb_tensor output = sb_tensor_2d(SB_F32, 2, 64);
  guarded_alloc(&output);
  out[SB_OUTPUT] = output;
  out[SB_OUTPUT].dims[1] = 65;
  refuses(sb_run(&spec, in, out, NULL), SB_INVALID, "output", "2x65", "2x64");
  out[SB_OUTPUT] = output;
  out[SB_OUTPUT].format = SB_BF16;
  refuses(sb_run(&spec, in, out, NULL), SB_INVALID, "output", "bf16", "f32");
  out[SB_OUTPUT] = output;
  in[SB_X] = half;
  refuses(sb_run(&spec, in, out, NULL), SB_INVALID, "x", "bf16", "f32");
  in[SB_X] = (sb_tensor){.format = SB_F32, .rank = 3, .dims = {1, 2, 64}, .data = x.data};
  refuses(sb_run(&spec, in, out, NULL), SB_INVALID, "rank 2");
  in[SB_X] = x;
  in[SB_X].data = NULL;
  refuses(sb_run(&spec, in, out, NULL), SB_INVALID, "rank 2");
  in[SB_X] = x;
  spec.step = SB_BOTH;
  refuses(sb_run(&spec, in, out, NULL), SB_USAGE, "both");
  spec.step = SB_QUANTIZE;
  refuses(sb_run(&spec, in, out, NULL), SB_INVALID, "scale");
  for (int64_t i = -GUARD; i < sb_tensor_bytes(&output) + GUARD; i++) {
    ck_assert_int_eq(((uint8_t *)output.data)[i], GUARD_BYTE);
  }
  free((uint8_t *)output.data - GUARD);
  sb_tensor_free(&x);
  sb_tensor_free(&half);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("reference");
  TCase *tcase = tcase_create("recipes");
  tcase_set_timeout(tcase, 300);
  tcase_add_test(tcase, any_isa_and_any_threads_give_the_same_bits);
  tcase_add_test(tcase, each_row_alone_is_as_in_a_batch);
  tcase_add_test(tcase, absent_outputs_change_nothing);
  tcase_add_test(tcase, the_three_operations_make_prepare);
  tcase_add_test(tcase, aligned_prepare_is_convert);
  tcase_add_test(tcase, refusals);
  tcase_add_test(tcase, wrong_tensors);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}
