/* The interface for other languages: cases as handles, texts as memory. */
#include "samebits/api.h"
#include "cuda/ptx.h"
#include "samebits/apply.h"
#include "samebits/check.h"
#include "samebits/explain.h"
#include "samebits/run.h"
#include "samebits/select.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static_assert(sizeof(sb_tensor) == 80 && offsetof(sb_tensor, dims) == 8 && offsetof(sb_tensor, data) == 72,
              "bindings write this layout out");
static_assert(sizeof(sb_comparison) == 24, "bindings write this layout out");

struct sb_api_case {
  sb_tensor in[SB_SLOTS], expected[SB_SLOTS];
};

int sb_api(void) { return SB_API; }

const char *sb_version(void) {
  static _Thread_local char text[160];
  snprintf(text, sizeof text, "%s, commit %s, kernels: %s", SAMEBITS_VERSION, *sb_run_git ? sb_run_git : "not known",
           sb_ptx_made_by);
  return text;
}

void sb_api_free(char *text) { free(text); }

const char *sb_api_format(int format) {
  return format >= 0 && format < SB_FORMATS ? sb_format_of((sb_format)format)->name : NULL;
}
const char *sb_api_slot(int slot) { return slot >= 0 && slot < SB_SLOTS ? sb_slot_names[slot] : NULL; }

sb_status sb_api_cases(const char *const words[SB_API_WORDS], char **lines) {
  const sb_selection selection = {words[0], words[1], words[2], words[3], words[4],
                                  words[5], words[6], words[7], words[8], .tier = words[9]};
  const sb_device_options how = {0};
  sb_device *device = NULL;
  sb_case_list list = {0};
  size_t size = 0;
  sb_status status = sb_device_open("ref", &how, &device);
  if (!status) status = sb_select(&selection, device, &list);
  FILE *stream = status ? NULL : open_memstream(lines, &size);
  if (!status && !stream) status = sb_fail(SB_NO_MEMORY, "no memory for the list of cases");
  char text[SB_CASE_TEXT];
  for (int i = 0; !status && i < list.count; i++) fprintf(stream, "%s\n", sb_case_print(&list.cases[i], text));
  if (stream && (ferror(stream) | fclose(stream))) status = sb_fail(SB_NO_MEMORY, "no memory for the list of cases");
  sb_case_list_free(&list);
  sb_device_close(device);
  return status;
}

/* x, and what the operations before this one give. */
static sb_status make_inputs(const sb_case *c, sb_tensor in[SB_SLOTS]) {
  sb_tensor takes[SB_SLOTS];
  sb_status status = sb_spec_tensors(&c->spec, c->rows, c->cols, takes, NULL);
  if (!status) status = sb_case_input(c, NULL, &in[SB_X]);
  if (!status) status = sb_apply_before(&c->spec, true, c->rows, c->cols, in);
  for (int s = SB_X + 1; !status && s < SB_SLOTS; s++)
    if (!takes[s].rank) sb_tensor_free(&in[s]);
  return status;
}

sb_status sb_api_open(const char *text, sb_api_case **result) {
  sb_case c;
  sb_api_case *made = calloc(1, sizeof *made);
  sb_status status = made ? sb_case_parse(text, &c) : sb_fail(SB_NO_MEMORY, "no memory for a case");
  *result = NULL;
  if (!status && c.spec.step == SB_BOTH)
    status = sb_fail(SB_USAGE, "%s: both is a comparison; one function computes prepare or convert", text);
  if (!status && *c.device) status = sb_fail(SB_USAGE, "%s: a function has no device", text);
  if (!status) status = make_inputs(&c, made->in);
  if (!status) status = sb_spec_tensors(&c.spec, c.rows, c.cols, NULL, made->expected);
  for (int s = 0; s < SB_SLOTS; s++) {
    if (made) made->expected[s].data = NULL;
    if (!status && made->expected[s].rank) status = sb_tensor_alloc(&made->expected[s]);
  }
  if (!status) status = sb_run(&c.spec, made->in, made->expected, NULL);
  if (status)
    sb_api_close(made);
  else
    *result = made;
  return status;
}

void sb_api_close(sb_api_case *c) {
  if (!c) return;
  sb_slots_free(c->in);
  sb_slots_free(c->expected);
  free(c);
}

const sb_tensor *sb_api_in(const sb_api_case *c) { return c->in; }
const sb_tensor *sb_api_expected(const sb_api_case *c) { return c->expected; }

/* The ids of a set, each once. */
static void print_ids(FILE *to, const sb_explained_set *set) {
  for (int i = 0; i < set->count; i++) {
    bool seen = false;
    for (int j = 0; j < i; j++) seen = seen || strcmp(set->steps[i].id, set->steps[j].id) == 0;
    if (!seen) fprintf(to, "%s%s", i ? "," : "", set->steps[i].id);
  }
}

sb_status sb_api_explain(const char *path, char **text, char **mechanisms, int *verdict) {
  sb_explanation *e;
  size_t size = 0;
  *text = *mechanisms = NULL;
  sb_status status = sb_explain_file(path, NULL, &e);
  if (status) return status;
  FILE *told = open_memstream(text, &size), *ids = open_memstream(mechanisms, &size);
  if (told) sb_explanation_print(told, NULL, e);
  if (ids && e->verdict == SB_EXPLAINED) print_ids(ids, &e->sets[0]);
  const bool failed = !told || !ids || ferror(told) || ferror(ids);
  if ((told && fclose(told)) | (ids && fclose(ids)) | failed) {
    free(*text), free(*mechanisms);
    *text = *mechanisms = NULL;
    status = sb_fail(SB_NO_MEMORY, "no memory for an explanation");
  }
  *verdict = (int)e->verdict;
  sb_explanation_free(e);
  return status;
}
