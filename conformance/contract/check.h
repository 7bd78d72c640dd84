/* Names, formats and tiles of a contract for one case. */
#ifndef SAMEBITS_CONTRACT_CHECK_H
#define SAMEBITS_CONTRACT_CHECK_H

#include "conformance/contract/ast.h"

/* A tensor that the case gives: x, and what a single operation takes. `data` are its values, exact in f64. */
typedef struct sb_binding {
  const char *name;
  int fmt;
  sb_tile tile;
  const double *data;
} sb_binding;

enum { SB_MAX_BINDINGS = 8 };

typedef struct sb_env {
  int T, S, Z, O;                   /* S Z O: CF_NONE where the case does not say; then T, i32, T */
  int64_t rows, cols, group;        /* group 0: the row */
  bool affine;                      /* quant_min, quant_max and eps are known */
  double quant_min, quant_max, eps; /* eps NaN: the contract's own */
  bool lenient; /* for rewrites: a line is converted to its declared format where that is floating point */
  int binding_count;
  sb_binding bindings[SB_MAX_BINDINGS];
} sb_env;

int sb_cf_resolve(const sb_env *env, int format);

/* Annotates every node. SB_INVALID: one line with file, line, column. SB_UNSUPPORTED: a group that does not divide the
 * row. */
sb_status sb_contract_check(sb_contract *contract, const sb_env *env);

/* Number of tiles, rows and columns of tiles. */
int64_t sb_tile_rows(sb_tile tile, int64_t rows);
int64_t sb_tile_cols(sb_tile tile, int64_t cols);

#endif
