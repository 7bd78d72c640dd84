/* The page of a model, made of what `samebits model ... --json` prints. */
#include "tests/small_llama.h"

#include <sys/wait.h>

#define FLOAT8 "float8-dynamic-act-float8-weight"
#define EVAL   "$S model eval m --tokens tokens --json "

static char page[1 << 18], errors[4096];

static void read_whole(const char *name, char *text, size_t room) {
  FILE *file = fopen(in_folder(name), "r");
  ck_assert_ptr_nonnull(file);
  text[fread(text, 1, room - 1, file)] = 0;
  fclose(file);
}

/* One line of shell in the suite's folder, $S the program; its exit code. */
static int line(const char *text) {
  char command[4096];
  snprintf(command, sizeof command, "cd %s && S=%s/samebits && { %s; } 2>err", folder, SAMEBITS_BINARY_DIR, text);
  const int status = system(command);
  read_whole("err", errors, sizeof errors);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect_line(const char *text, int code) {
  const int got = line(text);
  ck_assert_msg(got == code, "%s: exit %d, expected %d: %s", text, got, code, errors);
}

static int occurrences(const char *part) {
  int count = 0;
  for (const char *at = page; (at = strstr(at, part)); at++) count++;
  return count;
}

/* Layers, first divergence with its mechanisms, the curve with a place for each block and for the logits, and the three
 * models are on one page; every element of it is closed; its verdict is that of the comparisons. */
START_TEST(whole_page) {
  expect_line("$S model convert m --recipe " FLOAT8
              " --lift-gates --dtype bf16 --output q >/dev/null && $S model inspect q "
              "--json >all && $S model compare q q --json >>all",
              0);
  expect_line("$S report --model all --html page", 0);
  read_whole("page", page, sizeof page);
  ck_assert_int_eq(occurrences("<span class=\"verdict good\">"), 2);
  ck_assert_int_eq(occurrences("First divergence: none."), 1);
  expect_line("$S model convert m --recipe int4-weight-only --group 32 --dtype bf16 --output narrow >/dev/null && $S "
              "model compare m narrow --json >differs",
              1);
  expect_line(EVAL "--recipe " FLOAT8 " --linear both >>all && " EVAL
                   ">>all && $S model eval --three-way m q q --tokens tokens "
                   "--dtype bf16 --json >>all",
              0);
  line("$S model equivalence m q --tokens tokens --json >>all");
  expect_line("$S report --model all --model differs --html page", 0);
  read_whole("page", page, sizeof page);
  static const struct {
    const char *part;
    int count;
  } parts[] = {{"recipe " FLOAT8 ", group size 0, told by both", 1},
               {"<td class=\"case\">model.layers.1.mlp.down_proj</td><td class=\"number\">32&times;64</td><td "
                "class=\"number\">e4m3</td>",
                1},
               {"First divergence: none.", 1},
               {"First divergence: model.layers.0.self_attn.q_proj", 1},
               {">scale-stored-narrow</td>", 7 * LAYERS + 1},
               {"<span class=\"verdict bad\">not exact</span>", 2},
               {"<svg class=\"curve\"", 1},
               {">block 0</text>", 1},
               {">block 1</text>", 1},
               {">logits</text>", 1},
               {"<h3>Three models</h3>", 1},
               {"<td class=\"case\">PTQ</td>", 1},
               {"<td class=\"case\">parameters</td>", 1},
               {"<h3>Evaluation: ", 1}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    ck_assert_msg(occurrences(parts[i].part) == parts[i].count, "'%s': %d times, not %d, in\n%s", parts[i].part,
                  occurrences(parts[i].part), parts[i].count, page);
  expect_line("python3 -c \"import html.parser\nclass P(html.parser.HTMLParser):\n  open = []\n"
              "  def handle_starttag(self, tag, _):\n    if tag not in ('meta', 'path', 'br'): self.open.append(tag)\n"
              "  def handle_endtag(self, tag):\n    if tag != 'path': assert self.open.pop() == tag, tag\n"
              "p = P(); p.feed(open('page').read()); assert not p.open, p.open\"",
              0);
}
END_TEST

/* Names of hostile models stay text, and values of other types than expected are no values. */
START_TEST(text_stays_text) {
  expect_line(
      "echo '{\"layers\":[{\"name\":\"<script>\",\"shape\":[1,\"<script>\"],\"relative\":\"x\"},7,null],"
      "\"linear_layers\":{\"a\":\"<script>\"},\"warnings\":[\"<script>\",3],\"path\":\"<script>\"}{\"layers\":7,"
      "\"base\":3,\"eval_loss\":1e999}' | sed 's/1e999/1e99/' >bad && $S report --model bad --html page",
      0);
  read_whole("page", page, sizeof page);
  ck_assert_int_eq(occurrences("<script"), 0);
  ck_assert_int_eq(occurrences("&lt;script&gt;"), 5);
}
END_TEST

/* What is no output of a model command is one line; a page of models needs no run, the other reports do. */
START_TEST(refusals) {
  static const struct {
    const char *line, *says;
    int exit_code;
  } rows[] = {{"echo '{\"a\":1}' >bad; $S report --model bad --html page", "nothing that samebits model", 3},
              {"echo '[1]' >bad; $S report --model bad --html page", "nothing that samebits model", 3},
              {"echo '{' >bad; $S report --model bad --html page", "not valid JSON", 3},
              {": >bad; $S report --model bad --html page", "no JSON object", 3},
              {"$S report --model nowhere --html page", "cannot open", 3},
              {"$S report --model all", "--html FILE is needed", 2},
              {"$S report --model all --junit x", "--html FILE is needed", 2},
              {"$S report --model all --html x --junit x", "only --html", 2},
              {"$S report --html x", "no runs", 2},
              {"echo '{\"three_way\":[]}' >kept; $S report --model kept --html kept", "kept", 2}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    expect_line(rows[i].line, rows[i].exit_code);
    ck_assert_msg(strstr(errors, rows[i].says) && strchr(errors, '\n') == errors + strlen(errors) - 1, "%s: %s",
                  rows[i].line, errors);
  }
}
END_TEST

/* The model is kept in the folder SAMEBITS_KEEP_MODEL, for what shows its page in a browser. */
START_TEST(model_is_kept) { expect_line("cp -r m tokens \"$SAMEBITS_KEEP_MODEL\"", 0); }
END_TEST

int main(void) {
  Suite *suite = suite_create("model_page");
  TCase *tests = tcase_create("model_page");
  tcase_add_unchecked_fixture(tests, make_model, remove_folder);
  tcase_set_timeout(tests, 300);
  if (getenv("SAMEBITS_KEEP_MODEL")) {
    tcase_add_test(tests, model_is_kept);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
  }
  tcase_add_test(tests, whole_page);
  tcase_add_test(tests, text_stays_text);
  tcase_add_test(tests, refusals);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
