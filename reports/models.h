/* Models on the page: what `samebits model ... --json` printed. Private to reports/. */
#ifndef SAMEBITS_REPORTS_MODELS_H
#define SAMEBITS_REPORTS_MODELS_H

#include "reports/report.h"

#include <jansson.h>

/* A column of a table: its heading, and where a row's value is: a key, or "key.key". */
typedef struct sb_json_column {
  const char *heading, *key;
} sb_json_column;

/* What is at "key" or "key.key"; NULL: nothing. */
const json_t *sb_json_at(const json_t *object, const char *key);

/* A value as text of the page: numbers, words, lists; a dash for null and for what is not there. */
void sb_put_json(FILE *to, const json_t *value);

/* A table of an array of objects; with `only`, of those in which that value is neither null, 0 nor false. */
void sb_put_json_table(FILE *to, const json_t *rows, const sb_json_column *columns, int count, const char *only);

/* How a difference grows from block to block: a curve of `relative` of the list `layers`. */
void sb_put_growth_curve(FILE *to, const json_t *layers);

/* Reads a file of JSON objects, as `samebits model inspect|compare|equivalence|eval --json` prints them, one after
 * another, into `models`, a JSON array. SB_FILE: the file, what is no JSON, an object that is none of these. */
sb_status sb_models_read(const char *path, json_t *models);

/* Whether every comparison is exact and every check holds; -1: nothing was compared. */
int sb_models_exact(const json_t *models);

void sb_report_html_models(const sb_run_report *report, FILE *to);

#endif
