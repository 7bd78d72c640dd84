/* Two runs side by side. */
#include "samebits/runs_compare.h"

#include "bench/statistics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const sb_bits_verdict_names[SB_BITS_VERDICTS] = {"SAME", "CHANGED", "NO DATA"};
const char *const sb_speed_verdict_names[SB_SPEED_VERDICTS] = {"SAME", "FASTER", "SLOWER", "AMBIGUOUS", "NO DATA"};

/* An entry with what it is paired by; of entries with one key the last counts. */
typedef struct keyed {
  const char *key;
  const sb_run_entry *entry;
  int order;
} keyed;

static int by_key(const void *a, const void *b) {
  const keyed *x = a, *y = b;
  if (x->entry->bench != y->entry->bench) return x->entry->bench - y->entry->bench;
  const int order = strcmp(x->key, y->key);
  return order ? order : x->order - y->order;
}

static bool same_key(const keyed *x, const keyed *y) {
  return x->entry->bench == y->entry->bench && strcmp(x->key, y->key) == 0;
}

/* Sorted, one of each key. Returns how many, or -1: no memory. */
static int sort_entries(const sb_run_file *file, bool without_device, keyed **sorted) {
  *sorted = malloc(sizeof **sorted * (size_t)(file->entry_count + 1));
  if (!*sorted) return -1;
  for (int i = 0; i < file->entry_count; i++)
    (*sorted)[i] = (keyed){without_device ? file->entries[i].key : file->entries[i].text, &file->entries[i], i};
  qsort(*sorted, (size_t)file->entry_count, sizeof **sorted, by_key);
  int count = 0;
  for (int i = 0; i < file->entry_count; i++) {
    const bool again = count > 0 && same_key(&(*sorted)[count - 1], &(*sorted)[i]);
    (*sorted)[again ? count - 1 : count] = (*sorted)[i];
    count += !again;
  }
  return count;
}

/* The one device of a run, or NULL where it has several. */
static const sb_run_header *only_device(const sb_run_file *file) {
  for (int i = 1; i < file->header_count; i++)
    if (strcmp(file->headers[i].device, file->headers[0].device) != 0) return NULL;
  return &file->headers[0];
}

static bool same_hardware(const sb_run_header *a, const sb_run_header *b) {
  static const char *const keys[] = {"name", "sm", "machine", "isa"};
  if (strcmp(a->device, b->device) != 0) return false;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (strcmp(sb_run_record(a, keys[i]), sb_run_record(b, keys[i])) != 0) return false;
  return true;
}

static void add_word(char *list, size_t room, const char *word) {
  const size_t used = strlen(list);
  snprintf(list + used, room - used, "%s%s", used ? ", " : "", word);
}

/* A case that did not run to its end has no bits, whatever its line says. */
static bool has_bits(const sb_run_entry *e) {
  static const bool none[SB_CASE_STATUSES] = {
      [SB_ERROR] = true, [SB_CRASH] = true, [SB_TIMEOUT] = true, [SB_SKIP] = true, [SB_CASE_UNSUPPORTED] = true,
      [SB_NOTRUN] = true};
  if (!e || (!e->bench && none[e->status])) return false;
  for (int i = 0; i < e->tensor_count; i++)
    if (*e->tensors[i].digest) return true;
  return false;
}

/* A tensor that only one side has is a change, too: the other stopped, or began, to give it. */
static void compare_bits(sb_runs_pair *pair) {
  const sb_run_entry *old = pair->old, *new = pair->new;
  pair->bits = SB_BITS_NO_DATA;
  if (!old || !new || !has_bits(old) || !has_bits(new)) return;
  for (int i = 0; i < old->tensor_count; i++)
    if (strcmp(old->tensors[i].digest, sb_run_digest(new, old->tensors[i].name)) != 0)
      add_word(pair->tensors, sizeof pair->tensors, old->tensors[i].name);
  for (int i = 0; i < new->tensor_count; i++)
    if (*new->tensors[i].digest && !*sb_run_digest(old, new->tensors[i].name))
      add_word(pair->tensors, sizeof pair->tensors, new->tensors[i].name);
  pair->bits = *pair->tensors ? SB_BITS_CHANGED : SB_BITS_SAME;
}

static void compare_counters(sb_runs_pair *pair) {
  for (int i = 0; pair->old && pair->new &&i < pair->old->counter_count; i++) {
    const sb_run_counter *a = &pair->old->counters[i];
    for (int j = 0; j < pair->new->counter_count; j++) {
      const sb_run_counter *b = &pair->new->counters[j];
      char text[160];
      if (strcmp(a->name, b->name) != 0 || a->value == b->value) continue;
      snprintf(text, sizeof text, "%s %" PRId64 " -> %" PRId64, a->name, a->value, b->value);
      add_word(pair->counters, sizeof pair->counters, text);
    }
  }
}

/* What a time is multiplied by: 1, or (where normalised) the roofline over the bytes of a call; 0: not known. */
static double unit(const sb_run_entry *e, bool normalised) {
  if (!normalised) return 1;
  const double bytes = e->bytes_per_second * e->seconds;
  return bytes > 0 ? e->roofline / bytes : 0;
}

typedef struct judging {
  const sb_runs_options *o;
  int tests; /* two a pair: new is slower; new is faster */
} judging;

static double *scaled(const sb_run_entry *e, double by) {
  double *values = malloc(sizeof *values * (size_t)e->sample_count);
  for (int i = 0; values && i < e->sample_count; i++) values[i] = e->samples[i] * by;
  return values;
}

static void no_speed(sb_runs_pair *pair, const char *why) {
  pair->speed = SB_SPEED_NO_DATA;
  snprintf(pair->why, sizeof pair->why, "%s", why);
}

/* Medians, intervals and the two raw p-values of a pair; NO DATA where there is too little. */
static sb_status measure(const judging *j, sb_runs_pair *pair, double p[2]) {
  const sb_run_entry *old = pair->old, *new = pair->new;
  p[0] = p[1] = 1;
  pair->speed = SB_SPEED_SAME; /* to be judged */
  if (!old || !new) return no_speed(pair, old ? "not in the new run" : "not in the old run"), SB_OK;
  const double by_old = unit(old, pair->normalised), by_new = unit(new, pair->normalised);
  pair->old_samples = old->sample_count;
  pair->new_samples = new->sample_count;
  pair->predicted = old->predicted || new->predicted;
  if (old->predicted != new->predicted) return no_speed(pair, "one is measured, the other predicted"), SB_OK;
  if (!(by_old > 0 && by_new > 0)) return no_speed(pair, "a run has no roofline to compare by"), SB_OK;
  pair->old_median = old->seconds * by_old;
  pair->new_median = new->seconds *by_new;
  if (pair->predicted) {
    if (!(pair->old_median > 0 && pair->new_median > 0)) return no_speed(pair, "no predicted time"), SB_OK;
    pair->ratio = pair->new_median / pair->old_median;
    return SB_OK;
  }
  if (old->sample_count < j->o->least || new->sample_count < j->o->least) {
    no_speed(pair, "");
    snprintf(pair->why, sizeof pair->why, "%d and %d samples, %d are needed", old->sample_count, new->sample_count,
             j->o->least);
    return SB_OK;
  }
  double *a = scaled(old, by_old), *b = scaled(new, by_new);
  sb_status status = a && b ? SB_OK : sb_fail(SB_NO_MEMORY, "no memory for the samples of %s", old->text);
  if (!status) {
    p[0] = sb_mann_whitney_greater(a, old->sample_count, b, new->sample_count);
    p[1] = sb_mann_whitney_greater(b, new->sample_count, a, old->sample_count);
    if (p[0] < 0 || p[1] < 0) status = sb_fail(SB_NO_MEMORY, "no memory to test %s", old->text);
    const sb_quartiles x = sb_quartiles_of(a, old->sample_count), y = sb_quartiles_of(b, new->sample_count);
    pair->old_median = x.median;
    pair->new_median = y.median;
    pair->old_q1 = x.q1;
    pair->old_q3 = x.q3;
    pair->new_q1 = y.q1;
    pair->new_q3 = y.q3;
    pair->ratio = y.median / x.median;
    pair->separate = x.most < y.least || y.most < x.least;
    /* the standard error of a median is 1.253 s / sqrt(n), and s is the interquartile range over 1.349 */
    const double u = (x.q3 - x.q1) / x.median, v = (y.q3 - y.q1) / y.median;
    pair->resolution = 2.576 * 1.253 / 1.349 * sqrt(u * u / old->sample_count + v * v / new->sample_count);
  }
  free(a);
  free(b);
  return status;
}

/* Whether no outcome of the test could have been significant, and this was the clearest one. */
static bool hopeless(const judging *j, const sb_runs_pair *pair) {
  const int n = pair->old_samples, m = pair->new_samples;
  double orders = 1;
  for (int i = 1; i <= m; i++) orders *= (double)(n + i) / i;
  return pair->separate && j->tests / orders > j->o->alpha;
}

static void judge(const judging *j, sb_runs_pair *pair, const double adjusted[2]) {
  if (pair->speed == SB_SPEED_NO_DATA) return;
  const bool slower = pair->ratio > 1;
  const double shift = slower ? pair->ratio - 1 : 1 / pair->ratio - 1;
  const bool large = shift >= j->o->effect;
  if (pair->predicted) {
    pair->speed = !large ? SB_SPEED_SAME : slower ? SB_SPEED_SLOWER : SB_SPEED_FASTER;
    return;
  }
  pair->p = adjusted[slower ? 0 : 1];
  const bool significant = pair->p <= j->o->alpha;
  const bool apart = slower ? pair->new_q1 > pair->old_q3 : pair->new_q3 < pair->old_q1;
  const char *why = NULL;
  if (large && significant && apart)
    pair->speed = slower ? SB_SPEED_SLOWER : SB_SPEED_FASTER;
  else if (large && significant)
    why = "the medians differ, but within the spread of single samples";
  else if (large && apart && hopeless(j, pair))
    why = "every sample is apart, but there are too few to be sure";
  else if (pair->resolution > j->o->widest)
    why = "too noisy to tell";
  if (why) {
    pair->speed = SB_SPEED_AMBIGUOUS;
    snprintf(pair->why, sizeof pair->why, "%s", why);
  }
}

static sb_status judge_speeds(sb_runs *runs, const sb_runs_options *o) {
  double *p = malloc(sizeof *p * 2 * (size_t)(runs->count + 1));
  if (!p) return sb_fail(SB_NO_MEMORY, "no memory for %d cases", runs->count);
  judging j = {o, 0};
  sb_status status = SB_OK;
  for (int i = 0; i < runs->count && !status; i++) {
    sb_runs_pair *pair = &runs->pairs[i];
    if (!pair->bench) continue;
    pair->p = 1;
    status = measure(&j, pair, p + j.tests);
    j.tests += 2;
  }
  if (!status) status = sb_holm(p, j.tests, p);
  for (int i = 0, at = 0; i < runs->count && !status; i++)
    if (runs->pairs[i].bench) judge(&j, &runs->pairs[i], p + 2 * at++);
  free(p);
  return status;
}

static void count(sb_runs *runs) {
  for (int i = 0; i < runs->count; i++) {
    sb_runs_pair *pair = &runs->pairs[i];
    if (pair->baseline) continue;
    const bool timed = pair->old && pair->old->sample_count > 0;
    pair->lost = (has_bits(pair->old) && !has_bits(pair->new)) || (timed && !pair->new);
    runs->lost += pair->lost;
    runs->appeared += !pair->old;
    if (!pair->bench || has_bits(pair->old) || has_bits(pair->new)) runs->bits[pair->bits]++;
    if (pair->bench) runs->speeds[pair->speed]++;
    runs->untimed += pair->bench && pair->old && pair->new && pair->speed == SB_SPEED_NO_DATA;
    runs->counters_changed += *pair->counters != 0;
  }
}

/* Walks both sorted lists at once. */
static sb_status pair_up(const keyed *a, int n, const keyed *b, int m, sb_runs *runs) {
  runs->pairs = calloc((size_t)n + (size_t)m + 1, sizeof *runs->pairs);
  if (!runs->pairs) return sb_fail(SB_NO_MEMORY, "no memory for %d cases", n + m);
  for (int i = 0, k = 0; i < n || k < m;) {
    keyed x = i < n ? a[i] : (keyed){0}, y = k < m ? b[k] : (keyed){0};
    x.order = y.order = 0;
    const int order = i == n ? 1 : k == m ? -1 : by_key(&x, &y);
    sb_runs_pair *pair = &runs->pairs[runs->count++];
    const sb_run_entry *one = order <= 0 ? a[i].entry : b[k].entry;
    pair->old = order <= 0 ? a[i++].entry : NULL;
    pair->new = order >= 0 ? b[k++].entry : NULL;
    pair->bench = one->bench;
    pair->baseline = one->bench && (strncmp(one->text, "copy/", 5) == 0 || strncmp(one->text, "cublas/", 7) == 0);
    pair->normalised = runs->normalised && !pair->baseline;
    compare_bits(pair);
    compare_counters(pair);
  }
  return SB_OK;
}

sb_status sb_runs_compare(const sb_run_file *old, const sb_run_file *new, const sb_runs_options *options,
                          sb_runs **runs) {
  sb_runs_options o = *options;
  if (o.alpha <= 0) o.alpha = 0.005;
  if (o.effect <= 0) o.effect = 0.02;
  if (o.widest <= 0) o.widest = 5 * o.effect;
  if (o.least <= 0) o.least = 9;
  const sb_run_header *x = only_device(old), *y = only_device(new);
  const bool other_device = x && y && strcmp(x->device, y->device) != 0;
  *runs = calloc(1, sizeof **runs);
  if (!*runs) return sb_fail(SB_NO_MEMORY, "no memory for a comparison");
  (*runs)->normalised =
      o.normalise == SB_NORMALISE_ALWAYS || (o.normalise == SB_NORMALISE_AUTO && x && y && !same_hardware(x, y));
  keyed *a = NULL, *b = NULL;
  const int n = sort_entries(old, other_device, &a), m = sort_entries(new, other_device, &b);
  sb_status status = n < 0 || m < 0 ? sb_fail(SB_NO_MEMORY, "no memory for the cases") : pair_up(a, n, b, m, *runs);
  if (!status) status = judge_speeds(*runs, &o);
  if (!status) count(*runs);
  free(a);
  free(b);
  if (status) {
    sb_runs_free(*runs);
    *runs = NULL;
  }
  return status;
}

void sb_runs_free(sb_runs *runs) {
  if (!runs) return;
  free(runs->pairs);
  free(runs);
}
