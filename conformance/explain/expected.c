/* From an expectation's mechanisms to the contract that they make of prepare's. */
#include "conformance/explain/expected.h"
#include "samebits/fill.h"

#include <stdio.h>

enum { FEW = 3, MANY = 24, ROWS = 192, COLS = 128 };

sb_status sb_id_list_parse(const char *text, sb_id_list *list) {
  *list = (sb_id_list){0};
  for (const char *p = text; *p;) {
    char id[64];
    size_t n = strcspn(p, ",");
    if (n >= sizeof id || list->count == SB_MAX_EXPECTED_IDS)
      return sb_fail(SB_USAGE, "'%s': at most %d mechanisms of at most 63 characters", text, SB_MAX_EXPECTED_IDS);
    snprintf(id, sizeof id, "%.*s", (int)n, p);
    if (!(list->ids[list->count++] = sb_mechanism_find(id)))
      return sb_fail(SB_USAGE, "no mechanism '%s' (samebits list mechanisms)", id);
    p += n + (p[n] == ',');
  }
  return list->count ? SB_OK : sb_fail(SB_USAGE, "no mechanism is named");
}

/* Most rows are of the fills that look for trouble. */
sb_status sb_expected_train(const sb_spec *spec, const sb_contract_case *from, const sb_contract_case *to,
                            sb_capture *training) {
  const int64_t group = spec->group_size > 0 ? spec->group_size : COLS, cols = (COLS + group - 1) / group * group;
  sb_tensor in[SB_SLOTS] = {[SB_X] = sb_tensor_2d(spec->dtype, ROWS, cols)}, out[SB_SLOTS] = {{0}};
  int64_t filled = 0, bytes = sb_format_bytes(spec->dtype, cols);
  *training = (sb_capture){.at = *from};
  sb_status status = sb_tensor_alloc(&in[SB_X]);
  for (int f = 0; f < sb_fill_table_count && status == SB_OK; f++) {
    sb_tensor some = sb_tensor_2d(spec->dtype, sb_fill_table[f]->ordinary ? FEW : MANY, cols);
    if (some.dims[0] > ROWS - filled) break;
    some.data = (char *)in[SB_X].data + filled * bytes;
    if (sb_fill_table[f]->make(spec, 1, &some) == SB_OK) filled += some.dims[0];
  }
  in[SB_X].dims[0] = filled;
  if (status == SB_OK) status = sb_contract_run(to, in, out);
  if (status == SB_OK) status = sb_capture_add(training, "training", in, out);
  sb_tensor_free(&in[SB_X]);
  for (int s = 0; s < SB_SLOTS; s++) sb_tensor_free(&out[s]);
  return status;
}

sb_status sb_expected_derive(const sb_capture *capture, const sb_id_list *ids, sb_arena *arena, sb_contract **found,
                             int *rewrites) {
  sb_contract *base = NULL;
  sb_search s = {0};
  *found = NULL;
  *rewrites = 0;
  sb_status status = sb_contract_load(&capture->at, &base);
  if (status == SB_OK) status = sb_search_begin(&s, capture, base);
  if (status == SB_OK) sb_search_fit(&s);
  if (status == SB_OK) status = sb_search_ordered(&s, ids->ids, ids->count);
  for (int i = 0; status == SB_OK && i < s.set_count && !*found; i++) {
    if (!sb_search_reproduces(&s, s.sets[i].contract, true)) continue;
    *rewrites = s.sets[i].count;
    *found = sb_contract_copy(s.sets[i].contract, arena);
    if (!*found) status = sb_fail(SB_NO_MEMORY, "no memory for a contract");
  }
  sb_search_end(&s);
  sb_contract_free(base);
  return status;
}
