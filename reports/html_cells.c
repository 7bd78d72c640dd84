/* The panels behind the cells: what ran, what differs and how to see it again, and why. */
#include "reports/report.h"

#include "samebits/explain.h"

#include <inttypes.h>
#include <string.h>

/* The first mechanism list of the cell's cases that is not among those before it. */
static bool first_of_its_kind(const sb_run_report *r, const sb_report_cell *cell, int at) {
  const char *mechanisms = r->cases[at].entry->mechanisms;
  if (!*mechanisms) return false;
  for (int i = cell->from; i < at; i++)
    if (strcmp(r->cases[i].entry->mechanisms, mechanisms) == 0) return false;
  return true;
}

static void put_mechanisms(const char *list, FILE *to) {
  fputs("<ul>\n", to);
  while (*list) {
    char id[96];
    const size_t length = strcspn(list, ",");
    snprintf(id, sizeof id, "%.*s", (int)length, list);
    fputs("<li><b>", to);
    sb_put_xml(to, id);
    fputs("</b> ", to);
    sb_put_xml(to, sb_mechanism_says(id));
    fputs("</li>\n", to);
    list += length + (list[length] == ',');
  }
  fputs("</ul>\n", to);
}

/* What explain says of the file that was saved for a case. */
static void put_explanation(const sb_run_report *r, const sb_run_entry *e, FILE *to) {
  char path[4096], name[SB_CASE_TEXT];
  sb_explanation *found = NULL;
  snprintf(name, sizeof name, "%s", e->text);
  sb_failure_name(name);
  snprintf(path, sizeof path, "%s/%s.safetensors", r->failures, name);
  FILE *there = fopen(path, "rb");
  if (!there) return;
  fclose(there);
  const sb_explain_options options = {0};
  if (sb_explain_file(path, &options, &found)) {
    fputs("<p class=\"soft\">not explained: ", to);
    sb_put_xml(to, sb_message());
    fputs("</p>\n", to);
    return;
  }
  for (int s = 0; s < found->set_count && s < 1; s++)
    for (int i = 0; i < found->sets[s].count; i++) {
      const sb_explained_step *step = &found->sets[s].steps[i];
      fputs("<p><b>", to);
      sb_put_xml(to, step->id);
      fputs("</b> reproduces every bit: ", to);
      sb_put_xml(to, step->says);
      fputs("</p>\n", to);
      if (*step->before) {
        fputs("<pre>", to);
        sb_put_xml(to, step->before);
        fputs("\n", to);
        sb_put_xml(to, step->after);
        fputs("</pre>\n", to);
      }
    }
  if (found->verdict == SB_UNEXPLAINED) fputs("<p class=\"soft\">no known mechanism reproduces every bit</p>\n", to);
  sb_explanation_free(found);
}

static void put_case(const sb_run_report *r, const sb_run_entry *e, FILE *to) {
  fprintf(to, "<p><span class=\"tag\">%s</span> <span class=\"case\">", sb_case_status_names[e->status]);
  sb_put_xml(to, e->text);
  fputs("</span></p>\n<p class=\"soft\">", to);
  sb_put_xml(to, e->reason);
  for (int i = 0, first = 1; i < e->tensor_count; i++) {
    char number[SB_COUNT_TEXT];
    if (e->tensors[i].different <= 0) continue;
    fprintf(to, "%s%s %s", first ? (*e->reason ? " &mdash; differ: " : "differ: ") : ", ",
            sb_count_text(e->tensors[i].different, number), e->tensors[i].name);
    first = 0;
  }
  fputs("</p>\n", to);
  if (*e->repro) {
    fputs("<pre>", to);
    sb_put_xml(to, e->repro);
    fputs("</pre>\n", to);
  }
  if (r->failures && sb_report_is_bad(e->status)) put_explanation(r, e, to);
}

/* The exact cases in short: by step and shape, the fills. */
static void put_exact(const sb_run_report *r, const sb_report_cell *cell, FILE *to) {
  const sb_case_words *last = NULL;
  if (cell->statuses[SB_PASS] == 0) return;
  fprintf(to, "<details><summary>%d exact</summary>\n<ul>", cell->statuses[SB_PASS]);
  for (int i = cell->from; i < cell->to; i++) {
    const sb_case_words *w = &r->cases[i].words;
    if (r->cases[i].entry->status != SB_PASS) continue;
    if (!last || strcmp(last->step, w->step) != 0 || strcmp(last->shape, w->shape) != 0) {
      fprintf(to, "%s\n<li>%s <span class=\"case\">", last ? "</span></li>" : "", w->step);
      sb_put_xml(to, w->shape);
    }
    fputs(" ", to);
    sb_put_xml(to, w->fill);
    last = w;
  }
  fputs("</span></li>\n</ul></details>\n", to);
}

/* Cases of one kind of status, the first of them open, the rest folded away. */
static void put_kind(const sb_run_report *r, const sb_report_cell *cell, bool bad, FILE *to) {
  enum { OPEN = 3, MOST = 200 };
  int shown = 0, left = 0;
  for (int i = cell->from; i < cell->to; i++) {
    const sb_run_entry *e = r->cases[i].entry;
    if (e->status == SB_PASS || sb_report_is_bad(e->status) != bad) continue;
    if (shown == MOST) {
      left++;
      continue;
    }
    if (shown == OPEN) fputs("<details><summary>more of these</summary>\n", to);
    put_case(r, e, to);
    shown++;
  }
  if (shown > OPEN) {
    if (left) fprintf(to, "<p>%d more are in the run.</p>\n", left);
    fputs("</details>\n", to);
  }
}

static void put_panel(const sb_run_report *r, const sb_report_cell *cell, FILE *to) {
  char number[SB_COUNT_TEXT];
  fprintf(to, "<section class=\"panel\" id=\"c%d\"><a class=\"close\" href=\"#matrix\">close</a>\n<h3>",
          (int)(cell - r->cells));
  sb_put_xml(to, cell->words->recipe);
  fprintf(to, ", %s, %s, ", cell->words->side, cell->dtype);
  sb_put_xml(to, cell->words->flavor);
  fputs(" on ", to);
  sb_put_xml(to, r->merged->headers[cell->device].device);
  fprintf(to, "</h3>\n<p>%d cases, %s elements:", cell->to - cell->from, sb_count_text(cell->elements, number));
  for (int s = 0, first = 1; s < SB_CASE_STATUSES; s++) {
    if (!cell->statuses[s]) continue;
    fprintf(to, "%s %d %s", first ? "" : ",", cell->statuses[s], sb_case_status_names[s]);
    first = 0;
  }
  fputs("</p>\n", to);
  put_kind(r, cell, true, to);
  for (int i = cell->from; i < cell->to; i++)
    if (first_of_its_kind(r, cell, i)) {
      fputs("<p>Expected to differ, by</p>\n", to);
      put_mechanisms(r->cases[i].entry->mechanisms, to);
    }
  put_kind(r, cell, false, to);
  put_exact(r, cell, to);
  fputs("</section>\n", to);
}

void sb_report_html_cells(const sb_run_report *r, FILE *to) {
  for (int i = 0; i < r->row_count * r->column_count; i++)
    if (r->cells[i].state != SB_CELL_UNTESTED) put_panel(r, &r->cells[i], to);
}
