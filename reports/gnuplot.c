#include "reports/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

sb_status sb_plot_begin(const char *folder, const char *name, sb_plot *plot) {
  if (strlen(folder) >= sizeof plot->folder)
    return sb_fail(SB_USAGE, "%.60s...: the folder's name is too long", folder);
  if (mkdir(folder, 0777) != 0 && errno != EEXIST)
    return sb_fail(SB_FILE, "%s: cannot make the folder: %s", folder, strerror(errno));
  snprintf(plot->folder, sizeof plot->folder, "%s", folder);
  snprintf(plot->name, sizeof plot->name, "%s", name);
  snprintf(plot->path, sizeof plot->path, "%s/%s.gp", folder, name);
  plot->to = fopen(plot->path, "w");
  if (!plot->to) return sb_fail(SB_FILE, "%s: cannot write: %s", plot->path, strerror(errno));
  return SB_OK;
}

void sb_put_gnuplot(FILE *to, const char *text) {
  fputc('"', to);
  for (const char *at = text; *at; at++) {
    const unsigned char byte = (unsigned char)*at;
    if (byte == '\n')
      fputs("\\n", to);
    else if (byte < 0x20)
      fputc(' ', to);
    else if (byte == '"' || byte == '\\' || byte == '`') /* backquotes run commands in double quotes */
      fprintf(to, byte == '`' ? "\\%03o" : "\\%c", byte);
    else
      fputc(byte, to);
  }
  fputc('"', to);
}

void sb_plot_draw(sb_plot *plot, const char *title, double height) {
  FILE *to = plot->to;
  fprintf(to, "name = \"%s\"\n", plot->name);
  fprintf(
      to,
      "do for [theme in \"light dark\"] {\n"
      "dark = theme eq \"dark\"\n"
      "paper = dark ? \"#0e1116\" : \"#ffffff\"; ink = dark ? \"#e6edf3\" : \"#1b1f24\"\n"
      "soft = dark ? \"#9198a1\" : \"#57606a\"; line = dark ? \"#30363d\" : \"#d8dee4\"\n"
      "colors = dark ? \"#58a6ff #ff9b62 #4ac99b #e2a0d0 #f2cc60 #8ddbff #ff8f87 #c4b5fd\""
      " : \"#0060a8 #c04a00 #00795a #a63f86 #9a6700 #2a7fb8 #b3261e #6639ba\"\n"
      "do for [i=1:8] { eval sprintf(\"set linetype %%d lc rgb '%%s' lw 2 pt 7 ps 0.7\", i, word(colors, i)) }\n"
      "do for [kind in \"svg png\"] {\n"
      "if (kind eq \"svg\") {\n"
      "eval sprintf(\"set terminal svg noenhanced size 960,%d font 'DejaVu Sans,14' background rgb '%%s'\", paper)\n"
      "} else {\n"
      "eval sprintf(\"set terminal pngcairo noenhanced size 1440,%d font 'DejaVu Sans,15' background rgb '%%s'\", "
      "paper)\n"
      "}\n"
      "set output sprintf(\"%%s.%%s.%%s\", name, theme, kind)\n"
      "set border 3 lc rgb soft lw 1; set tics nomirror tc rgb soft; set grid ytics lc rgb line lw 1 lt 1\n"
      "set key tc rgb ink; set xlabel tc rgb soft; set ylabel tc rgb soft\n",
      (int)(960 * height), (int)(1440 * height));
  fputs("set title ", to);
  sb_put_gnuplot(to, title);
  fputs(" tc rgb ink font ',17' offset 0,0.4\n", to);
}

/* gnuplot in the script's folder, its messages in NAME.log. */
static sb_status run_gnuplot(const sb_plot *plot) {
  char script[80], log[1200];
  snprintf(script, sizeof script, "%s.gp", plot->name);
  snprintf(log, sizeof log, "%s/%s.log", plot->folder, plot->name);
  char *argv[] = {"gnuplot", script, NULL};
  pid_t pid;
  int how = 0;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_addchdir_np(&actions, plot->folder);
  const int error = posix_spawnp(&pid, "gnuplot", &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error) return sb_fail(SB_FILE, "gnuplot cannot be run (Debian: gnuplot-nox): %s", strerror(error));
  while (waitpid(pid, &how, 0) < 0 && errno == EINTR) continue;
  if (!WIFEXITED(how) || WEXITSTATUS(how) != 0) return sb_fail(SB_FILE, "%s: gnuplot failed: see %s", plot->path, log);
  remove(log);
  return SB_OK;
}

sb_status sb_plot_end(sb_plot *plot) {
  fputs("unset output\nset terminal unknown\n}\n}\n", plot->to);
  const bool failed = ferror(plot->to) != 0;
  if (fclose(plot->to) != 0 || failed) return sb_fail(SB_FILE, "%s: cannot write: %s", plot->path, strerror(errno));
  return run_gnuplot(plot);
}
