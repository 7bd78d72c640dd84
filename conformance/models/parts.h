/* What both file formats become: logical tensors, each one plain tensor or a subclass's parts with its attributes.
 * Attributes are JSON in the form that torchao 0.18 writes into safetensors metadata. */
#ifndef SAMEBITS_MODELS_PARTS_H
#define SAMEBITS_MODELS_PARTS_H

#include "conformance/models/zip.h"
#include "samebits/model.h"
#include "samebits/safetensors.h"
#include <jansson.h>

enum { SB_MODEL_PARTS = 6, SB_PART_NAME = 32 };

struct sb_model_tensor {
  char *name;         /* logical: "model.layers.0.mlp.up_proj.weight" */
  char type[128];     /* "Tensor", or the subclass; of nested ones all: "Outer/Inner" */
  json_t *attributes; /* NULL: plain */
  int part_count;
  struct {
    char name[SB_PART_NAME]; /* "": a plain tensor */
    sb_tensor tensor;        /* data belongs to the model */
  } parts[SB_MODEL_PARTS];
};

struct sb_model {
  char *path;         /* as given */
  char *folder;       /* holds config.json; "" where only a file is known */
  char *weights_name; /* the file or index that was read, without its folder */
  bool explicit_file; /* PATH is a file */
  bool flattened;     /* safetensors with flattened subclasses */
  bool is_pickle;
  json_t *config; /* NULL: there is none */
  int tensor_count, tensor_room;
  sb_model_tensor *tensors; /* in the files' order, then sorted by name: by_name */
  int *by_name;
  int shard_count;
  sb_safetensors **files;
  int buffer_count, buffer_room;
  void **buffers; /* memory that tensors point to */
  int note_count;
  char *notes[16]; /* what opening noticed: warnings of inspect */
};

/* sb_model_open of bytes: one weights file, and config.json or NULL. */
sb_status sb_model_parse(const char *label, const void *data, size_t size, json_t *config, sb_model **model);

/* A new tensor of that name (copied), at the end of the list; SB_NO_MEMORY. */
sb_status sb_model_add(sb_model *model, const char *name, const char *type, sb_model_tensor **tensor);

/* Adds a part; SB_FILE: too many, or its name is too long. */
sb_status sb_model_add_part(sb_model_tensor *tensor, const char *name, const sb_tensor *part);

/* The model frees `buffer` when it is closed; frees it at once where that cannot be. */
sb_status sb_model_own(sb_model *model, void *buffer);

/* A warning of inspect. */
void sb_model_note(sb_model *model, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Reads the tensors of torch.save's archive. */
sb_status sb_torch_read(const sb_zip *zip, sb_model *model);

/* Reads the tensors of `count` safetensors files that are one model: joins flattened parts by the metadata. */
sb_status sb_flattened_read(sb_safetensors *const *files, int count, sb_model *model);

/* The part of that name, or NULL. */
const sb_tensor *sb_model_part(const sb_model_tensor *tensor, const char *name);

#endif
