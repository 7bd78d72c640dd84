/* Machine code beside the PTX. */
#include "cuda/ptx.h"
#include "tests/suite.h"

/* Machine code is for its own architecture and later ones of the same major version; where PTX of a newer one is there,
 * that is taken. */
START_TEST(machine_code_is_chosen_by_architecture) {
  static const char code[] = "ELF";
  static const sb_ptx table[] = {{80, "a", "ptx", code, code + 3}, {89, "a", "ptx", NULL, NULL},
                                 {90, "a", "ptx", code, code + 3}, {100, "a", "ptx", code, code + 3},
                                 {90, "b", "ptx", NULL, NULL},     {75, "b", "ptx", code, code + 3}};
  static const struct {
    int sm;
    const char *name;
    int row; /* -1: PTX */
  } rows[] = {{80, "a", 0},  {86, "a", 0}, {89, "a", -1}, {90, "a", 2},  {100, "a", 3}, {103, "a", 3}, {120, "a", -1},
              {75, "a", -1}, {75, "b", 5}, {72, "b", -1}, {80, "b", -1}, {90, "b", -1}, {90, "c", -1}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    ck_assert_msg(sb_ptx_cubin(table, 6, rows[i].name, rows[i].sm) == (rows[i].row < 0 ? NULL : &table[rows[i].row]),
                  "sm_%d, %s", rows[i].sm, rows[i].name);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cubins");
  TCase *tests = tcase_create("cubins");
  tcase_add_test(tests, machine_code_is_chosen_by_architecture);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
