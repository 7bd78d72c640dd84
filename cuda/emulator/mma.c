/* mma.c: integer matrix instructions of a warp, exact; and the loads that feed them. Layouts: PTX ISA, "Matrix
   Fragments for mma" with .s8, .u8, .s4 and .u4, and ldmatrix. With g = lane / 4, t = lane % 4 and E elements in a
   register, register r holds of A: row g + 8 (r % 2), columns 4E (r / 2) + tE ...; of B: rows 4E r + tE ..., column g;
   of C, D: row g + 8 (r / 2), column 2t + r % 2. */
#include "mma.h"
#include "handlers.h"
#include "parse.h"

/* All lanes of the warp must be here. */
static bool whole_warp(Warp *w, const Insn *i, const Insn **next) {
  warp_absorb(w, i);
  if (w->mask == ALL_LANES) return true;
  if (!w->final && w->live == ALL_LANES)
    *next = warp_park(w, i);
  else
    *next = fault_at(w, i, FAULT_LANE, (u32)__builtin_ctz(w->mask), false, 0, "%s needs all 32 lanes, here are 0x%08x",
                     w->frame->fn->info[i->info].opcode, w->mask);
  return false;
}

static i32 element(u32 word, u32 index, u32 bits, bool is_signed) {
  u32 v = word >> (index * bits) & ((1u << bits) - 1u);
  return is_signed && v >> (bits - 1) ? (i32)(v - (1u << bits)) : (i32)v;
}

static const Insn *op_mma(Warp *w, const Insn *i) {
  const Mma *m = i->x.extra;
  const Insn *next;
  if (!whole_warp(w, i, &next)) return next;
  i32 a[16][64] = {{0}}, b[64][8] = {{0}};
  u32 per = 32 / m->bits, result[4][LANES];
  for (u32 l = 0; l < LANES; l++) {
    u32 g = l / 4, t = l % 4;
    for (u32 r = 0; r < m->a_regs; r++)
      for (u32 e = 0; e < per; e++)
        a[g + 8 * (r & 1)][4 * per * (r >> 1) + t * per + e] =
            element(REG(const u32, m->a[r])[l], e, m->bits, m->a_signed);
    for (u32 r = 0; r < m->b_regs; r++)
      for (u32 e = 0; e < per; e++)
        b[4 * per * r + t * per + e][g] = element(REG(const u32, m->b[r])[l], e, m->bits, m->b_signed);
  }
  for (u32 l = 0; l < LANES; l++)
    for (u32 r = 0; r < m->c_regs; r++) {
      u32 row = l / 4 + 8 * (r >> 1), column = 2 * (l % 4) + (r & 1);
      i64 sum = (i32)REG(const u32, m->c[r])[l];
      for (u32 k = 0; k < m->depth; k++) sum += (i64)a[row][k] * b[k][column];
      if (m->saturate) sum = sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum;
      result[r][l] = (u32)sum;
    }
  for (u32 r = 0; r < m->c_regs; r++) memcpy(REG(u32, m->d[r]), result[r], sizeof result[r]);
  return i + 1;
}

static const Insn *op_ldmatrix(Warp *w, const Insn *i) {
  const LoadMatrix *m = i->x.extra;
  const Insn *next;
  if (!whole_warp(w, i, &next)) return next;
  const u8 *row[LANES];
  u32 result[4][LANES];
  for (u32 l = 0; l < 8 * m->count; l++) {
    u64 base = m->mem.address == ~0u   ? 0
               : m->mem.narrow_address ? REG(const u32, m->mem.address)[l]
                                       : REG(const u64, m->mem.address)[l];
    u64 at = base + (u64)m->mem.offset;
    if (!(row[l] =
              lane_memory(w, i, l, m->mem.space, m->mem.space == SPACE_SHARED ? (u32)at : at, 16, false, false, NULL)))
      return i;
  }
  for (u32 j = 0; j < m->count; j++)
    for (u32 l = 0; l < LANES; l++) {
      u32 g = l / 4, t = l % 4;
      u16 low, high;
      memcpy(&low, m->transposed ? row[8 * j + 2 * t] + 2 * g : row[8 * j + g] + 4 * t, 2);
      memcpy(&high, m->transposed ? row[8 * j + 2 * t + 1] + 2 * g : row[8 * j + g] + 4 * t + 2, 2);
      result[j][l] = (u32)high << 16 | low;
    }
  for (u32 j = 0; j < m->count; j++) memcpy(REG(u32, m->d[j]), result[j], sizeof result[j]);
  return i + 1;
}

/* The registers of a vector operand with n elements. */
static void take_registers(Parser *p, const Statement *s, const Operand *o, u32 n, bool dest, u32 *to) {
  u32 have = o->kind == OPER_VECTOR ? o->count : 1;
  if (have != n) parse_fail(p, "'%s': an operand has %u registers instead of %u", s->opcode, have, n);
  for (u32 k = 0; k < n; k++) {
    const Operand *e = o->kind == OPER_VECTOR ? &o->elements[k] : o;
    to[k] = dest ? dest_slot(p, s, e, T_b32, T_b32) : source_slot(p, s, e, T_b32);
  }
}

static void lower_ldmatrix(Parser *p, Statement *s) {
  u32 n = has_part(s, "x4") ? 4 : has_part(s, "x2") ? 2 : has_part(s, "x1") ? 1 : 0;
  if (!n || !has_part(s, "m8n8") || !has_part(s, "b16") || s->guarded) {
    refuse(p, s, "is not an instruction that this emulator executes");
    return;
  }
  need(p, s, 2, 2);
  LoadMatrix *m = arena_alloc(p->module, sizeof *m);
  if (!m) parse_fail(p, "out of memory");
  m->mem = *address_operand(p, s, &s->operand[1],
                            has_part(s, "shared") || has_part(s, "shared::cta") ? SPACE_SHARED : SPACE_GENERIC);
  m->count = n, m->transposed = has_part(s, "trans");
  take_registers(p, s, &s->operand[0], n, true, m->d);
  Insn *i = emit(p, s, op_ldmatrix);
  i->x.extra = m;
  set_operands(p, i, 0, EXTRA_LDMATRIX);
}

/* mma.sync.aligned.m{8,16}n8kK.row.col{.satfinite}.s32.{s8,u8,s4,u4}.{…}.s32 d, a, b, c; any other mma is refused. */
void lower_matrix(Parser *p, Statement *s) {
  static const struct {
    const char *shape;
    u32 rows, depth, bits, a, b, c;
  } shapes[] = {{"m8n8k16", 8, 16, 8, 1, 1, 2}, {"m16n8k16", 16, 16, 8, 2, 1, 4}, {"m16n8k32", 16, 32, 8, 4, 2, 4},
                {"m8n8k32", 8, 32, 4, 1, 1, 2}, {"m16n8k32", 16, 32, 4, 2, 1, 4}, {"m16n8k64", 16, 64, 4, 4, 2, 4}};
  if (s->part[0][0] == 'l') {
    lower_ldmatrix(p, s);
    return;
  }
  u32 n = s->part_count;
  const char *a = n > 4 ? s->part[n - 3] : "", *b = n > 4 ? s->part[n - 2] : "";
  u32 bits = (a[0] == 's' || a[0] == 'u') && (b[0] == 's' || b[0] == 'u') && a[1] == b[1] && !a[2] && !b[2]
                 ? (u32)(a[1] - '0')
                 : 0;
  for (u32 k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
    if (!has_part(s, shapes[k].shape) || shapes[k].bits != bits || !has_part(s, "row") || !has_part(s, "col") ||
        strcmp(s->part[n - 1], "s32") || s->guarded || has_part(s, "sp"))
      continue;
    need(p, s, 4, 4);
    Mma *m = arena_alloc(p->module, sizeof *m);
    if (!m) parse_fail(p, "out of memory");
    *m = (Mma){shapes[k].rows, shapes[k].depth,          bits, shapes[k].a, shapes[k].b, shapes[k].c, a[0] == 's',
               b[0] == 's',    has_part(s, "satfinite"), {0},  {0},         {0},         {0}};
    take_registers(p, s, &s->operand[1], m->a_regs, false, m->a);
    take_registers(p, s, &s->operand[2], m->b_regs, false, m->b);
    take_registers(p, s, &s->operand[3], m->c_regs, false, m->c);
    take_registers(p, s, &s->operand[0], m->c_regs, true, m->d);
    Insn *i = emit(p, s, op_mma);
    i->x.extra = m;
    set_operands(p, i, 0, EXTRA_MMA);
    return;
  }
  refuse(p, s, "is refused: only integer matrix products are exact");
}
