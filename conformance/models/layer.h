#ifndef SAMEBITS_MODELS_LAYER_H
#define SAMEBITS_MODELS_LAYER_H

#include "conformance/models/parts.h"
#include "conformance/models/recipes.h"

/* Describes the weight of the layer l->name; `*row` is NULL where it is not quantized. SB_FILE: parts that do not fit
 * together, or an unknown subclass. */
sb_status sb_layer_read(const sb_model *model, const sb_model_tensor *tensor, sb_model_layer *layer,
                        const sb_stored **row);

/* The row of a layer that was read; NULL: it is not quantized. */
sb_status sb_layer_row(const sb_model_layer *layer, const sb_stored **row);

#endif
