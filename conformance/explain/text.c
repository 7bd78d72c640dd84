/* An explanation as text. */
#include "samebits/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_set(FILE *to, const sb_explained_set *set) {
  for (int i = 0; i < set->count; i++) {
    const sb_explained_step *s = &set->steps[i];
    fprintf(to, "  %s%s%s%s%s\n", s->id, *s->what ? ": " : "", s->what, *s->parameter ? ", " : "", s->parameter);
    for (const char *line = s->diff; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] != 0))
      fprintf(to, "    %.*s\n", (int)strcspn(line, "\n"), line);
    fprintf(to, "    what: %s\n    seen: %s\n    mend: %s\n", s->says, s->evidence, s->fix);
  }
}

static void print_case(FILE *to, const sb_explained_case *c) {
  fprintf(to, "  %s: %s", c->name, sb_verdict_names[c->verdict]);
  if (c->verdict == SB_SAME) {
    fputc('\n', to);
    return;
  }
  fprintf(to, ", %" PRId64 " of %" PRId64 " values differ; first %s[%" PRId64 "]", c->different, c->elements, c->tensor,
          c->index);
  if (c->shape_differs)
    fprintf(to, ": another shape than the contract's\n");
  else {
    fprintf(to, ": expected %s, got %s", c->expected, c->got);
    if (c->ulps >= 0) fprintf(to, ", %" PRId64 " ulp", c->ulps);
    fprintf(to, "\n      %s\n      with %s\n", c->line, c->operands);
  }
}

/* The elements of x that are not 0, and what the two make of it; `json` is the row as sb_distinction_print writes it.
 */
static void print_input(FILE *to, const char *json) {
  const char *at = strstr(json, "\"x\":["), *tail = strstr(json, "\"tensor\":");
  char tensor[16], first[48], second[48];
  long long index;
  int count = 0, shown = 0;
  if (!at || !tail ||
      sscanf(tail, "\"tensor\":\"%15[^\"]\",\"index\":%lld,\"first\":\"%47[^\"]\",\"second\":\"%47[^\"]\"", tensor,
             &index, first, second) != 4) {
    fprintf(to, "    no input that was searched tells it from the first\n");
    return;
  }
  fprintf(to, "    an x that tells it from the first:");
  for (at += 5; at < tail && (at = strchr(at, '"')) && at < tail; at++, count++) {
    const int length = (int)strcspn(++at, "\"");
    if (length != 1 || *at != '0') fprintf(to, "%s [%d] = %.*s", shown++ ? "," : "", count, length, at);
    at += length;
  }
  fprintf(to, "%s of %d; %s[%lld] is %s by the first, %s by this\n", shown ? ", the rest 0," : " all 0,", count, tensor,
          index, first, second);
}

void sb_explanation_print(FILE *to, const char *label, const sb_explanation *e) {
  fprintf(to, "%s%s%s against %s\n", label ? label : "", label ? ": " : "", sb_verdict_names[e->verdict], e->contract);
  for (int i = 0; i < e->case_count; i++) print_case(to, &e->cases[i]);
  if (e->verdict == SB_UNEXPLAINED)
    fprintf(to, "no mechanism, layout or pair reproduces every bit (%" PRId64 " rewrites tried%s)\n", e->rewrites_tried,
            e->ended_early ? ", which is as much as is tried: there are more" : "");
  if (e->verdict != SB_EXPLAINED) return;
  fprintf(to, "every bit is reproduced, exactly evaluated, by\n");
  print_set(to, &e->sets[0]);
  if (e->set_count > 1) fprintf(to, "as well as by\n");
  for (int i = 1; i < e->set_count; i++) {
    fprintf(to, " %d.", i);
    for (int j = 0; j < e->sets[i].count; j++)
      fprintf(to, "%s %s (%s%s%s)", j ? " +" : "", e->sets[i].steps[j].id, e->sets[i].steps[j].what,
              *e->sets[i].steps[j].parameter ? ", " : "", e->sets[i].steps[j].parameter);
    fputc('\n', to);
    print_input(to, e->sets[i].distinguishing_input);
  }
}
