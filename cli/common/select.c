/* SELECT. */
#include "cli/select.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { RECIPE = 0x1000, SIDE, STEP, FLAVOR, DTYPE, SHAPE, GROUP, FILL, SEED, TIER, NAME, SHARD, SHUFFLE, ONLY_FAILED };

static const struct argp_option table[] = {
    {NULL, 0, NULL, 0, "Which cases (comma lists multiply):", 1},
    {"recipe", RECIPE, "R,...", 0, "recipes", 1},
    {"side", SIDE, "S,...", 0, "activation, weight", 1},
    {"step", STEP, "S,...", 0, "prepare, convert, both, choose_qparams, quantize, dequantize", 1},
    {"flavor", FLAVOR, "F,...", 0, "FLAVOR or FLAVOR+VARIANT", 1},
    {"dtype", DTYPE, "T,...", 0, "f32, bf16, f16", 1},
    {"shape", SHAPE, "RxC,...", 0, "rows x columns", 1},
    {"group", GROUP, "G,...", 0, "group sizes (default: each recipe's)", 1},
    {"fill", FILL, "F,...", 0, "fills: samebits list fills", 1},
    {"seed", SEED, "N,...", 0, "seeds, ranges FIRST..LAST, or random (default: 1)", 1},
    {"tier", TIER, "TIER", 0, "smoke (default), full or sweep16", 1},
    {"name", NAME, "SET", 0, "a named set: samebits list cases", 1},
    {"shard", SHARD, "I/N", 0, "the I-th of N parts, by hash of the case", 1},
    {"shuffle", SHUFFLE, "SEED", 0, "in random order", 1},
    {"only-failed", ONLY_FAILED, "RUN", 0, "the cases of RUN.jsonl that were neither PASS nor EXPECTED", 1},
    {0}};

sb_status sb_option_number(const char *option, const char *text, int64_t least, int64_t most, int64_t *number) {
  char *end;
  errno = 0;
  *number = strtoll(text, &end, 10);
  if (errno || end == text || *end || *number < least || *number > most)
    return sb_fail(SB_USAGE, "--%s %.60s: a number from %" PRId64 " to %" PRId64 " is needed", option, text, least,
                   most);
  return SB_OK;
}

/* A fresh seed, told to the user, who needs it to repeat the run. */
static sb_status random_seed(sb_selection *s) {
  static char text[32];
  uint32_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) return sb_fail(SB_FILE, "no random seed can be had");
  snprintf(text, sizeof text, "%" PRIu32, seed);
  fprintf(stderr, "seed: %s\n", text);
  s->seeds = text;
  return SB_OK;
}

static sb_status parse_shard(const char *text, sb_selection *s) {
  int length = 0;
  if (sscanf(text, "%d/%d%n", &s->shard, &s->shards, &length) != 2 || text[length] || s->shards < 1 || s->shard < 1 ||
      s->shard > s->shards)
    return sb_fail(SB_USAGE, "--shard %.60s: I/N with 1 <= I <= N is needed", text);
  return SB_OK;
}

/* The options that are one word or a comma list: given twice, the second would silently win. */
static sb_status take_word(int key, const char *word, sb_selection *s) {
  const struct {
    int key;
    const char *option, **to;
  } words[] = {{RECIPE, "recipe", &s->recipes}, {SIDE, "side", &s->sides},    {STEP, "step", &s->steps},
               {FLAVOR, "flavor", &s->flavors}, {DTYPE, "dtype", &s->dtypes}, {SHAPE, "shape", &s->shapes},
               {GROUP, "group", &s->groups},    {FILL, "fill", &s->fills},    {SEED, "seed", &s->seeds},
               {TIER, "tier", &s->tier},        {NAME, "name", &s->name},     {ONLY_FAILED, "only-failed", &s->only}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (words[i].key != key) continue;
    const size_t length = strlen(word);
    if (*words[i].to)
      return sb_fail(SB_USAGE, "--%s is given twice; several values stand in one, with commas", words[i].option);
    if (length == 0 || word[0] == ',' || word[length - 1] == ',' || strstr(word, ",,"))
      return sb_fail(SB_USAGE, "--%s '%.60s': an empty value", words[i].option, word);
    *words[i].to = word;
  }
  return SB_OK;
}

static error_t parse(int key, char *word, struct argp_state *state) {
  sb_selection *s = state->input;
  int64_t number;
  sb_status status;
  switch (key) {
  case SHARD:
    return sb_argp_error(parse_shard(word, s));
  case SHUFFLE:
    status = sb_option_number("shuffle", word, 0, INT64_MAX, &number);
    s->shuffle = true;
    s->shuffle_seed = (uint64_t)number;
    return sb_argp_error(status);
  case ARGP_KEY_ARGS:
    s->patterns = (const char *const *)state->argv + state->next;
    s->pattern_count = state->argc - state->next;
    return 0;
  default:
    if (key < RECIPE || key > ONLY_FAILED) return ARGP_ERR_UNKNOWN;
    status = take_word(key, word, s);
    if (!status && key == SEED && strcmp(word, "random") == 0) status = random_seed(s);
    return sb_argp_error(status);
  }
}

const struct argp sb_select_argp = {table, parse, NULL, NULL, NULL, NULL, NULL};
