/* Errors, exit codes and option parsing of all subcommands. */
#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int sb_exit_of(sb_status status) {
  static const int codes[] = {
      [SB_OK] = SB_EXIT_OK,
      [SB_USAGE] = SB_EXIT_USAGE,
      [SB_INVALID] = SB_EXIT_USAGE,
      [SB_UNSUPPORTED] = SB_EXIT_INFRASTRUCTURE,
      [SB_FILE] = SB_EXIT_INFRASTRUCTURE,
      [SB_NO_MEMORY] = SB_EXIT_INFRASTRUCTURE,
      [SB_DEVICE] = SB_EXIT_INFRASTRUCTURE,
      [SB_REFUSED] = SB_EXIT_INCONCLUSIVE,
      [SB_INTERNAL] = SB_EXIT_INFRASTRUCTURE,
  };
  return codes[status];
}

int sb_exit_join(int a, int b) {
  static const int order[] = {SB_EXIT_USAGE, SB_EXIT_DIFFERS, SB_EXIT_INFRASTRUCTURE, SB_EXIT_INCONCLUSIVE};
  for (int i = 0; i < 4; i++)
    if (a == order[i] || b == order[i]) return order[i];
  return SB_EXIT_OK;
}

const char *sb_visible(const char *text, char room[SB_VISIBLE]) {
  size_t at = 0;
  for (const char *from = text; *from && at + 5 < SB_VISIBLE; from++) {
    const unsigned char byte = (unsigned char)*from;
    if (byte < 0x20 || byte == 0x7f)
      at += (size_t)snprintf(room + at, SB_VISIBLE - at, "\\x%02x", byte);
    else
      room[at++] = *from;
  }
  room[at] = 0;
  return room;
}

int sb_report(const char *name, sb_status status) {
  char text[SB_VISIBLE];
  fflush(stdout);
  fprintf(stderr, "%s: %s\n", name, sb_visible(sb_message(), text));
  return sb_exit_of(status);
}

/* argp's own errors are EINVAL; ours is this value, with the text in sb_message(). */
error_t sb_argp_error(sb_status status) { return status ? ECANCELED : 0; }

/* Around a command's parser: passes its input on, and notes the word at which argp gave up. */
typedef struct outer {
  void *input;
  const char *word;
} outer;

static error_t note_error(int key, char *word, struct argp_state *state) {
  outer *o = state->input;
  (void)word;
  if (key == ARGP_KEY_INIT) state->child_inputs[0] = o->input;
  if (key == ARGP_KEY_ERROR && state->next > 0 && state->next <= state->argc)
    o->word = state->argv[state->next > 1 || state->argc < 2 ? state->next - 1 : 1];
  return key == ARGP_KEY_INIT ? 0 : ARGP_ERR_UNKNOWN;
}

int sb_parse_options(const struct argp *argp, int argc, char **argv, void *input) {
  struct argp inner = *argp;
  const struct argp_child children[] = {{&inner, 0, NULL, 0}, {0}};
  const struct argp wrapped = {NULL, note_error, argp->args_doc, argp->doc, children, NULL, NULL};
  outer o = {.input = input, .word = argc > 1 ? argv[argc - 1] : ""};
  unsigned flags = ARGP_NO_ERRS; /* which silences help too */
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "--usage") == 0) flags = 0;
  argp_err_exit_status = SB_EXIT_USAGE;
  inner.args_doc = inner.doc = NULL;
  error_t error = argp_parse(&wrapped, argc, argv, flags, NULL, &o);
  if (error == 0) return SB_EXIT_OK;
  if (error == ECANCELED) return sb_report(argv[0], SB_USAGE);
  return sb_report(argv[0],
                   sb_fail(SB_USAGE, "bad or incomplete option or argument: '%s' (see %s --help)", o.word, argv[0]));
}

sb_status sb_refuse_overwriting(const char *output, const char *read) {
  struct stat to, from;
  if (!output || !read || stat(output, &to) || stat(read, &from)) return SB_OK;
  if (!S_ISREG(to.st_mode) || to.st_dev != from.st_dev || to.st_ino != from.st_ino) return SB_OK;
  return sb_fail(SB_USAGE, "--output %s is the file that the run reads (%s)", output, read);
}

int sb_dispatch(const char *command, const sb_subcommand *table, int count, int argc, char **argv) {
  char name[64];
  bool help = argc > 1 && strcmp(argv[1], "--help") == 0;
  for (int i = 0; argc > 1 && i < count; i++) {
    if (strcmp(argv[1], table[i].name) != 0) continue;
    snprintf(name, sizeof name, "samebits %s %s", command, table[i].name);
    argv[1] = name;
    return table[i].run(argc - 1, argv + 1);
  }
  if (help) {
    printf("Usage: samebits %s COMMAND ...\n\n", command);
    for (int i = 0; i < count; i++) printf("  %-10s %s\n", table[i].name, table[i].summary);
    return SB_EXIT_OK;
  }
  fprintf(stderr, "samebits %s: %s%s%s; it has:", command, argc > 1 ? "no command '" : "a command is missing",
          argc > 1 ? argv[1] : "", argc > 1 ? "'" : "");
  for (int i = 0; i < count; i++) fprintf(stderr, "%s %s", i ? "," : "", table[i].name);
  fputc('\n', stderr);
  return SB_EXIT_USAGE;
}
