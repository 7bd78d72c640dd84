/* Reading captures. */
#include "conformance/explain/capture.h"
#include "conformance/contract/values.h"

#include <stdio.h>
#include <stdlib.h>

bool sb_step_yields(const sb_contract_case *c, sb_slot s) {
  bool qparams = s == SB_SCALE || s == SB_ZERO_POINT || s == SB_ROW_SCALE;
  if (s == SB_X) return false;
  if (strcmp(c->step, "choose_qparams") == 0) return qparams;
  if (strcmp(c->step, "quantize") == 0) return s == SB_CODES;
  if (strcmp(c->step, "dequantize") == 0) return s == SB_OUTPUT;
  return true;
}

/* What a single operation takes has to be there: the contract has no lines for it. */
static sb_status operands_are_there(const sb_contract_case *c, const sb_contract *k, const sb_tensor in[SB_SLOTS]) {
  static const sb_slot operands[] = {SB_SCALE, SB_ZERO_POINT, SB_ROW_SCALE};
  if (strcmp(c->step, "quantize") != 0 && strcmp(c->step, "dequantize") != 0) return SB_OK;
  for (int i = 0; i < 3; i++) {
    const sb_slot s = operands[i];
    const int line = sb_line_find(k, k->operation[s] ? k->operation[s] : sb_slot_names[s]);
    const sb_node *e = line < 0 ? NULL : k->lines[line].expr;
    const bool taken = e && e->op == C_NAME && strcmp(e->name, k->lines[line].name) == 0; /* left by the cut */
    if (taken && !in[s].data) return sb_fail(SB_FILE, "there is no %s, which %s takes", sb_slot_names[s], c->step);
  }
  return SB_OK;
}

static sb_status add_case(sb_capture *cap, const sb_contract *k, const char *name, const sb_tensor in[SB_SLOTS],
                          const sb_tensor out[SB_SLOTS]) {
  sb_capture_case *grown = realloc(cap->cases, (size_t)(cap->count + 1) * sizeof *grown);
  if (!grown) return sb_fail(SB_NO_MEMORY, "no memory for the cases");
  cap->cases = grown;
  sb_capture_case *c = &grown[cap->count];
  *c = (sb_capture_case){.name = strdup(name)};
  sb_status status =
      c->name ? sb_inputs_load(k, &cap->at, in, &c->env, &c->inputs) : sb_fail(SB_NO_MEMORY, "no memory");
  if (status != SB_OK) {
    free(c->name);
    return status;
  }
  cap->count++;
  c->env.lenient = true;
  c->rows = c->env.rows, c->cols = c->env.cols;
  for (int s = 0; s < SB_SLOTS; s++) {
    if (!out[s].data || !sb_step_yields(&cap->at, (sb_slot)s)) continue;
    sb_captured *t = &c->slot[s];
    t->rank = out[s].rank, t->format = (int)out[s].format, t->count = sb_tensor_count(&out[s]);
    memcpy(t->dims, out[s].dims, sizeof t->dims);
    t->values = malloc(sizeof(double) * (size_t)(t->count + 1));
    if (!t->values) return sb_fail(SB_NO_MEMORY, "no memory for %s", name);
    sb_values_load(&out[s], t->values);
  }
  return SB_OK;
}

static const char *get(const void *context, const char *key) { return sb_safetensors_metadata(context, key); }

static void tensors_of(const sb_safetensors *f, const char *name, size_t length, sb_tensor out[SB_SLOTS]) {
  char full[512];
  for (int s = 0; s < SB_SLOTS; s++) {
    snprintf(full, sizeof full, "%.*s.%s", (int)length, name, sb_slot_names[s]);
    const sb_tensor *t = sb_safetensors_find(f, full);
    out[s] = t ? *t : (sb_tensor){0};
  }
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const sb_capture_case *)a)->name, ((const sb_capture_case *)b)->name);
}

/* A tensor whose name is misspelt would be left out, and what is left out would seem to be the same. */
static sb_status check_names(const sb_safetensors *f) {
  for (int i = 0; i < sb_safetensors_count(f); i++) {
    const char *name = sb_safetensors_name(f, i), *dot = strrchr(name, '.');
    int s = 0;
    while (dot && s < SB_SLOTS && strcmp(dot + 1, sb_slot_names[s]) != 0) s++;
    if (!dot || s == SB_SLOTS) return sb_fail(SB_FILE, "tensor '%.200s' is no CASE.TENSOR of the golden format", name);
  }
  return SB_OK;
}

sb_status sb_capture_read(const sb_safetensors *f, sb_capture *cap) {
  sb_contract *k = NULL;
  *cap = (sb_capture){0};
  sb_status status = check_names(f);
  if (status == SB_OK) status = sb_contract_case_read(get, f, &cap->at);
  if (status == SB_OK) status = sb_contract_load(&cap->at, &k);
  if (status == SB_USAGE) status = SB_FILE;
  const char *anchor = strcmp(cap->at.step, "dequantize") == 0 ? ".codes" : ".x";
  for (int i = 0; status == SB_OK && i < sb_safetensors_count(f); i++) {
    const char *name = sb_safetensors_name(f, i);
    size_t n = strlen(name), m = strlen(anchor);
    char label[256];
    sb_tensor in[SB_SLOTS];
    if (n <= m || n - m >= sizeof label || strcmp(name + n - m, anchor) != 0) continue;
    snprintf(label, sizeof label, "%.*s", (int)(n - m), name);
    tensors_of(f, name, n - m, in);
    status = operands_are_there(&cap->at, k, in);
    if (status == SB_OK) status = add_case(cap, k, label, in, in);
    if (status == SB_OK) status = sb_contract_check(k, &cap->cases[cap->count - 1].env);
    if (status == SB_INVALID || status == SB_UNSUPPORTED)
      status = SB_FILE; /* what the file says of itself does not fit */
    if (status != SB_OK) sb_fail_in(status, "case %s", label);
  }
  int64_t something = 0;
  for (int i = 0; i < cap->count; i++)
    for (int s = 0; s < SB_SLOTS; s++) something += cap->cases[i].slot[s].values ? cap->cases[i].slot[s].count : 0;
  if (status == SB_OK && something == 0) status = sb_fail(SB_FILE, "there is no case with an input and a result");
  if (cap->count) qsort(cap->cases, (size_t)cap->count, sizeof *cap->cases, by_name);
  sb_contract_free(k);
  if (status != SB_OK) {
    sb_capture_close(cap);
    return sb_fail_in(status, "%s", sb_safetensors_path(f));
  }
  return SB_OK;
}

sb_status sb_capture_open(const char *path, sb_capture *cap) {
  sb_safetensors *f = NULL;
  *cap = (sb_capture){0};
  sb_status status = sb_safetensors_open(path, &f);
  if (status == SB_OK) status = sb_capture_read(f, cap);
  sb_safetensors_close(f);
  return status;
}

sb_status sb_capture_add(sb_capture *cap, const char *name, const sb_tensor in[SB_SLOTS],
                         const sb_tensor out[SB_SLOTS]) {
  sb_contract *k;
  sb_status status = sb_contract_load(&cap->at, &k);
  if (status != SB_OK) return status;
  status = add_case(cap, k, name, in, out);
  sb_contract_free(k);
  return status;
}

sb_status sb_capture_make(const sb_contract_case *at, const char *name, const sb_tensor in[SB_SLOTS],
                          const sb_tensor out[SB_SLOTS], sb_capture *cap) {
  *cap = (sb_capture){.at = *at};
  sb_status status = sb_capture_add(cap, name, in, out);
  if (status != SB_OK) sb_capture_close(cap);
  return status;
}

void sb_capture_close(sb_capture *cap) {
  for (int i = 0; i < cap->count; i++) {
    for (int s = 0; s < SB_SLOTS; s++) free(cap->cases[i].slot[s].values);
    sb_inputs_free(&cap->cases[i].inputs);
    free(cap->cases[i].name);
  }
  free(cap->cases);
  *cap = (sb_capture){0};
}
