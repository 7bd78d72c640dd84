/* Plots of a saved failure: where in the tensor bits differ, and how far apart they are. */
#include "reports/gnuplot.h"
#include "reports/report.h"

#include "samebits/compare.h"
#include "samebits/safetensors.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 96, BINS = 66 };

/* Of a tensor as at most CELLS x CELLS fields: the share that differs in each; and distances by powers of two. */
typedef struct picture {
  int rows, cols;
  int64_t differ[CELLS][CELLS], all[CELLS][CELLS], bins[BINS], different, elements;
  bool floating;
} picture;

static int field(int64_t index, int64_t size, int fields) { return (int)(index * fields / size); }

static int64_t distance(const sb_tensor *a, const sb_tensor *b, int64_t i) {
  if (a->format != b->format) return -1;
  if (sb_format_of(a->format)->is_float)
    return sb_ulps(a->format, sb_load_bits(a->format, a->data, i), sb_load_bits(b->format, b->data, i));
  const double apart = sb_load(a->format, a->data, i) - sb_load(b->format, b->data, i);
  return (int64_t)(apart < 0 ? -apart : apart);
}

static void look(const sb_tensor *expected, const sb_tensor *got, picture *p) {
  const int64_t rows = got->dims[0], cols = got->dims[1];
  p->rows = rows < CELLS ? (int)rows : CELLS;
  p->cols = cols < CELLS ? (int)cols : CELLS;
  p->elements = rows * cols;
  p->floating = sb_format_of(got->format)->is_float;
  for (int64_t i = 0; i < p->elements; i++) {
    const int y = field(i / cols, rows, p->rows), x = field(i % cols, cols, p->cols);
    p->all[y][x]++;
    if (sb_same_element(expected, got, i)) continue;
    p->differ[y][x]++;
    p->different++;
    const int64_t apart = distance(expected, got, i);
    int bin = 0; /* 0: not comparable (NaN); b: 2^(b-1) .. 2^b - 1 */
    for (int64_t left = apart; left > 0; left >>= 1) bin++;
    p->bins[apart < 0 ? 0 : bin]++;
  }
}

static sb_status plot_map(const picture *p, const char *title, const char *folder, const char *name) {
  sb_plot plot;
  sb_status status = sb_plot_begin(folder, name, &plot);
  if (status) return status;
  fputs("$map << EOD\n", plot.to);
  for (int y = 0; y < p->rows; y++) {
    for (int x = 0; x < p->cols; x++)
      fprintf(plot.to, "%s%.4g", x ? " " : "", 100.0 * (double)p->differ[y][x] / (double)p->all[y][x]);
    fputs("\n", plot.to);
  }
  fputs("EOD\n", plot.to);
  sb_plot_draw(&plot, title, 0.56);
  fprintf(plot.to,
          "unset key; unset grid; set border lc rgb line; set yrange [%d:-0.5]; set xrange [-0.5:%d]\n"
          "set xlabel 'columns (of the tensor, in %d fields)'; set ylabel 'rows (in %d fields)'\nset format x ''; set "
          "format y ''\n"
          "set cblabel '%% of a field that differ' tc rgb soft; set cbtics tc rgb soft; set cbrange [0:*]\n"
          "eval dark ? \"set palette defined (0 '#161b22', 0.001 '#4a2a12', 1 '#ff9b62')\" : \"set palette defined (0 "
          "'#f6f8fa', 0.001 '#fbe3cf', 1 '#a33c00')\"\n"
          "plot $map matrix with image\n",
          p->rows, p->cols, p->cols, p->rows);
  return sb_plot_end(&plot);
}

static sb_status plot_histogram(const picture *p, const char *title, const char *folder, const char *name) {
  sb_plot plot;
  int last = 1;
  for (int b = 0; b < BINS; b++)
    if (p->bins[b]) last = b;
  sb_status status = sb_plot_begin(folder, name, &plot);
  if (status) return status;
  fputs("$bins << EOD\n", plot.to);
  if (p->bins[0]) fprintf(plot.to, "\"NaN\" %" PRId64 "\n", p->bins[0]);
  for (int b = 1; b <= last; b++) {
    if (b == 1)
      fprintf(plot.to, "\"1\" %" PRId64 "\n", p->bins[b]);
    else if (b < 12)
      fprintf(plot.to, "\"%d-%d\" %" PRId64 "\n", 1 << (b - 1), (1 << b) - 1, p->bins[b]);
    else
      fprintf(plot.to, "\"from 2^%d\" %" PRId64 "\n", b - 1, p->bins[b]);
  }
  fputs("EOD\n", plot.to);
  sb_plot_draw(&plot, title, 0.5);
  fprintf(plot.to,
          "unset key; set style fill solid 0.9 noborder; set boxwidth 0.7; set yrange [0:*]\nset xtics rotate by -30 "
          "font ',11'\n"
          "set xlabel 'how far apart, in %s'; set ylabel 'elements'\nplot $bins using 0:2:xtic(1) with boxes lt 2, "
          "$bins using "
          "0:2:2 with labels offset 0,0.7 tc rgb soft font ',11'\n",
          p->floating ? "units in the last place" : "steps");
  return sb_plot_end(&plot);
}

/* The tensor with the most differences of a failure's file. */
static sb_status plot_failure(sb_run_report *r, const char *path, const char *folder, int number) {
  static char names[2 * 8][32];
  sb_safetensors *file;
  picture *worst = NULL, *now = malloc(sizeof *now), *held = malloc(sizeof *held);
  const char *what = "";
  char title[512];
  sb_status status = now && held ? sb_safetensors_open(path, &file) : sb_fail(SB_NO_MEMORY, "no memory for a plot");
  if (status) {
    free(now);
    free(held);
    return status;
  }
  for (int slot = SB_SCALE; slot < SB_SLOTS; slot++) {
    char name[64];
    snprintf(name, sizeof name, "expected.%s", sb_slot_names[slot]);
    const sb_tensor *expected = sb_safetensors_find(file, name);
    snprintf(name, sizeof name, "case.%s", sb_slot_names[slot]);
    const sb_tensor *got = sb_safetensors_find(file, name);
    if (!expected || !got || got->rank != 2 || expected->rank != 2 || got->dims[0] != expected->dims[0] ||
        got->dims[1] != expected->dims[1] || sb_tensor_count(got) <= 0)
      continue;
    *now = (picture){0};
    look(expected, got, now);
    if (now->different == 0 || (worst && now->different <= worst->different)) continue;
    memcpy(held, now, sizeof *held);
    worst = held;
    what = sb_slot_names[slot];
  }
  if (worst) {
    const char *text = sb_safetensors_metadata(file, "case");
    char *map = names[2 * number], *histogram = names[2 * number + 1], count[SB_COUNT_TEXT];
    snprintf(map, 32, "error-map-%d", number + 1);
    snprintf(histogram, 32, "distances-%d", number + 1);
    snprintf(title, sizeof title, "Where %s differs (%s of %lld)\n%.300s", what, sb_count_text(worst->different, count),
             (long long)worst->elements, text ? text : "");
    status = plot_map(worst, title, folder, map);
    snprintf(title, sizeof title, "How far %s is apart\n%.300s", what, text ? text : "");
    if (!status) status = plot_histogram(worst, title, folder, histogram);
    if (!status && r->plot_count + 2 <= SB_REPORT_PLOTS) {
      r->plots[r->plot_count++] = (sb_report_plot){map, "Where in the tensor bits differ."};
      r->plots[r->plot_count++] = (sb_report_plot){histogram, "How far the differing elements are apart."};
    }
  }
  sb_safetensors_close(file);
  free(now);
  free(held);
  return status;
}

static int is_failure(const struct dirent *entry) {
  const size_t length = strlen(entry->d_name);
  return length > 12 && strcmp(entry->d_name + length - 12, ".safetensors") == 0;
}

sb_status sb_plot_failures(sb_run_report *r, const char *folder) {
  enum { MOST = 8 };
  struct dirent **entries;
  const int count = scandir(r->failures, &entries, is_failure, alphasort);
  sb_status status = count < 0 ? sb_fail(SB_FILE, "%s: it is no folder that can be read", r->failures) : SB_OK;
  for (int i = 0; i < count; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", r->failures, entries[i]->d_name);
    if (!status && i < MOST) status = plot_failure(r, path, folder, i);
    free(entries[i]);
  }
  if (count >= 0) free(entries);
  return status;
}
