/* Recipes: what can be computed, and the one call that computes it.
 *
 * A recipe lists its paths: (side, flavor, variant) with what each step yields. A spec names one computation;
 * sb_spec_outputs tells the shapes and formats of its tensors, and sb_run fills those that the caller allocated.
 * Results depend on nothing but the input: not on threads, not on the instruction set, not on the other rows. */
#ifndef SAMEBITS_RECIPE_H
#define SAMEBITS_RECIPE_H

#include "samebits/affine.h"

typedef enum sb_side { SB_ACTIVATION, SB_WEIGHT, SB_NO_SIDE, SB_SIDES } sb_side; /* SB_NO_SIDE: the recipe `affine` */

/* BOTH is a comparison, not a computation. CHOOSE_QPARAMS, QUANTIZE and DEQUANTIZE are the operations that prepare is
 * made of: choose_qparams gives the qparams that quantize takes (before any narrower storage), dequantize takes the
 * same and rounds them as they would have been stored; the three in a row give prepare's output bit for bit. */
typedef enum sb_step {
  SB_PREPARE,
  SB_CONVERT,
  SB_BOTH,
  SB_CHOOSE_QPARAMS,
  SB_QUANTIZE,
  SB_DEQUANTIZE,
  SB_STEPS
} sb_step;

typedef enum sb_flavor {
  SB_TORCHAO_0_10_CPU,
  SB_TORCHAO_0_11_CPU,
  SB_TORCHAO_0_18_CPU,
  SB_TORCHAO_0_18_CUDA,
  SB_ALIGNED,
  SB_FLAVORS,
  SB_MOST_FLAVORS = 32 /* with those that sb_flavor_add gave a number from SB_FLAVORS on */
} sb_flavor;

/* The tensors of a computation, by their names in golden files. */
typedef enum sb_slot { SB_X, SB_SCALE, SB_ZERO_POINT, SB_CODES, SB_OUTPUT, SB_ROW_SCALE, SB_PACKED, SB_SLOTS } sb_slot;

extern const char *const sb_side_names[SB_SIDES], *const sb_step_names[SB_STEPS], *const sb_slot_names[SB_SLOTS];
extern const char *sb_flavor_names[SB_MOST_FLAVORS]; /* NULL where there is none */
sb_status sb_side_parse(const char *name, sb_side *side);
sb_status sb_step_parse(const char *name, sb_step *step);
sb_status sb_flavor_parse(const char *name, sb_flavor *flavor);

/* One way through a recipe. `variant` is "" for the main one. */
typedef struct sb_path {
  sb_side side;
  sb_flavor flavor;
  const char *variant;
  bool prepare, convert; /* which of the two exist */
  const char *source;    /* the upstream function or text it follows */
} sb_path;

struct sb_recipe_methods;

typedef struct sb_recipe {
  const char *name;
  const char *summary;
  int64_t default_group[SB_SIDES]; /* 0: per token, row or tensor */
  int path_count;
  const sb_path *paths;
  const char *refused_by_upstream; /* what only upstream's configuration handler refuses; "" if nothing */
  int64_t tile[2]; /* rows and columns that share a scale, where that is no row, group or tensor; else 0 */
  const struct sb_recipe_methods *methods; /* of a recipe that was added; NULL: ref/ computes it */
} sb_recipe;

/* The recipes, in the order of their names; the primitive recipe `affine` is not among them (sb_recipe_affine). */
int sb_recipe_count(void);
const sb_recipe *sb_recipe_at(int index);
const sb_recipe *sb_recipe_find(const char *name); /* `affine` too; NULL if there is none */

/* Adds a recipe that something else than ref/ computes: a contract of the user's. It comes before what is there of its
 * name, path by path. `recipe` and what it points to must stay. SB_NO_MEMORY. Not while other threads use recipes. */
sb_status sb_recipe_add(const sb_recipe *recipe);

/* The number of a flavor's name, which is given one if it has none and must stay. SB_USAGE: there are 32 already. */
sb_status sb_flavor_add(const char *name, sb_flavor *flavor);

/* One computation. Fill it by sb_spec_make; for the recipe `affine` set `affine` afterwards. */
typedef struct sb_spec {
  const sb_recipe *recipe;
  const sb_path *path;
  sb_step step;
  sb_format dtype;    /* f32, bf16, f16 */
  int64_t group_size; /* 0: per token, row or tensor */
  sb_affine affine;   /* recipe `affine` only */
} sb_spec;

/* Resolves names to a spec. SB_USAGE: an unknown recipe, flavor or variant, or a combination that upstream does not
 * define (the message lists what there is). group_size < 0 takes the recipe's default. */
sb_status sb_spec_make(const char *recipe, sb_side side, sb_step step, sb_flavor flavor, const char *variant,
                       sb_format dtype, int64_t group_size, sb_spec *spec);

/* Describes (data NULL) every tensor that the step yields for x of [rows, cols] into `out` and every tensor that it
 * takes into `in` (either may be NULL); a slot that is not used has rank 0. SB_UNSUPPORTED with upstream's reason: zero
 * rows or columns, a group that does not divide the row, f64; SB_INVALID: negative or overflowing sizes. */
sb_status sb_spec_tensors(const sb_spec *spec, int64_t rows, int64_t cols, sb_tensor in[SB_SLOTS],
                          sb_tensor out[SB_SLOTS]);

typedef enum sb_isa { SB_ISA_BEST, SB_ISA_PORTABLE, SB_ISA_AVX2, SB_ISA_AVX512, SB_ISAS } sb_isa;
extern const char *const sb_isa_names[SB_ISAS];
bool sb_isa_available(sb_isa isa);

typedef struct sb_run_options {
  int threads; /* 0: one a core */
  sb_isa isa;
} sb_run_options;

/* Computes the step from in[] into every slot of out[] whose data is not NULL; formats and shapes as sb_spec_tensors
 * gives them, except that input scale and zero_point may be of another format of equal values. `options` NULL:
 * defaults. */
sb_status sb_run(const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS],
                 const sb_run_options *options);

/* What a recipe that was added does in the place of sb_spec_tensors and sb_run, whose checks of sizes, shapes and
 * formats are made before. With another instruction set than SB_ISA_BEST, run computes in another way, whose bits have
 * to be the same. */
typedef struct sb_recipe_methods {
  sb_status (*tensors)(const sb_spec *spec, int64_t rows, int64_t cols, sb_tensor in[SB_SLOTS],
                       sb_tensor out[SB_SLOTS]);
  sb_status (*run)(const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS],
                   const sb_run_options *options);
} sb_recipe_methods;

#endif
