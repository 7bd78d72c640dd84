/* torch.save's archive: data.pkl as nodes, and every tensor that they describe. */
#include "conformance/models/parts.h"
#include "conformance/models/pickle.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_PICKLE = 1 << 24, MAX_NESTED = 4 };

typedef struct storage {
  void *data;
  uint64_t size;
} storage;

typedef struct reader {
  const sb_zip *zip;
  const char *label;
  char prefix[256];
  sb_model *model;
  storage *storages; /* by entry index; data NULL: not read yet */
  uint64_t copied;   /* bytes of tensors that are not contiguous */
} reader;

/* ---- attributes ---- */

static json_t *to_json(const sb_pickle_node *n);

static json_t *named(const char *type, json_t *data) {
  return data ? json_pack("{s:s,s:o}", "_type", type, "_data", data) : NULL;
}

/* Positional arguments by the names in `fields`. */
static json_t *by_position(const sb_pickle_node *arguments, const char *fields) {
  json_t *object = json_object();
  for (int i = 0; i < arguments->count && fields && *fields; i++) {
    char name[64];
    const size_t length = strcspn(fields, " ");
    snprintf(name, sizeof name, "%.*s", (int)length, fields);
    json_object_set_new(object, name, to_json(arguments->items[i]));
    fields += length + strspn(fields + length, " ");
  }
  return object;
}

static json_t *dict_to_json(const sb_pickle_node *n) {
  json_t *object = json_object();
  for (int i = 0; i + 1 < n->count; i += 2)
    if (n->items[i]->kind == SB_PICKLE_STRING) json_object_set_new(object, n->items[i]->text, to_json(n->items[i + 1]));
  return object;
}

static json_t *call_to_json(const sb_pickle_node *n) {
  const sb_global *global = n->items[0]->global;
  const sb_pickle_node *arguments = n->items[1];
  if (global->role == SB_GLOBAL_ENUM && arguments->count == 1) {
    const sb_pickle_node *value = arguments->items[0];
    char upper[64];
    if (value->kind != SB_PICKLE_STRING) return named(global->name, to_json(value));
    snprintf(upper, sizeof upper, "%s", value->text);
    for (char *c = upper; *c; c++) *c = (char)toupper((unsigned char)*c);
    return named(global->name, json_string(upper));
  }
  if (global->role == SB_GLOBAL_VALUE)
    return named(global->name, n->count == 3 && n->items[2]->kind == SB_PICKLE_DICT
                                   ? dict_to_json(n->items[2])
                                   : by_position(arguments, global->fields));
  return json_string(global->name);
}

static json_t *to_json(const sb_pickle_node *n) {
  json_t *list;
  switch (n->kind) {
  case SB_PICKLE_BOOL:
    return json_boolean(n->integer);
  case SB_PICKLE_INT:
    return json_integer(n->integer);
  case SB_PICKLE_FLOAT:
    return json_real(n->real);
  case SB_PICKLE_STRING:
    return json_string(n->text);
  case SB_PICKLE_TUPLE:
  case SB_PICKLE_LIST:
    list = json_array();
    for (int i = 0; i < n->count; i++) json_array_append_new(list, to_json(n->items[i]));
    return list;
  case SB_PICKLE_DICT:
    return dict_to_json(n);
  case SB_PICKLE_GLOBAL:
    return n->global->role == SB_GLOBAL_DTYPE ? named("torch.dtype", json_string(n->global->name))
                                              : json_string(n->global->name);
  case SB_PICKLE_CALL:
    return call_to_json(n);
  default:
    return json_null();
  }
}

/* ---- tensors ---- */

static bool is_call(const sb_pickle_node *n, sb_global_role role) {
  return n->kind == SB_PICKLE_CALL && n->items[0]->global->role == role;
}

static sb_status malformed(const reader *r, const char *name, const char *what) {
  return sb_fail(SB_FILE, "%s: tensor \"%.200s\": %s", r->label, name, what);
}

/* persistent id ('storage', type, key, 'cpu', elements) -> the entry's bytes, read once. */
static sb_status find_storage(reader *r, const char *name, const sb_pickle_node *n, sb_format *format,
                              const storage **found) {
  const sb_pickle_node *id = n->kind == SB_PICKLE_PERSISTENT ? n->items[0] : NULL;
  if (!id || id->kind != SB_PICKLE_TUPLE || id->count != 5 || id->items[0]->kind != SB_PICKLE_STRING ||
      strcmp(id->items[0]->text, "storage") != 0 || id->items[1]->kind != SB_PICKLE_GLOBAL ||
      id->items[1]->global->role != SB_GLOBAL_STORAGE || id->items[2]->kind != SB_PICKLE_STRING ||
      id->items[4]->kind != SB_PICKLE_INT)
    return malformed(r, name, "its storage is not ('storage', type, key, device, elements)");
  char entry[512];
  if (snprintf(entry, sizeof entry, "%sdata/%s", r->prefix, id->items[2]->text) >= (int)sizeof entry)
    return malformed(r, name, "its storage's key is too long");
  const int index = sb_zip_find(r->zip, entry);
  if (index < 0)
    return sb_fail(SB_FILE, "%s: tensor \"%.200s\": the archive has no entry \"%.200s\"", r->label, name, entry);
  *format = (sb_format)id->items[1]->global->format;
  const uint64_t size = sb_zip_size(r->zip, index);
  const int64_t bytes = sb_format_bytes(*format, id->items[4]->integer);
  if (bytes < 0 || (uint64_t)bytes != size)
    return sb_fail(SB_FILE,
                   "%s: tensor \"%.200s\": its storage of %" PRId64 " elements is not the %" PRIu64
                   " bytes of \"%.200s\"",
                   r->label, name, id->items[4]->integer, size, entry);
  storage *s = &r->storages[index];
  if (!s->data) {
    sb_status status = sb_zip_read(r->zip, index, &s->data);
    if (!status) status = sb_model_own(r->model, s->data);
    if (status) {
      s->data = NULL;
      return status;
    }
    s->size = size;
  }
  *found = s;
  return SB_OK;
}

/* Element (i0, i1, ...) of a strided tensor is at offset + sum(i * stride). */
static sb_status gather(reader *r, const char *name, sb_tensor *tensor, const int64_t *strides, const char *from) {
  const int64_t width = sb_format_of(tensor->format)->bits / 8, count = sb_tensor_count(tensor);
  const uint64_t bytes = (uint64_t)sb_tensor_bytes(tensor);
  if (__builtin_add_overflow(r->copied, bytes, &r->copied) || r->copied > 2 * sb_zip_total(r->zip))
    return malformed(r, name, "its strides, with those of other tensors, take more memory than the file has bytes");
  sb_status status = sb_tensor_alloc(tensor);
  if (!status) status = sb_model_own(r->model, tensor->data);
  if (status) return status;
  int64_t at[SB_MAX_RANK] = {0}, place = 0;
  for (int64_t i = 0; i < count; i++) {
    memcpy((char *)tensor->data + i * width, from + place * width, (size_t)width);
    for (int d = tensor->rank - 1; d >= 0; d--) {
      place += strides[d];
      if (++at[d] < tensor->dims[d]) break;
      place -= strides[d] * tensor->dims[d];
      at[d] = 0;
    }
  }
  return SB_OK;
}

/* _rebuild_tensor_v2(storage, offset, size, stride, ...), v3 the same with a dtype at the end. */
static sb_status read_tensor(reader *r, const char *name, const sb_pickle_node *call, sb_tensor *tensor) {
  const sb_pickle_node *a = call->items[1];
  const bool typed = strcmp(call->items[0]->global->name, "_rebuild_tensor_v3") == 0;
  if (a->count < (typed ? 7 : 4) || a->items[1]->kind != SB_PICKLE_INT || a->items[2]->kind != SB_PICKLE_TUPLE ||
      a->items[3]->kind != SB_PICKLE_TUPLE || a->items[2]->count != a->items[3]->count)
    return malformed(r, name, "its description is not (storage, offset, size, stride, ...)");
  const storage *s = NULL;
  sb_format format = SB_U8;
  const sb_status status = find_storage(r, name, a->items[0], &format, &s);
  if (status) return status;
  if (typed) {
    if (a->items[6]->kind != SB_PICKLE_GLOBAL || a->items[6]->global->role != SB_GLOBAL_DTYPE)
      return malformed(r, name, "its dtype is none");
    format = (sb_format)a->items[6]->global->format;
    if (sb_format_of(format)->bits < 8) return malformed(r, name, "its dtype has no bytes of its own");
  }
  const int rank = a->items[2]->count;
  if (rank > SB_MAX_RANK) return malformed(r, name, "it has more than 8 dimensions");
  *tensor = (sb_tensor){.format = format, .rank = rank};
  int64_t strides[SB_MAX_RANK], dense = 1, last = a->items[1]->integer;
  bool contiguous = true, overflow = last < 0;
  for (int d = rank - 1; d >= 0; d--) {
    const sb_pickle_node *size = a->items[2]->items[d], *stride = a->items[3]->items[d];
    if (size->kind != SB_PICKLE_INT || stride->kind != SB_PICKLE_INT || size->integer < 0 || stride->integer < 0)
      return malformed(r, name, "its size or stride is no number, or negative");
    tensor->dims[d] = size->integer;
    strides[d] = stride->integer;
    if (size->integer > 1 && stride->integer != dense) contiguous = false;
    int64_t reach;
    overflow |= __builtin_mul_overflow(size->integer ? size->integer - 1 : 0, stride->integer, &reach) ||
                __builtin_add_overflow(last, reach, &last) || __builtin_mul_overflow(dense, size->integer, &dense);
  }
  const int64_t width = sb_format_of(format)->bits / 8, elements = (int64_t)(s->size / (uint64_t)width);
  if (overflow || dense > elements || (dense && last >= elements))
    return malformed(r, name, "its size, stride and offset reach beyond its storage, or repeat it");
  const char *from = (const char *)s->data + a->items[1]->integer * width;
  if (dense == 0) from = s->data;
  if (!contiguous) return gather(r, name, tensor, strides, from);
  tensor->data = (void *)(uintptr_t)from;
  return SB_OK;
}

/* ---- subclasses ---- */

/* (_rebuild_wrapper_subclass, CLASS, (CLASS, dtype, size, stride, ...), state): parts are the state's tensors,
 * attributes the rest; a subclass in the state adds its own to both. */
static sb_status read_subclass(reader *r, sb_model_tensor *tensor, const sb_pickle_node *call, int nested) {
  const sb_pickle_node *a = call->items[1];
  if (a->count != 4 || a->items[1]->kind != SB_PICKLE_GLOBAL || a->items[1]->global->role != SB_GLOBAL_SUBCLASS ||
      a->items[2]->kind != SB_PICKLE_TUPLE || a->items[2]->count < 3 || a->items[3]->kind != SB_PICKLE_DICT ||
      nested > MAX_NESTED)
    return malformed(r, tensor->name, "its subclass is not (function, class, arguments, state)");
  const size_t used = strlen(tensor->type);
  snprintf(tensor->type + used, sizeof tensor->type - used, "%s%s", used ? "/" : "", a->items[1]->global->name);
  if (nested == 0) {
    json_object_set_new(tensor->attributes, "dtype", to_json(a->items[2]->items[1]));
    json_object_set_new(tensor->attributes, "shape", to_json(a->items[2]->items[2]));
  }
  const sb_pickle_node *state = a->items[3];
  for (int i = 0; i + 1 < state->count; i += 2) {
    const sb_pickle_node *key = state->items[i], *value = state->items[i + 1];
    sb_status status = SB_OK;
    if (key->kind != SB_PICKLE_STRING) return malformed(r, tensor->name, "its state has a key that is no string");
    if (is_call(value, SB_GLOBAL_FROM_TYPE))
      status = read_subclass(r, tensor, value, nested + 1);
    else if (is_call(value, SB_GLOBAL_REBUILD)) {
      sb_tensor part;
      status = read_tensor(r, tensor->name, value, &part);
      if (!status) status = sb_model_add_part(tensor, key->text, &part);
    } else
      json_object_set_new(tensor->attributes, key->text, to_json(value));
    if (status) return status;
  }
  return SB_OK;
}

static sb_status read_item(reader *r, const sb_pickle_node *key, const sb_pickle_node *value) {
  if (key->kind != SB_PICKLE_STRING)
    return sb_fail(SB_FILE, "%s: the state dict has a key that is no string", r->label);
  const bool plain = is_call(value, SB_GLOBAL_REBUILD);
  if (!plain && !is_call(value, SB_GLOBAL_FROM_TYPE))
    return sb_fail(SB_FILE, "%s: \"%.200s\" of the state dict is not a tensor", r->label, key->text);
  sb_model_tensor *tensor;
  sb_status status = sb_model_add(r->model, key->text, plain ? "Tensor" : "", &tensor);
  if (status) return status;
  if (!plain) {
    tensor->attributes = json_object();
    return read_subclass(r, tensor, value, 0);
  }
  sb_tensor part;
  status = read_tensor(r, key->text, value, &part);
  return status ? status : sb_model_add_part(tensor, "", &part);
}

static sb_status read_pickle(reader *r) {
  int index = -1;
  for (int i = 0; i < sb_zip_count(r->zip); i++) {
    const char *name = sb_zip_name(r->zip, i), *slash = strchr(name, '/');
    if (!slash || strcmp(slash, "/data.pkl") != 0) continue;
    if (index >= 0) return sb_fail(SB_FILE, "%s: the archive has two files data.pkl", r->label);
    index = i;
    snprintf(r->prefix, sizeof r->prefix, "%.*s", (int)(slash - name + 1), name);
  }
  if (index < 0)
    return sb_fail(SB_FILE, "%s: a zip archive without NAME/data.pkl: not written by torch.save", r->label);
  char entry[300];
  snprintf(entry, sizeof entry, "%sbyteorder", r->prefix);
  const int order = sb_zip_find(r->zip, entry);
  void *text = NULL;
  sb_status status = order >= 0 ? sb_zip_read(r->zip, order, &text) : SB_OK;
  if (!status && order >= 0 && (sb_zip_size(r->zip, order) != 6 || memcmp(text, "little", 6) != 0))
    status = sb_fail(SB_FILE, "%s: its byte order is not little", r->label);
  free(text);
  if (status) return status;
  const uint64_t size = sb_zip_size(r->zip, index);
  if (size > MAX_PICKLE)
    return sb_fail(SB_FILE, "%s: its pickle of %" PRIu64 " bytes exceeds the limit %d", r->label, size, MAX_PICKLE);
  void *bytes;
  sb_pickle *pickle = NULL;
  const sb_pickle_node *root;
  status = sb_zip_read(r->zip, index, &bytes);
  if (status) return status;
  status = sb_pickle_read(r->label, bytes, (size_t)size, &pickle, &root);
  if (!status && root->kind != SB_PICKLE_DICT)
    status = sb_fail(SB_FILE, "%s: the pickle is not a state dict", r->label);
  for (int i = 0; !status && i + 1 < root->count; i += 2) status = read_item(r, root->items[i], root->items[i + 1]);
  sb_pickle_free(pickle);
  free(bytes);
  return status;
}

sb_status sb_torch_read(const sb_zip *zip, sb_model *model) {
  reader r = {.zip = zip, .label = sb_zip_path(zip), .model = model};
  r.storages = calloc((size_t)sb_zip_count(zip) + 1, sizeof *r.storages);
  if (!r.storages) return sb_fail(SB_NO_MEMORY, "%s: no memory", r.label);
  const sb_status status = read_pickle(&r);
  free(r.storages);
  return status;
}
