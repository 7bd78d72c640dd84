/* What a mechanism costs in a model, and how differences grow from layer to layer. */
#include "tests/small_llama.h"

#include <jansson.h>

#define INT8   "int8-dynamic-act-int4-weight"
#define FLOAT8 "float8-dynamic-act-float8-weight"

static json_t *evaluate(const char *arguments) {
  const answer *a = run("model eval --json %s/m --tokens %s/tokens %s", folder, folder, arguments);
  ck_assert_msg(a->exit_code == 0, "%s: %s", arguments, a->text);
  json_t *object = json_loads(a->text, JSON_DISABLE_EOF_CHECK, NULL);
  ck_assert_ptr_nonnull(object);
  return object;
}

static double number(const json_t *object, const char *key) { return json_number_value(json_object_get(object, key)); }

static double loss_of(const char *arguments) {
  json_t *object = evaluate(arguments);
  const double loss = number(object, "eval_loss");
  json_decref(object);
  return loss;
}

/* The sum of a key over all points of both lists. */
static double sum_of(const json_t *object, const char *key) {
  double sum = 0;
  const char *const lists[] = {"layers", "modules"};
  for (int l = 0; l < 2; l++)
    for (size_t i = 0; i < json_array_size(json_object_get(object, lists[l])); i++)
      sum += number(json_array_get(json_object_get(object, lists[l]), i), key);
  return sum;
}

/* Convert against prepare: nothing differs anywhere for the int8 recipe; for float8 in bf16 it does, and both losses
 * have the bits of an evaluation of one step alone. The points are every Linear's output, every block and the logits.
 */
START_TEST(convert_against_prepare) {
  json_t *same = evaluate("--recipe " INT8 " --linear both"),
         *other = evaluate("--dtype bf16 --recipe " FLOAT8 " --linear both");
  ck_assert(sum_of(same, "different") == 0 && sum_of(same, "elements") > 0);
  ck_assert(number(same, "predictions_different") == 0 && number(same, "difference") == 0);
  ck_assert_int_eq((int)json_array_size(json_object_get(other, "layers")), LAYERS + 1);
  ck_assert_int_eq((int)json_array_size(json_object_get(other, "modules")), 7 * LAYERS);
  ck_assert_str_eq(json_string_value(json_object_get(json_array_get(json_object_get(other, "layers"), 1), "name")),
                   "model.layers.1");
  ck_assert(sum_of(other, "different") > 0 && sum_of(other, "relative") > 0);
  ck_assert(number(other, "eval_loss") == loss_of("--dtype bf16 --recipe " FLOAT8 " --linear convert"));
  ck_assert(number(json_object_get(other, "base"), "eval_loss") ==
            loss_of("--dtype bf16 --recipe " FLOAT8 " --linear prepare"));
  json_decref(same);
  json_decref(other);
}
END_TEST

/* A mechanism that has no effect (adding a zero point that is 0 before rounding) leaves every bit of every Linear, so
 * that the evaluated contract is the reference; another one changes weights from the first Linear on, and only its
 * side. */
START_TEST(mechanisms) {
  json_t *none = evaluate("--recipe " INT8 " --linear prepare --mechanism add-before-round@weight");
  ck_assert(sum_of(none, "different") == 0 && sum_of(none, "elements") > 0);
  ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(none, "applied")), "weight: add-before-round"));
  json_t *some = evaluate("--dtype bf16 --recipe " INT8 " --mechanism recip-mul-vs-div@weight");
  ck_assert(number(json_array_get(json_object_get(some, "modules"), 0), "different") > 0);
  ck_assert(number(some, "eval_loss") != number(json_object_get(some, "base"), "eval_loss"));
  ck_assert_ptr_null(strstr(json_string_value(json_object_get(some, "applied")), "activation"));
  json_decref(none);
  json_decref(some);
}
END_TEST

/* The same bytes for any number of threads. */
START_TEST(threads) {
  json_t *one = evaluate("--recipe " FLOAT8 " --linear both --threads 1"),
         *three = evaluate("--recipe " FLOAT8 " --linear both --threads 3");
  ck_assert(json_equal(one, three));
  json_decref(one);
  json_decref(three);
}
END_TEST

/* What cannot be applied is one line. */
START_TEST(refusals) {
  static const char *const cases[][2] = {
      {"--recipe " INT8 " --mechanism nonsense", "no mechanism 'nonsense'"},
      {"--recipe " INT8 " --mechanism fp8-first-weight", "changes no Linear layer of " INT8},
      {"--recipe " INT8 " --mechanism add-before-round@left", "'left' is no side"},
      {"--mechanism add-before-round", "need --recipe"},
      {"--recipe " INT8 " --linear both --mechanism add-before-round", "not both"},
      {"--recipe " INT8 " --plots x", "--plots draws"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const answer *a = run("model eval %s/m --tokens %s/tokens %s", folder, folder, cases[i][0]);
    expect_answer(a, 2, cases[i][1], cases[i][0]);
    ck_assert_int_eq(a->error_lines, 1);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("model_growth");
  TCase *tests = tcase_create("model_growth");
  tcase_add_unchecked_fixture(tests, make_model, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, convert_against_prepare);
  tcase_add_test(tests, mechanisms);
  tcase_add_test(tests, threads);
  tcase_add_test(tests, refusals);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
