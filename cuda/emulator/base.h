/* base.h: integers, lanes, windows of the generic address space, and the types of operands. */
#ifndef EMU_BASE_H
#define EMU_BASE_H
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;

enum { LANES = 32, MAX_THREADS = 1024, MAX_WARPS = MAX_THREADS / LANES, MAX_BARRIERS = 16, MAX_VECTOR = 8 };
#define ALL_LANES 0xffffffffu

/* Windows of the generic address space. Global memory has host addresses, which never fall into them. */
#define SHARED_WINDOW 0x0000000100000000ull
#define LOCAL_WINDOW  0x0000000200000000ull
#define PARAM_WINDOW  0x0000000300000000ull
#define CODE_WINDOW   0x0000000400000000ull
#define WINDOW_SIZE   0x10000000ull

typedef enum {
  SPACE_GENERIC,
  SPACE_GLOBAL,
  SPACE_SHARED,
  SPACE_LOCAL,
  SPACE_PARAM,
  SPACE_CONST,
  SPACE_REG,
  SPACE_CODE
} Space;

/* Types of operands, as PTX names them. The container of a lane is 32 bits, or 64 for the types from T_b64 on. */
#define EMU_TYPES(X)                                                                                                   \
  X(b8)                                                                                                                \
  X(u8)                                                                                                                \
  X(s8)                                                                                                                \
  X(b16)                                                                                                               \
  X(u16)                                                                                                               \
  X(s16)                                                                                                               \
  X(b32) X(u32) X(s32) X(f16) X(bf16) X(f16x2) X(bf16x2) X(f32) X(pred) X(b64) X(u64) X(s64) X(f64) X(f32x2) X(b128)
#define EMU_TYPE_ENUM(t) T_##t,
typedef enum { T_none, EMU_TYPES(EMU_TYPE_ENUM) T_count } Type;
#undef EMU_TYPE_ENUM
static inline bool type_is_wide(Type t) { return t >= T_b64; }
u32 type_bytes(Type t);
const char *type_name(Type t);
bool type_is_signed(Type t);
Type type_from_name(const char *name, size_t n);

typedef struct Insn Insn;
typedef struct Warp Warp;
typedef struct Block Block;
typedef struct Launch Launch;
typedef struct Function Function;
typedef struct Module Module;
typedef struct Schedule Schedule;
typedef struct AsyncCopies AsyncCopies;

/* A handler executes one instruction for the lanes in w->mask and returns the next instruction. */
typedef const Insn *Handler(Warp *w, const Insn *i);
#endif
