/* A pickle as data. The machine runs a pickle's opcodes but constructs nothing: a call becomes a node that holds the
 * name of what was to be called and its arguments. Only the globals of an allow-list can be named at all. */
#ifndef SAMEBITS_MODELS_PICKLE_H
#define SAMEBITS_MODELS_PICKLE_H

#include "samebits/formats.h"
#include <stddef.h>

/* What a global of the allow-list is to the reader of tensors. */
typedef enum sb_global_role {
  SB_GLOBAL_DICT,      /* collections.OrderedDict: called, it is a dict */
  SB_GLOBAL_STORAGE,   /* a storage type */
  SB_GLOBAL_DTYPE,     /* torch.bfloat16 */
  SB_GLOBAL_REBUILD,   /* torch._utils._rebuild_tensor_v2, _v3, _rebuild_parameter */
  SB_GLOBAL_FROM_TYPE, /* torch._tensor._rebuild_from_type_v2 */
  SB_GLOBAL_WRAPPER,   /* torch._utils._rebuild_wrapper_subclass */
  SB_GLOBAL_SUBCLASS,  /* a tensor subclass of torchao */
  SB_GLOBAL_VALUE,     /* an object of named attributes */
  SB_GLOBAL_ENUM,      /* an enumeration, called with a value */
  SB_GLOBAL_PLAIN      /* a name whose value does not matter here: layout, device, a function */
} sb_global_role;

typedef struct sb_global {
  const char *module, *name;
  sb_global_role role;
  int format;         /* storages, dtypes: sb_format, or -1 */
  const char *fields; /* values built from positional arguments: their names, separated by spaces */
} sb_global;

/* The row of the allow-list, or NULL. */
const sb_global *sb_global_find(const char *module, const char *name);

typedef enum sb_pickle_kind {
  SB_PICKLE_NONE,
  SB_PICKLE_BOOL,
  SB_PICKLE_INT,
  SB_PICKLE_FLOAT,
  SB_PICKLE_STRING,
  SB_PICKLE_TUPLE,
  SB_PICKLE_LIST,
  SB_PICKLE_DICT, /* items: key, value, key, value ... */
  SB_PICKLE_GLOBAL,
  SB_PICKLE_PERSISTENT, /* items[0]: its id */
  SB_PICKLE_CALL        /* items: callable, arguments (a tuple), state or nothing */
} sb_pickle_kind;

typedef struct sb_pickle_node {
  sb_pickle_kind kind;
  bool used; /* part of another node, and so never changed again: nodes form no cycle */
  int depth;
  int64_t weight; /* nodes in it, shared ones counted each time */
  int64_t integer;
  double real;
  char *text;
  const sb_global *global;
  int count, room;
  struct sb_pickle_node **items;
} sb_pickle_node;

typedef struct sb_pickle sb_pickle;

/* Runs the pickle of `label`. SB_FILE: an opcode or global that is not allowed (by name), a truncated or inconsistent
 * pickle, nesting deeper than 64, or more nodes than bytes could honestly describe. */
sb_status sb_pickle_read(const char *label, const void *data, size_t size, sb_pickle **pickle,
                         const sb_pickle_node **root);
void sb_pickle_free(sb_pickle *pickle); /* NULL is allowed */

/* The value of a dict's string key; NULL: none. */
const sb_pickle_node *sb_pickle_get(const sb_pickle_node *dict, const char *key);

#endif
