/* Two checkpoints compared, on cuts of real ones and on damaged copies. */
#include "samebits/model.h"
#include "samebits/safetensors.h"
#include "tests/model_rows.h"

#include <string.h>

#define CUTS   "tests/models"
#define INT8   "int8-dynamic-act-int4-weight"
#define INT4   "int4-weight-only"
#define FLOAT8 "float8-dynamic-act-float8-weight"
#define MIXED  "float8-dynamic-act-int4-weight"

static json_t *compare(int exit_code, const char *a, const char *b) {
  const answer *got = run("model compare --json '%s' '%s'", a, b);
  ck_assert_msg(got->exit_code == exit_code, "%s %s: exit %d: %s", a, b, got->exit_code, got->text);
  json_t *object = json_loads(got->text, JSON_DISABLE_EOF_CHECK, NULL);
  ck_assert_msg(json_is_object(object), "no JSON: %.200s", got->text);
  ck_assert_int_eq(json_is_true(json_object_get(object, "exact")), exit_code == 0);
  return object;
}

static int64_t sum(const json_t *object, const char *tensor) {
  int64_t total = 0;
  size_t i;
  json_t *w;
  json_array_foreach(json_object_get(object, "weights"), i, w) {
    total += json_integer_value(json_object_get(json_object_get(w, "different"), tensor));
  }
  return total;
}

/* A QAT master is exactly its artifact where upstream's numerics are one, in both dtypes; elsewhere every differing
 * weight is counted and the mechanisms are those that give every bit. */
START_TEST(masters) {
  static const struct {
    const char *recipe, *artifact;
    int64_t scale, codes, output;
    const char *mechanisms;
  } rows[] = {{INT8, "qat", 0, 0, 0, "[]"},
              {INT8, "qat-f32", 0, 0, 0, "[]"},
              {INT4, "qat", 121, 0, 6115, "[\"scale-stored-narrow\"]"},
              {MIXED, "qat", 8, 593, 1358, "[\"per-op-vs-upcast\",\"fp8-first-weight\"]"}};
  char a[256], b[256];
  snprintf(a, sizeof a, CUTS "/%s/master", rows[_i].recipe);
  snprintf(b, sizeof b, CUTS "/%s/%s", rows[_i].recipe, rows[_i].artifact);
  json_t *object = compare(rows[_i].output ? 1 : 0, a, b);
  ck_assert_int_eq(sum(object, "scale"), rows[_i].scale);
  ck_assert_int_eq(sum(object, "codes"), rows[_i].codes);
  ck_assert_int_eq(sum(object, "output"), rows[_i].output);
  const json_t *weights = json_object_get(object, "weights");
  ck_assert_int_eq((int)json_array_size(weights), 2);
  for (size_t i = 0; i < 2; i++) {
    char *got = json_dumps(json_object_get(json_array_get(weights, i), "mechanisms"), JSON_COMPACT);
    ck_assert_str_eq(got, rows[_i].mechanisms);
    free(got);
  }
  const json_t *first = json_object_get(object, "first_difference");
  if (rows[_i].output)
    ck_assert_str_eq(json_string_value(json_object_get(first, "tensor")), "model.layers.0.self_attn.k_proj.weight");
  else
    ck_assert(json_is_null(first));
  json_decref(object);
}
END_TEST

/* A layer that convert leaves in float is told; the others are exact. */
START_TEST(left_in_float) {
  json_t *object = compare(1, CUTS "/" FLOAT8 "/master", CUTS "/" FLOAT8 "/qat");
  const json_t *weights = json_object_get(object, "weights"), *lm_head = json_array_get(weights, 1);
  ck_assert_int_eq(sum(object, "codes"), 0);
  ck_assert_str_eq(json_string_value(json_object_get(lm_head, "name")), "lm_head");
  ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(lm_head, "note")), "left in float"));
  ck_assert_int_eq((int)json_integer_value(json_object_get(json_object_get(lm_head, "different"), "output")), 30686);
  json_decref(object);
}
END_TEST

/* A copy of a cut with one changed bit in a tensor, and other settings in its configuration. */
static void copy_damaged(const char *from, const char *tensor, const char *config) {
  char path[PATH_MAX], command[PATH_MAX + 64];
  snprintf(command, sizeof command, "rm -rf %s/d && mkdir %s/d", folder, folder);
  ck_assert_int_eq(system(command), 0);
  sb_safetensors *file;
  sb_safetensors_writer *writer;
  snprintf(path, sizeof path, SAMEBITS_SOURCE_DIR "/%s/model.safetensors", from);
  sb_ok(sb_safetensors_open(path, &file));
  sb_ok(sb_safetensors_writer_new(&writer));
  for (int i = 0; i < sb_safetensors_metadata_count(file); i++) {
    const char *key, *value;
    sb_safetensors_metadata_at(file, i, &key, &value);
    sb_ok(sb_safetensors_put_metadata(writer, key, value));
  }
  for (int i = 0; i < sb_safetensors_count(file); i++) {
    const sb_tensor *t = sb_safetensors_at(file, i);
    if (tensor && strcmp(sb_safetensors_name(file, i), tensor) == 0) *(uint8_t *)t->data ^= 1;
    sb_ok(sb_safetensors_put(writer, sb_safetensors_name(file, i), t));
  }
  sb_ok(sb_safetensors_write(writer, in_folder("d/model.safetensors")));
  sb_safetensors_writer_free(writer);
  sb_safetensors_close(file);
  FILE *text = fopen(in_folder("d/config.json"), "w");
  fputs(config, text);
  fclose(text);
}

/* One flipped bit of a parameter, a code or a scale is found, in masters and in artifacts; what the catalogue does not
 * hold is given no mechanism. A setting that differs is not exact; what only converting changes is. */
START_TEST(damage) {
  static const char *const config = "{\"hidden_size\": 128}";
  copy_damaged(CUTS "/" INT8 "/qat", "model.layers.0.self_attn.k_proj._weight_qdata", config);
  json_t *object = compare(1, CUTS "/" INT8 "/master", in_folder("d"));
  ck_assert_int_eq(sum(object, "codes"), 1);
  ck_assert_int_eq(sum(object, "scale"), 0);
  ck_assert_int_eq(sum(object, "output"), 1);
  ck_assert_int_eq(
      (int)json_array_size(json_object_get(json_array_get(json_object_get(object, "weights"), 0), "mechanisms")), 0);
  json_decref(object);
  copy_damaged(CUTS "/" INT8 "/qat", "model.norm.weight", config);
  object = compare(1, CUTS "/" INT8 "/qat", in_folder("d"));
  const json_t *first = json_object_get(object, "first_difference");
  ck_assert_str_eq(json_string_value(json_object_get(first, "tensor")), "model.norm.weight");
  ck_assert_int_eq((int)json_integer_value(json_object_get(first, "different")), 1);
  json_decref(object);
  copy_damaged(CUTS "/" INT8 "/qat", NULL, config);
  object = compare(1, CUTS "/" INT8 "/qat", in_folder("d"));
  ck_assert_int_gt((int)json_array_size(json_object_get(object, "config")), 0);
  ck_assert_int_eq(sum(object, "output"), 0);
  json_decref(object);
  json_decref(compare(0, CUTS "/" INT8 "/qat", CUTS "/" INT8 "/qat"));
}
END_TEST

static void write_run(const char *name, uint16_t input, uint16_t output) {
  sb_safetensors_writer *writer;
  sb_tensor tensors[4];
  static uint16_t data[4][4];
  static const char *const names[] = {"one.input", "one.output", "two.input", "two.output"};
  sb_ok(sb_safetensors_writer_new(&writer));
  sb_ok(sb_safetensors_put_metadata(writer, "order", "one two"));
  data[2][1] = input;
  data[3][2] = output;
  for (int i = 0; i < 4; i++) {
    tensors[i] = sb_tensor_2d(SB_BF16, 1, 4);
    tensors[i].data = data[i];
    sb_ok(sb_safetensors_put(writer, names[i], &tensors[i]));
  }
  sb_ok(sb_safetensors_write(writer, in_folder(name)));
  sb_safetensors_writer_free(writer);
}

/* Of captured runs the first module in execution order whose output differs is named, and whether its input was equal;
 * logits tell whether predictions match. */
START_TEST(captured) {
  write_run("a", 0, 0x3f80);
  write_run("b", 0, 0x4000);
  write_run("c", 0x3f80, 0x4000);
  const answer *a = run("model compare --json --activations %s/a %s/b --logits %s/a#two.output %s/b#two.output", folder,
                        folder, folder, folder);
  expect_answer(a, 1, "\"tensor\":\"two.output\",\"different\":1,\"elements\":4,\"operands_equal\":true", "a sum");
  expect_answer(a, 1, "\"predictions_match\":true", "logits");
  a = run("model compare --json --activations %s/a %s/c", folder, folder);
  expect_answer(a, 1, "\"operands_equal\":false", "another input");
  expect_answer(run("model compare --activations %s/a %s/a", folder, folder), 0, "exact", "the same run");
  expect_answer(run("model compare --activations %s/a", folder), 2, "two words", "half a pair");
  expect_answer(run("model compare --logits %s/a %s/b", folder, folder), 2, "FILE#TENSOR", "no tensor");
  expect_answer(run("model compare --logits %s/a#x %s/b#x", folder, folder), 3, "\"x\"", "an unknown tensor");
  expect_answer(run("model compare tests/models"), 2, "two models", "one model");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("model_compare");
  TCase *tests = tcase_create("model_compare");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_loop_test(tests, masters, 0, 4);
  tcase_add_test(tests, left_in_float);
  tcase_add_test(tests, damage);
  tcase_add_test(tests, captured);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
