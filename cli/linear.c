/* samebits linear: layers of quantized operands, prepare against convert, our kernels and cuBLAS against their
 * statements. */
#include "samebits/linear.h"
#include "cli/select.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DEVICE = 0x3000, SEEDS, RECIPE, FLAVOR, DTYPE, SIZE, GROUP };

static const struct argp_option table[] = {
    {"device", DEVICE, "D", 0, "ref (default): the statements in C; emu:sm_XX or cuda:N: also the kernels, and cuBLAS",
     1},
    {"seeds", SEEDS, "N", 0, "inputs a row (default: 1000 on ref, 10 on a device)", 1},
    {"recipe", RECIPE, "R", 0, "one recipe (default: all)", 1},
    {"flavor", FLAVOR, "F", 0, "one flavor (default: aligned and torchao-0.18-cuda)", 1},
    {"dtype", DTYPE, "T", 0, "one of f32, bf16, f16 (default: all)", 1},
    {"size", SIZE, "M,N,K", 0, "x is [M, K], w [N, K] (default: 6,40,96)", 1},
    {"group", GROUP, "G", 0, "of the weight, where it has groups (default: 32)", 1},
    {0}};

typedef struct request {
  const char *device, *recipe;
  int flavor, dtype; /* -1: all */
  sb_linear_options how;
} request;

static sb_status parse_size(const char *word, sb_linear_shape *s) {
  int end = 0;
  if (sscanf(word, "%" SCNd64 ",%" SCNd64 ",%" SCNd64 "%n", &s->m, &s->n, &s->k, &end) != 3 || word[end] || s->m < 1 ||
      s->n < 1 || s->k < 1 || s->m > 4096 || s->n > 16384 || s->k > 16384)
    return sb_fail(SB_USAGE, "--size %.60s: M,N,K of at most 4096,16384,16384 are needed", word);
  return SB_OK;
}

static error_t parse(int key, char *word, struct argp_state *state) {
  request *r = state->input;
  sb_status status = SB_OK;
  sb_flavor flavor;
  sb_format format;
  switch (key) {
  case DEVICE:
    r->device = word;
    return 0;
  case SEEDS:
    return sb_argp_error(sb_option_number("seeds", word, 1, 1000000, &r->how.seeds));
  case RECIPE:
    r->recipe = word;
    if (!sb_recipe_find(word) || strcmp(word, "affine") == 0)
      status = sb_fail(SB_USAGE, "--recipe '%.60s': samebits list recipes shows them", word);
    return sb_argp_error(status);
  case FLAVOR:
    status = sb_flavor_parse(word, &flavor);
    r->flavor = (int)flavor;
    return sb_argp_error(status);
  case DTYPE:
    status = sb_format_parse(word, &format);
    if (!status && format != SB_F32 && format != SB_BF16 && format != SB_F16)
      status = sb_fail(SB_USAGE, "--dtype %.60s: there are f32, bf16, f16", word);
    r->dtype = (int)format;
    return sb_argp_error(status);
  case SIZE:
    return sb_argp_error(parse_size(word, &r->how.shape));
  case GROUP:
    return sb_argp_error(sb_option_number("group", word, 1, 16384, &r->how.group));
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static void print_count(const char *what, int64_t differ, int64_t of, const char *why) {
  if (differ == 0)
    printf("  %-44s exact\n", what);
  else if (differ > 0)
    printf("  %-44s %" PRId64 " of %" PRId64 " differ%s%s\n", what, differ, of, *why ? ": " : "", why);
}

/* Equal operands and different outputs, or a device that does not do what its kernels state: those are failures. What
 * `check` judges, operands of a flavor that parts by itself, is not judged again. */
static bool is_wrong(sb_flavor flavor, const sb_linear_result *r) {
  const bool same = r->x_differ == 0 && r->w_differ == 0;
  return (same && r->differ != 0) || (flavor == SB_ALIGNED && !same) || r->operands_wrong > 0 || r->kernels_wrong > 0 ||
         r->blas_exact_wrong > 0;
}

static void print_row(const char *recipe, sb_flavor flavor, sb_format dtype, const sb_linear_result *r,
                      const char *blas_name, const char *no_blas) {
  char what[96];
  printf("%s@%s/%s: %" PRId64 " seeds, %" PRId64 " outputs%s\n", recipe, sb_flavor_names[flavor],
         sb_format_of(dtype)->name, r->seeds, r->outputs, is_wrong(flavor, r) ? ": WRONG" : "");
  print_count("x, prepare against convert", r->x_differ, r->x_elements, "the flavor's own formulas, see check");
  print_count("w, prepare against convert", r->w_differ, r->w_elements, "the flavor's own formulas, see check");
  print_count("y in one order of sums, the same", r->differ, r->outputs,
              r->x_differ || r->w_differ ? "the operands do" : "WRONG: of equal operands");
  print_count("y of the integer codes, against prepare's", r->integer_differ, r->outputs,
              "accumulate-type, scale-association: other roundings of the same sum");
  print_count("the device's operands, against the reference", r->operands_wrong, r->x_elements + r->w_elements,
              "WRONG");
  print_count("the device's layers, against their statements", r->kernels_wrong, r->outputs, "WRONG");
  if (r->blas_differ < 0) {
    if (r->kernels_wrong >= 0) printf("  %-44s SKIP: %s\n", "cuBLAS", no_blas);
    return;
  }
  snprintf(what, sizeof what, "%s, of small integers", blas_name);
  print_count(what, r->blas_exact_wrong, r->outputs, "WRONG: those sums are exact in any order");
  snprintf(what, sizeof what, "%s, of the same operands", blas_name);
  print_count(what, r->blas_differ, r->outputs, "reduction-order: the same products, added in another order");
}

static sb_status open_all(request *r, char no_blas[256]) {
  static const sb_device_options none = {0};
  const bool on_device = strcmp(r->device, "ref") != 0;
  if (!r->how.seeds) r->how.seeds = on_device ? 10 : 1000;
  if (!on_device) return SB_OK;
  sb_status status = sb_cuda_open(r->device, &r->how.cuda);
  if (!status) status = sb_device_open(r->device, &none, &r->how.device);
  if (status) return status;
  status = sb_cublas_open(r->how.cuda, &r->how.blas);
  if (status == SB_UNSUPPORTED) {
    snprintf(no_blas, 256, "%s", sb_message());
    status = SB_OK;
  }
  return status;
}

static sb_status compare_all(const request *r, const char *no_blas, int *rows, int *wrong) {
  static const sb_flavor flavors[] = {SB_ALIGNED, SB_TORCHAO_0_18_CUDA};
  static const sb_format dtypes[] = {SB_F32, SB_BF16, SB_F16};
  for (int i = 0; i < sb_recipe_count(); i++) {
    const char *recipe = sb_recipe_at(i)->name;
    if (r->recipe && strcmp(r->recipe, recipe) != 0) continue;
    for (int f = 0; f < 2; f++) {
      const sb_flavor flavor = r->flavor >= 0 ? (sb_flavor)r->flavor : flavors[f];
      if (r->flavor >= 0 && f) break;
      for (int d = 0; d < 3; d++) {
        sb_linear_result result;
        if (r->dtype >= 0 && (int)dtypes[d] != r->dtype) continue;
        const sb_status status = sb_linear_compare(recipe, flavor, dtypes[d], &r->how, &result);
        if (status == SB_UNSUPPORTED) {
          printf("%s@%s/%s: UNSUPPORTED: %s\n", recipe, sb_flavor_names[flavor], sb_format_of(dtypes[d])->name,
                 sb_message());
          continue;
        }
        if (status) return status;
        print_row(recipe, flavor, dtypes[d], &result, r->how.blas ? sb_cublas_name(r->how.blas) : "", no_blas);
        ++*rows;
        *wrong += is_wrong(flavor, &result);
      }
    }
  }
  return SB_OK;
}

static int run(int argc, char **argv) {
  static const struct argp argp = {
      table,
      parse,
      NULL,
      "Layers y = x * transpose(w) of both sides of each recipe: the operands of training against those of deployment, "
      "their outputs in one order of sums, the integer form, and on a device the kernels and cuBLAS.\vOf equal "
      "operands "
      "one order of sums gives equal outputs: that is judged, and so is that a device gives what its kernels state. "
      "Another order of sums (cuBLAS, the integer form) is reported and not judged. Exit: 0, or 1 where something is "
      "wrong.",
      NULL,
      NULL,
      NULL};
  request r = {.device = "ref", .flavor = -1, .dtype = -1, .how = {.shape = {6, 40, 96}, .group = 32, .first_seed = 1}};
  int exit_code = sb_parse_options(&argp, argc, argv, &r), rows = 0, wrong = 0;
  if (exit_code) return exit_code;
  char no_blas[256] = "";
  sb_status status = open_all(&r, no_blas);
  if (!status) status = compare_all(&r, no_blas, &rows, &wrong);
  if (!status)
    printf("%d rows on %s, %d wrong%s%s\n", rows, r.device, wrong, *no_blas ? "; cuBLAS: SKIP: " : "", no_blas);
  sb_cublas_close(r.how.blas);
  sb_device_close(r.how.device);
  sb_cuda_close(r.how.cuda);
  if (status) return sb_report(argv[0], status);
  return wrong ? SB_EXIT_DIFFERS : rows ? SB_EXIT_OK : SB_EXIT_INFRASTRUCTURE;
}

const sb_command sb_command_linear = {"linear", "layers of quantized operands, prepare against convert, and cuBLAS",
                                      run};
