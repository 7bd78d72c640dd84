/* Models on the page: layers, first divergence, curve, three-way table, from what `samebits model ... --json` printed.
 */
#include "reports/models.h"

#include <errno.h>
#include <string.h>

#define COLUMNS(...)                                                                                                   \
  (const sb_json_column[]){__VA_ARGS__}, sizeof((sb_json_column[]){__VA_ARGS__}) / sizeof(sb_json_column)

static void put_heading(FILE *to, const char *what, const json_t *path, const json_t *other) {
  fprintf(to, "<h3>%s", what);
  if (json_is_string(path)) fputs(": <span class=\"case\">", to), sb_put_json(to, path), fputs("</span>", to);
  if (json_is_string(other)) fputs(" against <span class=\"case\">", to), sb_put_json(to, other), fputs("</span>", to);
  fputs("</h3>\n", to);
}

/* <p>words value words value ...</p>, of pairs of words before a key and the key, ended by NULL. */
static void put_line(FILE *to, const json_t *object, const char *const *pairs) {
  fputs("<p>", to);
  for (; *pairs; pairs += 2) {
    fputs(pairs[0], to);
    if (pairs[1]) sb_put_json(to, sb_json_at(object, pairs[1]));
    if (!pairs[1]) break;
  }
  fputs("</p>\n", to);
}
#define LINE(...)                                                                                                      \
  (const char *const[]) { __VA_ARGS__, NULL, NULL }

static void put_verdict(FILE *to, bool good, const char *yes, const char *no) {
  fprintf(to, "<p><span class=\"verdict %s\">%s</span></p>\n", good ? "good" : "bad", good ? yes : no);
}

static void put_words(FILE *to, const char *before, const json_t *list) {
  if (json_array_size(list) == 0) return;
  fputs("<ul class=\"problems\">\n", to);
  for (size_t i = 0; i < json_array_size(list); i++) {
    fprintf(to, "<li>%s", before);
    sb_put_json(to, json_array_get(list, i));
    fputs("</li>\n", to);
  }
  fputs("</ul>\n", to);
}

static void put_inspect(const json_t *m, FILE *to) {
  put_heading(to, "Layers", json_object_get(m, "path"), NULL);
  put_line(to, m,
           LINE("recipe ", "recipe", ", group size ", "group_size", ", told by ", "source", "; ", "quantized_layers",
                " of ", "linear_layers", " Linear layers quantized; weights files: ", "shards"));
  put_words(to, "warning: ", json_object_get(m, "warnings"));
  sb_put_json_table(to, json_object_get(m, "layers"),
                    COLUMNS({"layer", "name"}, {"shape", "shape"}, {"format", "format"}, {"scale", "scale_format"},
                            {"group", "group_size"}, {"quantized", "quantized"}, {"bytes", "bytes"}),
                    NULL);
}

static void put_first(const json_t *first, FILE *to) {
  if (!json_is_object(first)) {
    fputs("<p>First divergence: none.</p>\n", to);
    return;
  }
  put_line(to, first,
           LINE("First divergence: ", "tensor", ", ", "different", " of ", "elements",
                " elements; operands equal: ", "operands_equal"));
}

static void put_compare(const json_t *m, FILE *to) {
  put_heading(to, "Bits", json_object_get(m, "a"), json_object_get(m, "b"));
  put_verdict(to, json_is_true(json_object_get(m, "exact")), "exact", "not exact");
  put_first(json_object_get(m, "first_difference"), to);
  const json_t *logits = json_object_get(m, "logits");
  if (json_is_object(logits))
    put_line(to, logits,
             LINE("Logits: ", "different", " of ", "elements", " differ, at most ", "max_abs", ", mean ", "mean_abs",
                  "; predictions that differ: ", "predictions_differ", " of ", "predictions"));
  const json_t *activations = json_object_get(m, "activations");
  if (json_is_object(activations))
    put_line(to, activations,
             LINE("Activations: outputs of ", "different", " of ", "modules", " modules differ, at most ", "max_abs",
                  ", mean ", "mean_abs"));
  if (json_array_size(json_object_get(m, "weights")))
    sb_put_json_table(to, json_object_get(m, "weights"),
                      COLUMNS({"elements that differ", "name"}, {"of", "elements"}, {"scale", "different.scale"},
                              {"zero point", "different.zero_point"}, {"codes", "different.codes"},
                              {"output", "different.output"}, {"at most", "max_abs"}, {"mechanisms", "mechanisms"},
                              {"note", "note"}),
                      NULL);
  const json_t *parameters = json_object_get(m, "parameters");
  int different = 0;
  for (size_t i = 0; i < json_array_size(parameters); i++)
    different += json_number_value(json_object_get(json_array_get(parameters, i), "different")) > 0;
  fprintf(to, "<p>Other parameters: %d of %zu differ.</p>\n", different, json_array_size(parameters));
  if (different)
    sb_put_json_table(
        to, parameters,
        COLUMNS({"parameter", "name"}, {"of", "elements"}, {"differ", "different"}, {"at most", "max_abs"}),
        "different");
  if (json_array_size(json_object_get(m, "config")))
    sb_put_json_table(to, json_object_get(m, "config"),
                      COLUMNS({"field of the configuration", "field"}, {"a", "a"}, {"b", "b"}), NULL);
}

static void put_equivalence(const json_t *m, FILE *to) {
  put_heading(to, "Equivalence", json_object_get(m, "train"), json_object_get(m, "eval"));
  put_verdict(to, json_is_true(json_object_get(m, "equal")), "equal", "not equal");
  sb_put_json_table(
      to, json_object_get(m, "checks"),
      COLUMNS({"check", "name"}, {"number", "number"}, {"holds", "ok"}, {"figures", "figures"}, {"note", "note"}),
      NULL);
  put_words(to, "likely cause: ", json_object_get(m, "causes"));
}

static void put_growth(const json_t *m, FILE *to) {
  put_heading(to, "What the difference costs, and how it grows", json_object_get(m, "path"), NULL);
  put_line(to, m,
           LINE("Eval loss ", "eval_loss", ", was ", "base.eval_loss", ", difference ", "difference",
                "; predictions that differ: ", "predictions_different", " of ", "predictions", " (", "dtype", ", ",
                "recipe", ", ", "linear", " against ", "base.linear", "; mechanism: ", "mechanism", ")"));
  sb_put_growth_curve(to, json_object_get(m, "layers"));
  sb_put_json_table(to, json_object_get(m, "layers"),
                    COLUMNS({"after", "name"}, {"differ", "different"}, {"of", "elements"}, {"at most", "max_abs"},
                            {"mean", "mean_abs"}, {"relative", "relative"}),
                    NULL);
}

static void put_losses(const json_t *rows, FILE *to) {
  sb_put_json_table(to, rows,
                    COLUMNS({"model", "model"}, {"path", "path"}, {"recipe", "recipe"}, {"Linear", "linear"},
                            {"dtype", "dtype"}, {"eval loss", "eval_loss"}, {"perplexity", "perplexity"},
                            {"difference", "difference"}, {"rows", "rows"}, {"ours", "ours"}),
                    NULL);
  fputs("<p class=\"soft\">ours: upstream refuses this forward on a CPU.</p>\n", to);
}

static void put_three_way(const json_t *m, FILE *to) {
  put_heading(to, "Three models", NULL, NULL);
  put_losses(json_object_get(m, "three_way"), to);
}

static void put_evaluation(const json_t *m, FILE *to) {
  put_heading(to, "Evaluation", json_object_get(m, "path"), NULL);
  json_t *rows = json_pack("[O]", m);
  put_losses(rows, to);
  json_decref(rows);
}

/* What an object is, by the keys that only it has; the first that fits. `exact` is the key of its verdict. */
static const struct {
  const char *key, *and, *exact;
  void (*put)(const json_t *, FILE *);
} kinds[] = {{"three_way", "three_way", NULL, put_three_way}, {"layers", "base", NULL, put_growth},
             {"layers", "linear_layers", NULL, put_inspect},  {"weights", "exact", "exact", put_compare},
             {"checks", "equal", "equal", put_equivalence},   {"eval_loss", "perplexity", NULL, put_evaluation}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int kind_of(const json_t *object) {
  int k = 0;
  while (k < KINDS && !(json_object_get(object, kinds[k].key) && json_object_get(object, kinds[k].and))) k++;
  return k;
}

sb_status sb_models_read(const char *path, json_t *models) {
  FILE *from = fopen(path, "rb");
  json_error_t error;
  int count = 0;
  sb_status status = SB_OK;
  if (!from) return sb_fail(SB_FILE, "%s: cannot open: %s", path, strerror(errno));
  while (!status) {
    int byte = getc(from);
    while (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t') byte = getc(from);
    if (byte == EOF) break;
    ungetc(byte, from);
    json_t *object = json_loadf(from, JSON_DISABLE_EOF_CHECK, &error);
    if (!object)
      status = sb_fail(SB_FILE, "%s: object %d is not valid JSON: %.120s", path, count, error.text);
    else if (kind_of(object) == KINDS)
      status = sb_fail(SB_FILE, "%s: object %d is nothing that samebits model ... --json prints", path, count);
    else if (json_array_append(models, object))
      status = sb_fail(SB_NO_MEMORY, "no memory for a model's page");
    json_decref(object);
    count++;
  }
  if (!status && ferror(from)) status = sb_fail(SB_FILE, "%s: cannot read", path);
  if (!status && count == 0) status = sb_fail(SB_FILE, "%s: no JSON object", path);
  fclose(from);
  return status;
}

int sb_models_exact(const json_t *models) {
  int exact = -1;
  for (size_t i = 0; i < json_array_size(models); i++) {
    const json_t *object = json_array_get(models, i);
    const char *key = kinds[kind_of(object)].exact;
    if (key) exact = exact && json_is_true(json_object_get(object, key));
  }
  return exact;
}

void sb_report_html_models(const sb_run_report *r, FILE *to) {
  fputs("<h2 id=\"models\">Models</h2>\n", to);
  for (size_t i = 0; i < json_array_size(r->models); i++) {
    const json_t *object = json_array_get(r->models, i);
    fputs("<section class=\"model\">\n", to);
    kinds[kind_of(object)].put(object, to);
    fputs("</section>\n", to);
  }
}
