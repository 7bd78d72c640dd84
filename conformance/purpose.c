/* MISTRUSTED: generated data that misses its fill's purpose, so that a pass on it would say nothing. */
#include "conformance/check.h"
#include "samebits/apply.h"

enum { LEAST_ELEMENTS = 64, LEAST_BLOCK = 16 };

/* The values of all codes of a byte, so that a loop over elements decodes none. */
static void decode_bytes(sb_format format, double values[256]) {
  for (int i = 0; i < 256; i++) {
    const uint8_t code = (uint8_t)i;
    values[i] = sb_load(format, &code, 0);
  }
}

/* Codes: all equal, or more than half at the two ends. */
static void check_codes(sb_checking *k, const sb_tensor *codes) {
  int64_t count = sb_tensor_count(codes), ends = 0;
  if (!codes->data || count < LEAST_ELEMENTS) return;
  const uint8_t *bytes = sb_format_of(codes->format)->bits == 8 ? codes->data : NULL;
  double values[256];
  if (bytes) decode_bytes(codes->format, values);
  double first = sb_load(codes->format, codes->data, 0), low = first, high = first;
  for (int64_t i = 1; i < count; i++) {
    double code = bytes ? values[bytes[i]] : sb_load(codes->format, codes->data, i);
    low = code < low ? code : low;
    high = code > high ? code : high;
  }
  if (!(low < high)) {
    sb_verdict(k->result, SB_MISTRUSTED, "the input gives one code only");
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    double code = bytes ? values[bytes[i]] : sb_load(codes->format, codes->data, i);
    ends += code == low || code == high;
  }
  if (2 * ends > count && sb_fill_block(&k->c->spec, k->c->cols) >= LEAST_BLOCK && high - low > 3)
    sb_verdict(k->result, SB_MISTRUSTED, "more than half of the codes are saturated");
}

/* Scales: every one the scale of an all-zero block, although the input is not small enough for the flavor's own floor.
 */
static sb_status check_scales(sb_checking *k) {
  sb_spec choose;
  sb_tensor slots[SB_SLOTS] = {0}, given[SB_SLOTS] = {0};
  const double small = 0x1p-20;
  bool large = false;
  int64_t count = sb_tensor_count(&k->x);
  for (int64_t i = 0; i < count && !large; i++) {
    double value = sb_load(k->x.format, k->x.data, i);
    large = value > small || value < -small;
  }
  if (large || count < LEAST_ELEMENTS || sb_spec_step(&k->c->spec, SB_CHOOSE_QPARAMS, true, &choose)) return SB_OK;
  given[SB_X] = k->x;
  slots[SB_X] = sb_tensor_2d(k->x.format, k->c->rows, k->c->cols);
  sb_status status = sb_tensor_alloc(&slots[SB_X]);
  if (!status) status = sb_apply(&choose, k->c->rows, k->c->cols, slots, NULL);
  if (!status) status = sb_apply(&choose, k->c->rows, k->c->cols, given, NULL);
  if (!status) {
    sb_comparison comparison;
    status = sb_compare(&slots[SB_SCALE], &given[SB_SCALE], &comparison, NULL, NULL);
    if (!status && comparison.different == 0)
      sb_verdict(k->result, SB_MISTRUSTED, "every scale is at its floor: the input is all but zero");
  }
  given[SB_X] = (sb_tensor){0};
  sb_slots_free(given);
  sb_slots_free(slots);
  return status;
}

sb_status sb_check_purpose(sb_checking *k, const sb_tensor slots[SB_SLOTS]) {
  const sb_fill *fill = k->c->fill;
  if (!fill || k->result->status != SB_PASS) return SB_OK;
  if (fill->serves) {
    sb_status status = fill->serves(&k->c->spec, &k->x);
    if (status == SB_INVALID) sb_verdict(k->result, SB_MISTRUSTED, "%s", sb_message());
    return status == SB_INVALID ? SB_OK : status;
  }
  if (!fill->ordinary) return SB_OK;
  check_codes(k, &slots[SB_CODES]);
  return k->result->status == SB_PASS ? check_scales(k) : SB_OK;
}
