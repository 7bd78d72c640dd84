/* fault.c: a broken rule: what, where, by whom. */
#include "handlers.h"
#include <stdarg.h>
#include <stdio.h>

const char *fault_name(FaultKind k) {
  static const char *const names[] = {"none",
                                      "out-of-bounds",
                                      "misaligned",
                                      "uninitialized-read",
                                      "shared-race",
                                      "global-race",
                                      "barrier-divergence",
                                      "missing-lane",
                                      "bad-parameter",
                                      "trap",
                                      "assert",
                                      "timeout",
                                      "stack-overflow",
                                      "write-to-input",
                                      "nc-load-of-written",
                                      "leak",
                                      "refused",
                                      "internal"};
  return (size_t)k < sizeof names / sizeof names[0] ? names[k] : "internal";
}

u32 checks_from_text(const char *text) {
  static const struct {
    const char *name;
    u32 bits;
  } names[] = {{"all", CHECK_ALL},
               {"none", 0},
               {"bounds", CHECK_BOUNDS},
               {"align", CHECK_ALIGN},
               {"uninitialized", CHECK_INIT_GLOBAL | CHECK_INIT_SHARED | CHECK_INIT_LOCAL},
               {"uninitialized-global", CHECK_INIT_GLOBAL},
               {"uninitialized-shared", CHECK_INIT_SHARED},
               {"uninitialized-local", CHECK_INIT_LOCAL},
               {"shared-race", CHECK_SHARED_RACE},
               {"global-race", CHECK_GLOBAL_RACE},
               {"barrier", CHECK_BARRIER},
               {"lanes", CHECK_LANES},
               {"nc", CHECK_NC},
               {"leak", CHECK_LEAK},
               {"budget", CHECK_BUDGET}};
  u32 r = 0;
  if (!text || !*text) return CHECK_ALL;
  while (*text) {
    size_t n = strcspn(text, ",");
    bool minus = *text == '-';
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
      if (strlen(names[k].name) == n - minus && !memcmp(text + minus, names[k].name, n - minus))
        r = minus ? r & ~names[k].bits : r | names[k].bits;
    text += n;
    if (*text == ',') text++;
  }
  return r;
}

static void describe_memory(Fault *f, u64 address) {
  const Alloc *al = mem_find(address);
  if (!al && address >= 1) { /* just behind the end of something? */
    for (u64 back = 1; back < (2ull << GRANULE_SHIFT) && !al; back <<= 1) al = mem_find(address - back);
    for (u64 ahead = 1; ahead < (1ull << GRANULE_SHIFT) && !al; ahead <<= 1) al = mem_find(address + ahead);
  }
  if (!al) return;
  i64 at = (i64)(address - al->base);
  (void)snprintf(f->allocation, sizeof f->allocation, "#%u of %llu bytes at 0x%llx, offset %lld", al->id,
                 (unsigned long long)al->size, (unsigned long long)al->base, (long long)at);
}

const Insn *fault_at(Warp *w, const Insn *i, FaultKind kind, u32 lane, bool has_address, u64 address,
                     const char *format, ...) {
  Block *b = w->block;
  const Function *fn = w->frame->fn;
  if (b->faulted) {
    w->limit = NULL;
    return i;
  }
  Fault *f = &b->fault;
  *f = (Fault){.kind = kind, .has_address = has_address, .address = address, .block_index = b->index};
  (void)snprintf(f->kernel, sizeof f->kernel, "%s", w->launch->fn->name);
  if (i >= fn->code && i < fn->code + fn->count) {
    const InsnInfo *info = &fn->info[i->info];
    (void)snprintf(f->opcode, sizeof f->opcode, "%s", info->opcode);
    f->ptx_line = info->ptx_line, f->line = info->line;
    if (info->file && info->file < fn->module->file_count && fn->module->files[info->file])
      (void)snprintf(f->file, sizeof f->file, "%s", fn->module->files[info->file]);
  }
  for (u32 k = 0; k < 3; k++) f->block[k] = b->id[k], f->thread[k] = w->tid[k][lane & 31u];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(f->message, sizeof f->message, format, args);
  va_end(args);
  if (has_address && address >= CODE_WINDOW + WINDOW_SIZE) describe_memory(f, address);
  b->faulted = true;
  w->limit = NULL;
  return i;
}
