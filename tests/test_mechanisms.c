/* The mechanisms' tables. */
#include "conformance/contract/library.h"
#include "conformance/mechanisms/mechanism.h"
#include "samebits/contract.h"
#include "tests/suite.h"

#include <string.h>

enum { ROWS = 4, COLS = 256, GROUP = 64, MOST_FORMS = 64 };

/* Forms that need e5m2 or e2m1 codes, a case's own formats (affine), or a contract that another mechanism has changed.
 */
static const struct {
  const char *id;
  int forms;
} elsewhere[] = {
    {"fp8-saturate-vs-nan", 3}, {"fp8-half-away", 2},         {"fp4-tie", 2},         {"fp8-subnormal-flush", 4},
    {"dequant-int32-sub", 1},   {"dequant-distributed", 1},   {"zp-float-domain", 1}, {"recip-mul-vs-div", 1},
    {"add-before-round", 4},    {"fma-contraction", 2},       {"round-half-away", 1}, {"eps-value", 1},
    {"symmetric-divisor", 1},   {"no-clipping-symmetric", 1},
};

static int forms_elsewhere(const char *id) {
  for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
    if (strcmp(elsewhere[i].id, id) == 0) return elsewhere[i].forms;
  return 0;
}

typedef struct found {
  const sb_env *env;
  bool forms[MOST_FORMS];
} found;

static bool find(void *context, const sb_candidate *c) {
  found *f = context;
  bool *form = &f->forms[c->alternative - c->mechanism->alternatives];
  if (!*form) *form = sb_contract_check(c->contract, f->env) == SB_OK;
  return true;
}

static void find_in_contracts(const sb_mechanism *m, sb_format dtype, found *f) {
  static double x[ROWS * COLS];
  const sb_env env = {.T = (int)dtype,
                      .S = CF_NONE,
                      .Z = CF_NONE,
                      .O = CF_NONE,
                      .rows = ROWS,
                      .cols = COLS,
                      .group = GROUP,
                      .lenient = true,
                      .binding_count = 1,
                      .bindings = {{"x", (int)dtype, {1, 1}, x}}};
  f->env = &env;
  for (int i = 0; i < sb_contracts_count(); i++) {
    sb_contract_case at;
    sb_contract *k;
    if (strncmp(sb_contracts_name(i), "affine/", 7) == 0) continue;
    sb_ok(sb_contract_case_parse(sb_contracts_name(i), dtype, GROUP, &at));
    if (sb_contract_is_operation(&at)) continue;
    sb_ok(sb_contract_load(&at, &k));
    sb_ok(sb_contract_check(k, &env));
    sb_arena *arena = sb_arena_new();
    sb_ok(sb_rewrite_each(k, &env, NULL, m, arena, find, f));
    sb_arena_free(arena);
    sb_contract_free(k);
  }
}

/* Every form of every mechanism can be made of a contract: one whose patterns shut each other out would never be named.
 */
START_TEST(every_form_is_one_of_a_contract) {
  for (int i = 0; i < sb_mechanism_count(); i++) {
    const sb_mechanism *m = sb_mechanism_at(i);
    found f = {.forms = {false}};
    int missing = 0;
    ck_assert_int_le(m->alternative_count, MOST_FORMS);
    find_in_contracts(m, SB_BF16, &f);
    find_in_contracts(m, SB_F32, &f);
    const char *last = "";
    for (int a = 0; a < m->alternative_count; a++)
      if (!f.forms[a]) missing++, last = m->alternatives[a].what;
    ck_assert_msg(missing == forms_elsewhere(m->id), "%s: %d forms are made of no contract, the last is '%s'", m->id,
                  missing, last);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("mechanisms");
  TCase *tests = tcase_create("mechanisms");
  tcase_set_timeout(tests, 0);
  tcase_add_test(tests, every_form_is_one_of_a_contract);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
