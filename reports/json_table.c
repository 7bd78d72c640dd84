/* JSON as tables of the page. */
#include "reports/models.h"

#include <stdlib.h>
#include <string.h>

const json_t *sb_json_at(const json_t *object, const char *key) {
  const size_t length = strcspn(key, ".");
  char first[64];
  if (!key[length]) return json_object_get(object, key);
  snprintf(first, sizeof first, "%.*s", (int)length, key);
  return sb_json_at(json_object_get(object, first), key + length + 1);
}

/* A list: numbers as a shape, words with commas. */
static void put_list(FILE *to, const json_t *list) {
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *item = json_array_get(list, i);
    if (i) fputs(json_is_integer(item) ? "&times;" : ", ", to);
    if (json_is_integer(item))
      fprintf(to, "%" JSON_INTEGER_FORMAT, json_integer_value(item));
    else if (json_is_string(item))
      sb_put_xml(to, json_string_value(item));
  }
  if (json_array_size(list) == 0) fputs("&ndash;", to);
}

void sb_put_json(FILE *to, const json_t *value) {
  char text[SB_COUNT_TEXT];
  if (json_is_string(value))
    sb_put_xml(to, json_string_value(value));
  else if (json_is_integer(value))
    fputs(sb_count_text(json_integer_value(value), text), to);
  else if (json_is_real(value))
    fprintf(to, "%.7g", json_real_value(value));
  else if (json_is_boolean(value))
    fputs(json_is_true(value) ? "yes" : "no", to);
  else if (json_is_array(value))
    put_list(to, value);
  else if (json_is_object(value)) { /* a configuration's: as it stands in the file */
    char *dump = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    fputs("<code>", to);
    sb_put_xml(to, dump ? dump : "");
    fputs("</code>", to);
    free(dump);
  } else
    fputs("&ndash;", to);
}

static bool is_nothing(const json_t *value) {
  return !value || json_is_null(value) || json_is_false(value) ||
         (json_is_number(value) && json_number_value(value) == 0);
}

/* Too long for a line: a note, a part of a configuration. */
static bool is_long(const json_t *value) {
  return json_is_object(value) || (json_is_string(value) && json_string_length(value) > 40);
}

void sb_put_json_table(FILE *to, const json_t *rows, const sb_json_column *columns, int count, const char *only) {
  fputs("<div class=\"scroll\"><table>\n<thead><tr>", to);
  for (int c = 0; c < count; c++) fprintf(to, "<th%s>%s</th>", c ? " class=\"number\"" : "", columns[c].heading);
  fputs("</tr></thead>\n<tbody>\n", to);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    if (only && is_nothing(sb_json_at(row, only))) continue;
    fputs("<tr>", to);
    for (int c = 0; c < count; c++) {
      const json_t *value = sb_json_at(row, columns[c].key);
      fprintf(to, "<td class=\"%s\">", c == 0 ? "case" : is_long(value) ? "wide" : "number");
      sb_put_json(to, value);
      fputs("</td>", to);
    }
    fputs("</tr>\n", to);
  }
  fputs("</tbody></table></div>\n", to);
}

void sb_put_growth_curve(FILE *to, const json_t *layers) {
  enum { WIDE = 640, HIGH = 200, LEFT = 70, RIGHT = 20, TOP = 14, BOTTOM = 30 };
  const size_t count = json_array_size(layers);
  double most = 0;
  for (size_t i = 0; i < count; i++) {
    const double value = json_number_value(json_object_get(json_array_get(layers, i), "relative"));
    if (value > most) most = value;
  }
  if (count < 2) return;
  fprintf(to,
          "<figure><svg class=\"curve\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"relative difference after each "
          "block\"><path fill=\"none\" stroke=\"var(--soft)\" d=\"M%d %dV%dH%d\"/><path fill=\"none\" "
          "stroke=\"var(--link)\" stroke-width=\"2\" d=\"",
          WIDE, HIGH, LEFT, TOP, HIGH - BOTTOM, WIDE - RIGHT);
  const double step = (double)(WIDE - LEFT - RIGHT - 20) / (double)(count - 1);
  for (size_t i = 0; i < count; i++) {
    const double value = json_number_value(json_object_get(json_array_get(layers, i), "relative"));
    fprintf(to, "%c%.1f %.1f", i ? 'L' : 'M', LEFT + 10 + step * (double)i,
            HIGH - BOTTOM - (most > 0 ? value / most : 0) * (HIGH - BOTTOM - TOP));
  }
  fprintf(to,
          "\"/><text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.3g</text><text x=\"%d\" y=\"%d\" "
          "text-anchor=\"end\">0</text>",
          LEFT - 8, TOP + 5, most, LEFT - 8, HIGH - BOTTOM + 5);
  for (size_t i = 0; i < count; i += (count + 7) / 8)
    if (i + 1 < count)
      fprintf(to, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">block %zu</text>", LEFT + 10 + step * (double)i,
              HIGH - 8, i);
  fprintf(to, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">logits</text>", WIDE - RIGHT + 15, HIGH - 8);
  fputs("</svg><figcaption>Relative difference (root of the sum of squares) after each block, and of the logits."
        "</figcaption></figure>\n",
        to);
}
