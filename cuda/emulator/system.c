/* system.c: printf and assert, which nvcc's kernels call as functions of the system. */
#include "handlers.h"
#include <stdio.h>

/* One argument of a call, in the frame of the caller. */
static u64 argument(const Warp *w, const Call *c, u32 k, u32 lane) {
  u64 v = 0;
  if (k >= c->count) return 0;
  memcpy(&v, w->local + (size_t)lane * w->launch->local_size + w->frame->local_base + c->from[k],
         c->size[k] < 8 ? c->size[k] : 8);
  return v;
}
/* A string of global memory, at most n - 1 bytes of it. */
static void read_text(u64 address, char *text, size_t n) {
  size_t k = 0;
  const Alloc *al = mem_find(address);
  if (al)
    for (; k + 1 < n && address + k < al->base + al->size; k++) {
      text[k] = *(const char *)(uintptr_t)(address + k);
      if (!text[k]) break;
    }
  text[k] = 0;
}

const Insn *op_assertfail(Warp *w, const Insn *i) {
  const Call *c = i->x.extra;
  u32 lane = (u32)__builtin_ctz(w->mask);
  char message[160], file[120], function[80];
  read_text(argument(w, c, 0, lane), message, sizeof message);
  read_text(argument(w, c, 1, lane), file, sizeof file);
  read_text(argument(w, c, 3, lane), function, sizeof function);
  return fault_at(w, i, FAULT_ASSERT, lane, false, 0, "assertion `%s' failed at %s:%u in %s", message, file,
                  (u32)argument(w, c, 2, lane), function);
}

/* Prints one conversion with the next argument of the buffer; returns the bytes that the argument takes. */
static u32 print_one(const char *spec, size_t n, const u8 *buffer, u32 at) {
  char format[48], text[256];
  u64 v = 0;
  char kind = spec[n - 1];
  if (n >= sizeof format - 2 || memchr(spec, '*', n)) return 0;
  bool is_long = memchr(spec, 'l', n) || memchr(spec, 'z', n) || kind == 'p' || kind == 's',
       is_float = strchr("aAeEfFgG", kind) != NULL;
  u32 size = is_long || is_float ? 8 : 4;
  at = (at + size - 1) & ~(size - 1);
  memcpy(&v, buffer + at, size);
  size_t o = 0;
  for (size_t k = 0; k < n; k++)
    if (!strchr("lhzjt", spec[k]) || !spec[k]) format[o++] = spec[k];
  format[o] = 0;
  if (is_float) {
    double d;
    memcpy(&d, &v, 8);
    printf(format, d);
  } else if (kind == 's') {
    read_text(v, text, sizeof text);
    printf(format, text);
  } else if (kind == 'p')
    printf(format, (void *)(uintptr_t)v);
  else if (kind == 'c')
    printf(format, (int)v);
  else if (is_long) {
    memmove(format + o + 1, format + o - 1, 2);
    format[o - 1] = 'l', format[o] = 'l', format[o + 1] = kind, format[o + 2] = 0;
    printf(format, v);
  } else
    printf(format, (u32)v);
  return at + size;
}

/* vprintf(format, buffer): the arguments lie in the buffer at their natural alignment. */
const Insn *op_printf(Warp *w, const Insn *i) {
  const Call *c = i->x.extra;
  static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
  for (u32 m = w->mask; m; m &= m - 1) {
    u32 lane = (u32)__builtin_ctz(m), at = 0;
    char format[1024];
    u8 buffer[1024] = {0};
    u64 source = argument(w, c, 1, lane);
    read_text(argument(w, c, 0, lane), format, sizeof format);
    if (source - LOCAL_WINDOW < WINDOW_SIZE && source - LOCAL_WINDOW < w->launch->local_size) {
      u64 offset = source - LOCAL_WINDOW, room = w->launch->local_size - offset;
      memcpy(buffer, w->local + (size_t)lane * w->launch->local_size + offset,
             room < sizeof buffer - 8 ? room : sizeof buffer - 8);
    }
    pthread_mutex_lock(&one_at_a_time);
    for (const char *s = format; *s;) {
      if (*s != '%') {
        putchar(*s++);
        continue;
      }
      if (s[1] == '%') {
        putchar('%');
        s += 2;
        continue;
      }
      size_t n = 1 + strcspn(s + 1, "diouxXaAeEfFgGcspn%");
      if (!s[n]) break;
      n++;
      if (at < sizeof buffer - 16 && s[n - 1] != 'n') at = print_one(s, n, buffer, at);
      s += n;
    }
    (void)fflush(stdout);
    pthread_mutex_unlock(&one_at_a_time);
    if (c->ret_size >= 4) {
      i32 done = 1;
      memcpy(w->local + (size_t)lane * w->launch->local_size + w->frame->local_base + c->ret_to, &done, 4);
      if (w->local_init)
        memset(w->local_init + (size_t)lane * w->launch->local_size + w->frame->local_base + c->ret_to, 1, 4);
    }
  }
  return i + 1;
}
