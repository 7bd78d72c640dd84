/* parse.h: from PTX text to instructions. A parser owns nothing but its symbol table: all results live in the module's
   arena, and an error leaves by longjmp to module_parse, which frees the arena. */
#ifndef EMU_PARSE_H
#define EMU_PARSE_H
#include "emu.h"
#include <setjmp.h>

typedef enum { TOK_END, TOK_WORD, TOK_INT, TOK_F32, TOK_F64, TOK_STRING, TOK_PUNCT } TokenKind;
typedef struct {
  TokenKind kind;
  const char *text;
  size_t length;
  u64 value;
  char punct;
  bool negative;
  u32 line;
} Token;

typedef enum {
  SYM_REG,
  SYM_VARIABLE,
  SYM_LOCAL,
  SYM_PARAM,
  SYM_FUNCTION,
  SYM_LABEL,
  SYM_TABLE,
  SYM_PROTOTYPE
} SymbolKind;
typedef struct Symbol {
  char *name;
  SymbolKind kind;
  Type type;
  u32 slot, count;  /* registers: first slot, number of a <n> range (0: a single one) */
  u32 index;        /* variable, function, label or branch table */
  u32 offset, size; /* locals and parameters */
  BranchTable *table;
  u32 scope;
  struct Symbol *next; /* same hash */
  struct Symbol *older;
} Symbol;

typedef enum {
  OPER_REG,
  OPER_INT,
  OPER_F32,
  OPER_F64,
  OPER_SYMBOL,
  OPER_SREG,
  OPER_VECTOR,
  OPER_ADDRESS,
  OPER_SINK,
  OPER_LIST
} OperandKind;
typedef struct Operand {
  OperandKind kind;
  Symbol *symbol; /* OPER_SYMBOL, and the base of an address */
  u32 slot;
  bool wide, not, negate, is_pred, unresolved;
  u64 value; /* immediates */
  i64 offset;
  u32 sreg;
  u32 count; /* vector elements */
  struct Operand *elements;
  const char *name; /* unresolved names: labels and functions declared later */
} Operand;

typedef struct {
  u32 insn;
  char *label;
  u32 scope, line;
  u32 *table_entry;
} Fixup;

enum { MAX_OPERANDS = 24 };
typedef struct {
  char opcode[160];
  const char *part[24]; /* the opcode's pieces between dots */
  u32 part_count;
  Operand operand[MAX_OPERANDS];
  u32 count;
  Operand second; /* d|q */
  bool has_second;
  bool guarded, negate;
  u32 guard;
  u32 line;
} Statement;

enum { NAME_BUCKETS = 1 << 14 };
typedef struct {
  const char *p, *end;
  u32 line;
  Token token; /* the next one */
  Module *module;
  Function *fn;
  Symbol *buckets[NAME_BUCKETS];
  Function *functions[NAME_BUCKETS];
  u32 file_room;
  Symbol *newest;
  u32 scope;
  u32 file, loc_line;
  struct {
    u32 at[3], caller[3];
  } inlined[64]; /* locations inside inlined functions, and where these were called */
  u32 inlined_count;
  Fixup *fixups;
  u32 fixup_count, fixup_capacity;
  u32 *labels; /* instruction index of each label, ~0u until defined */
  u32 label_count, label_capacity;
  u32 carry; /* the register that holds CC.CF */
  u32 temp_bytes;
  u32 used_bytes; /* of the next load, by .pragma "used_bytes_mask"; 0: all */
  bool terminated;
  u32 depth;
  u64 total_slots;
  u8 wide_slots[(80u << 20) / (LANES * 4) / 8]; /* which slots of the function have 64 bits a lane */
  jmp_buf failed;
  char *message;
  size_t message_size;
} Parser;

/* lex.c */
_Noreturn void parse_fail(Parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void next_token(Parser *p);
bool at_punct(const Parser *p, char c);
bool accept_punct(Parser *p, char c);
void expect_punct(Parser *p, char c);
void skip_attribute(Parser *p); /* after .attribute: ( … ) */
bool at_word(const Parser *p, const char *word);
bool accept_word(Parser *p, const char *word);
char *take_word(Parser *p);
u64 take_int(Parser *p);
void *arena_alloc(Module *m, size_t size);
char *arena_text(Module *m, const char *text, size_t n);
void *grow(Parser *p, void *array, u32 *capacity, u32 count, size_t size);

/* symbols.c */
u32 hash_name(const char *name, size_t n); /* below NAME_BUCKETS */
Symbol *symbol_add(Parser *p, const char *name, SymbolKind kind);
Symbol *symbol_find(Parser *p, const char *name, u32 *number);
bool symbol_again(Parser *p, const char *name, bool range); /* is it in this scope already? */
void scope_open(Parser *p);
void scope_close(Parser *p);

/* parse_module.c, parse_variable.c, parse_function.c */
Module *module_parse(const char *text, size_t size, char *message, size_t message_size);
void module_free(Module *m);
void parse_variable(Parser *p, Space space, bool is_extern);
void parse_function(Parser *p, bool is_entry);
Function *function_named(Parser *p, const char *name, bool is_entry);
void parse_table(Parser *p, const char *name, const char *directive);
u32 alloc_slot(Parser *p, bool wide);

/* shared_layout.c */
void use_shared(Parser *p, u32 variable); /* the function that is parsed names it */
void place_shared(Parser *p);             /* once the whole module is read */

/* operands.c */
void parse_statement(Parser *p, Statement *s);
void parse_operand(Parser *p, Operand *o);

/* lower*.c: statements to instructions */
void lower_statement(Parser *p, Statement *s);
Insn *emit(Parser *p, const Statement *s, Handler *fn);
u32 const_slot(Parser *p, bool wide, u64 value);
u32 source_slot(Parser *p, const Statement *s, const Operand *o, Type t);
u32 dest_slot(Parser *p, const Statement *s, const Operand *o, Type t, Type as);
void finish_dest(Parser *p, const Statement *s, const Operand *o, Type t, u32 slot);
/* Which fields of an instruction name registers, for the allocation of slots (slots.c). */
enum { OPERAND_D = 1, OPERAND_A = 2, OPERAND_B = 4, OPERAND_C = 8, OPERAND_E = 16, OPERAND_IMM = 32 };
enum { EXTRA_NONE, EXTRA_MEMORY, EXTRA_ATOMIC, EXTRA_COPY, EXTRA_MMA, EXTRA_LDMATRIX, EXTRA_CALL };
void set_operands(Parser *p, const Insn *i, u32 fields, u32 extra);
void allocate_slots(Parser *p);
/* Calls visit for every register slot of an instruction, sources first. Widths of rows do not matter: slots know
 * theirs. */
enum { SLOT_UNIT = LANES * 4 };
typedef void VisitSlot(void *context, u32 *slot, bool write, bool wide);
void visit_registers(const Function *f, Insn *i, VisitSlot *visit, void *context);
void fold_constants(Parser *p);
void emit_row(Parser *p, const Statement *s, const char *row, u32 d, u32 a, u32 b, u32 c, u32 e);
void refuse(Parser *p, const Statement *s, const char *why);
bool has_part(const Statement *s, const char *part);
Type last_type(const Statement *s);
u32 need(Parser *p, const Statement *s, u32 least, u32 most);
void add_fixup(Parser *p, u32 insn, const char *label, u32 *table_entry);
u32 label_index(Parser *p, const char *name);
void lower_load_store(Parser *p, Statement *s, bool store);
void lower_atomic(Parser *p, Statement *s, bool returns);
void lower_cp_async(Parser *p, Statement *s);
void lower_branch(Parser *p, Statement *s);
void lower_call(Parser *p, Statement *s);
void lower_sync(Parser *p, Statement *s);
void lower_mov(Parser *p, Statement *s);
void lower_setp(Parser *p, Statement *s);
void lower_set(Parser *p, Statement *s);
void lower_carry(Parser *p, Statement *s);
bool lower_special(Parser *p, Statement *s);
void lower_matrix(Parser *p, Statement *s);
i32 sreg_from_name(const char *name);
bool sreg_is_wide(u32 sreg);
MemOp *address_operand(Parser *p, const Statement *s, const Operand *o, Space space);
#endif
