/* Selections: options and patterns to a list of cases. */
#ifndef SAMEBITS_SELECT_H
#define SAMEBITS_SELECT_H

#include "samebits/device.h"
#include "samebits/safetensors.h"

/* Comma lists as on the command line; NULL is the default of the tier. */
typedef struct sb_selection {
  const char *recipes, *sides, *steps, *flavors, *dtypes, *shapes, *groups,
      *fills;                  /* flavors: FLAVOR or FLAVOR+VARIANT */
  const char *seeds;           /* numbers and ranges: "1,5..9" */
  const char *tier;            /* smoke (default), full, sweep16 */
  const char *name;            /* a named set instead of everything above: fake_quantize_per_token_vs_convert, ... */
  const char *const *patterns; /* canonical case strings, and globs that filter the selection */
  int pattern_count;
  const sb_safetensors *input; /* fill `file`: its tensors instead of shapes, fills and seeds */
  const char *input_digest;    /* of the input's tensors, for the run's header; NULL: none is written */
  const char *tensors;         /* glob of their names, NULL: all */
  const char *side;            /* of the tensors: auto (default), activation, weight */
  const char *only;            /* --only-failed: a run's JSONL; its cases that were neither PASS nor EXPECTED */
  int shard, shards;           /* keep cases of shard 1..shards, by hash of the text; 0: all */
  bool shuffle;
  uint64_t shuffle_seed;
} sb_selection;

typedef struct sb_case_list {
  int count, room;
  sb_case *cases;
} sb_case_list;

/* Cases for a device (its default flavors; `device`'s name goes into each case unless it is `ref`). Combinations that a
 * flavor does not define make no case; a named recipe, side, step, flavor or dtype that no case has is SB_USAGE, as is
 * an empty list. */
sb_status sb_select(const sb_selection *selection, const sb_device *device, sb_case_list *list);

/* Whether a pattern is one case and no glob: it has none of * and [, or it names a tensor of the input that has them.
 */
bool sb_pattern_case(const sb_selection *selection, const char *pattern, sb_case *c);

/* Adds one case. */
sb_status sb_case_list_add(sb_case_list *list, const sb_case *c);
void sb_case_list_free(sb_case_list *list);

/* "N" or "FIRST..LAST". SB_USAGE: anything else, a number of more than 64 bits, more than ten million seeds. */
sb_status sb_seeds_parse(const char *text, uint64_t *first, uint64_t *last);

/* The named sets, for `samebits list`. */
typedef struct sb_named_set {
  const char *name, *what;
  const char *recipe, *side, *flavors, *dtypes, *shape, *fill;
  uint64_t first_seed, last_seed;
} sb_named_set;
extern const sb_named_set sb_named_sets[];
extern const int sb_named_set_count;

/* Whether cases can take a tensor of an input: floating point of rank 2. */
bool sb_input_fits(const sb_tensor *tensor);

/* auto: a name with a dot-separated part `weight` is a weight, every other an activation. */
sb_side sb_side_of_tensor(const char *name);

#endif
