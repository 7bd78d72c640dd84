/* Known divergences. */
#include "conformance/text.h"
#include "samebits/expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const char sb_builtin_expectations[]; /* ci/expect/ref.txt as it was when this was built: how a flavor's
                                              * convert differs from its prepare is the same wherever it runs */

enum { GLOB, MECHANISMS, LINK, DATE, COLUMNS };

static bool is_date(const char *word) {
  static const char shape[] = "dddd-dd-dd";
  for (int i = 0; shape[i]; i++)
    if (shape[i] == 'd' ? word[i] < '0' || word[i] > '9' : word[i] != shape[i]) return false;
  return word[sizeof shape - 1] == 0;
}

static sb_status parse_rows(char *text, sb_expectations *e) {
  char *words[COLUMNS];
  int line = 0;
  for (int count; (count = sb_next_words(&text, words, COLUMNS)) >= 0;) {
    line++;
    if (count == 0) continue;
    if (count != COLUMNS || !strchr(words[GLOB], '/') || !is_date(words[DATE]))
      return sb_fail(SB_FILE, "%s: line %d is not 'GLOB MECHANISMS LINK YYYY-MM-DD'", e->path, line);
    sb_expectation *rows = reallocarray(e->rows, (size_t)e->count + 1, sizeof *rows);
    if (!rows) return sb_fail(SB_NO_MEMORY, "%s: no memory", e->path);
    e->rows = rows;
    sb_expectation *row = &rows[e->count++];
    *row = (sb_expectation){
        strdup(words[GLOB]), strdup(words[MECHANISMS]), strdup(words[LINK]), strdup(words[DATE]), line, 0, 0};
    if (!row->glob || !row->mechanisms || !row->link || !row->date)
      return sb_fail(SB_NO_MEMORY, "%s: no memory", e->path);
  }
  return SB_OK;
}

sb_status sb_expectations_parse(const char *path, const char *text, sb_expectations *expectations) {
  *expectations = (sb_expectations){.path = strdup(path)};
  char *copy = strdup(text);
  sb_status status = SB_OK;
  if (!copy || !expectations->path) status = sb_fail(SB_NO_MEMORY, "%s: no memory", path);
  if (!status) status = parse_rows(copy, expectations);
  free(copy);
  if (status) sb_expectations_free(expectations);
  return status;
}

sb_status sb_expectations_load(const char *path, const char *device, sb_expectations *expectations) {
  char usual[256];
  snprintf(usual, sizeof usual, "ci/expect/%s.txt", device);
  *expectations = (sb_expectations){0};
  if (!path && access(usual, F_OK) != 0)
    return sb_expectations_parse("(built in)", sb_builtin_expectations, expectations);
  char *text;
  sb_status status = sb_read_text(path ? path : usual, &text);
  if (status) return status;
  status = sb_expectations_parse(path ? path : usual, text, expectations);
  free(text);
  return status;
}

void sb_expectations_free(sb_expectations *expectations) {
  for (int i = 0; i < expectations->count; i++) {
    sb_expectation *row = &expectations->rows[i];
    free(row->glob);
    free(row->mechanisms);
    free(row->link);
    free(row->date);
  }
  free(expectations->rows);
  free(expectations->path);
  *expectations = (sb_expectations){0};
}

void sb_expect(sb_expectations *expectations, const char *text, sb_result *result) {
  if (result->status != SB_PASS && result->status != SB_FAIL) return;
  for (int i = 0; i < expectations->count; i++) {
    sb_expectation *row = &expectations->rows[i];
    if (!sb_case_matches(row->glob, text)) continue;
    row->matched++;
    if (result->status != SB_FAIL) return;
    row->diverged++;
    if (result->verified == SB_VERIFIED) {
      result->status = SB_EXPECTED;
      snprintf(result->mechanisms, sizeof result->mechanisms, "%s", row->mechanisms);
    } else if (result->verified == SB_VERIFIED_NOT) {
      char reason[sizeof result->reason];
      snprintf(reason, sizeof reason, "%s; line %d of the expectations does not hold: %s", result->reason, row->line,
               result->verification);
      memcpy(result->reason, reason, sizeof reason);
    }
    return;
  }
}

bool sb_expectation_outdated(const sb_expectation *row) { return row->matched > 0 && row->diverged == 0; }
