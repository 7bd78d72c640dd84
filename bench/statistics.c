#include "bench/statistics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { EXACT = 40 };

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

sb_quartiles sb_quartiles_of(double *values, int n) {
  qsort(values, (size_t)n, sizeof *values, ascending);
  double at[5];
  for (int i = 0; i < 5; i++) {
    const double place = (n - 1) * (i / 4.0);
    const int below = (int)place, above = below + 1 < n ? below + 1 : below;
    at[i] = values[below] + (place - below) * (values[above] - values[below]);
  }
  return (sb_quartiles){at[0], at[1], at[2], at[3], at[4]};
}

/* tail[u] = P(U <= u) for sets of n and m of one distribution. The number of orders with statistic u is
 * c(n, m, u) = c(n - 1, m, u - m) + c(n, m - 1, u); probabilities instead of counts keep it in range:
 *   f(n, m, u) = n/(n+m) f(n - 1, m, u - m) + m/(n+m) f(n, m - 1, u) */
static bool exact_tail(int n, int m, double tail[]) {
  const size_t width = (size_t)n * (size_t)m + 1;
  double *f = calloc((size_t)(m + 1) * width, sizeof *f); /* f[j] for the current i */
  if (!f) return false;
  for (int j = 0; j <= m; j++) f[(size_t)j * width] = 1; /* i = 0: u is 0 */
  for (int i = 1; i <= n; i++)
    for (int j = 0; j <= m; j++) {
      double *row = f + (size_t)j * width; /* holds f(i - 1, j); becomes f(i, j) */
      const double *left = j ? row - width : NULL;
      const double p = (double)i / (i + j), q = (double)j / (i + j);
      for (int v = i * j; v >= 0; v--) row[v] = (v >= j ? p * row[v - j] : 0) + (left ? q * left[v] : 0);
    }
  double sum = 0;
  for (size_t v = 0; v < width; v++) {
    sum += f[(size_t)m * width + v];
    tail[v] = sum < 1 ? sum : 1;
  }
  free(f);
  return true;
}

/* P(U <= u); the table of the last n and m is kept, a comparison asks for it again and again. -1: no memory. */
static double cached_tail(int n, int m, int u) {
  static _Thread_local double tail[EXACT * EXACT + 1];
  static _Thread_local int of_n, of_m;
  if (of_n != n || of_m != m) {
    of_n = of_m = 0;
    if (!exact_tail(n, m, tail)) return -1;
    of_n = n;
    of_m = m;
  }
  return tail[u];
}

typedef struct ranked {
  double value;
  bool second;
} ranked;

static int by_value(const void *a, const void *b) { return ascending(a, b); /* value is the first member */ }

double sb_mann_whitney_greater(const double *a, int n, const double *b, int m) {
  if (n < 1 || m < 1) return 1;
  ranked *all = malloc(sizeof *all * ((size_t)n + (size_t)m));
  if (!all) return -1;
  for (int i = 0; i < n; i++) all[i] = (ranked){a[i], false};
  for (int i = 0; i < m; i++) all[n + i] = (ranked){b[i], true};
  qsort(all, (size_t)n + (size_t)m, sizeof *all, by_value);
  double rank_sum = 0, ties = 0;
  for (int i = 0, next; i < n + m; i = next) {
    int second = 0;
    for (next = i; next < n + m && !(all[next].value > all[i].value); next++) second += all[next].second;
    const double size = next - i;
    rank_sum += second * (i + 1 + next) / 2.0;
    ties += size * size * size - size;
  }
  free(all);
  /* u: pairs in which a's value is the greater one (half for a tie); small where b is greater */
  const double u = (double)n * m + m * (m + 1) / 2.0 - rank_sum;
  if (ties == 0 && n <= EXACT && m <= EXACT) return cached_tail(n, m, (int)u);
  const double total = n + m, variance = (double)n * m / 12 * (total + 1 - ties / (total * (total - 1)));
  if (variance <= 0) return 1;
  const double z = ((double)n * m / 2 - u - 0.5) / sqrt(variance);
  return 0.5 * erfc(z * M_SQRT1_2);
}

typedef struct place {
  double p;
  int at;
} place;

sb_status sb_holm(const double *p, int count, double *adjusted) {
  place *order = malloc(sizeof *order * (size_t)(count ? count : 1));
  if (!order) return sb_fail(SB_NO_MEMORY, "no memory for %d p-values", count);
  for (int i = 0; i < count; i++) order[i] = (place){p[i], i};
  qsort(order, (size_t)count, sizeof *order, by_value); /* p is the first member */
  double most = 0;
  for (int i = 0; i < count; i++) {
    const double scaled = order[i].p * (count - i);
    if (scaled > most) most = scaled;
    adjusted[order[i].at] = most < 1 ? most : 1;
  }
  free(order);
  return SB_OK;
}
