/* The house keeps its plan: which folders there are, which room may see which, and how long a file may grow. */
#include <check.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const folders[] = {"ref",     "cuda", "conformance", "bench",  "reports", "ci", "docs",
                                      "include", "cli",  "tests",       "python", ".ci",     NULL};
static const char *const files[] = {"CMakeLists.txt", "CMakePresets.json", "README.md",   "LICENSE",    "CHANGELOG.md",
                                    "pyproject.toml", ".clang-format",     ".clang-tidy", ".gitignore", NULL};
/* What a clone has beside them: git's own, and what builds leave (all of it in .gitignore). */
static const char *const by_prefix[] = {"build", NULL};
static const char *const by_name[] = {".", "..", ".git", ".cache", "compile_commands.json", "__pycache__", NULL};

static bool listed(const char *const *list, const char *name) {
  for (; *list; list++)
    if (!strcmp(*list, name)) return true;
  return false;
}

static bool generated(const char *name) {
  for (const char *const *prefix = by_prefix; *prefix; prefix++)
    if (!strncmp(name, *prefix, strlen(*prefix))) return true;
  return listed(by_name, name);
}

static bool is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Every entry of the top level is one that the plan names. */
START_TEST(top_level_is_the_plan) {
  DIR *top = opendir(SAMEBITS_SOURCE_DIR);
  ck_assert_ptr_nonnull(top);
  int seen = 0;
  for (struct dirent *entry; (entry = readdir(top));) {
    if (generated(entry->d_name)) continue;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", SAMEBITS_SOURCE_DIR, entry->d_name);
    ck_assert_msg(listed(is_folder(path) ? folders : files, entry->d_name), "%s is not in the plan of the top level",
                  entry->d_name);
    seen++;
  }
  closedir(top);
  ck_assert_int_gt(seen, 5);
}
END_TEST

/* A room is a folder of sources; it may include its own headers, the public ones, and those of rooms before it here. */
static const char *const floors[] = {"include", "ref", "cuda", "conformance", "bench", "reports", "cli", NULL};

static int floor_of(const char *path) {
  for (int i = 0; floors[i]; i++) {
    const size_t length = strlen(floors[i]);
    if (!strncmp(path, floors[i], length) && path[length] == '/') return i;
  }
  return -1;
}

static int files_read;

static void check_source(const char *path, int floor) {
  FILE *file = fopen(path, "r");
  ck_assert_ptr_nonnull(file);
  char *line = NULL;
  size_t room = 0;
  int lines = 0;
  while (getline(&line, &room, file) > 0) {
    lines++;
    char target[512];
    if (sscanf(line, " # include \"%511[^\"]\"", target) != 1) continue;
    const int wanted = floor_of(target);
    ck_assert_msg(wanted <= floor, "%s:%d: %s/ may not include %s, which is of a lower room", path, lines,
                  floors[floor], target);
  }
  free(line);
  fclose(file);
  const size_t length = strlen(path);
  const int limit = !strcmp(path + length - 2, ".h") && floor == 0 ? 165 : 440;
  ck_assert_msg(lines <= limit, "%s has %d lines, more than %d: it holds more than one idea", path, lines, limit);
  files_read++;
}

static void walk(const char *folder, int floor) {
  DIR *entries = opendir(folder);
  if (!entries) return;
  for (struct dirent *entry; (entry = readdir(entries));) {
    char path[4096];
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    const size_t length = strlen(path);
    if (is_folder(path))
      walk(path, floor);
    else if (!strcmp(path + length - 2, ".c") || !strcmp(path + length - 2, ".h"))
      check_source(path, floor);
  }
  closedir(entries);
}

/* No room includes a header of a room below it, and no source file is much longer than the plan's 400 lines (150 for a
 * public header). */
START_TEST(rooms_keep_their_floors) {
  for (int floor = 0; floors[floor]; floor++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", SAMEBITS_SOURCE_DIR, floors[floor]);
    walk(path, floor);
  }
  ck_assert_int_gt(files_read, 4);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("layout");
  TCase *tcase = tcase_create("house");
  tcase_add_test(tcase, top_level_is_the_plan);
  tcase_add_test(tcase, rooms_keep_their_floors);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  const int bad = srunner_ntests_failed(runner);
  srunner_free(runner);
  return bad ? 1 : 0;
}
