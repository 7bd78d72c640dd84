/* Float weights to torchao 0.18's artifact: the recipe's convert of each Linear, flattened as upstream flattens it. */
#include "conformance/models/layer.h"
#include "conformance/models/quantize.h"
#include "samebits/model_convert.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct job {
  const sb_model *model;
  const sb_convert_options *options;
  const sb_stored *row;
  sb_model_report report;
  sb_converted *result;
  sb_safetensors_writer *writer;
  json_t *names; /* logical, in upstream's order */
  int tensor_count, tensor_room;
  sb_tensor *tensors; /* what the writer borrows */
} job;

/* ---- upstream's order of a Llama's state dict ---- */

static long block_of(const char *name) {
  if (strstr(name, "embed")) return -1;
  for (const char *at = name; (at = strchr(at, '.')); at++)
    if (isdigit((unsigned char)at[1])) return strtol(at + 1, NULL, 10);
  return strncmp(name, "lm_head", 7) == 0 ? LONG_MAX : LONG_MAX - 1;
}

static int place_of(const char *name) {
  static const char *const order[] = {".q_proj.",    ".k_proj.",          ".v_proj.",
                                      ".o_proj.",    ".gate_proj.",       ".up_proj.",
                                      ".down_proj.", ".input_layernorm.", ".post_attention_layernorm."};
  int place = 0;
  while (place < (int)(sizeof order / sizeof *order) && !strstr(name, order[place])) place++;
  return place;
}

static int compare_names(const void *a, const void *b) {
  const char *x = *(const char *const *)a, *y = *(const char *const *)b;
  if (block_of(x) != block_of(y)) return block_of(x) < block_of(y) ? -1 : 1;
  return place_of(x) != place_of(y) ? place_of(x) - place_of(y) : strcmp(x, y);
}

/* ---- what is written ---- */

/* Takes the tensor over. */
static sb_status put(job *j, const char *name, sb_tensor *tensor) {
  if (j->tensor_count == j->tensor_room) {
    const int room = j->tensor_room ? 2 * j->tensor_room : 64;
    sb_tensor *tensors = reallocarray(j->tensors, (size_t)room, sizeof *tensors);
    if (!tensors) {
      sb_tensor_free(tensor);
      return sb_fail(SB_NO_MEMORY, "no memory for \"%.200s\"", name);
    }
    j->tensors = tensors;
    j->tensor_room = room;
  }
  j->tensors[j->tensor_count++] = *tensor;
  j->result->bytes_after += sb_tensor_bytes(tensor);
  return sb_safetensors_put(j->writer, name, tensor);
}

/* The metadata of a logical name. */
static sb_status describe(job *j, const char *name, json_t *description) {
  char *text = description ? json_dumps(description, 0) : NULL;
  json_decref(description);
  if (!text || json_array_append_new(j->names, json_string(name)) != 0) {
    free(text);
    return sb_fail(SB_NO_MEMORY, "no memory for \"%.200s\"", name);
  }
  const sb_status status = sb_safetensors_put_metadata(j->writer, name, text);
  free(text);
  return status;
}

static sb_status put_part(job *j, const char *name, const char *part, sb_tensor *tensor) {
  char flat[1024];
  const size_t stem = strlen(name) - strlen("weight");
  snprintf(flat, sizeof flat, "%.*s_weight_%s", (int)stem, name, part);
  const sb_status status = put(j, flat, tensor);
  *tensor = (sb_tensor){0};
  return status;
}

/* Codes two to a byte, the even column in the low nibble (Int4Tensor). */
static sb_status pack(sb_tensor *codes) {
  sb_tensor packed = sb_tensor_2d(SB_I8, codes->dims[0], codes->dims[1] / 2);
  if (codes->dims[1] % 2) return sb_fail(SB_UNSUPPORTED, "an odd number of columns cannot be packed");
  const sb_status status = sb_tensor_alloc(&packed);
  if (status) return status;
  const int8_t *from = codes->data;
  int8_t *to = packed.data;
  const int64_t count = sb_tensor_count(&packed);
  for (int64_t i = 0; i < count; i++) to[i] = (int8_t)(uint8_t)((from[2 * i] & 0xf) | (from[2 * i + 1] & 0xf) << 4);
  sb_tensor_free(codes);
  *codes = packed;
  return SB_OK;
}

static sb_status transpose(sb_tensor *t) {
  sb_tensor other = *t;
  other.dims[0] = t->dims[1];
  other.dims[1] = t->dims[0];
  const sb_status status = sb_tensor_alloc(&other);
  if (status) return status;
  const size_t width = (size_t)sb_format_of(t->format)->bits / 8;
  for (int64_t r = 0; r < t->dims[0]; r++)
    for (int64_t c = 0; c < t->dims[1]; c++)
      memcpy((char *)other.data + (size_t)(c * t->dims[0] + r) * width,
             (const char *)t->data + (size_t)(r * t->dims[1] + c) * width, width);
  sb_tensor_free(t);
  *t = other;
  return SB_OK;
}

/* ---- one tensor ---- */

static void leave(job *j, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void leave(job *j, const char *format, ...) {
  char **left = reallocarray(j->result->left, (size_t)j->result->left_count + 1, sizeof(char *));
  if (!left) return;
  j->result->left = left;
  va_list arguments;
  va_start(arguments, format);
  if (vasprintf(&left[j->result->left_count], format, arguments) >= 0) j->result->left_count++;
  va_end(arguments);
}

/* Whether upstream would leave it in float, and why. */
static bool is_left(job *j, const sb_model_layer *l) {
  const int64_t m = j->row->multiple, g = j->result->group_size;
  if (l->tied)
    leave(j, "%s: tied to the embedding, which stays in float", l->name);
  else if (m && l->rows % m)
    leave(j, "%s: %" PRId64 " rows are no multiple of %" PRId64, l->name, l->rows, m);
  else if (m && l->cols % m)
    leave(j, "%s: %" PRId64 " columns are no multiple of %" PRId64, l->name, l->cols, m);
  else if (j->row->skips && g && l->cols % g)
    leave(j, "%s: the group size %" PRId64 " does not divide %" PRId64 " columns", l->name, g, l->cols);
  else
    return false;
  return true;
}

static sb_status convert_layer(job *j, const sb_model_layer *l) {
  const bool int4 = strcmp(j->row->type, "Int4Tensor") == 0;
  const char *name = l->weight->name;
  sb_tensor x, out[SB_SLOTS];
  sb_status status = sb_model_layer_weight(l, j->result->dtype, &x);
  if (status) return status;
  status = sb_stored_run(j->row, SB_WEIGHT, SB_CONVERT, j->result->group_size, &x, out);
  sb_tensor_free(&x);
  if (status) return sb_fail_in(status, "%s", l->name);
  if (int4) {
    status = pack(&out[SB_CODES]);
    if (!status) status = transpose(&out[SB_SCALE]);
    if (!status) status = transpose(&out[SB_ZERO_POINT]);
  }
  const bool zero_point = out[SB_ZERO_POINT].data != NULL;
  if (!status) status = put_part(j, name, "qdata", &out[SB_CODES]);
  if (!status) status = put_part(j, name, "scale", &out[SB_SCALE]);
  if (!status && zero_point) status = put_part(j, name, "zero_point", &out[SB_ZERO_POINT]);
  sb_slots_free(out);
  json_t *parts =
      zero_point ? json_pack("[s,s,s]", "qdata", "scale", "zero_point") : json_pack("[s,s]", "qdata", "scale");
  json_t *data = sb_stored_tensor_data(j->row, j->result->group_size, l->rows, l->cols, j->result->dtype);
  json_t *description = json_pack("{s:s,s:o,s:o}", "_type", j->row->type, "_data", data, "_tensor_data_names", parts);
  if (!status)
    status = describe(j, name, description);
  else
    json_decref(description);
  j->result->converted++;
  return status;
}

static const sb_model_layer *layer_of(const job *j, const sb_model_tensor *t) {
  for (int i = 0; i < j->report.layer_count; i++)
    if (j->report.layers[i].weight == t && !j->report.layers[i].tied) return &j->report.layers[i];
  return NULL;
}

static sb_status convert_tensor(job *j, const sb_model_tensor *t) {
  const sb_model_layer *l = layer_of(j, t);
  const sb_tensor *plain = sb_model_plain(t);
  if (!plain) return sb_fail(SB_UNSUPPORTED, "%s: a subclass in a model that is to be converted", t->name);
  j->result->bytes_before += sb_tensor_bytes(plain);
  if (l && !is_left(j, l)) return convert_layer(j, l);
  sb_tensor cast;
  const bool is_float = sb_format_of(plain->format)->is_float;
  sb_status status = sb_tensor_cast(plain, is_float ? j->result->dtype : plain->format, &cast);
  if (!status) status = put(j, t->name, &cast);
  return status ? status : describe(j, t->name, json_pack("{s:s}", "_type", "Tensor"));
}

/* ---- the model ---- */

static sb_status convert_all(job *j) {
  const int count = j->model->tensor_count;
  const char **names = calloc((size_t)count + 1, sizeof *names);
  if (!names) return sb_fail(SB_NO_MEMORY, "no memory");
  for (int i = 0; i < count; i++) names[i] = j->model->tensors[i].name;
  qsort(names, (size_t)count, sizeof *names, compare_names);
  sb_status status = SB_OK;
  for (int i = 0; !status && i < count; i++) status = convert_tensor(j, sb_model_find(j->model, names[i]));
  for (int i = 0; !status && i < j->report.layer_count; i++)
    if (j->report.layers[i].tied) is_left(j, &j->report.layers[i]);
  free(names);
  if (status) return status;
  if (j->result->converted == 0)
    return sb_fail(SB_INVALID, "%s: 0 of %d Linear layers would be converted", j->model->path, j->result->layers);
  char *text = json_dumps(j->names, 0);
  status = text ? sb_safetensors_put_metadata(j->writer, "tensor_names", text) : sb_fail(SB_NO_MEMORY, "no memory");
  free(text);
  return status ? status : sb_safetensors_put_metadata(j->writer, "format", "pt");
}

static sb_status write_config(const job *j, const char *path) {
  json_t *config = j->model->config ? json_deep_copy(j->model->config) : json_object();
  json_object_set_new(config, "dtype", json_string(j->result->dtype == SB_F32 ? "float32" : "bfloat16"));
  json_object_del(config, "torch_dtype");
  json_object_set_new(config, "quantization_config", sb_stored_config_block(j->row, j->result->group_size));
  FILE *file = fopen(path, "w");
  sb_status status = file ? SB_OK : sb_fail(SB_FILE, "%s: cannot write: %s", path, strerror(errno));
  if (file) {
    const bool bad = json_dumpf(config, file, JSON_INDENT(2) | JSON_SORT_KEYS) != 0 || fputc('\n', file) == EOF;
    if ((fclose(file) != 0) | bad) status = sb_fail(SB_FILE, "%s: cannot write: %s", path, strerror(errno));
  }
  json_decref(config);
  return status;
}

static sb_status write_all(const job *j, const char *folder) {
  char path[PATH_MAX];
  if (mkdir(folder, 0777) != 0 && errno != EEXIST)
    return sb_fail(SB_FILE, "%s: cannot make it: %s", folder, strerror(errno));
  static const char *const ours[] = {"config.json", "model.safetensors", "pytorch_model.bin",
                                     "model.safetensors.index.json"};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
    struct stat info;
    if (snprintf(path, sizeof path, "%s/%s", folder, ours[i]) >= (int)sizeof path)
      return sb_fail(SB_FILE, "%.200s: the path is too long", folder);
    if (stat(path, &info) == 0)
      return sb_fail(SB_USAGE, "%s: is there already; an artifact is written to a folder of its own", path);
  }
  snprintf(path, sizeof path, "%s/model.safetensors", folder);
  const sb_status status = sb_safetensors_write(j->writer, path);
  if (status) return status;
  snprintf(path, sizeof path, "%s/config.json", folder);
  return write_config(j, path);
}

static sb_status check(const job *j) {
  const sb_convert_options *o = j->options;
  const sb_format T = j->result->dtype;
  if (j->report.quantized)
    return sb_fail(SB_UNSUPPORTED, "%s: it is quantized already (%s)", j->model->path, j->report.recipe);
  if (T != SB_F32 && T != SB_BF16) return sb_fail(SB_UNSUPPORTED, "the dtype %s (f32 or bf16)", sb_format_of(T)->name);
  if (o->group_size < 0 || (o->group_size && !j->row->group_size))
    return sb_fail(SB_USAGE, "the recipe %s has no group size %" PRId64, j->row->recipe, o->group_size);
  if (o->lift_gates) return SB_OK;
  if (j->row->gate)
    return sb_fail(SB_UNSUPPORTED, "upstream converts %s only on %s; --lift-gates converts it here", j->row->recipe,
                   j->row->gate);
  if (j->row->bf16_only && T != SB_BF16)
    return sb_fail(SB_UNSUPPORTED, "upstream converts %s in bf16 only; --lift-gates converts it in f32",
                   j->row->recipe);
  return SB_OK;
}

sb_status sb_model_convert(const sb_model *model, const sb_convert_options *options, const char *folder,
                           sb_converted *result) {
  job j = {.model = model, .options = options, .result = result, .names = json_array()};
  *result = (sb_converted){0};
  sb_status status = sb_stored_find(options->recipe, &j.row);
  if (!status) status = sb_model_inspect(model, &j.report);
  if (!status) {
    result->layers = j.report.layer_count;
    result->dtype = options->dtype != SB_FORMATS ? options->dtype : j.report.layers[0].format;
    result->group_size = options->group_size ? options->group_size : j.row->group_size;
    status = check(&j);
  }
  if (!status) status = sb_safetensors_writer_new(&j.writer);
  if (!status) status = convert_all(&j);
  if (!status && !options->dry_run) status = write_all(&j, folder);
  for (int i = 0; i < j.tensor_count; i++) sb_tensor_free(&j.tensors[i]);
  free(j.tensors);
  sb_safetensors_writer_free(j.writer);
  json_decref(j.names);
  sb_model_report_free(&j.report);
  if (status) sb_converted_free(result);
  return status;
}

void sb_converted_free(sb_converted *result) {
  for (int i = 0; i < result->left_count; i++) free(result->left[i]);
  free(result->left);
  *result = (sb_converted){0};
}
