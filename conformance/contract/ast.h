/* The tree of a contract: lines of `name : format = expression`, as parsed, and what the checker found out about each
 * node.
 *
 * Trees are made in an arena and never changed once checked; a rewrite copies. */
#ifndef SAMEBITS_CONTRACT_AST_H
#define SAMEBITS_CONTRACT_AST_H

#include "samebits/recipe.h"
#include <stddef.h>

/* Formats of the language: those of sb_format, then the ones that only exist here. T S Z O are the case's: the format
 * of x, of the scale, of the zero point and of the output. */
enum {
  CF_NONE = -1,
  CF_FNUZ = SB_FORMATS, /* e4m3fnuz: bias 8, max 240, no -0, 0x80 is NaN */
  CF_PYINT,             /* a Python integer: takes the format of what it meets */
  CF_PYFLOAT,           /* a Python float: f32 next to an integer tensor, else the format of what it meets */
  CF_T,
  CF_S,
  CF_Z,
  CF_O,
  CF_R, /* in a rewrite: the format of what is replaced */
  CF_COUNT
};

typedef enum sb_cop {
  C_NUM,
  C_NAME,
  C_INPUT,
  C_META,
  C_NEG,
  C_ADD,
  C_SUB,
  C_MUL,
  C_DIV,
  C_FMA,
  C_MIN,
  C_MAX,
  C_MINNUM,
  C_MAXNUM,
  C_CLAMP,
  C_CLAMPNUM,
  C_ABS,
  C_COPYSIGN,
  C_ROUND,
  C_ROUND_AWAY,
  C_FLOOR,
  C_CEIL,
  C_TRUNC,
  C_LT,
  C_LE,
  C_GT,
  C_GE,
  C_EQ,
  C_NE,
  C_SELECT,
  C_ISNAN,
  C_ISINF,
  C_AMIN,
  C_AMAX,
  C_AMINNUM,
  C_AMAXNUM,
  C_AMAXABS,
  C_SIGNED_ABSMAX,
  C_POW2_DOWN,
  C_POW2_UP,
  C_NEXT_UP,
  C_NEXT_DOWN,
  C_FLUSH,
  C_POSITIVE_ZERO,
  C_CAST,
  C_EPS,
  C_SMALLEST_NORMAL,
  C_LARGEST,
  C_GIVEN,
  C_PACK_LOW,
  C_PACK_HIGH,
  C_OPS
} sb_cop;

/* Casts: how the value is rounded and what happens beyond the format's range. */
typedef enum sb_rule {
  R_DEFAULT,        /* nearest even; floating point overflows to infinity */
  R_SAT,            /* saturates; NaN stays NaN, or 0 as an integer (CUDA) */
  R_NAN,            /* e4m3: NaN above 464 */
  R_INF,            /* e5m2: infinity */
  R_X86,            /* to an integer as x86 does: INT_MIN for NaN and out of range, then the low bits */
  R_WRAP,           /* to an integer by its low bits; NaN gives 0 */
  R_AWAY,           /* nearest, ties away from zero; saturates in the 8-bit formats */
  R_ZERO,           /* toward zero; saturates in the 8-bit formats */
  R_UP,             /* nearest, ties up; saturates */
  R_FLUSH,          /* saturates, and subnormal results become zeros of their sign */
  R_FLUSH_POSITIVE, /* the same with +0 */
  R_BITS,           /* the value of the same bits read in this format */
  R_COUNT
} sb_rule;

/* A partition of the elements into tiles of r x c; 0 stands for all rows or all columns. */
typedef struct sb_tile {
  int64_t r, c;
} sb_tile;

typedef struct sb_node sb_node;
struct sb_node {
  uint8_t op, nargs, rule;
  int8_t at; /* format written after @, or the target of a cast; CF_NONE */
  bool integer;
  int line, column;
  double number;
  const char *name;
  sb_node *arg[3];
  /* The checker's. */
  int8_t fmt;    /* resolved format of the result */
  int8_t via;    /* format in which the operator computes, before the rounding to fmt */
  int8_t index;  /* C_NAME: which line; C_INPUT: which input */
  bool constant; /* known before any tensor: `number` is its value */
  sb_tile tile;
  sb_tile over; /* of a reduction */
};

typedef enum sb_over_kind { OVER_ELEMENT, OVER_ROW, OVER_GROUP, OVER_TENSOR, OVER_BLOCK } sb_over_kind;
typedef struct sb_over {
  sb_over_kind kind;
  int64_t r, c; /* OVER_BLOCK; OVER_GROUP: c > 0 is a group size of its own */
} sb_over;

typedef struct sb_line {
  const char *name;
  int8_t format; /* as declared: later lines see a value of this format */
  int8_t stored; /* the format of the tensor where the line is one; CF_NONE: as declared */
  sb_over over;
  sb_node *expr;
  int number; /* in the file, from 1 */
} sb_line;

enum {
  SB_MAX_LINES = 48,
  SB_MAX_DEPTH = 48,
  SB_MAX_NODES = 2048,
  SB_MAX_TEXT = 1 << 16,
  SB_MAX_LITERAL = 40,
  SB_MAX_NAME = 40
};

typedef struct sb_arena sb_arena;

typedef struct sb_contract {
  sb_arena *arena;
  const char *name;   /* where it is from, for messages */
  const char *source; /* first comment of the file */
  const char *status; /* "read from source" and the like; "" */
  int line_count, node_count;
  sb_line lines[SB_MAX_LINES];
  /* What the single operations take and give in a tensor's place: names of lines; NULL: the line of the tensor's name.
   */
  const char *operation[SB_SLOTS];
} sb_contract;

typedef struct sb_op_info {
  const char *name; /* of a function, or the infix symbol */
  int8_t args;
  bool function;
  bool exact; /* no rounding: the result is one of the operands, an integer of it, or a bool */
} sb_op_info;
extern const sb_op_info sb_ops[C_OPS];
extern const char *const sb_rule_names[R_COUNT];
const char *sb_cf_name(int format);
int sb_cf_parse(const char *word); /* CF_NONE: no such format */

sb_arena *sb_arena_new(void);
void sb_arena_free(sb_arena *arena);
void sb_arena_reset(sb_arena *arena);
void *sb_arena_get(sb_arena *arena, size_t bytes); /* zeroed; NULL: no memory */
const char *sb_arena_string(sb_arena *arena, const char *text, size_t length);

/* Where `use NAME` looks: gives the text of another contract (in the arena), or NULL. */
typedef const char *sb_contract_loader(void *context, const char *name, sb_arena *arena);

sb_status sb_contract_parse(const char *name, const char *text, size_t size, sb_contract_loader *loader, void *context,
                            sb_contract **contract);
void sb_contract_free(sb_contract *contract);
/* One expression, for patterns: $a stands for anything, ?c for a constant. */
sb_status sb_expression_parse(const char *label, const char *text, sb_arena *arena, sb_node **node);

/* Writes text as the parser takes it; returns the length that it needs, like snprintf. */
size_t sb_node_print(const sb_node *node, char *buffer, size_t size);
size_t sb_line_print(const sb_line *line, char *buffer, size_t size);
size_t sb_contract_print(const sb_contract *contract, char *buffer, size_t size);

int sb_line_find(const sb_contract *contract, const char *name); /* -1: there is none */

#endif
