/* Random valid kernels: the bytes choose a program of 32-bit registers (integers and f32, branches, loops, shared
   memory, shuffles), which is written as PTX for the emulator and interpreted here, thread by thread, in C. Both must
   agree in every bit, and the emulator may not accuse the kernel of anything. */
#include "cuda/emulator/cuda_api.h"
#include "cuda/emulator/cuda_entry.h"
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REGISTERS = 8, THREADS = 96, BLOCKS = 2, MOST = 120, TEXT = 1 << 16, DEPTH = 4 };
typedef enum { OPERATION, SELECT, IF, LOOP, EXCHANGE, SHUFFLE, VOTE, KINDS } Kind;
typedef struct {
  uint8_t kind, op, d, a, b, c;
  uint32_t imm;
  int body, body_end, other, other_end; /* statements of an IF or LOOP */
} Statement;
typedef struct {
  Statement s[MOST];
  int count, end; /* end: of the top level */
  const uint8_t *bytes;
  size_t left;
  char *text;
  size_t used;
  int labels;
} Program;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t next_byte(Program *p) {
  if (!p->left) return 0;
  p->left--;
  return *p->bytes++;
}
static void say(Program *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(Program *p, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(p->text + p->used, TEXT - p->used, format, args);
  va_end(args);
  if (n > 0) p->used += (size_t)n;
  if (p->used >= TEXT - 256) abort();
}

/* ---- operations: PTX and C ---- */
static float f_of(uint32_t v) {
  float f;
  memcpy(&f, &v, 4);
  return f;
}
static uint32_t of_f(float f) {
  uint32_t v;
  memcpy(&v, &f, 4);
  return isnan(f) ? 0x7fffffffu : v;
}
static float f_min(float a, float b) {
  return isnan(a) ? b : isnan(b) ? a : a < b ? a : b < a ? b : signbit(a) ? a : b;
}
static uint32_t to_s32(float f) {
  f = rintf(f);
  return isnan(f) ? 0 : f >= 0x1p31f ? 0x7fffffffu : f < -0x1p31f ? 0x80000000u : (uint32_t)(int32_t)f;
}
static uint32_t perm(uint32_t a, uint32_t b, uint32_t c) {
  uint64_t pool = (uint64_t)b << 32 | a;
  uint32_t r = 0;
  for (int k = 0; k < 4; k++) {
    uint32_t n = c >> (4 * k) & 15, v = (uint32_t)(pool >> (8 * (n & 7))) & 255;
    r |= (n & 8 ? (v & 128 ? 255u : 0u) : v) << (8 * k);
  }
  return r;
}
#define OPERATIONS(X)                                                                                                  \
  X("add.u32 $d, $a, $b;", a + b)                                                                                      \
  X("sub.s32 $d, $a, $b;", a - b)                                                                                      \
  X("mul.lo.s32 $d, $a, $b;", a *b)                                                                                    \
  X("mul.hi.s32 $d, $a, $b;", (uint32_t)(((int64_t)(int32_t)a * (int32_t)b) >> 32))                                    \
  X("mad.lo.u32 $d, $a, $b, $c;", a *b + c)                                                                            \
  X("mul.wide.u32 %w0, $a, $b; mov.b64 {$d, %t}, %w0; xor.b32 $d, $d, %t;",                                            \
    (uint32_t)((uint64_t)a * b) ^ (uint32_t)(((uint64_t)a * b) >> 32))                                                 \
  X("and.b32 $d, $a, $b;", a &b)                                                                                       \
  X("or.b32 $d, $a, $b;", a | b)                                                                                       \
  X("xor.b32 $d, $a, $b;", a ^ b)                                                                                      \
  X("not.b32 $d, $a;", ~a)                                                                                             \
  X("shl.b32 $d, $a, $k;", k > 31 ? 0 : a << k)                                                                        \
  X("shr.u32 $d, $a, $k;", k > 31 ? 0 : a >> k)                                                                        \
  X("shr.s32 $d, $a, $b;", (uint32_t)((int32_t)a >> (b > 31 ? 31 : b)))                                                \
  X("min.s32 $d, $a, $b;", (int32_t)a < (int32_t)b ? a : b)                                                            \
  X("max.u32 $d, $a, $b;", a > b ? a : b)                                                                              \
  X("mov.b32 $d, $i;", imm)                                                                                            \
  X("mov.b32 %t, $i; prmt.b32 $d, $a, $b, %t;", perm(a, b, imm))                                                       \
  X("lop3.b32 $d, $a, $b, $c, 0x96;", a ^ b ^ c)                                                                       \
  X("popc.b32 $d, $a;", (uint32_t)__builtin_popcount(a))                                                               \
  X("cvt.s32.s8 $d, $a;", (uint32_t)(int8_t)a)                                                                         \
  X("cvt.u32.u16 $d, $a;", a & 0xffffu)                                                                                \
  X("add.rn.f32 $d, $a, $b;", of_f(f_of(a) + f_of(b)))                                                                 \
  X("mul.rn.f32 $d, $a, $b;", of_f(f_of(a) * f_of(b)))                                                                 \
  X("fma.rn.f32 $d, $a, $b, $c;", of_f(fmaf(f_of(a), f_of(b), f_of(c))))                                               \
  X("div.rn.f32 $d, $a, $b;", of_f(f_of(a) / f_of(b)))                                                                 \
  X("min.f32 $d, $a, $b;", of_f(f_min(f_of(a), f_of(b))))                                                              \
  X("cvt.rni.s32.f32 $d, $a;", to_s32(f_of(a)))                                                                        \
  X("cvt.rn.f32.s32 $d, $a;", of_f((float)(int32_t)a))
#define FORMAT(format, value) format,
static const char *const formats[] = {OPERATIONS(FORMAT)};
enum { OPERATION_COUNT = sizeof formats / sizeof *formats };
static uint32_t operate(int op, uint32_t a, uint32_t b, uint32_t c, uint32_t imm) {
  const uint32_t k = imm & 63;
  int at = 0;
#define VALUE(format, value)                                                                                           \
  if (op == at++) return value;
  OPERATIONS(VALUE)
  (void)k, (void)at;
  return 0;
}

/* ---- the program from bytes ---- */
/* Makes `statements` statements side by side; returns how many there was room for. */
static int build(Program *p, int depth, int statements) {
  const int first = p->count, room = MOST - p->count;
  if (statements > room) statements = room;
  p->count += statements;
  for (int i = first; i < first + statements; i++) {
    Statement *s = &p->s[i];
    const int kinds = depth ? EXCHANGE : KINDS; /* what all threads must reach stands at the top */
    s->kind = next_byte(p) % 4 ? OPERATION : (uint8_t)(next_byte(p) % kinds);
    s->op = next_byte(p) % OPERATION_COUNT;
    s->d = next_byte(p) % REGISTERS, s->a = next_byte(p) % REGISTERS, s->b = next_byte(p) % REGISTERS,
    s->c = next_byte(p) % REGISTERS;
    s->imm = next_byte(p) | (uint32_t)next_byte(p) << 8 | (uint32_t)next_byte(p) << 24;
    if ((s->kind == IF || s->kind == LOOP) && depth == DEPTH) s->kind = SELECT;
    if (s->kind != IF && s->kind != LOOP) continue;
    s->body = p->count, s->body_end = s->body + build(p, depth + 1, 1 + next_byte(p) % 3);
    s->other = s->other_end = p->count;
    if (s->kind == IF) s->other_end = s->other + build(p, depth + 1, next_byte(p) % 3);
  }
  return statements;
}

/* ---- as PTX ---- */
static void say_operation(Program *p, const Statement *s) {
  for (const char *at = formats[s->op]; *at; at++) {
    if (*at != '$')
      say(p, "%c", *at);
    else if (*++at == 'k')
      say(p, "%u", (unsigned)(s->imm & 63));
    else if (*at == 'i')
      say(p, "%u", (unsigned)s->imm);
    else
      say(p, "%%r%d", *at == 'd' ? s->d : *at == 'a' ? s->a : *at == 'b' ? s->b : s->c);
  }
  say(p, "\n");
}
static void say_list(Program *p, int from, int to, int depth) {
  for (int i = from; i < to; i++) {
    const Statement *s = &p->s[i];
    const int label = p->labels++;
    switch (s->kind) {
    case OPERATION:
      say_operation(p, s);
      break;
    case SELECT:
      say(p, "setp.lt.s32 %%p1, %%r%d, %%r%d;\n", s->a, s->b);
      if (s->imm & 1)
        say(p, "selp.b32 %%r%d, %%r%d, %%r%d, %%p1;\n", s->d, s->c, s->b);
      else
        say(p, "mov.b32 %%t, %%r%d;\n@!%%p1 mov.b32 %%t, %%r%d;\nmov.b32 %%r%d, %%t;\n", s->c, s->b, s->d);
      break;
    case IF:
      say(p, "and.b32 %%t, %%r%d, 1;\nsetp.ne.u32 %%p1, %%t, 0;\n@!%%p1 bra E%d;\n", s->a, label);
      say_list(p, s->body, s->body_end, depth + 1);
      say(p, "bra D%d;\nE%d:\n", label, label);
      say_list(p, s->other, s->other_end, depth + 1);
      say(p, "D%d:\n", label);
      break;
    case LOOP:
      say(p, "and.b32 %%n%d, %%r%d, 3;\nH%d:\nsetp.eq.u32 %%p1, %%n%d, 0;\n@%%p1 bra D%d;\n", depth, s->a, label, depth,
          label);
      say_list(p, s->body, s->body_end, depth + 1);
      say(p, "sub.u32 %%n%d, %%n%d, 1;\nbra H%d;\nD%d:\n", depth, depth, label, label);
      break;
    case EXCHANGE:
      say(p,
          "st.shared.b32 [%%own], %%r%d;\nbar.sync 0;\nadd.u32 %%t, %%tid0, %u;\nrem.u32 %%t, %%t, %d;\nshl.b32 %%t, "
          "%%t, 2;\nadd.u32 %%t, %%t, %%base;\nld.shared.b32 %%r%d, [%%t];\nbar.sync 0;\n",
          s->a, (unsigned)(s->imm % THREADS), THREADS, s->d);
      break;
    case SHUFFLE:
      say(p, "shfl.sync.bfly.b32 %%r%d, %%r%d, %u, 31, -1;\n", s->d, s->a, (unsigned)(s->imm & 31));
      break;
    default:
      say(p, "and.b32 %%t, %%r%d, 1;\nsetp.ne.u32 %%p1, %%t, 0;\nvote.sync.ballot.b32 %%r%d, %%p1, -1;\n", s->a, s->d);
    }
  }
}
static void say_kernel(Program *p) {
  say(p,
      ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 from, .param .u64 to)\n{\n"
      ".reg .pred %%p<3>;\n.reg .b32 %%r<%d>, %%n<%d>, %%t, %%tid0, %%own, %%base, %%x;\n.reg .b64 %%w<3>, %%a<3>;\n"
      ".shared .align 4 .b8 buffer[%d];\nmov.u32 %%tid0, %%tid.x;\nmov.u32 %%base, buffer;\n"
      "mad.lo.u32 %%own, %%tid0, 4, %%base;\nmov.u32 %%x, %%ctaid.x;\nmad.lo.u32 %%x, %%x, %d, %%tid0;\n"
      "mul.wide.u32 %%w1, %%x, %d;\nld.param.u64 %%a0, [from];\nadd.u64 %%a0, %%a0, %%w1;\nld.param.u64 %%a1, [to];\n"
      "add.u64 %%a1, %%a1, %%w1;\n",
      REGISTERS, DEPTH + 1, THREADS * 4, THREADS, REGISTERS * 4);
  for (int k = 0; k < REGISTERS; k++) say(p, "ld.global.b32 %%r%d, [%%a0+%d];\n", k, 4 * k);
  say_list(p, 0, p->end, 0);
  for (int k = 0; k < REGISTERS; k++) say(p, "st.global.b32 [%%a1+%d], %%r%d;\n", 4 * k, k);
  say(p, "ret;\n}\n");
}

/* ---- in C ---- */
static void interpret(const Program *p, int from, int to, uint32_t *r) {
  for (int i = from; i < to; i++) {
    const Statement *s = &p->s[i];
    if (s->kind == OPERATION)
      r[s->d] = operate(s->op, r[s->a], r[s->b], r[s->c], s->imm);
    else if (s->kind == SELECT)
      r[s->d] = (int32_t)r[s->a] < (int32_t)r[s->b] ? r[s->c] : r[s->b];
    else if (s->kind == IF) {
      if (r[s->a] & 1)
        interpret(p, s->body, s->body_end, r);
      else
        interpret(p, s->other, s->other_end, r);
    } else
      for (uint32_t n = r[s->a] & 3; n; n--) interpret(p, s->body, s->body_end, r);
  }
}
static void interpret_block(const Program *p, uint32_t r[THREADS][REGISTERS]) {
  for (int i = 0; i < p->end; i++) {
    const Statement *s = &p->s[i];
    uint32_t old[THREADS];
    for (int t = 0; t < THREADS; t++) old[t] = r[t][s->a];
    for (int t = 0; t < THREADS; t++)
      if (s->kind < EXCHANGE)
        interpret(p, i, i + 1, r[t]);
      else if (s->kind == EXCHANGE)
        r[t][s->d] = old[((uint32_t)t + s->imm % THREADS) % THREADS];
      else if (s->kind == SHUFFLE)
        r[t][s->d] = old[t ^ (int)(s->imm & 31)];
      else {
        r[t][s->d] = 0;
        for (int l = 0; l < 32; l++) r[t][s->d] |= (old[(t & ~31) + l] & 1) << l;
      }
  }
}

/* ---- both ---- */
static void must(CUresult r, const char *what) {
  if (!r) return;
  fprintf(stderr, "%s: %d\n", what, r);
  abort();
}
static void run(const Program *p, const uint32_t *from, uint32_t *to, size_t bytes) {
  CUmodule module;
  CUfunction f;
  CUdeviceptr a, b;
  must(cuModuleLoadData(&module, p->text), "cuModuleLoadData");
  must(cuModuleGetFunction(&f, module, "k"), "cuModuleGetFunction");
  must(cuMemAlloc_v2(&a, bytes), "cuMemAlloc"), must(cuMemAlloc_v2(&b, bytes), "cuMemAlloc");
  must(cuMemcpyHtoD_v2(a, from, bytes), "cuMemcpyHtoD");
  must(cuLaunchKernel(f, BLOCKS, 1, 1, THREADS, 1, 1, 0, NULL, (void *[]){&a, &b}, NULL), "cuLaunchKernel");
  must(cuMemcpyDtoH_v2(to, b, bytes), "cuMemcpyDtoH");
  must(cuMemFree_v2(a), "cuMemFree"), must(cuMemFree_v2(b), "cuMemFree"),
      must(cuModuleUnload(module), "cuModuleUnload");
}
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint32_t in[BLOCKS][THREADS][REGISTERS], got[BLOCKS][THREADS][REGISTERS];
  static bool ready;
  static char text[TEXT];
  Program p = {.bytes = data, .left = size, .text = text};
  if (!ready) {
    CUcontext context;
    (void)setenv("SAMEBITS_EMU_DEVICES", "sm_90", 1), (void)setenv("SAMEBITS_EMU_THREADS", "1", 1);
    must(cuInit(0), "cuInit"), must(cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain");
    must(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    ready = true;
  }
  uint64_t state = 0x9e3779b97f4a7c15ull + size;
  for (uint32_t *x = &in[0][0][0], k = 0; k < BLOCKS * THREADS * REGISTERS; k++) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    x[k] = k % 3 ? (uint32_t)(state >> 20) : of_f((float)(int32_t)(state >> 40 & 0xffff) * 0x1p-6f - 300.0f);
  }
  p.end = build(&p, 0, 4 + next_byte(&p) % 24);
  say_kernel(&p);
  run(&p, &in[0][0][0], &got[0][0][0], sizeof in);
  for (int b = 0; b < BLOCKS; b++) interpret_block(&p, in[b]);
  if (!memcmp(in, got, sizeof in)) return 0;
  fprintf(stderr, "%s", text);
  for (int b = 0; b < BLOCKS; b++)
    for (int t = 0; t < THREADS; t++)
      for (int k = 0; k < REGISTERS; k++)
        if (in[b][t][k] != got[b][t][k]) {
          fprintf(stderr, "block %d, thread %d, register %d: %08x, the interpreter has %08x\n", b, t, k, got[b][t][k],
                  in[b][t][k]);
          abort();
        }
  return 0;
}
