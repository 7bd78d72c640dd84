/* Files in the golden format that lie, in every way that their text allows: explain, golden verify and contract run end
 * with one line that names the file, and with exit code 3. */
#include "tests/shell.h"

#include <stdint.h>

#define META(recipe, side, step, flavor, dtype, group)                                                                 \
  "{\"samebits.golden\":\"1\",\"recipe\":\"" recipe "\",\"side\":\"" side "\",\"step\":\"" step                        \
  "\",\"flavor\":\"" flavor "\",\"dtype\":\"" dtype "\",\"group_size\":\"" group "\"}"
#define INT8(step, dtype, group) META("int8-dynamic-act-int4-weight", "activation", step, "aligned", dtype, group)
#define FINE                     INT8("prepare", "f32", "0")
#define TENSOR(name, dtype, shape, from, to)                                                                           \
  ",\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"
#define X     TENSOR("c.x", "F32", "[2,4]", 0, 32)
#define SCALE TENSOR("c.scale", "F32", "[2,1]", 32, 40)
#define CODES TENSOR("c.codes", "I8", "[2,4]", 32, 40)

enum { FILE_ERROR = 3, NO_GOLDEN = 1, NO_RUN = 2 }; /* flags: what this command does not look at */

typedef struct hostile {
  const char *what, *metadata, *tensors;
  int64_t bytes; /* of data */
  int flags;
  const char *says; /* by explain */
} hostile;

static const hostile rows[] = {
    {"no metadata", "{}", X SCALE, 40, NO_RUN, "metadata"},
    {"no recipe", "{\"samebits.golden\":\"1\"}", X SCALE, 40, NO_RUN, "recipe"},
    {"an empty recipe", META("", "weight", "prepare", "aligned", "f32", "0"), X SCALE, 40, NO_RUN, "have no recipe"},
    {"an empty side", META("int4-weight-only", "", "prepare", "aligned", "f32", "4"), X SCALE, 40, NO_RUN,
     "have no side"},
    {"an empty step", INT8("", "f32", "0"), X SCALE, 40, NO_RUN, "have no step"},
    {"another recipe", META("none", "weight", "prepare", "aligned", "f32", "0"), X SCALE, 40, NO_RUN, "none"},
    {"a path as recipe", META("../../etc", "weight", "prepare", "aligned", "f32", "0"), X SCALE, 40, NO_RUN, "etc"},
    {"another side", META("int4-weight-only", "left", "prepare", "aligned", "f32", "32"), X SCALE, 40, NO_RUN, "left"},
    {"another step", INT8("embed", "f32", "0"), X SCALE, 40, NO_RUN, "embed"},
    {"another flavor", META("int4-weight-only", "weight", "prepare", "v9", "f32", "4"), X SCALE, 40, NO_RUN, "v9"},
    {"another dtype", INT8("prepare", "f99", "0"), X SCALE, 40, NO_RUN, "f99"},
    {"x is not of the dtype", INT8("prepare", "bf16", "0"), X SCALE, 40, 0, "x is f32"},
    {"a dtype that is no input", INT8("prepare", "i8", "0"), TENSOR("c.x", "I8", "[2,4]", 0, 8), 8, NO_RUN | NO_GOLDEN,
     "i8"},
    {"a negative group", INT8("prepare", "f32", "-4"), X SCALE, 40, NO_RUN, "group_size"},
    {"a group beyond 64 bits", INT8("prepare", "f32", "99999999999999999999999"), X SCALE, 40, NO_RUN, "group_size"},
    {"a group that does not divide", META("int4-weight-only", "weight", "prepare", "aligned", "f32", "3"), X SCALE, 40,
     NO_RUN, "3"},
    {"no tensor", FINE, "", 0, 0, "no case"},
    {"x alone", FINE, X, 32, NO_RUN, "no case"},
    {"no x", FINE, TENSOR("c.scale", "F32", "[2,1]", 0, 8), 8, 0, "no case"},
    {"no rows", FINE, TENSOR("c.x", "F32", "[0,4]", 0, 0) TENSOR("c.scale", "F32", "[0,1]", 0, 0), 0, 0, "no rows"},
    {"no columns", FINE, TENSOR("c.x", "F32", "[2,0]", 0, 0) TENSOR("c.scale", "F32", "[2,1]", 0, 8), 8, 0, "columns"},
    {"x of one dimension", FINE, TENSOR("c.x", "F32", "[8]", 0, 32) SCALE, 40, 0, "[rows, cols]"},
    {"x of three", FINE, TENSOR("c.x", "F32", "[2,2,2]", 0, 32) SCALE, 40, 0, "[rows, cols]"},
    {"x of none", FINE, TENSOR("c.x", "F32", "[]", 0, 4) TENSOR("c.scale", "F32", "[1,1]", 4, 8), 8, 0, "[rows, cols]"},
    {"more elements than bytes", FINE, TENSOR("c.x", "F32", "[1099511627776,1099511627776]", 0, 4), 4, 0, "c.x"},
    {"dimensions that wrap to none", FINE, TENSOR("c.x", "F32", "[4611686018427387904,4]", 0, 0), 0, 0, "c.x"},
    {"a negative dimension", FINE, TENSOR("c.x", "F32", "[-2,4]", 0, 0), 0, 0, "c.x"},
    {"data beyond the file", FINE, X SCALE, 8, 0, "data"},
    {"a misspelt tensor", FINE, X TENSOR("c.scael", "F32", "[2,1]", 32, 40), 40, NO_GOLDEN | NO_RUN, "c.scael"},
    {"quantize without a scale", INT8("quantize", "f32", "0"), X CODES, 40, NO_RUN, "no scale, which quantize takes"},
    {"dequantize without codes", INT8("dequantize", "f32", "0"), X SCALE, 40, NO_RUN, "no case"},
    {"qparams that do not divide", INT8("quantize", "f32", "0"),
     X TENSOR("c.codes", "I8", "[2,4]", 32, 40) TENSOR("c.scale", "F32", "[2,3]", 40, 64)
         TENSOR("c.zero_point", "I32", "[2,1]", 64, 72),
     72, NO_RUN, "does not divide"},
};

static void write_capture(const char *name, const char *metadata, const char *tensors, int64_t bytes) {
  FILE *f = fopen(in_folder(name), "wb");
  char head[2048];
  const uint64_t length =
      (uint64_t)snprintf(head, sizeof head, "{\"__metadata__\":%s%s}", metadata, tensors); /* any length will do */
  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(&length, 1, sizeof length, f), sizeof length);
  ck_assert_uint_eq(fwrite(head, 1, length, f), length);
  for (int64_t i = 0; i < bytes; i++) fputc(0, f);
  ck_assert_int_eq(fclose(f), 0);
}

static void refused(const char *what, int code, int expected, const char *says) {
  const char *end = strchr(output, '\n');
  ck_assert_msg(code == expected && end && !end[1] && strstr(output, "hostile.safetensors") && strstr(output, says),
                "%s: exit %d, expected %d and one line that names the file and says '%s':\n%s", what, code, expected,
                says, output);
}

/* Each lie is refused by each command that looks at it, as one line, alone and beside a good file. */
START_TEST(lies_are_told) {
  const hostile *h = &rows[_i];
  write_capture("good.safetensors", FINE, X SCALE, 40);
  write_capture("hostile.safetensors", h->metadata, h->tensors, h->bytes);
  refused(h->what, shell("$S explain $D/hostile.safetensors"), FILE_ERROR, h->says);
  refused(h->what, shell("$S explain --json $D/good.safetensors $D/hostile.safetensors"), FILE_ERROR, h->says);
  if (!(h->flags & NO_GOLDEN))
    refused(h->what, shell("$S golden verify --oracle contract $D/hostile.safetensors >$D/summary"), FILE_ERROR, "");
  if (!(h->flags & NO_RUN))
    refused(h->what,
            shell("$S contract run int8-dynamic-act-int4-weight/activation/prepare@aligned --input "
                  "$D/hostile.safetensors --output $D/out.safetensors"),
            FILE_ERROR, "");
}
END_TEST

/* Two files that cannot be compared: the line names both contracts, of which those of affine have no step. */
START_TEST(two_kinds_are_told) {
  write_capture(
      "hostile.safetensors",
      "{\"samebits.golden\":\"1\",\"recipe\":\"affine\",\"flavor\":\"torchao-0.18-cpu\",\"dtype\":\"f32\","
      "\"group_size\":\"0\",\"mapping\":\"SYMMETRIC\",\"quant_min\":\"-8\",\"quant_max\":\"7\",\"eps\":\"default\"}",
      X SCALE, 40);
  write_capture("good.safetensors", FINE, X SCALE, 40);
  refused(
      "affine beside int8", shell("$S explain $D/hostile.safetensors $D/good.safetensors"), FILE_ERROR,
      "affine/symmetric@torchao-0.18-cpu and int8-dynamic-act-int4-weight/activation/prepare@aligned take different "
      "tensors");
}
END_TEST

/* What is merely strange is answered: NaN everywhere, qparams of another shape, codes in another format. */
START_TEST(strange_files_are_answered) {
  static const struct {
    const char *what, *tensors;
    int64_t bytes;
    int exit;
  } strange[] = {
      {"right", X TENSOR("c.zero_point", "I32", "[2,1]", 32, 40), 40, 1},
      {"a scale of three rows", X TENSOR("c.scale", "F32", "[3,1]", 32, 44), 44, 1},
      {"a scale of one dimension", X TENSOR("c.scale", "F32", "[2]", 32, 40), 40, 1},
      {"an empty scale", X TENSOR("c.codes", "I8", "[2,4]", 32, 40) TENSOR("c.scale", "F32", "[0,1]", 40, 40), 40, 1},
      {"codes in f64", X TENSOR("c.codes", "F64", "[2,4]", 32, 96), 96, 1},
      {"codes turned", X TENSOR("c.codes", "I8", "[4,2]", 32, 40), 40, 1},
  };
  for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
    write_capture("hostile.safetensors", FINE, strange[i].tensors, strange[i].bytes);
    const int code = shell("$S explain --json $D/hostile.safetensors");
    ck_assert_msg(code == strange[i].exit && strstr(output, "\"verdict\""), "%s: exit %d:\n%s", strange[i].what, code,
                  output);
  }
}
END_TEST

/* Files of two operations are not compared: they take different tensors. */
START_TEST(two_operations) {
  write_capture("good.safetensors", FINE, X SCALE, 40);
  write_capture("hostile.safetensors", INT8("quantize", "f32", "0"),
                X CODES TENSOR("c.scale", "F32", "[2,1]", 40, 48) TENSOR("c.zero_point", "I32", "[2,1]", 48, 56), 56);
  refused("two operations", shell("$S explain $D/good.safetensors $D/hostile.safetensors"), FILE_ERROR,
          "take different tensors");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("hostile_captures");
  TCase *tests = tcase_create("hostile_captures");
  tcase_set_timeout(tests, 0);
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_add_loop_test(tests, lies_are_told, 0, sizeof rows / sizeof *rows);
  tcase_add_test(tests, two_kinds_are_told);
  tcase_add_test(tests, strange_files_are_answered);
  tcase_add_test(tests, two_operations);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
