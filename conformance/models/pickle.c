/* One function an opcode (opcodes of CPython's Lib/pickletools.py). */
#include "conformance/models/pickle_machine.h"

#include <stdlib.h>

/* ---- opcodes ---- */

static void proto(sb_pickle *p, int unused) {
  (void)unused;
  const uint64_t version = sb_pickle_little(p, 1);
  if (!p->status && (version < 2 || version > 3)) sb_pickle_fail(p, "the pickle's protocol is neither 2 nor 3");
}

static void stop(sb_pickle *p, int unused) {
  (void)unused;
  p->stopped = true;
}

static void mark(sb_pickle *p, int unused) {
  (void)unused;
  if (p->mark_count == MAX_MARKS)
    sb_pickle_fail(p, "the pickle is nested too deep");
  else
    p->marks[p->mark_count++] = p->height;
}

static void empty(sb_pickle *p, int kind) { sb_pickle_push(p, sb_pickle_make(p, (sb_pickle_kind)kind)); }

static void boolean(sb_pickle *p, int value) {
  sb_pickle_node *n = sb_pickle_make(p, SB_PICKLE_BOOL);
  if (n) n->integer = value;
  sb_pickle_push(p, n);
}

static void integer(sb_pickle *p, int width) {
  const uint64_t bits = sb_pickle_little(p, (size_t)width);
  sb_pickle_node *n = sb_pickle_make(p, SB_PICKLE_INT);
  if (n) n->integer = width == 4 ? (int64_t)(int32_t)(uint32_t)bits : (int64_t)bits;
  sb_pickle_push(p, n);
}

/* LONG1: two's complement of the given number of bytes. */
static void long1(sb_pickle *p, int unused) {
  (void)unused;
  const uint64_t width = sb_pickle_little(p, 1);
  if (!p->status && width > 8) sb_pickle_fail(p, "an integer of more than 64 bits");
  const uint64_t bits = sb_pickle_little(p, p->status ? 0 : (size_t)width);
  sb_pickle_node *n = sb_pickle_make(p, SB_PICKLE_INT);
  if (n && width) n->integer = (int64_t)(bits << (64 - 8 * width)) >> (64 - 8 * width);
  sb_pickle_push(p, n);
}

static void real(sb_pickle *p, int unused) {
  (void)unused;
  const unsigned char *from = sb_pickle_take(p, 8);
  uint64_t bits = 0;
  for (int i = 0; from && i < 8; i++) bits = bits << 8 | from[i];
  sb_pickle_node *n = sb_pickle_make(p, SB_PICKLE_FLOAT);
  if (n) n->real = sb_f64_from_bits(bits);
  sb_pickle_push(p, n);
}

static void unicode(sb_pickle *p, int unused) {
  (void)unused;
  const uint64_t length = sb_pickle_little(p, 4);
  const unsigned char *from = sb_pickle_take(p, (size_t)length);
  if (!from) return;
  if (memchr(from, 0, (size_t)length)) {
    sb_pickle_fail(p, "a string holds a zero byte");
    return;
  }
  sb_pickle_node *n = sb_pickle_make(p, SB_PICKLE_STRING);
  if (!n) return;
  n->text = strndup((const char *)from, (size_t)length);
  if (!n->text) sb_pickle_no_memory(p);
  sb_pickle_push(p, n);
}

static void global(sb_pickle *p, int unused) {
  (void)unused;
  char module[MAX_NAME], name[MAX_NAME];
  const unsigned char *start = p->at - 1;
  sb_pickle_line(p, module);
  sb_pickle_line(p, name);
  if (p->status) return;
  const sb_global *row = sb_global_find(module, name);
  if (!row) {
    p->status = sb_fail(SB_FILE, "%s: the pickle names the global %s.%s, which no checkpoint needs; refused (byte %td)",
                        p->label, module, name, start - p->begin);
    return;
  }
  sb_pickle_node *n = sb_pickle_make(p, SB_PICKLE_GLOBAL);
  if (n) n->global = row;
  sb_pickle_push(p, n);
}

static void put(sb_pickle *p, int width) { sb_pickle_remember(p, sb_pickle_little(p, (size_t)width)); }
static void get(sb_pickle *p, int width) { sb_pickle_recall(p, sb_pickle_little(p, (size_t)width)); }

static void tuple(sb_pickle *p, int unused) {
  (void)unused;
  const size_t from = sb_pickle_pop_mark(p);
  sb_pickle_node *n = sb_pickle_make(p, SB_PICKLE_TUPLE);
  sb_pickle_gather(p, n, from);
  sb_pickle_push(p, n);
}

static void short_tuple(sb_pickle *p, int count) {
  if (p->height - sb_pickle_floor_of(p) < (size_t)count) {
    sb_pickle_fail(p, "the pickle takes from an empty stack");
    return;
  }
  sb_pickle_node *n = sb_pickle_make(p, SB_PICKLE_TUPLE);
  sb_pickle_gather(p, n, p->height - (size_t)count);
  sb_pickle_push(p, n);
}

/* Into the node under the mark (or under `count` items). */
static void fill(sb_pickle *p, size_t from, sb_pickle_kind kind) {
  if (p->status) return;
  if (from == sb_pickle_floor_of(p)) {
    sb_pickle_fail(p, "the pickle takes from an empty stack");
    return;
  }
  sb_pickle_node *into = p->stack[from - 1];
  if (into->kind != kind || (kind == SB_PICKLE_DICT && (p->height - from) % 2)) {
    sb_pickle_fail(p, "the pickle adds items to what takes none");
    return;
  }
  sb_pickle_gather(p, into, from);
}

static void appends(sb_pickle *p, int unused) {
  (void)unused;
  fill(p, sb_pickle_pop_mark(p), SB_PICKLE_LIST);
}

static void set_items(sb_pickle *p, int unused) {
  (void)unused;
  fill(p, sb_pickle_pop_mark(p), SB_PICKLE_DICT);
}

static void add(sb_pickle *p, int count) {
  if (p->height - sb_pickle_floor_of(p) < (size_t)count)
    sb_pickle_fail(p, "the pickle takes from an empty stack");
  else
    fill(p, p->height - (size_t)count, count == 2 ? SB_PICKLE_DICT : SB_PICKLE_LIST);
}

static void persistent(sb_pickle *p, int unused) {
  (void)unused;
  sb_pickle_node *id = sb_pickle_pop(p), *n = sb_pickle_make(p, SB_PICKLE_PERSISTENT);
  sb_pickle_append(p, n, id);
  sb_pickle_push(p, n);
}

/* REDUCE and NEWOBJ: the call is written down, not made. */
static void call(sb_pickle *p, int unused) {
  (void)unused;
  sb_pickle_node *arguments = sb_pickle_pop(p), *callable = sb_pickle_pop(p);
  if (p->status) return;
  if (callable->kind != SB_PICKLE_GLOBAL || arguments->kind != SB_PICKLE_TUPLE) {
    sb_pickle_fail(p, "the pickle calls what is not a global, or without a tuple");
    return;
  }
  if (callable->global->role == SB_GLOBAL_DICT) {
    if (arguments->count) sb_pickle_fail(p, "an OrderedDict is made with arguments");
    sb_pickle_push(p, sb_pickle_make(p, SB_PICKLE_DICT));
    return;
  }
  sb_pickle_node *n = sb_pickle_make(p, SB_PICKLE_CALL);
  sb_pickle_append(p, n, callable);
  sb_pickle_append(p, n, arguments);
  sb_pickle_push(p, n);
}

/* BUILD: the state of a call is kept; that of a dict (OrderedDict's `_metadata`) is of no use here. */
static void build(sb_pickle *p, int unused) {
  (void)unused;
  sb_pickle_node *state = sb_pickle_pop(p), *object = sb_pickle_top(p);
  if (p->status || object->kind == SB_PICKLE_DICT) return;
  if (object->kind != SB_PICKLE_CALL || object->count != 2)
    sb_pickle_fail(p, "the pickle gives a state to what has none");
  else
    sb_pickle_append(p, object, state);
}

typedef struct opcode {
  void (*run)(sb_pickle *p, int argument);
  int argument;
} opcode;

static const opcode opcodes[256] = {
    [0x80] = {proto, 0},
    ['.'] = {stop, 0},
    ['('] = {mark, 0},
    ['N'] = {empty, SB_PICKLE_NONE},
    [')'] = {empty, SB_PICKLE_TUPLE},
    [']'] = {empty, SB_PICKLE_LIST},
    ['}'] = {empty, SB_PICKLE_DICT},
    [0x88] = {boolean, 1},
    [0x89] = {boolean, 0},
    ['K'] = {integer, 1},
    ['M'] = {integer, 2},
    ['J'] = {integer, 4},
    [0x8a] = {long1, 0},
    ['G'] = {real, 0},
    ['X'] = {unicode, 0},
    ['c'] = {global, 0},
    ['q'] = {put, 1},
    ['r'] = {put, 4},
    ['h'] = {get, 1},
    ['j'] = {get, 4},
    ['t'] = {tuple, 0},
    [0x85] = {short_tuple, 1},
    [0x86] = {short_tuple, 2},
    [0x87] = {short_tuple, 3},
    ['a'] = {add, 1},
    ['e'] = {appends, 0},
    ['s'] = {add, 2},
    ['u'] = {set_items, 0},
    ['Q'] = {persistent, 0},
    ['R'] = {call, 0},
    [0x81] = {call, 0},
    ['b'] = {build, 0},
};

static void execute(sb_pickle *p) {
  while (!p->status && !p->stopped) {
    const unsigned char *code = sb_pickle_take(p, 1);
    if (!code) return;
    if (opcodes[*code].run)
      opcodes[*code].run(p, opcodes[*code].argument);
    else
      p->status =
          sb_fail(SB_FILE, "%s: the pickle uses the opcode 0x%02x, which torch.save never writes; refused (byte %td)",
                  p->label, *code, p->at - 1 - p->begin);
  }
  if (!p->status && (p->height != 1 || p->mark_count)) sb_pickle_fail(p, "the pickle does not end with one object");
}

sb_status sb_pickle_read(const char *label, const void *data, size_t size, sb_pickle **pickle,
                         const sb_pickle_node **root) {
  *pickle = NULL;
  *root = NULL;
  sb_pickle *p = calloc(1, sizeof *p);
  if (!p) return sb_fail(SB_NO_MEMORY, "%s: no memory for the pickle", label);
  p->label = label;
  p->begin = p->at = data;
  p->end = p->begin + size;
  execute(p);
  if (p->status) {
    const sb_status status = p->status;
    sb_pickle_free(p);
    return status;
  }
  *root = p->stack[0];
  *pickle = p;
  return SB_OK;
}

void sb_pickle_free(sb_pickle *p) {
  if (!p) return;
  for (block *b = p->blocks, *next; b; b = next) {
    next = b->next;
    for (int i = 0; i < b->used; i++) {
      free(b->nodes[i].text);
      free(b->nodes[i].items);
    }
    free(b);
  }
  free(p->stack);
  free(p->memo);
  free(p);
}

const sb_pickle_node *sb_pickle_get(const sb_pickle_node *dict, const char *key) {
  for (int i = 0; dict && dict->kind == SB_PICKLE_DICT && i + 1 < dict->count; i += 2)
    if (dict->items[i]->kind == SB_PICKLE_STRING && strcmp(dict->items[i]->text, key) == 0) return dict->items[i + 1];
  return NULL;
}
