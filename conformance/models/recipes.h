/* The one table of what torchao stores: recipe, configuration class, tensor subclass. inspect, compare, convert and
 * eval all go by it. */
#ifndef SAMEBITS_MODELS_RECIPES_H
#define SAMEBITS_MODELS_RECIPES_H

#include "samebits/recipe.h"
#include <jansson.h>

typedef struct sb_stored {
  const char *recipe;
  const char *type;    /* of the weight: as sb_model_tensor has it */
  const char *config;  /* class in quantization_config; NULL: none has existed */
  int version;         /* its _version */
  const char *variant; /* path of the weight's convert */
  sb_flavor flavor;    /* whose numerics it holds */
  int64_t group_size;  /* upstream's default; 0: one scale a row */
  /* JSON of the configuration's and the tensor's `_data`; $G, $N, $K and $T stand for the group size, the shape and the
   * dtype. */
  const char *config_data, *tensor_data;
  const char *gate;    /* the device that upstream's convert asks for; NULL: any */
  int64_t multiple;    /* upstream leaves a weight in float unless both sides are multiples; 0: any */
  bool skips;          /* so it does with a row that the group does not divide, which is an error elsewhere */
  bool bf16_only;      /* upstream refuses other dtypes */
  const char *told_by; /* path of the attribute whose value tells recipes of one subclass apart; NULL: none needed */
} sb_stored;

int sb_stored_count(void);
const sb_stored *sb_stored_at(int index);

/* The row that convert writes for a recipe; SB_USAGE names those there are. */
sb_status sb_stored_find(const char *recipe, const sb_stored **row);

/* The row of a tensor by its class and attributes. SB_FILE with a hint: an unknown class, or attributes of no recipe.
 */
sb_status sb_stored_of_tensor(const char *name, const char *type, const json_t *attributes, const sb_stored **row);

/* The row and group size of a config.json's quantization_config. NULL: it has none. SB_FILE: it is not torchao's or not
 * known; SB_USAGE: it names two recipes. */
sb_status sb_stored_of_config(const char *label, const json_t *config, const sb_stored **row, int64_t *group_size);

/* `_data` of the configuration or of one tensor, new; NULL: no memory. */
json_t *sb_stored_config_data(const sb_stored *row, int64_t group_size);
json_t *sb_stored_tensor_data(const sb_stored *row, int64_t group_size, int64_t rows, int64_t cols, sb_format T);

/* The whole quantization_config block. */
json_t *sb_stored_config_block(const sb_stored *row, int64_t group_size);

#endif
