/* sb_run: the rows of a computation, spread over threads, by the code of one instruction set. */
#include "ref/affine_recipe.h"
#include "ref/registry.h"
#include "ref/team.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

const char *const sb_isa_names[SB_ISAS] = {"best", "portable", "avx2", "avx512"};

bool sb_isa_available(sb_isa isa) {
  switch (isa) {
  case SB_ISA_BEST:
  case SB_ISA_PORTABLE:
    return true;
#if defined(__x86_64__)
  case SB_ISA_AVX2:
    return sb_registry[SB_ISA_AVX2] && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  case SB_ISA_AVX512:
    return sb_registry[SB_ISA_AVX512] && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512cd");
#endif
  default:
    return false;
  }
}

static sb_isa best_isa(void) {
  for (int isa = SB_ISAS - 1; isa > SB_ISA_PORTABLE; isa--) {
    if (sb_isa_available((sb_isa)isa)) return (sb_isa)isa;
  }
  return SB_ISA_PORTABLE;
}

/* What the threads of a run share: each takes the next rows until there are none, so that a slower one holds up nobody.
 */
typedef struct queue {
  const sb_job *job;
  int64_t rows, portion;
  int8_t *codes_rows; /* one a thread, where packed codes are wanted without the codes */
  atomic_int_least64_t next;
} queue;

static void run_share(void *shared, int member) {
  queue *q = shared;
  int8_t *codes_row = q->codes_rows ? q->codes_rows + member * q->job->cols : NULL;
  for (int64_t begin; (begin = atomic_fetch_add(&q->next, q->portion)) < q->rows;) {
    const int64_t left = q->rows - begin;
    q->job->impl->rows(q->job, begin, begin + (left < q->portion ? left : q->portion), codes_row);
  }
}

static int thread_count(int wanted, int64_t rows, int64_t cols) {
  enum { WORTH_A_THREAD = 1 << 15 }; /* elements */
  int64_t threads = wanted > 0 ? wanted : sysconf(_SC_NPROCESSORS_ONLN);
  if (threads > rows) threads = rows;
  if (wanted <= 0 && rows * cols / threads < WORTH_A_THREAD) threads = rows * cols / WORTH_A_THREAD;
  if (threads > SB_TEAM_MOST) threads = SB_TEAM_MOST;
  return threads < 1 ? 1 : (int)threads;
}

static sb_status run_rows(const sb_job *job, int64_t rows, int threads) {
  enum { PORTIONS = 64 }; /* of a thread: many enough to even out, few enough to cost nothing */
  queue all = {.job = job,
               .rows = rows,
               .portion = threads == 1 ? rows : (rows + threads * PORTIONS - 1) / (threads * PORTIONS)};
  if (sb_wanted(job, SB_PACKED) && !sb_wanted(job, SB_CODES)) {
    all.codes_rows = malloc((size_t)threads * (size_t)job->cols);
    if (!all.codes_rows)
      return sb_fail(SB_NO_MEMORY, "out of memory: %d rows of %lld codes", threads, (long long)job->cols);
  }
  sb_team_run(run_share, &all, threads);
  free(all.codes_rows);
  return SB_OK;
}

static sb_status check_tensor(const sb_spec *spec, const char *slot, const sb_tensor *given, const sb_tensor *wanted,
                              bool any_format) {
  if (given->rank != wanted->rank || given->dims[0] != wanted->dims[0] || given->dims[1] != wanted->dims[1]) {
    return sb_fail(SB_INVALID, "%s: %s is %lldx%lld (rank %d), not %lldx%lld", spec->recipe->name, slot,
                   (long long)given->dims[0], (long long)given->dims[1], given->rank, (long long)wanted->dims[0],
                   (long long)wanted->dims[1]);
  }
  if (!any_format && given->format != wanted->format) {
    return sb_fail(SB_INVALID, "%s: %s has format %s, not %s", spec->recipe->name, slot,
                   sb_format_of(given->format)->name, sb_format_of(wanted->format)->name);
  }
  return SB_OK;
}

/* Inputs all there, outputs of the right shape or absent. */
static sb_status check_tensors(const sb_spec *spec, const sb_tensor in[SB_SLOTS], const sb_tensor out[SB_SLOTS],
                               int64_t *rows, int64_t *cols) {
  const sb_tensor *leader = &in[spec->step == SB_DEQUANTIZE ? SB_CODES : SB_X];
  if (leader->rank != 2 || !leader->data) {
    return sb_fail(SB_INVALID, "%s: the input is not a tensor of rank 2", spec->recipe->name);
  }
  *rows = leader->dims[0];
  *cols = leader->dims[1];
  sb_tensor takes[SB_SLOTS], yields[SB_SLOTS];
  sb_status status = sb_spec_tensors(spec, *rows, *cols, takes, yields);
  int outputs = 0;
  for (int slot = 0; slot < SB_SLOTS && status == SB_OK; slot++) {
    const char *name = sb_slot_names[slot];
    if (takes[slot].rank && (slot != SB_PACKED || in[slot].data)) { /* packed stands beside the codes, for kernels */
      if (!in[slot].data)
        return sb_fail(SB_INVALID, "%s: the step %s takes %s", spec->recipe->name, sb_step_names[spec->step], name);
      status = check_tensor(spec, name, &in[slot], &takes[slot],
                            slot == SB_SCALE || slot == SB_ZERO_POINT || slot == SB_ROW_SCALE);
    }
    if (status == SB_OK && out[slot].rank && out[slot].data) {
      status = check_tensor(spec, name, &out[slot], &yields[slot], false);
      outputs++;
    }
  }
  if (status == SB_OK && outputs == 0)
    status = sb_fail(SB_INVALID, "%s: no output tensor was given", spec->recipe->name);
  return status;
}

sb_status sb_run(const sb_spec *spec, const sb_tensor in[SB_SLOTS], sb_tensor out[SB_SLOTS],
                 const sb_run_options *options) {
  int64_t rows = 0, cols = 0;
  if (spec->step == SB_BOTH) return sb_fail(SB_USAGE, "the step 'both' is a comparison, not a computation");
  const sb_status status = check_tensors(spec, in, out, &rows, &cols);
  if (status != SB_OK) return status;
  if (spec->recipe->methods) return spec->recipe->methods->run(spec, in, out, options);
  sb_isa isa = options ? options->isa : SB_ISA_BEST;
  if (isa == SB_ISA_BEST) isa = best_isa();
  if (!sb_isa_available(isa)) return sb_fail(SB_UNSUPPORTED, "instruction set %s is not there", sb_isa_names[isa]);
  const sb_path_impl *impl = sb_path_impl_of(spec, isa);
  if (!impl) return sb_run_affine_recipe(spec, in, out);
  if (impl->per_tensor) {
    cols *= rows;
    rows = 1;
  }
  sb_job job = {.spec = spec, .impl = impl, .step = spec->step, .cols = cols, .in = in, .out = out};
  job.group = spec->group_size ? spec->group_size : cols;
  job.groups = cols / job.group;
  return run_rows(&job, rows, thread_count(options ? options->threads : 0, rows, cols));
}
