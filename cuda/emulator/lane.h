/* lane.h: how a row of the opcode table becomes a handler.
   A row is ROWn(name, "opcode aliases", destination type, source types, expression): the expression sees the sources of
   one lane as a, b, c, e, already in the value type below, and gives the destination's value. For type T: C_T the
   container of a lane, V_T the value type, L_T container to value, S_T result to container. */
#ifndef EMU_LANE_H
#define EMU_LANE_H
#include "bits.h"

#define C_b8        u32
#define V_b8        u32
#define L_b8(x)     ((x)&0xffu)
#define S_b8(x)     ((u32)(u8)(x))
#define C_u8        u32
#define V_u8        u8
#define L_u8(x)     ((u8)(x))
#define S_u8(x)     ((u32)(u8)(x))
#define C_s8        u32
#define V_s8        i8
#define L_s8(x)     ((i8)(x))
#define S_s8(x)     ((u32)(i32)(i8)(x))
#define C_b16       u32
#define V_b16       u32
#define L_b16(x)    ((x)&0xffffu)
#define S_b16(x)    ((u32)(u16)(x))
#define C_u16       u32
#define V_u16       u16
#define L_u16(x)    ((u16)(x))
#define S_u16(x)    ((u32)(u16)(x))
#define C_s16       u32
#define V_s16       i16
#define L_s16(x)    ((i16)(x))
#define S_s16(x)    ((u32)(i32)(i16)(x))
#define C_b32       u32
#define V_b32       u32
#define L_b32(x)    (x)
#define S_b32(x)    ((u32)(x))
#define C_u32       u32
#define V_u32       u32
#define L_u32(x)    (x)
#define S_u32(x)    ((u32)(x))
#define C_s32       u32
#define V_s32       i32
#define L_s32(x)    ((i32)(x))
#define S_s32(x)    ((u32)(x))
#define C_b64       u64
#define V_b64       u64
#define L_b64(x)    (x)
#define S_b64(x)    ((u64)(x))
#define C_u64       u64
#define V_u64       u64
#define L_u64(x)    (x)
#define S_u64(x)    ((u64)(x))
#define C_s64       u64
#define V_s64       i64
#define L_s64(x)    ((i64)(x))
#define S_s64(x)    ((u64)(x))
#define C_pred      u32
#define V_pred      u32
#define L_pred(x)   (x)
#define S_pred(x)   ((u32)(x))
#define C_f32       u32
#define V_f32       float
#define L_f32(x)    as_f32(x)
#define S_f32(x)    canon32(x)
#define C_f64       u64
#define V_f64       double
#define L_f64(x)    as_f64(x)
#define S_f64(x)    canon64(x)
#define C_f16       u32
#define V_f16       float
#define L_f16(x)    from_f16((x)&0xffffu)
#define S_f16(x)    to_f16(x)
#define C_bf16      u32
#define V_bf16      float
#define L_bf16(x)   from_bf16(x)
#define S_bf16(x)   to_bf16(x)
#define C_f16x2     u32
#define V_f16x2     u32
#define L_f16x2(x)  (x)
#define S_f16x2(x)  ((u32)(x))
#define C_bf16x2    u32
#define V_bf16x2    u32
#define L_bf16x2(x) (x)
#define S_bf16x2(x) ((u32)(x))
#define C_f32x2     u64
#define V_f32x2     u64
#define L_f32x2(x)  (x)
#define S_f32x2(x)  ((u64)(x))
/* Modified forms of a type: same container and operand type, another way in or out. */
#define C_f32z     u32 /* .ftz */
#define V_f32z     float
#define L_f32z(x)  as_f32(flush32(x))
#define S_f32z(x)  flush32(canon32(x))
#define T_f32z     T_f32
#define C_f32s     u32 /* .sat */
#define V_f32s     float
#define L_f32s(x)  as_f32(x)
#define S_f32s(x)  f32_bits(saturate32(x))
#define T_f32s     T_f32
#define C_f32zs    u32 /* .ftz.sat */
#define V_f32zs    float
#define L_f32zs(x) as_f32(flush32(x))
#define S_f32zs(x) flush32(f32_bits(saturate32(x)))
#define T_f32zs    T_f32
#define C_f32r     u32 /* the bits as they are */
#define V_f32r     u32
#define L_f32r(x)  (x)
#define S_f32r(x)  ((u32)(x))
#define T_f32r     T_f32
#define C_f32rz    u32 /* the bits, flushed */
#define V_f32rz    u32
#define L_f32rz(x) flush32(x)
#define S_f32rz(x) flush32(x)
#define T_f32rz    T_f32
#define C_f64r     u64
#define V_f64r     u64
#define L_f64r(x)  (x)
#define S_f64r(x)  ((u64)(x))
#define T_f64r     T_f64
#define C_f64s     u64
#define V_f64s     double
#define L_f64s(x)  as_f64(x)
#define S_f64s(x)  f64_bits(saturate64(x))
#define T_f64s     T_f64
#define C_f16r     u32
#define V_f16r     u32
#define L_f16r(x)  ((x)&0xffffu)
#define S_f16r(x)  ((u32)(x))
#define T_f16r     T_f16
#define C_f16z     u32
#define V_f16z     float
#define L_f16z(x)  from_f16(flush16((x)&0xffffu))
#define S_f16z(x)  flush16(to_f16(x))
#define T_f16z     T_f16
#define C_bf16r    u32
#define V_bf16r    u32
#define L_bf16r(x) ((x)&0xffffu)
#define S_bf16r(x) ((u32)(x))
#define T_bf16r    T_bf16
/* The address of an operand slot. */
#define SLOT(T, off) REG(C_##T, off)

#if defined __clang__
#define LANE_LOOP _Pragma("clang loop vectorize(assume_safety)") for (u32 l = 0; l < LANES; l++)
#else
#define LANE_LOOP _Pragma("GCC ivdep") for (u32 l = 0; l < LANES; l++)
#endif
/* Runs `value` for every lane; lanes outside the mask keep what they have. */
#define FOR_LANES(D, loads, value)                                                                                     \
  if (LIKELY(w->mask == ALL_LANES)) {                                                                                  \
    LANE_LOOP { loads d[l] = S_##D(value); }                                                                           \
  } else {                                                                                                             \
    const u32 mask = w->mask;                                                                                          \
    LANE_LOOP {                                                                                                        \
      loads const C_##D v = S_##D(value);                                                                              \
      d[l] = mask >> l & 1u ? v : d[l];                                                                                \
    }                                                                                                                  \
  }
#define LOAD(name, T, p) const V_##T name = L_##T(p[l]);
#endif
