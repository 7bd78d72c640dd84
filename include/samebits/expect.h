/* What a run is expected to give: known divergences, and cells that must be filled. */
#ifndef SAMEBITS_EXPECT_H
#define SAMEBITS_EXPECT_H

#include "samebits/check.h"

/* A row of ci/expect/DEVICE.txt: "GLOB MECHANISM[,MECHANISM] LINK DATE"; # starts a comment. */
typedef struct sb_expectation {
  char *glob, *mechanisms, *link, *date;
  int line;
  int64_t matched, diverged; /* cases of this run that ran and that differed */
} sb_expectation;

typedef struct sb_expectations {
  char *path;
  int count;
  sb_expectation *rows;
} sb_expectations;

/* Parses the text of a file. SB_FILE names the line that is no row. */
sb_status sb_expectations_parse(const char *path, const char *text, sb_expectations *expectations);

/* Reads PATH, or where it is NULL ci/expect/DEVICE.txt, or where that is absent ci/expect/ref.txt as it was built in:
 * how a flavor's convert differs from its prepare is the same on every device. */
sb_status sb_expectations_load(const char *path, const char *device, sb_expectations *expectations);
void sb_expectations_free(sb_expectations *expectations);

/* Applies the rows to a verdict: FAIL becomes EXPECTED with the row's mechanisms if it was verified that they give
 * every bit (sb_verify_case); else it stays FAIL and says so. The first matching row counts. */
void sb_expect(sb_expectations *expectations, const char *text, sb_result *result);

/* Whether every case that the row matched was exact: it is out of date (XPASS). */
bool sb_expectation_outdated(const sb_expectation *row);

/* A row of ci/required.txt: "RECIPE SIDE STEP FLAVOR DTYPE DEVICE ELEMENTS"; for captured primitives
 * "affine - - FLAVOR DTYPE ref ELEMENTS". */
typedef struct sb_required_cell {
  char *recipe, *side, *step, *flavor, *dtype, *device;
  int64_t least, filled;
} sb_required_cell;

typedef struct sb_required {
  char *path;
  int count;
  sb_required_cell *cells;
} sb_required;

sb_status sb_required_load(const char *path, sb_required *required);
void sb_required_free(sb_required *required);

/* Counts elements that are PASS or EXPECTED towards the cell of a spec. */
void sb_required_fill(sb_required *required, const sb_spec *spec, const char *device, int64_t elements);

/* What is wrong with a cell, in one line: "REQUIRED recipe/side/step@flavor/dtype on device: 0 of 20000 elements ...".
 */
enum { SB_CELL_TEXT = 512 };
const char *sb_required_text(const sb_required *required, int index, char text[SB_CELL_TEXT]);

#endif
