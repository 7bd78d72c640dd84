/* Any text: the parser gives a contract or an error, the checker the same, and a small evaluation ends. */
#include "conformance/contract/library.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static double x[4 * 16];
  sb_contract *k;
  if (sb_contract_parse("fuzz", (const char *)data, size, NULL, NULL, &k)) return 0;
  for (int i = 0; i < 64; i++) x[i] = (i % 7 - 3) * 0.25;
  sb_env env = {.T = SB_BF16,
                .S = CF_NONE,
                .Z = CF_NONE,
                .O = CF_NONE,
                .rows = 4,
                .cols = 16,
                .group = 8,
                .lenient = size % 2,
                .binding_count = 1,
                .bindings = {{"x", SB_BF16, {1, 1}, x}}};
  sb_scratch *scratch = sb_scratch_new();
  if (scratch && sb_contract_check(k, &env) == SB_OK) {
    sb_eval eval = {
        .contract = k, .env = &env, .kernel = size % 3 ? sb_kernel_exact : sb_kernel_fast, .scratch = scratch};
    for (int i = 0; i < k->line_count; i++)
      if (!sb_eval_line(&eval, i)) abort();
  }
  sb_scratch_free(scratch);
  sb_contract_free(k);
  return 0;
}
