/* The words of the language: operators, rules of casts, formats. */
#include "conformance/contract/ast.h"

const sb_op_info sb_ops[C_OPS] = {
    [C_NUM] = {"number", 0, false, true},
    [C_NAME] = {"name", 0, false, true},
    [C_INPUT] = {"input", 0, false, true},
    [C_META] = {"any", 0, false, true},
    [C_NEG] = {"-", 1, false, true},
    [C_ADD] = {"+", 2, false, false},
    [C_SUB] = {"-", 2, false, false},
    [C_MUL] = {"*", 2, false, false},
    [C_DIV] = {"/", 2, false, false},
    [C_FMA] = {"fma", 3, true, false},
    [C_MIN] = {"min", 2, true, true},
    [C_MAX] = {"max", 2, true, true},
    [C_MINNUM] = {"minnum", 2, true, true},
    [C_MAXNUM] = {"maxnum", 2, true, true},
    [C_CLAMP] = {"clamp", 3, true, true},
    [C_CLAMPNUM] = {"clampnum", 3, true, true},
    [C_ABS] = {"abs", 1, true, true},
    [C_COPYSIGN] = {"copysign", 2, true, true},
    [C_ROUND] = {"round", 1, true, true},
    [C_ROUND_AWAY] = {"round_away", 1, true, true},
    [C_FLOOR] = {"floor", 1, true, true},
    [C_CEIL] = {"ceil", 1, true, true},
    [C_TRUNC] = {"trunc", 1, true, true},
    [C_LT] = {"<", 2, false, true},
    [C_LE] = {"<=", 2, false, true},
    [C_GT] = {">", 2, false, true},
    [C_GE] = {">=", 2, false, true},
    [C_EQ] = {"==", 2, false, true},
    [C_NE] = {"!=", 2, false, true},
    [C_SELECT] = {"select", 3, true, true},
    [C_ISNAN] = {"isnan", 1, true, true},
    [C_ISINF] = {"isinf", 1, true, true},
    [C_AMIN] = {"amin", 1, true, true},
    [C_AMAX] = {"amax", 1, true, true},
    [C_AMINNUM] = {"aminnum", 1, true, true},
    [C_AMAXNUM] = {"amaxnum", 1, true, true},
    [C_AMAXABS] = {"amaxabs", 1, true, true},
    [C_SIGNED_ABSMAX] = {"signed_absmax", 1, true, true},
    [C_POW2_DOWN] = {"pow2_down", 1, true, true},
    [C_POW2_UP] = {"pow2_up", 1, true, true},
    [C_NEXT_UP] = {"next_up", 1, true, true},
    [C_NEXT_DOWN] = {"next_down", 1, true, true},
    [C_FLUSH] = {"flush", 1, true, true},
    [C_POSITIVE_ZERO] = {"positive_zero", 1, true, true},
    [C_CAST] = {"cast", 1, false, false},
    [C_EPS] = {"eps", 1, true, true},
    [C_SMALLEST_NORMAL] = {"smallest_normal", 1, true, true},
    [C_LARGEST] = {"largest", 1, true, true},
    [C_GIVEN] = {"given", 2, true, true},
    [C_PACK_LOW] = {"pack_low_first", 1, true, true},
    [C_PACK_HIGH] = {"pack_high_first", 1, true, true},
};
const char *const sb_rule_names[R_COUNT] = {[R_DEFAULT] = "",
                                            [R_SAT] = "sat",
                                            [R_NAN] = "nan",
                                            [R_INF] = "inf",
                                            [R_X86] = "x86",
                                            [R_WRAP] = "wrap",
                                            [R_AWAY] = "away",
                                            [R_ZERO] = "zero",
                                            [R_UP] = "up",
                                            [R_FLUSH] = "flush",
                                            [R_FLUSH_POSITIVE] = "flush_positive",
                                            [R_BITS] = "bits"};

const char *sb_cf_name(int format) {
  static const char *const own[] = {"e4m3fnuz", "a Python integer", "a Python float", "T", "S", "Z", "O", "R"};
  if (format < 0) return "none";
  return format < SB_FORMATS ? sb_format_of((sb_format)format)->name : own[format - SB_FORMATS];
}

int sb_cf_parse(const char *word) {
  for (int f = 0; f < CF_COUNT; f++)
    if (f != CF_PYINT && f != CF_PYFLOAT && f != CF_R && strcmp(word, sb_cf_name(f)) == 0) return f;
  return CF_NONE;
}

int sb_line_find(const sb_contract *contract, const char *name) {
  for (int i = 0; i < contract->line_count; i++)
    if (strcmp(contract->lines[i].name, name) == 0) return i;
  return -1;
}
