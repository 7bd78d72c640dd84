/* leak.c: allocations that a program has when it gives up their context, or ends. */
#include "cuda_api.h"
#include <stdio.h>

enum { ALL_CONTEXTS = -1, FREED_AT_ONCE = 64 };
typedef struct {
  i64 context;
  u64 count, bytes, first[FREED_AT_ONCE];
  const Alloc *example;
} Leaks;

static void count_leak(Alloc *al, void *arg) {
  Leaks *found = arg;
  if (al->kind == ALLOC_MODULE || al->kind == ALLOC_CONST) return;
  if (found->context != ALL_CONTEXTS && al->owner != (u32)found->context) return;
  if (!found->count) found->example = al;
  if (found->count < FREED_AT_ONCE) found->first[found->count] = al->base;
  found->count++, found->bytes += al->size;
}

static void report_leaks(const Leaks *found) {
  if (!found->count || !(driver.checks & CHECK_LEAK)) return;
  Fault f = {.kind = FAULT_LEAK, .has_address = true, .address = found->example->base};
  (void)snprintf(f.allocation, sizeof f.allocation, "#%u of %llu bytes at 0x%llx", found->example->id,
                 (unsigned long long)found->example->size, (unsigned long long)found->example->base);
  (void)snprintf(f.message, sizeof f.message, "%llu allocation%s of %llu bytes %s never freed",
                 (unsigned long long)found->count, found->count == 1 ? "" : "s", (unsigned long long)found->bytes,
                 found->count == 1 ? "was" : "were");
  driver.last_fault = f;
  fault_json(&f, driver.last_json, sizeof driver.last_json);
  if (!driver.options.quiet) (void)fprintf(stderr, "%s\n", driver.last_json);
}

/* What the context still has is reported, and freed with it. */
void leaks_of_context(u32 context) {
  Leaks found = {.context = context};
  mem_each(count_leak, &found);
  report_leaks(&found);
  while (found.count) {
    for (u64 k = 0; k < found.count && k < FREED_AT_ONCE; k++) (void)mem_free(found.first[k]);
    found = (Leaks){.context = context};
    mem_each(count_leak, &found);
  }
}
__attribute__((destructor)) static void leaks_at_exit(void) {
  Leaks found = {.context = ALL_CONTEXTS};
  mem_each(count_leak, &found);
  report_leaks(&found);
}
