/* Reports of runs: every format says what the runs say, nothing untested looks passed, and no text of a run, however
 * hostile, becomes markup. */
#include "samebits/report.h"
#include "tests/suite.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/samebits-reports-XXXXXX";
static char text[1 << 20];

static void make_folder(void) { ck_assert_ptr_nonnull(mkdtemp(folder)); }
static void remove_folder(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}

static const char *in_folder(const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void write_file(const char *name, const char *what) {
  FILE *file = fopen(in_folder(name), "w");
  ck_assert_ptr_nonnull(file);
  fputs(what, file);
  ck_assert_int_eq(fclose(file), 0);
}

static const char *read_file(const char *name) {
  FILE *file = fopen(in_folder(name), "r");
  ck_assert_ptr_nonnull(file);
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  return text;
}

static int occurrences(const char *in, const char *what) {
  int count = 0;
  for (const char *at = in; (at = strstr(at, what)); at++) count++;
  return count;
}

#define CASE(text, status, more) "{\"type\":\"case\",\"case\":\"" text "\",\"status\":\"" status "\"" more "}\n"
#define HOSTILE                  "<script>alert(1)</script>&amp;\\\"'|`*_\\u0001]]>--><!--"

/* One case of every status on one device; on another only one, of another dtype. */
static const char every[] =
    "{\"type\":\"run\",\"device\":\"ref\",\"git\":\"abc\",\"time\":\"2026-01-01T00:00:00Z\",\"record\":{\"machine\":"
    "\"" HOSTILE "\"}}\n" CASE("r/weight/both@aligned/f32/4x8:g0/normal:1", "PASS",
                               ",\"elements\":32,\"digests\":{\"codes\":\"aa\"}")
        CASE("r/weight/both@one/f32/4x8:g0/normal:1", "FAIL",
             ",\"elements\":32,\"different\":{\"codes\":7},\"reason\":\"" HOSTILE
             "\",\"repro\":\"samebits check '" HOSTILE
             "'\"") CASE("r/weight/both@two/f32/4x8:g0/normal:1", "EXPECTED",
                         ",\"elements\":32,\"different\":{\"codes\":1234567},\"mechanisms\":[\"add-before-round\"]")
            CASE("r/weight/both@three/f32/4x8:g0/normal:1", "CRASH", ",\"reason\":\"ended by signal\"")
                CASE("r/weight/both@four/f32/4x8:g0/normal:1", "TIMEOUT", "")
                    CASE("r/weight/both@five/f32/4x8:g0/normal:1", "ERROR", "")
                        CASE("r/weight/both@six/f32/4x8:g0/normal:1", "SKIP", "")
                            CASE("r/weight/both@seven/f32/4x8:g0/normal:1", "UNSUPPORTED", ",\"reason\":\"refused\"")
                                CASE("r/weight/both@eight/f32/4x8:g0/normal:1", "MISTRUSTED", "")
                                    CASE("r/weight/both@nine/f32/4x8:g0/normal:1", "UNPROVEN", "")
                                        CASE("r/weight/both@<script>&amp;|`*_/f32/4x8:g0/normal:1", "PASS",
                                             "") "{\"type\":\"bench\",\"case\":\"r/weight/convert@aligned/f32/4x8:g0/"
                                                 "normal:1\",\"seconds\":0.5,\"samples\":[0.4,0.5,0.6],"
                                                 "\"bytes_per_second\":64,\"copy_fraction\":0.5}\n"
                                                 "{\"type\":\"summary\",\"cases\":11,\"statuses\":{},\"exit\":1,"
                                                 "\"problems\":[\"REQUIRED " HOSTILE "\"]}\n";
static const char other[] = "{\"type\":\"run\",\"device\":\"emu:sm_90\"}\n" CASE(
    "r/weight/both@aligned/bf16/4x8:g0/normal:1?device=emu:sm_90", "PASS",
    ",\"elements\":32") "{\"type\":\"summary\",\"cases\":1,\"statuses\":{},\"exit\":0}\n";

static sb_run_report *make(const char *const runs[], int count, sb_run_file *files[]) {
  sb_run_report *report;
  for (int i = 0; i < count; i++) {
    write_file("run", runs[i]);
    sb_ok(sb_run_file_open(in_folder("run"), &files[i]));
  }
  sb_ok(sb_report_make(files, count, &(sb_report_options){0}, &report));
  return report;
}

/* Each status leads to its own state; what a device or dtype did not run is untested, and stays so in every format. */
START_TEST(every_status_has_its_place) {
  const char *const runs[] = {every, other};
  sb_run_file *files[2];
  sb_run_report *r = make(runs, 2, files);
  static const int cells[SB_CELL_STATES] = {
      [SB_CELL_DIFFERS] = 1,           [SB_CELL_BROKEN] = 3, [SB_CELL_OPEN] = 2,
      [SB_CELL_EXPECTED] = 1,          [SB_CELL_EXACT] = 3,  [SB_CELL_UNSUPPORTED] = 2,
      [SB_CELL_UNTESTED] = 11 * 4 - 12};
  for (int s = 0; s < SB_CELL_STATES; s++)
    ck_assert_msg(sb_report_cells(r, (sb_cell_state)s) == cells[s], "%s: %d cells, not %d", sb_cell_state_names[s],
                  sb_report_cells(r, (sb_cell_state)s), cells[s]);
  static const char *const names[] = {"html", "xml", "md", "csv"};
  for (int f = 0; f < SB_REPORT_FORMATS; f++) sb_ok(sb_report_write(r, (sb_report_format)f, in_folder(names[f])));
  const char *html = read_file("html");
  ck_assert_int_eq(occurrences(html, "<td class=\"untested\"><span>untested</span></td>"), 32);
  ck_assert_int_eq(occurrences(html, "<td class=\"exact\">"), 3);
  ck_assert_int_eq(occurrences(html, "<td class=\"differs\"><a"), 1);
  ck_assert_int_eq(occurrences(html, "1,234,567 differ"), 1);
  ck_assert_ptr_nonnull(strstr(html, "32 of 44 cells of the matrix are untested"));
  ck_assert_ptr_nonnull(strstr(html, "verdict bad"));
  const char *xml = read_file("xml");
  ck_assert_int_eq(occurrences(xml, "<testcase "), 13);
  ck_assert_ptr_nonnull(strstr(xml, "tests=\"13\" failures=\"2\" errors=\"5\" skipped=\"2\""));
  ck_assert_int_eq(occurrences(xml, "<failure"), 2);
  ck_assert_int_eq(occurrences(xml, "<error type="), 5);
  ck_assert_int_eq(occurrences(xml, "<skipped"), 2);
  const char *md = read_file("md");
  ck_assert_ptr_nonnull(strstr(md, "**not as expected**"));
  ck_assert_int_eq(occurrences(md, "*untested*"), 32);
  ck_assert_int_eq(occurrences(md, "**7 differ**"), 1);
  ck_assert_int_eq(occurrences(read_file("csv"), "\ncheck,"), 12);
  sb_report_free(r);
  for (int i = 0; i < 2; i++) sb_run_file_close(files[i]);
}
END_TEST

/* Hostile text stays text: no element of it appears, the XML and the page are well-formed by a parser that is not ours,
 * each CSV row has its columns, and the Markdown has no live markup of it. */
START_TEST(text_stays_text) {
  const char *const runs[] = {every};
  sb_run_file *files[1];
  sb_run_report *r = make(runs, 1, files);
  static const char *const names[] = {"html", "xml", "md", "csv"};
  for (int f = 0; f < SB_REPORT_FORMATS; f++) sb_ok(sb_report_write(r, (sb_report_format)f, in_folder(names[f])));
  ck_assert_ptr_null(strstr(read_file("html"), "<script"));
  ck_assert_ptr_null(strstr(read_file("xml"), "<script"));
  for (const char *at = read_file("md"); (at = strstr(at, "<script")); at++)
    ck_assert_msg(at[-1] == '\\' || strstr(text, "      samebits check '<script") < at, "live markup in Markdown");
  char command[2048];
  snprintf(command, sizeof command,
           "cd %s && python3 - <<'END'\n"
           "import csv, xml.dom.minidom, html.parser\n"
           "d = xml.dom.minidom.parse('xml')\n"
           "assert any('<script>alert(1)</script>' in t.getAttribute('message') for t in "
           "d.getElementsByTagName('failure'))\n"
           "rows = list(csv.reader(open('csv', newline='')))\n"
           "assert len(rows) == 13 and all(len(r) == len(rows[0]) for r in rows), [len(r) for r in rows]\n"
           "class P(html.parser.HTMLParser):\n"
           "    stack = []\n"
           "    def handle_starttag(self, tag, attrs):\n"
           "        assert tag not in ('script', 'link', 'img'), tag\n"
           "        assert not any(n.startswith('on') for n, _ in attrs), attrs\n"
           "        if tag not in ('meta', 'path', 'rect', 'br'): self.stack.append(tag)\n"
           "    def handle_endtag(self, tag):\n"
           "        if tag in ('path', 'rect'): return\n"
           "        assert self.stack.pop() == tag, tag\n"
           "p = P(); p.feed(open('html').read()); assert not p.stack, p.stack\n"
           "END",
           folder);
  ck_assert_int_eq(system(command), 0);
  sb_report_free(r);
  sb_run_file_close(files[0]);
}
END_TEST

static int report(const char *arguments) {
  char command[1024];
  snprintf(command, sizeof command, "cd %s && %s/samebits report %s >out 2>err", folder, SAMEBITS_BINARY_DIR,
           arguments);
  const int status = system(command);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A run that is all as expected says so; one that was killed, has no case, or lacks a shard does not. */
START_TEST(verdict_of_the_page) {
  static const struct {
    const char *run, *verdict;
  } rows[] = {
      {other, "all as expected"},
      {"{\"type\":\"run\",\"device\":\"ref\"}\n{\"type\":\"summary\",\"exit\":0}\n", "not as expected"},
      {"{\"type\":\"run\",\"device\":\"ref\"}\n" CASE("r/w/both@a/f32/4x8:g0/n:1", "PASS", ""), "not as expected"},
      {"{\"type\":\"run\",\"device\":\"ref\",\"selection\":{\"whole\":true,\"shard\":[1,2]}}\n" CASE(
           "r/w/both@a/f32/4x8:g0/n:1", "PASS", "") "{\"type\":\"summary\",\"exit\":0}\n",
       "not as expected"},
      {"{\"type\":\"run\",\"device\":\"ref\"}\n" CASE("r/w/both@a/f32/4x8:g0/n:1", "UNSUPPORTED",
                                                      "") "{\"type\":\"summary\",\"exit\":3}\n",
       "not as expected"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    write_file("a", rows[i].run);
    ck_assert_int_eq(report("a --html h --markdown m"), 0);
    ck_assert_msg(strstr(read_file("h"), rows[i].verdict), "row %zu, HTML", i);
    ck_assert_msg(strstr(read_file("m"), rows[i].verdict), "row %zu, Markdown", i);
  }
}
END_TEST

/* Exit codes: 2 usage, 3 what cannot be read or written; a target that cannot be written is left as it was. */
START_TEST(exit_codes) {
  write_file("a", other);
  write_file("b", "no run\n");
  static const struct {
    const char *arguments;
    int exit_code;
  } rows[] = {{"a --html -", 0},         {"--html h", 2},          {"a", 2},
              {"a --html", 2},           {"a --nonsense", 2},      {"a --html a", 2},
              {"b --html h", 3},         {"none --html h", 3},     {"a --html /no/where", 3},
              {"a --html /dev/full", 3}, {"a --csv /dev/full", 3}, {"a --junit - --markdown -", 0}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const int code = report(rows[i].arguments);
    ck_assert_msg(code == rows[i].exit_code, "%s: exit %d, not %d", rows[i].arguments, code, rows[i].exit_code);
  }
  ck_assert_str_eq(read_file("a"), other);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("reports");
  TCase *tests = tcase_create("reports");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, every_status_has_its_place);
  tcase_add_test(tests, text_stays_text);
  tcase_add_test(tests, verdict_of_the_page);
  tcase_add_test(tests, exit_codes);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
