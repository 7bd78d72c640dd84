/* What `samebits model inspect --json` must say of a checkpoint, as a row of a table. */
#ifndef SAMEBITS_TESTS_MODEL_ROWS_H
#define SAMEBITS_TESTS_MODEL_ROWS_H

#include "tests/command_line.h"

#include <jansson.h>
#include <stdbool.h>

typedef struct model_row {
  const char *path;
  const char *recipe; /* NULL: not quantized */
  int group_size;
  const char *source;
  int linear, quantized, shards;
  const char *left;           /* the one layer left in float; NULL: none, or all */
  const char *format, *scale; /* of the first layer; scale NULL: none */
  const char *warnings[4];    /* a part of each, in any order; no others */
} model_row;

#define SILENT    "left in float (bf16) silently"
#define EXPLICIT  "an explicit file overrides detection"
#define NO_CONFIG "no config.json"

static inline void check_field(const char *path, const json_t *object, const char *name, json_t *expected) {
  char *got = json_dumps(json_object_get(object, name), JSON_ENCODE_ANY),
       *wanted = json_dumps(expected, JSON_ENCODE_ANY);
  ck_assert_msg(got && strcmp(got, wanted) == 0, "%s: %s is %s, expected %s", path, name, got ? got : "missing",
                wanted);
  free(got);
  free(wanted);
  json_decref(expected);
}

static inline void check_warnings(const model_row *row, const json_t *warnings) {
  size_t expected = 0;
  for (; expected < 4 && row->warnings[expected]; expected++) {
    bool found = false;
    for (size_t i = 0; i < json_array_size(warnings); i++)
      found |= strstr(json_string_value(json_array_get(warnings, i)), row->warnings[expected]) != NULL;
    ck_assert_msg(found, "%s: no warning '%s'", row->path, row->warnings[expected]);
  }
  ck_assert_msg(json_array_size(warnings) == expected, "%s: %zu warnings, expected %zu", row->path,
                json_array_size(warnings), expected);
}

/* Runs inspect on FOLDER/row->path and looks at every field. */
static inline void check_row(const char *in, const model_row *row) {
  const answer *a = run("model inspect --json '%s/%s'", in, row->path);
  ck_assert_msg(a->exit_code == 0, "%s: exit %d: %s", row->path, a->exit_code, a->text);
  json_t *object = json_loads(a->text, JSON_DISABLE_EOF_CHECK, NULL);
  ck_assert_msg(json_is_object(object), "%s: not a JSON object: %.200s", row->path, a->text);
  check_field(row->path, object, "recipe", row->recipe ? json_string(row->recipe) : json_null());
  check_field(row->path, object, "group_size", json_integer(row->group_size));
  check_field(row->path, object, "source", json_string(row->source));
  check_field(row->path, object, "linear_layers", json_integer(row->linear));
  check_field(row->path, object, "quantized_layers", json_integer(row->quantized));
  check_field(row->path, object, "shards", json_integer(row->shards));
  const json_t *left = json_object_get(object, "unquantized"), *layers = json_object_get(object, "layers");
  ck_assert_int_eq((int)json_array_size(left), row->linear - row->quantized);
  if (row->left) ck_assert_str_eq(json_string_value(json_array_get(left, 0)), row->left);
  ck_assert_int_eq((int)json_array_size(layers), row->linear);
  const json_t *first = json_array_get(layers, 0);
  check_field(row->path, first, "format", json_string(row->format));
  check_field(row->path, first, "scale_format", row->scale ? json_string(row->scale) : json_null());
  check_field(row->path, first, "group_size", json_integer(row->scale ? row->group_size : 0));
  check_warnings(row, json_object_get(object, "warnings"));
  json_decref(object);
}

#endif
