/* approx.c: approximate instructions under --allow-approx, and multiplications fused with the addition behind them. */
#include "approx.h"
#include "bits.h"
#include "handlers.h"
#include "lane.h"
#include "parse.h"
#include <stdlib.h>

typedef struct {
  double ulps, relative, absolute;
} Bound;
#define ULPS(n)     ((Bound){.ulps = (n)})
#define RELATIVE(x) ((Bound){.relative = (x)})
#define ABSOLUTE(x) ((Bound){.absolute = (x)})

static u64 mix(u64 x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

/* The value, or one drawn from its bound: a device's instruction is a function of its operands, so the draw depends on
   them, the instruction and the seed alone. One draw in four lies on an end of the bound. */
static float draw(const Warp *w, const Insn *i, double exact, Bound bound, u64 operands) {
  const Launch *l = w->launch;
  float nearest = (float)exact;
  i64 site = (i64)(w->frame->fn->code_base + i->info);
  if (l->approx.mode < 2 || (l->approx.site >= 0 && l->approx.site != site) || nearest - nearest != 0.0f ||
      exact == 0.0)
    return nearest;
  u64 r = mix(l->approx.seed * 0x9e3779b97f4a7c15ull + mix((u64)site ^ mix(operands)));
  float up = nextafterf(fabsf(nearest), INFINITY), unit = up - fabsf(nearest);
  double radius = bound.ulps * (double)unit + bound.relative * fabs(exact) + bound.absolute;
  double t = (r & 3) == 0 ? (r & 4 ? 1.0 : -1.0) : (double)(i64)r * 0x1p-63;
  float v = (float)(exact + t * radius);
  if (fabs((double)v - exact) > radius) v = nextafterf(v, (float)exact); /* rounding must not leave the bound */
  return fabs((double)v - exact) > radius ? nearest : v;
}

#define APPROX1(name, names, D, A, value, bound)                                                                       \
  static const Insn *op_##name(Warp *w, const Insn *i) {                                                               \
    for (u32 m = w->mask; m; m &= m - 1) {                                                                             \
      u32 l = (u32)__builtin_ctz(m);                                                                                   \
      u64 bits = SLOT(A, i->a)[l];                                                                                     \
      const double a = (double)L_##A(SLOT(A, i->a)[l]);                                                                \
      SLOT(D, i->d)[l] = S_##D(draw(w, i, value, bound, bits));                                                        \
    }                                                                                                                  \
    return i + 1;                                                                                                      \
  }
#define APPROX2(name, names, D, A, B, value, bound)                                                                    \
  static const Insn *op_##name(Warp *w, const Insn *i) {                                                               \
    for (u32 m = w->mask; m; m &= m - 1) {                                                                             \
      u32 l = (u32)__builtin_ctz(m);                                                                                   \
      u64 bits = (u64)SLOT(A, i->a)[l] << 32 | SLOT(B, i->b)[l];                                                       \
      const double a = (double)L_##A(SLOT(A, i->a)[l]), b = (double)L_##B(SLOT(B, i->b)[l]);                           \
      SLOT(D, i->d)[l] = S_##D(draw(w, i, value, bound, bits));                                                        \
    }                                                                                                                  \
    return i + 1;                                                                                                      \
  }
#include "ops/approx.def"
#undef APPROX1
#undef APPROX2
#define APPROX1(name, names, D, A, value, bound)    {names, op_##name, NULL, {T_##D, T_##A}, #value},
#define APPROX2(name, names, D, A, B, value, bound) {names, op_##name, NULL, {T_##D, T_##A, T_##B}, #value},
static const Row rows[] = {
#include "ops/approx.def"
};

const Row *approx_find(const char *opcode) {
  size_t n = strlen(opcode);
  for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
    for (const char *at = rows[k].names; (at = strstr(at, opcode)); at += n)
      if ((at == rows[k].names || at[-1] == ' ') && (at[n] == ' ' || !at[n])) return &rows[k];
  return NULL;
}

/* ---- a mul that ptxas may fuse with an add or sub ---- */
/* Pairs of an unsuffixed addition or subtraction and the last unsuffixed multiplication before it whose result it
 * reads. */
void fusable_pairs(Function *f, void *(*allocate)(void *, size_t), void *arg) {
  u32 adds = 0, muls = 0;
  for (u32 k = 0; k < f->count; k++)
    adds += (f->code[k].flags & INSN_FUSABLE_ADD) != 0, muls += (f->code[k].flags & INSN_FUSABLE_MUL) != 0;
  if (!adds || !muls) return;
  u32 *last =
      allocate(arg, (f->reg_bytes / SLOT_UNIT + 1) * sizeof *last); /* 1 + the last multiplication into a slot */
  f->fusable = allocate(arg, adds * sizeof *f->fusable);
  if (!last || !f->fusable) return;
  for (u32 k = 0; k < f->count; k++) {
    const Insn *i = &f->code[k];
    if (i->flags & INSN_FUSABLE_ADD) {
      const u32 a = last[i->a / SLOT_UNIT], b = last[i->b / SLOT_UNIT], mul = a > b ? a : b;
      if (mul) f->fusable[f->fusable_count++] = (struct FusablePair){k, mul - 1, NULL};
    }
    if (i->flags & INSN_FUSABLE_MUL) last[i->d / SLOT_UNIT] = k + 1;
  }
}

static const struct FusablePair *pair_of(const Function *f, const Insn *i) {
  for (u32 k = 0; k < f->fusable_count; k++)
    if (&f->code[f->fusable[k].add] == i) return &f->fusable[k];
  return NULL;
}
static const Insn *op_fused(Warp *w, const Insn *i) {
  const Function *f = w->frame->fn;
  const struct FusablePair *p = pair_of(f, i);
  const Insn *mul = &f->code[p->mul];
  bool sub = f->info[i->info].opcode[0] == 's', wide = strstr(f->info[i->info].opcode, "f64") != NULL,
       left = mul->d == i->a;
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 l = (u32)__builtin_ctz(m);
    if (wide) {
      double a = as_f64(REG(u64, mul->a)[l]), b = as_f64(REG(u64, mul->b)[l]),
             c = as_f64(REG(u64, left ? i->b : i->a)[l]);
      REG(u64, i->d)[l] = canon64(fma(sub && !left ? -a : a, b, sub && left ? -c : c));
    } else {
      float a = as_f32(REG(u32, mul->a)[l]), b = as_f32(REG(u32, mul->b)[l]),
            c = as_f32(REG(u32, left ? i->b : i->a)[l]);
      REG(u32, i->d)[l] = canon32(fmaf(sub && !left ? -a : a, b, sub && left ? -c : c));
    }
  }
  return i + 1;
}
/* Puts fused handlers into the additions, or the plain ones back. `site` < 0: all. */
void fuse(const Function *f, bool on, i64 site) {
  for (u32 k = 0; k < f->fusable_count; k++) {
    struct FusablePair *p = &f->fusable[k];
    Insn *add = &f->code[p->add];
    const char *op = f->info[add->info].opcode;
    if ((site >= 0 && site != (i64)(f->code_base + add->info)) || strstr(op, "f16") || strstr(op, "x2") ||
        strstr(op, "sat") || strstr(op, "ftz"))
      continue;
    Handler **at = add->fn == isa_current()->guarded ? &add->inner : &add->fn;
    if (on && !p->plain)
      p->plain = *at, *at = op_fused;
    else if (!on && p->plain)
      *at = p->plain, p->plain = NULL;
  }
}
