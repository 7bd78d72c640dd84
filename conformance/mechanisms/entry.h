/* Short forms for the tables of mechanisms, and the names of lines that contracts give to one thing. */
#ifndef SAMEBITS_MECHANISMS_ENTRY_H
#define SAMEBITS_MECHANISMS_ENTRY_H

#include "conformance/mechanisms/mechanism.h"

#define SCALE   "scale s"
#define ROW     "row_scale"
#define SCALES  "scale s row_scale m"
#define ZERO    "zero_point z"
#define QPARAMS "scale s row_scale m zero_point z mn mx amax"
#define CODES   "codes c"
#define OUTPUT  "output w"
#define LATER   "codes c output w"

#define MATCH(lines, pattern, replacement)                                                                             \
  { CHANGE_MATCH, lines, pattern, replacement, CF_NONE, 0 }
#define ALL(lines, pattern, replacement)                                                                               \
  { CHANGE_ALL, lines, pattern, replacement, CF_NONE, 0 }
#define ALSO(lines, pattern, replacement)                                                                              \
  { CHANGE_ALL, lines, pattern, replacement, CF_NONE, OPTIONAL }
#define MATCH_EPS(lines, pattern, replacement)                                                                         \
  { CHANGE_MATCH, lines, pattern, replacement, CF_NONE, EPS_TOO }
#define ALL_RANGE(lines, pattern, replacement)                                                                         \
  { CHANGE_ALL, lines, pattern, replacement, CF_NONE, RANGE_TOO }
#define BIND(lines, pattern)                                                                                           \
  { CHANGE_BIND, lines, pattern, NULL, CF_NONE, 0 }
#define WHOLE(lines, replacement)                                                                                      \
  { CHANGE_ROOT, lines, NULL, replacement, CF_NONE, 0 }
#define WHOLE_TOO(lines, replacement)                                                                                  \
  { CHANGE_ROOT, lines, NULL, replacement, CF_NONE, OPTIONAL }
#define CHAIN(lines, format)                                                                                           \
  { CHANGE_CHAIN, lines, NULL, NULL, format, OPTIONAL }
#define KEEP(lines, format)                                                                                            \
  { CHANGE_KEEP, lines, NULL, NULL, format, OPTIONAL }
#define ONE_OP(lines, format)                                                                                          \
  { CHANGE_ONE_OP, lines, NULL, NULL, format, 0 }
#define FORMAT(lines, format)                                                                                          \
  { CHANGE_FORMAT, lines, NULL, NULL, format, 0 }
#define RETYPE(lines, format)                                                                                          \
  { CHANGE_FORMAT, lines, NULL, NULL, format, TENSOR_TOO }
#define FLUSH(lines, what)                                                                                             \
  { CHANGE_FLUSH, lines, NULL, what, CF_NONE, 0 }
#define ROUNDING(lines, rule)                                                                                          \
  { CHANGE_ROUNDING, lines, NULL, rule, CF_NONE, 0 }
#define STORED(lines, replacement)                                                                                     \
  { CHANGE_STORED, lines, NULL, replacement, CF_NONE, 0 }
#define COUNT(table) (int)(sizeof(table) / sizeof *(table))
#define FORMS(table) .alternatives = table, .alternative_count = COUNT(table)

#endif
