/* samebits model convert MASTER: the artifact that torchao 0.18 would write. */
#include "cli/command.h"
#include "cli/model/model.h"
#include "samebits/model_convert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct options {
  const char *path, *output;
  sb_convert_options convert;
} options;

static error_t parse(int key, char *word, struct argp_state *state) {
  options *o = state->input;
  switch (key) {
  case 'r':
    o->convert.recipe = word;
    return 0;
  case 'o':
    o->output = word;
    return 0;
  case 'g':
    return sb_take_group(word, &o->convert.group_size);
  case 'd':
    return sb_argp_error(sb_format_parse(word, &o->convert.dtype));
  case 'l':
    o->convert.lift_gates = true;
    return 0;
  case 'n':
    o->convert.dry_run = true;
    return 0;
  case ARGP_KEY_ARG:
    if (o->path) return sb_argp_error(sb_fail(SB_USAGE, "one MASTER, not '%.200s' too", word));
    o->path = word;
    return 0;
  case ARGP_KEY_END:
    if (!o->path || !o->convert.recipe || (!o->output && !o->convert.dry_run))
      return sb_argp_error(sb_fail(SB_USAGE, "MASTER, --recipe and --output are needed (--dry-run needs no --output)"));
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

int sb_cli_model_convert(int argc, char **argv) {
  static const struct argp_option table[] = {
      {"recipe", 'r', "R", 0, "what to convert to", 0},
      {"output", 'o', "DIR", 0, "where config.json and model.safetensors are written", 0},
      {"group", 'g', "N", 0, "group size (default: upstream's)", 0},
      {"dtype", 'd', "f32|bf16", 0, "what the master is loaded in (default: its own)", 0},
      {"lift-gates", 'l', NULL, 0, "also what upstream converts only on a certain device, or not in this dtype", 0},
      {"dry-run", 'n', NULL, 0, "say what would be written, and write nothing", 0},
      {0}};
  static const struct argp argp = {table, parse, "MASTER", "Converts a float checkpoint into torchao 0.18's artifact.",
                                   NULL,  NULL,  NULL};
  options o = {.convert.dtype = SB_FORMATS};
  const int exit_code = sb_parse_options(&argp, argc, argv, &o);
  if (exit_code) return exit_code;
  sb_model *model;
  sb_converted r;
  sb_status status = sb_model_open(o.path, &model);
  if (status) return sb_report(argv[0], status);
  status = sb_model_convert(model, &o.convert, o.output, &r);
  sb_model_close(model);
  if (status) return sb_report(argv[0], status);
  char text[SB_VISIBLE];
  for (int i = 0; i < r.left_count; i++) printf("left in float: %s\n", sb_visible(r.left[i], text));
  printf("%s%d of %d Linear layers %s to %s (%s%s%.0" PRId64 "): %" PRId64 " bytes to %" PRId64 "\n",
         o.convert.dry_run ? "dry run, nothing written: " : "", r.converted, r.layers,
         o.convert.dry_run ? "would be converted" : "converted", o.convert.recipe, sb_format_of(r.dtype)->name,
         r.group_size ? ", group size " : "", r.group_size, r.bytes_before, r.bytes_after);
  sb_converted_free(&r);
  return SB_EXIT_OK;
}
