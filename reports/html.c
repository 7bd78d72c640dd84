/* One page with everything in it: no script, no font, no image from elsewhere. A cell of the matrix links to its panel,
 * which is shown when it is the target of the address. */
#include "reports/models.h"

#include <string.h>

extern const char sb_report_style[];

static const char *class_of(sb_cell_state state) { return state == SB_CELL_OPEN ? "open" : sb_cell_state_names[state]; }

static void put_cell(const sb_run_report *r, const sb_report_cell *cell, FILE *to) {
  char number[SB_COUNT_TEXT];
  const char *name = sb_cell_state_names[cell->state];
  fprintf(to, "<td class=\"%s\">", class_of(cell->state));
  if (cell->state == SB_CELL_UNTESTED)
    fprintf(to, "<span>%s</span>", name);
  else {
    fprintf(to, "<a href=\"#c%d\">", (int)(cell - r->cells));
    if (cell->state == SB_CELL_EXPECTED || cell->state == SB_CELL_DIFFERS)
      fprintf(to, "%s differ", sb_count_text(cell->different, number));
    else
      fputs(name, to);
    fputs("</a>", to);
  }
  fputs("</td>", to);
}

static void put_legend(FILE *to) {
  static const char *const says[SB_CELL_STATES] = {
      [SB_CELL_EXACT] = "every bit is the same in every case",
      [SB_CELL_EXPECTED] = "elements that differ as the expectations say, with the mechanism named",
      [SB_CELL_DIFFERS] = "elements that differ, and nothing expects it",
      [SB_CELL_BROKEN] = "a case ended without a verdict",
      [SB_CELL_OPEN] = "a case ran and proves nothing",
      [SB_CELL_UNSUPPORTED] = "upstream or the device refuses it",
      [SB_CELL_UNTESTED] = "nothing of these runs is of it"};
  static const sb_cell_state order[] = {SB_CELL_EXACT, SB_CELL_EXPECTED,    SB_CELL_DIFFERS, SB_CELL_BROKEN,
                                        SB_CELL_OPEN,  SB_CELL_UNSUPPORTED, SB_CELL_UNTESTED};
  fputs("<ul class=\"legend\">\n", to);
  for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
    const bool number = order[i] == SB_CELL_EXPECTED || order[i] == SB_CELL_DIFFERS;
    fprintf(to, "<li><b class=\"%s\">%s</b>%s</li>\n", class_of(order[i]),
            number ? "n differ" : sb_cell_state_names[order[i]], says[order[i]]);
  }
  fputs("</ul>\n", to);
}

static void put_matrix(const sb_run_report *r, FILE *to) {
  const int per_device = r->column_count / r->merged->header_count;
  fputs("<h2 id=\"matrix\">Bits</h2>\n", to);
  put_legend(to);
  fputs("<div class=\"scroll\"><table class=\"matrix\">\n<thead><tr><th></th>", to);
  for (int d = 0; d < r->merged->header_count; d++) {
    fprintf(to, "<th class=\"device\" colspan=\"%d\" scope=\"colgroup\">", per_device);
    sb_put_xml(to, r->merged->headers[d].device);
    fputs("</th>", to);
  }
  fputs("</tr>\n<tr><th></th>", to);
  for (int c = 0; c < r->column_count; c++) {
    fputs("<th class=\"dtype\" scope=\"col\">", to);
    sb_put_xml(to, r->columns[c].dtype);
    fputs("</th>", to);
  }
  fputs("</tr></thead>\n<tbody>\n", to);
  for (int row = 0; row < r->row_count; row++) {
    const sb_case_words *w = r->rows[row].words;
    if (row == 0 || strcmp(w->recipe, r->rows[row - 1].words->recipe) != 0) {
      fprintf(to, "<tr><th scope=\"rowgroup\" colspan=\"%d\">", r->column_count + 1);
      sb_put_xml(to, w->recipe);
      fputs("</th></tr>\n", to);
    }
    fputs("<tr><th scope=\"row\">", to);
    sb_put_xml(to, w->side);
    fputs(" <span class=\"soft\">", to);
    sb_put_xml(to, w->flavor);
    fputs("</span></th>", to);
    for (int c = 0; c < r->column_count; c++) put_cell(r, &r->cells[row * r->column_count + c], to);
    fputs("</tr>\n", to);
  }
  fputs("</tbody></table></div>\n", to);
}

/* What is known of each device, as its run wrote it. */
static void put_devices(const sb_run_report *r, FILE *to) {
  static const char *const keys[] = {"name", "sm", "machine", "cores", "threads", "isa", "kernels", "driver", "flags"};
  fputs("<h2 id=\"devices\">Devices</h2>\n<div class=\"scroll\"><table><thead><tr><th>device</th><th>record</th>"
        "<th>built from</th><th>when</th></tr></thead><tbody>\n",
        to);
  for (int d = 0; d < r->merged->header_count; d++) {
    const sb_run_header *header = &r->merged->headers[d];
    fputs("<tr><td>", to);
    sb_put_xml(to, header->device);
    fputs("</td><td>", to);
    for (size_t k = 0, first = 1; k < sizeof keys / sizeof *keys; k++) {
      const char *value = sb_run_record(header, keys[k]);
      if (!*value) continue;
      fprintf(to, "%s<span class=\"soft\">%s</span> ", first ? "" : ", ", keys[k]);
      sb_put_xml(to, value);
      first = 0;
    }
    fputs("</td><td><code>", to);
    sb_put_xml(to, header->git);
    fputs("</code></td><td>", to);
    sb_put_xml(to, header->time);
    fputs("</td></tr>\n", to);
    if (strncmp(header->device, "emu:", 4) == 0)
      fputs("<tr><td></td><td class=\"soft\" colspan=\"3\">the PTX of nvcc, executed by the emulator on a CPU: no GPU "
            "was "
            "involved</td></tr>\n",
            to);
  }
  fputs("</tbody></table></div>\n", to);
}

/* The verdict of the runs, and how many cases ended how. */
static void put_counts(const sb_run_report *r, FILE *to) {
  char number[SB_COUNT_TEXT], elements[SB_COUNT_TEXT];
  fprintf(to,
          "</h1>\n<p><span class=\"verdict %s\">%s</span></p>\n<p>%s case%s, %s elements:", r->passed ? "good" : "bad",
          r->passed ? "all as expected" : "not as expected", sb_count_text(r->case_count, number),
          r->case_count == 1 ? "" : "s", sb_count_text(r->elements, elements));
  for (int s = 0, first = 1; s < SB_CASE_STATUSES; s++) {
    if (!r->statuses[s]) continue;
    fprintf(to, "%s %s&nbsp;%s", first ? "" : ",", sb_count_text(r->statuses[s], number), sb_case_status_names[s]);
    first = 0;
  }
  const int untested = sb_report_cells(r, SB_CELL_UNTESTED);
  if (untested)
    fprintf(to, ". <b>%d of %d cells of the matrix are untested.</b>", untested, r->row_count * r->column_count);
  fputs("</p>\n", to);
}

/* Of models alone. Where nothing was compared there is no verdict. */
static void put_models_verdict(const sb_run_report *r, FILE *to) {
  const int exact = sb_models_exact(r->models);
  fputs("</h1>\n", to);
  if (exact >= 0)
    fprintf(to, "<p><span class=\"verdict %s\">%s</span></p>\n", exact ? "good" : "bad",
            exact ? "every comparison is exact" : "not exact");
}

static void put_head(const sb_run_report *r, FILE *to) {
  fputs(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
      to);
  sb_put_xml(to, r->title);
  fprintf(to, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n<h1>", sb_report_style);
  sb_put_xml(to, r->title);
  if (r->merged->header_count)
    put_counts(r, to);
  else
    put_models_verdict(r, to);
  if (r->problem_count) fputs("<ul class=\"problems\">\n", to);
  for (int i = 0; i < r->problem_count; i++) {
    fputs("<li>", to);
    sb_put_xml(to, r->problems[i]);
    fputs("</li>\n", to);
  }
  fputs(r->problem_count ? "</ul>\n</header>\n" : "</header>\n", to);
}

void sb_report_html(const sb_run_report *r, FILE *to) {
  put_head(r, to);
  if (r->row_count) {
    put_matrix(r, to);
    sb_report_html_cells(r, to);
  }
  if (r->bench_count) sb_report_html_benches(r, to);
  if (r->plot_count) sb_report_html_plots(r, to);
  if (json_array_size(r->models)) sb_report_html_models(r, to);
  if (r->merged->header_count) put_devices(r, to);
  fputs("<p class=\"soft\">samebits " SAMEBITS_VERSION
        ". Bits are compared one by one, never within a tolerance; NaN is one "
        "class, &minus;0 is not +0.</p>\n</body>\n</html>\n",
        to);
}
