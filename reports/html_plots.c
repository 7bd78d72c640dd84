/* The plots on the page: their SVG, in the page itself, for light and for dark. */
#include "reports/report.h"

#include <stdint.h>
#include <stdlib.h>

static void put_base64(FILE *from, FILE *to) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned char bytes[3];
  for (size_t n; (n = fread(bytes, 1, 3, from)) > 0;) {
    const uint32_t word = (uint32_t)bytes[0] << 16 | (n > 1 ? (uint32_t)bytes[1] << 8 : 0) | (n > 2 ? bytes[2] : 0u);
    for (size_t i = 0; i < 4; i++) fputc(i <= n ? digits[word >> (18 - 6 * i) & 63] : '=', to);
  }
}

/* attribute="data:image/svg+xml;base64,..." of a theme's file; false where there is none. */
static bool put_image(const sb_run_report *r, const char *name, const char *theme, const char *attribute, FILE *to) {
  char path[1400];
  snprintf(path, sizeof path, "%s/%s.%s.svg", r->plot_folder, name, theme);
  FILE *from = fopen(path, "rb");
  if (!from) return false;
  fprintf(to, "%s=\"data:image/svg+xml;base64,", attribute);
  put_base64(from, to);
  fputs("\"", to);
  fclose(from);
  return true;
}

void sb_report_html_plots(const sb_run_report *r, FILE *to) {
  fputs("<h2 id=\"plots\">Plots</h2>\n", to);
  for (int i = 0; i < r->plot_count; i++) {
    fputs("<figure><picture><source media=\"(prefers-color-scheme: dark)\" ", to);
    put_image(r, r->plots[i].name, "dark", "srcset", to);
    fputs("><img alt=\"", to);
    sb_put_xml(to, r->plots[i].says);
    fputs("\" ", to);
    put_image(r, r->plots[i].name, "light", "src", to);
    fputs("></picture><figcaption>", to);
    sb_put_xml(to, r->plots[i].says);
    fputs("</figcaption></figure>\n", to);
  }
}
