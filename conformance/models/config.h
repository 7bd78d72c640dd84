/* JSON files, and the shape of a Llama as config.json tells it. */
#ifndef SAMEBITS_MODELS_CONFIG_H
#define SAMEBITS_MODELS_CONFIG_H

#include "samebits/tensor.h"
#include <jansson.h>

/* A whole JSON file of at most 64 MiB; SB_FILE: unreadable or not JSON (duplicate keys, nested too deep). */
sb_status sb_json_read(const char *path, json_t **value);
sb_status sb_json_parse(const char *label, const char *text, size_t size, json_t **value);

#endif
