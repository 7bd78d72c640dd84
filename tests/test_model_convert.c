/* Converting a master gives upstream's artifact; what upstream would refuse is refused. */
#include "samebits/safetensors.h"
#include "tests/model_rows.h"

#include <string.h>

#define CUTS   "tests/models"
#define INT8   "int8-dynamic-act-int4-weight"
#define INT4   "int4-weight-only"
#define FLOAT8 "float8-dynamic-act-float8-weight"
#define MIXED  "float8-dynamic-act-int4-weight"

static void expect_same_json(const char *what, const char *a, const char *b) {
  json_t *x = json_loads(a, JSON_DECODE_ANY, NULL), *y = json_loads(b, JSON_DECODE_ANY, NULL);
  ck_assert_msg(x ? json_equal(x, y) : strcmp(a, b) == 0, "%s: %s\n%s", what, a, b);
  json_decref(x);
  json_decref(y);
}

/* Every tensor, byte for byte, and every metadata entry, as JSON. */
static void expect_same_file(const char *upstream, const char *ours) {
  sb_safetensors *a, *b;
  sb_ok(sb_safetensors_open(upstream, &a));
  sb_ok(sb_safetensors_open(ours, &b));
  ck_assert_int_eq(sb_safetensors_count(a), sb_safetensors_count(b));
  ck_assert_int_gt(sb_safetensors_count(a), 0);
  for (int i = 0; i < sb_safetensors_count(a); i++) {
    const char *name = sb_safetensors_name(a, i);
    const sb_tensor *x = sb_safetensors_at(a, i), *y = sb_safetensors_find(b, name);
    ck_assert_msg(y && x->format == y->format && x->rank == y->rank && x->dims[0] == y->dims[0], "%s", name);
    ck_assert_msg(sb_tensor_bytes(x) == sb_tensor_bytes(y) && memcmp(x->data, y->data, (size_t)sb_tensor_bytes(x)) == 0,
                  "%s: bytes differ", name);
  }
  ck_assert_int_eq(sb_safetensors_metadata_count(a), sb_safetensors_metadata_count(b));
  for (int i = 0; i < sb_safetensors_metadata_count(a); i++) {
    const char *key, *value;
    sb_safetensors_metadata_at(a, i, &key, &value);
    ck_assert_msg(sb_safetensors_metadata(b, key) != NULL, "no metadata %s", key);
    expect_same_json(key, value, sb_safetensors_metadata(b, key));
  }
  sb_safetensors_close(a);
  sb_safetensors_close(b);
}

static const struct {
  const char *recipe, *artifact, *dtype;
  int group, converted;
} rows[] = {{INT8, "qat", "bf16", 32, 2},
            {INT8, "qat-f32", "f32", 32, 2},
            {INT4, "qat", "bf16", 128, 2},
            {FLOAT8, "qat", "bf16", 0, 1},
            {MIXED, "qat", "bf16", 128, 2}};

/* Tensors, metadata and configuration are upstream's; and the recipe is recovered from the configuration with the
 * tensors and from the tensors alone. */
START_TEST(artifacts) {
  char path[PATH_MAX];
  const answer *a = run("model convert " CUTS "/%s/master --recipe %s --dtype %s --lift-gates --output %s/c%d",
                        rows[_i].recipe, rows[_i].recipe, rows[_i].dtype, folder, _i);
  expect_answer(a, 0, rows[_i].converted == 2 ? "2 of 2 Linear layers" : "259 rows are no multiple of 16",
                rows[_i].recipe);
  snprintf(path, sizeof path, SAMEBITS_SOURCE_DIR "/" CUTS "/%s/%s/model.safetensors", rows[_i].recipe,
           rows[_i].artifact);
  char name[64];
  snprintf(name, sizeof name, "c%d/model.safetensors", _i);
  expect_same_file(path, in_folder(name));
  snprintf(path, sizeof path, SAMEBITS_SOURCE_DIR "/" CUTS "/%s/%s/config.json", rows[_i].recipe, rows[_i].artifact);
  snprintf(name, sizeof name, "c%d/config.json", _i);
  json_t *x = json_load_file(path, 0, NULL), *y = json_load_file(in_folder(name), 0, NULL);
  ck_assert(x && json_equal(x, y));
  json_decref(x);
  json_decref(y);
  snprintf(path, sizeof path, "\"recipe\":\"%s\",\"group_size\":%d,\"source\":\"both\"", rows[_i].recipe,
           rows[_i].group);
  expect_answer(run("model inspect --json %s/c%d", folder, _i), 0, path, "with its configuration");
  ck_assert_int_eq(unlink(in_folder(name)), 0);
  snprintf(path, sizeof path, "\"recipe\":\"%s\",\"group_size\":%d,\"source\":\"tensors\"", rows[_i].recipe,
           rows[_i].group);
  expect_answer(run("model inspect --json %s/c%d", folder, _i), 0, path, "without it");
}
END_TEST

/* A device gate, a dtype that upstream refuses, an artifact as master, an unknown recipe, a group that does not divide,
 * and 0 of N layers are errors; a dry run writes nothing; an artifact is not written over another. */
START_TEST(refusals) {
  static const char *const master = "model convert " CUTS "/" INT8 "/master --output";
  expect_answer(run("%s %s/r --recipe " FLOAT8, master, folder), 3, "8.9; --lift-gates", "gate");
  expect_answer(run("%s %s/r --recipe " MIXED, master, folder), 3, "9.0; --lift-gates", "gate");
  expect_answer(run("model convert " CUTS "/" INT8 "/qat --recipe " INT8 " --output %s/r", folder), 3,
                "quantized already", "artifact");
  expect_answer(run("%s %s/r --recipe none", master, folder), 2, INT4, "unknown recipe");
  expect_answer(run("%s %s/r --recipe " INT8 " --group 48", master, folder), 3, "k_proj", "group");
  expect_answer(run("%s %s/r --recipe " INT4 " --group 48", master, folder), 2, "0 of 2 Linear layers",
                "nothing converted");
  expect_answer(run("%s %s/r --recipe " FLOAT8 " --group 32 --lift-gates", master, folder), 2, "no group size",
                "float8");
  expect_answer(run("%s %s/r --recipe " INT8 " --dtype f16", master, folder), 3, "f16", "dtype");
  expect_answer(run("%s %s/r --recipe " INT8 " --dry-run", master, folder), 0, "nothing written", "dry run");
  ck_assert_int_ne(access(in_folder("r"), F_OK), 0);
  expect_answer(run("%s %s/r --recipe " INT8, master, folder), 0, "2 of 2", "written");
  expect_answer(run("%s %s/r --recipe " INT8, master, folder), 2, "is there already", "again");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("model_convert");
  TCase *tests = tcase_create("model_convert");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_loop_test(tests, artifacts, 0, sizeof rows / sizeof *rows);
  tcase_add_test(tests, refusals);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
