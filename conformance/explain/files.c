/* Explanations of files and of tensors in memory. */
#include "conformance/explain/explain_parts.h"

#include <stdio.h>
#include <stdlib.h>

static sb_status explain(const sb_capture *cap, const sb_contract_case *at, const sb_explain_options *options,
                         sb_explanation **out) {
  sb_contract *base = NULL;
  sb_explanation *e = calloc(1, sizeof *e);
  if (!e) return sb_fail(SB_NO_MEMORY, "no memory for an explanation");
  sb_contract_case_name(at, e->contract, sizeof e->contract);
  e->at = *at;
  sb_status status = sb_contract_load(at, &base);
  if (status == SB_OK) status = sb_explain_capture(cap, base, options, e);
  sb_contract_free(base);
  if (status != SB_OK) {
    sb_explanation_free(e);
    return status;
  }
  *out = e;
  return SB_OK;
}

sb_status sb_explain_file(const char *path, const sb_explain_options *options, sb_explanation **out) {
  sb_capture cap;
  *out = NULL;
  sb_status status = sb_capture_open(path, &cap);
  if (status != SB_OK) return status;
  status = explain(&cap, &cap.at, options, out);
  sb_capture_close(&cap);
  if (status == SB_INVALID) status = SB_FILE; /* what the file says of itself does not fit */
  return status == SB_OK ? status : sb_fail_in(status, "%s", path);
}

sb_status sb_explain_tensors(const sb_contract_case *at, const char *name, const sb_tensor in[SB_SLOTS],
                             const sb_tensor out[SB_SLOTS], const sb_explain_options *options,
                             sb_explanation **explanation) {
  sb_capture cap;
  *explanation = NULL;
  sb_status status = sb_capture_make(at, name, in, out, &cap);
  if (status != SB_OK) return status;
  status = explain(&cap, at, options, explanation);
  sb_capture_close(&cap);
  return status;
}

static const sb_capture_case *find(const sb_capture *cap, const char *name) {
  for (int i = 0; i < cap->count; i++)
    if (strcmp(cap->cases[i].name, name) == 0) return &cap->cases[i];
  return NULL;
}

static bool same_input(const sb_capture_case *l, const sb_capture_case *r) {
  if (!l || l->rows != r->rows || l->cols != r->cols || !l->inputs.values[SB_X] || !r->inputs.values[SB_X])
    return false;
  for (int64_t k = 0; k < r->rows * r->cols; k++)
    if (!sb_same_value(l->inputs.values[SB_X][k], r->inputs.values[SB_X][k], true)) return false;
  return true;
}

/* Of cases with one input in both files, tensors that one side lacks are not compared. Other cases of the right file
 * are explained on their own input, which is all that a contract needs. */
static void keep_slots(sb_capture *right, const sb_capture *left) {
  for (int i = 0; i < right->count; i++) {
    const sb_capture_case *l = find(left, right->cases[i].name);
    if (!same_input(l, &right->cases[i])) continue;
    for (int s = 0; s < SB_SLOTS; s++) {
      if (l->slot[s].values || !right->cases[i].slot[s].values) continue;
      free(right->cases[i].slot[s].values);
      right->cases[i].slot[s] = (sb_captured){0};
    }
  }
}

static bool follows(const sb_capture *cap, const sb_contract_case *at) {
  sb_contract *k = NULL;
  sb_search s;
  if (sb_contract_load(at, &k) != SB_OK) return false;
  bool yes = sb_search_begin(&s, cap, k) == SB_OK && s.first_full == 0 && sb_search_reproduces(&s, s.base, false);
  sb_search_end(&s);
  sb_contract_free(k);
  return yes;
}

/* Whether a case is an operation or has parameters: another contract cannot take its tensors. */
static bool is_part(const sb_contract_case *at) {
  return sb_contract_is_operation(at) || strcmp(at->recipe, "affine") == 0;
}

static sb_status take_different_tensors(const sb_contract_case *l, const sb_contract_case *r) {
  char left[400], right[400];
  sb_contract_case_name(l, left, sizeof left);
  sb_contract_case_name(r, right, sizeof right);
  return sb_fail(SB_FILE, "%s and %s take different tensors", left, right);
}

sb_status sb_explain_files(const char *left, const char *right, const sb_explain_options *options,
                           sb_explanation **out) {
  sb_capture l, r;
  sb_explain_options sets = options ? *options : (sb_explain_options){0};
  *out = NULL;
  sets.any_size = 1;
  sb_status status = sb_capture_open(left, &l);
  if (status != SB_OK) return status;
  status = sb_capture_open(right, &r);
  const bool part = status == SB_OK && (is_part(&l.at) || is_part(&r.at));
  if (part && (strcmp(l.at.step, r.at.step) != 0 || strcmp(l.at.recipe, r.at.recipe) != 0))
    status = take_different_tensors(&l.at, &r.at);
  else if (status == SB_OK && r.at.dtype != l.at.dtype)
    status = sb_fail(SB_FILE, "the files are not of one dtype");
  if (status == SB_OK) {
    /* From the side that its own contract gives; the left one where both do. */
    bool from_right = !follows(&l, &l.at) && follows(&r, &r.at);
    sb_contract_case at = from_right ? r.at : l.at;
    keep_slots(&r, &l);
    keep_slots(&l, &r);
    if (from_right)
      l.at = at;
    else
      r.at = at;
    status = explain(from_right ? &l : &r, &at, &sets, out);
  }
  if (status == SB_INVALID) status = SB_FILE;
  sb_capture_close(&r);
  sb_capture_close(&l);
  return status == SB_OK ? status : sb_fail_in(status, "%s, %s", left, right);
}
