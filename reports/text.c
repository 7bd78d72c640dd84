/* Text for each kind of file, and the one way of writing them. */
#include "reports/report.h"

#include "samebits/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void sb_put_xml(FILE *to, const char *text) {
  for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
    if (*at == '&')
      fputs("&amp;", to);
    else if (*at == '<')
      fputs("&lt;", to);
    else if (*at == '>')
      fputs("&gt;", to);
    else if (*at == '"')
      fputs("&quot;", to);
    else if (*at == '\'')
      fputs("&#39;", to);
    else if (*at < 0x20 && *at != '\t' && *at != '\n')
      fputs("\xef\xbf\xbd", to);
    else
      fputc(*at, to);
  }
}

void sb_put_csv(FILE *to, const char *text) {
  /* a leading sign that a spreadsheet would run is text, too */
  const bool formula = *text && strchr("=+-@\t", *text);
  if (!formula && !strpbrk(text, ",\"\r\n")) {
    fputs(text, to);
    return;
  }
  fputs(formula ? "\"'" : "\"", to);
  for (const char *at = text; *at; at++) {
    if (*at == '"') fputc('"', to);
    fputc(*at, to);
  }
  fputc('"', to);
}

void sb_put_markdown(FILE *to, const char *text) {
  for (const char *at = text; *at; at++) {
    if (strchr("\\`*_|<>[]#&@~", *at)) fputc('\\', to);
    fputc(*at == '\n' || *at == '\r' ? ' ' : *at, to);
  }
}

const char *sb_count_text(int64_t number, char text[SB_COUNT_TEXT]) {
  char plain[SB_COUNT_TEXT];
  const int length = snprintf(plain, sizeof plain, "%" PRId64, number);
  int at = 0;
  for (int i = 0; i < length; i++) {
    text[at++] = plain[i];
    if (plain[i] != '-' && i + 1 < length && (length - 1 - i) % 3 == 0) text[at++] = ',';
  }
  text[at] = 0;
  return text;
}

const char *sb_mechanism_says(const char *id) {
  for (int i = 0; i < sb_mechanisms_listed(); i++) {
    const sb_mechanism_info info = sb_mechanism_listed(i);
    if (strcmp(info.id, id) == 0) return info.says;
  }
  return "";
}

sb_status sb_report_write(const sb_run_report *report, sb_report_format format, const char *path) {
  static void (*const writers[SB_REPORT_FORMATS])(const sb_run_report *,
                                                  FILE *) = {[SB_REPORT_HTML] = sb_report_html,
                                                             [SB_REPORT_JUNIT] = sb_report_junit,
                                                             [SB_REPORT_MARKDOWN] = sb_report_markdown,
                                                             [SB_REPORT_CSV] = sb_report_csv};
  const bool standard = strcmp(path, "-") == 0;
  char beside[4096];
  struct stat info;
  const bool direct = standard || (stat(path, &info) == 0 && !S_ISREG(info.st_mode));
  snprintf(beside, sizeof beside, direct ? "%s" : "%s.%ld", path, (long)getpid());
  FILE *to = standard ? stdout : fopen(beside, "w");
  if (!to) return sb_fail(SB_FILE, "%s: cannot write: %s", path, strerror(errno));
  writers[format](report, to);
  bool failed = fflush(to) != 0 || ferror(to);
  if (!standard && fclose(to) != 0) failed = true;
  if (!failed && !direct && rename(beside, path) != 0) failed = true;
  if (!failed) return SB_OK;
  const int why = errno;
  if (!direct) remove(beside);
  return sb_fail(SB_FILE, "%s: cannot write: %s", path, strerror(why ? why : EIO));
}
