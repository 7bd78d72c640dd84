/* One character of a shipped kernel changed: the smoke tier is red, and explain names the change where the catalogue
 * has it. */
#include "tests/shell.h"

/* Characters of PTX: the change is made wherever the text stands in the module. `mechanism` NULL: the catalogue has no
 * such thing, and explain must not name one. */
static const struct {
  const char *module, *from, *to, *cells, *mechanism;
} rows[] = {
    {"int8_token_f32", "cvt.rni.s32", "cvt.rzi.s32", "int8-dynamic-act-int4-weight/activation/convert/f32", "truncate"},
    {"int8_token_f32", "0f00800000", "0f30800000", "int8-dynamic-act-int4-weight/activation/prepare/f32", "eps-value"},
    {"int8_token_f32", "0f437F0000", "0f437E0000", "int8-dynamic-act-int4-weight/activation/choose_qparams/f32", NULL},
    {"int8_token_f32", "rcp.rn.f32", "rcp.rz.f32", "int8-dynamic-act-int4-weight/activation/quantize/f32",
     "approx-reciprocal"},
    {"int4_group_f32", "cvt.rni.s32", "cvt.rzi.s32", "int8-dynamic-act-int4-weight/weight/prepare/f32", "truncate"},
    {"int4_group_f32", "0f40F00000", "0f40E00000", "int8-dynamic-act-int4-weight/weight/convert/f32",
     "symmetric-divisor"},
    {"int4_group_f32", ", -8;", ", -7;", "int8-dynamic-act-int4-weight/weight/convert/f32", "narrow-range-clamp"},
    {"int4_group_zp_f32", "0f358637BD", "0f368637BD", "int4-weight-only/weight/prepare/f32", "eps-value"},
    {"int4_group_zp_f32", "0f41700000", "0f41600000", "int4-weight-only/weight/convert/f32", NULL},
    {"float8_row_f32", "0f43E00000", "0f43600000", "float8-dynamic-act-float8-weight/weight/prepare/f32",
     "fnuz-variant"},
    {"float8_row_f32", "div.rn.f32", "div.rz.f32", "float8-dynamic-act-float8-weight/activation/convert/f32", NULL},
    {"float8_int4_f32", "cvt.rni.s32", "cvt.rzi.s32", "float8-dynamic-act-int4-weight/weight/convert/f32", "truncate"},
};

/* The smoke tier on the changed module fails, and the repro line of its first failure is explained by the mechanism (or
 * by none). */
START_TEST(is_found_and_named) {
  char recipe[64], side[32], step[32], dtype[16], flavor[] = "aligned";
  ck_assert_int_eq(sscanf(rows[_i].cells, "%63[^/]/%31[^/]/%31[^/]/%15s", recipe, side, step, dtype), 4);
  shell("rm -rf $D/ptx; mkdir $D/ptx");
  const int changed =
      shell("F=%s/cuda/ptx/sm_90/%s.ptx; sed 's/%s/%s/g' $F >$D/ptx/%s.ptx; cmp -s $F $D/ptx/%s.ptx",
            SAMEBITS_BINARY_DIR, rows[_i].module, rows[_i].from, rows[_i].to, rows[_i].module, rows[_i].module);
  ck_assert_msg(changed == 1, "%s has no %s", rows[_i].module, rows[_i].from);
  const int code = shell("SAMEBITS_PTX=$D/ptx $S check --device emu:sm_90 --recipe %s --side %s --step %s --dtype %s "
                         "--flavor %s --output $D/run >$D/out; grep -c '^FAIL' $D/out; exit $?",
                         recipe, side, step, dtype, flavor);
  ck_assert_msg(code == 0 && atoi(output) > 0, "%s of %s: nothing failed: %s", rows[_i].from, rows[_i].module, output);
  shell(
      "C=$(sed -n 's/^FAIL \\([^ ]*[^: ]\\):* .*/\\1/p' $D/out | grep -v -e special -e /1x | head -n 1); echo \"$C\"; "
      "SAMEBITS_PTX=$D/ptx $S explain \"$C\" --device emu:sm_90");
  if (rows[_i].mechanism) {
    ck_assert_msg(strstr(output, "every bit is reproduced") && strstr(output, rows[_i].mechanism), "%s of %s: %s",
                  rows[_i].from, rows[_i].module, output);
  } else
    ck_assert_msg(strstr(output, "no mechanism, layout or pair reproduces every bit") != NULL, "%s of %s: %s",
                  rows[_i].from, rows[_i].module, output);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("one_character");
  TCase *tests = tcase_create("one_character");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 300);
  tcase_add_loop_test(tests, is_found_and_named, 0, sizeof rows / sizeof *rows);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
