/* Finding contracts: built in, and in the folders that were added. */
#include "conformance/contract/library.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct entry {
  char *name;
  const char *text; /* built in, or owned */
  bool operation;   /* a slice of a prepare contract */
  const char *path; /* of the user's file, owned; NULL: built in */
} entry;

static struct {
  entry *entries;
  int count, capacity;
  bool started;
} library;

enum { MOST_FOUND = 1024 };
static const char *const operations[] = {"choose_qparams", "quantize", "dequantize"};

static bool put(const char *name, const char *text, const char *path, bool operation, bool replace) {
  for (int i = 0; i < library.count; i++) {
    if (strcmp(library.entries[i].name, name) != 0) continue;
    if (replace) library.entries[i].text = text, library.entries[i].path = path;
    return true;
  }
  if (library.count == library.capacity) {
    int capacity = library.capacity ? 2 * library.capacity : 128;
    entry *grown = realloc(library.entries, (size_t)capacity * sizeof *grown);
    if (!grown) return false;
    library.entries = grown, library.capacity = capacity;
  }
  char *copy = strdup(name);
  if (!copy) return false;
  library.entries[library.count++] = (entry){copy, text, operation, path};
  return true;
}

/* "recipe/side-step@flavor.contract" -> "recipe/side/step@flavor"; affine keeps its form. */
static bool name_of(const char *path, char *name, size_t size) {
  const char *slash = strchr(path, '/'), *end = strstr(path, ".contract"), *dash = slash ? strchr(slash, '-') : NULL,
             *at = slash ? strchr(slash, '@') : NULL;
  if (!slash || !end || strcmp(end, ".contract") != 0 || !at) return false;
  if (strncmp(path, "affine/", 7) == 0) return snprintf(name, size, "%.*s", (int)(end - path), path) < (int)size;
  if (!dash || dash > at) return false;
  return snprintf(name, size, "%.*s/%.*s", (int)(dash - path), path, (int)(end - dash - 1), dash + 1) < (int)size;
}

static bool add(const char *path, const char *text, const char *file, bool replace) {
  char name[256], other[300];
  if (!name_of(path, name, sizeof name)) return true;
  if (!put(name, text, file, false, replace)) return false;
  /* The operations are slices of prepare; of convert where there is no prepare. */
  char *step = strstr(name, "/prepare@");
  bool prepare = step != NULL;
  if (!prepare) step = strstr(name, "/convert@");
  if (!step) return true;
  for (int i = 0; i < 3; i++) {
    snprintf(other, sizeof other, "%.*s/%s%s", (int)(step - name), name, operations[i], step + 8);
    if (!put(other, text, file, true, prepare)) return false;
  }
  return true;
}

static int by_name(const void *a, const void *b) { return strcmp(((const entry *)a)->name, ((const entry *)b)->name); }

static void start(void) {
  if (library.started) return;
  library.started = true;
  for (int i = 0; i < sb_embedded_contract_count; i++)
    add(sb_embedded_contracts[i].path, sb_embedded_contracts[i].text, NULL, false);
  qsort(library.entries, (size_t)library.count, sizeof(entry), by_name);
}

static char *read_text(const char *path) {
  struct stat info;
  FILE *f = stat(path, &info) == 0 && S_ISREG(info.st_mode) ? fopen(path, "rb") : NULL; /* a pipe would block */
  char *text = f ? malloc(SB_MAX_TEXT + 2) : NULL;
  size_t n = text ? fread(text, 1, SB_MAX_TEXT + 1, f) : 0;
  if (f) fclose(f);
  if (!text || n > SB_MAX_TEXT || memchr(text, 0, n)) {
    free(text);
    sb_fail(SB_FILE, "%s: a contract is a file of at most 65536 bytes of text that can be read", path);
    return NULL;
  }
  text[n] = 0;
  return text;
}

static sb_status add_folder(const char *folder, const char *recipe, int *found) {
  char path[4096], relative[600];
  snprintf(path, sizeof path, "%s/%s", folder, recipe);
  DIR *dir = opendir(path);
  if (!dir) return SB_OK;
  sb_status status = SB_OK;
  for (struct dirent *e; status == SB_OK && (e = readdir(dir));) {
    size_t n = strlen(e->d_name);
    if (n < 10 || n > 255 || strcmp(e->d_name + n - 9, ".contract") != 0) continue;
    snprintf(path, sizeof path, "%s/%s/%s", folder, recipe, e->d_name);
    snprintf(relative, sizeof relative, "%s/%s", recipe, e->d_name);
    char name[256];
    if (!name_of(relative, name, sizeof name)) {
      status = sb_fail(SB_FILE, "%s: the file's name should be SIDE-STEP@FLAVOR[+VARIANT].contract", path);
      break;
    }
    if (*found == MOST_FOUND) {
      status = sb_fail(SB_FILE, "%s: the folder holds more than %d contracts", folder, MOST_FOUND);
      break;
    }
    char *text = read_text(path), *file = text ? strdup(path) : NULL; /* both stay */
    if (!text)
      status = SB_FILE;
    else if (!file || !add(relative, text, file, true))
      status = sb_fail(SB_NO_MEMORY, "%s: no memory", path);
    else
      (*found)++;
  }
  closedir(dir); /* NOLINT(clang-analyzer-unix.Malloc): entries have `file`, even where not all could be added */
  return status;
}

sb_status sb_contracts_add(const char *folder) {
  start();
  int found = 0;
  DIR *dir = opendir(folder);
  if (!dir) return sb_fail(SB_FILE, "%s: the folder of contracts cannot be opened", folder);
  sb_status status = SB_OK;
  for (struct dirent *e; status == SB_OK && (e = readdir(dir));)
    if (e->d_name[0] != '.') status = add_folder(folder, e->d_name, &found);
  closedir(dir);
  qsort(library.entries, (size_t)library.count, sizeof(entry), by_name);
  if (status == SB_OK && found == 0)
    status = sb_fail(SB_FILE, "%s: no RECIPE/SIDE-STEP@FLAVOR.contract in this folder", folder);
  /* All of them are there now: one may use another. */
  for (int i = 0; i < library.count && status == SB_OK; i++)
    if (library.entries[i].path && !library.entries[i].operation &&
        strncmp(library.entries[i].path, folder, strlen(folder)) == 0)
      status = sb_contract_register(library.entries[i].name, library.entries[i].path);
  return status;
}

int sb_contracts_count(void) { return start(), library.count; }
const char *sb_contracts_name(int index) { return start(), library.entries[index].name; }

const char *sb_contracts_text(const char *name) {
  start();
  for (int i = 0; i < library.count; i++)
    if (strcmp(library.entries[i].name, name) == 0) return library.entries[i].text;
  return NULL;
}

static const char *path_of(const char *name) {
  for (int i = 0; i < library.count; i++)
    if (strcmp(library.entries[i].name, name) == 0) return library.entries[i].path;
  return NULL;
}

/* `use weight/prepare@flavor` looks beside the contract first, then takes the name as a whole. */
static const char *loader(void *context, const char *name, sb_arena *arena) {
  char full[400];
  (void)arena;
  snprintf(full, sizeof full, "%s/%s", (const char *)context, name);
  const char *text = sb_contracts_text(full);
  return text ? text : sb_contracts_text(name);
}

bool sb_contract_is_operation(const sb_contract_case *c) {
  for (int i = 0; i < 3; i++)
    if (strcmp(c->step, operations[i]) == 0) return true;
  return false;
}

/* Marks the lines that line `i` needs. */
static void needs(const sb_contract *k, const sb_node *n, bool *marked) {
  int line = n->op == C_NAME ? sb_line_find(k, n->name) : -1;
  if (line >= 0 && !marked[line]) {
    marked[line] = true;
    needs(k, k->lines[line].expr, marked);
  }
  for (int i = 0; i < n->nargs; i++) needs(k, n->arg[i], marked);
}

/* Whether an expression comes from one of the lines that are given. */
static bool uses(const sb_contract *k, const sb_node *n, const bool *given, bool *seen) {
  const int line = n->op == C_NAME ? sb_line_find(k, n->name) : -1;
  if (line >= 0 && given[line]) return true;
  if (line >= 0 && !seen[line]) {
    seen[line] = true;
    if (uses(k, k->lines[line].expr, given, seen)) return true;
  }
  for (int i = 0; i < n->nargs; i++)
    if (uses(k, n->arg[i], given, seen)) return true;
  return false;
}

/* An operation computes a few lines and takes others as they are given. SB_UNSUPPORTED: it takes the scale, but the
 * contract makes its codes from something that the scale does not give. */
static sb_status cut(sb_contract *k, const sb_contract_case *c) {
  bool marked[SB_MAX_LINES] = {false}, given[SB_MAX_LINES] = {false};
  for (int s = 0; s < SB_SLOTS; s++) {
    const char *name = k->operation[s] ? k->operation[s] : sb_slot_names[s];
    bool qparams = s == SB_SCALE || s == SB_ZERO_POINT || s == SB_ROW_SCALE;
    int line = sb_line_find(k, name);
    if (line < 0 || strcmp(c->step, "choose_qparams") == 0) continue;
    given[line] = qparams || (s == SB_CODES && strcmp(c->step, "dequantize") == 0);
  }
  for (int i = 0; i < k->line_count; i++)
    if (given[i]) marked[i] = true; /* stops the walk */
  bool wanted[SB_MAX_LINES] = {false}, any = false;
  for (int i = 0; i < k->line_count; i++) any = any || given[i];
  for (int s = 0; s < SB_SLOTS; s++) {
    int line = sb_contract_slot_line(k, c, (sb_slot)s);
    if (line < 0) continue;
    wanted[line] = true;
    bool seen[SB_MAX_LINES] = {false};
    if (any && !uses(k, k->lines[line].expr, given, seen))
      return sb_fail(SB_UNSUPPORTED, "%s: %s is no part of this contract: it makes %s from the input alone", k->name,
                     c->step, k->lines[line].name);
    needs(k, k->lines[line].expr, marked);
  }
  int kept = 0;
  for (int i = 0; i < k->line_count; i++) {
    /* A line that is given stays for its format; its expression is the tensor. */
    if (given[i] && !wanted[i]) {
      sb_node *n = sb_arena_get(k->arena, sizeof *n);
      if (n)
        *n = (sb_node){.op = C_NAME, .at = CF_NONE, .name = k->lines[i].name, .line = k->lines[i].number, .column = 1},
        k->lines[i].expr = n;
    }
    if (wanted[i] || marked[i]) k->lines[kept++] = k->lines[i];
  }
  k->line_count = kept;
  return SB_OK;
}

sb_status sb_contract_load(const sb_contract_case *c, sb_contract **contract) {
  char name[300];
  *contract = NULL;
  sb_contract_case_name(c, name, sizeof name);
  const char *text = sb_contracts_text(name);
  if (!text) return sb_fail(SB_USAGE, "no contract %s (samebits list contracts)", name);
  if (strcmp(c->recipe, "affine") == 0 && !c->preserve_zero)
    return sb_fail(SB_UNSUPPORTED, "%s: there is no contract for preserve_zero = false", name);
  const char *label = path_of(name);
  sb_status status =
      sb_contract_parse(label ? label : name, text, strlen(text), loader, (void *)(uintptr_t)c->recipe, contract);
  if (status == SB_OK && sb_contract_is_operation(c)) status = cut(*contract, c);
  if (status != SB_OK) {
    sb_contract_free(*contract);
    *contract = NULL;
  }
  return status;
}

bool sb_contracts_offers(int index) {
  sb_contract_case c;
  sb_contract *k = NULL;
  if (!library.entries[index].operation || sb_contract_case_parse(library.entries[index].name, SB_F32, 0, &c))
    return true;
  const bool refused = sb_contract_load(&c, &k) == SB_UNSUPPORTED;
  sb_contract_free(k);
  return !refused;
}

sb_status sb_contract_text(const char *name, char **text) {
  sb_contract_case c;
  sb_contract *k;
  *text = NULL;
  sb_status status = sb_contract_case_parse(name, SB_F32, 0, &c);
  if (status == SB_OK) status = sb_contract_load(&c, &k);
  if (status != SB_OK) return status;
  int kept = 0;
  for (int i = 0; sb_contract_is_operation(&c) && i < k->line_count; i++) {
    const sb_node *e = k->lines[i].expr;
    if (!(e->op == C_NAME && strcmp(e->name, k->lines[i].name) == 0)) k->lines[kept++] = k->lines[i];
  }
  if (sb_contract_is_operation(&c)) k->line_count = kept;
  size_t size = sb_contract_print(k, NULL, 0) + 1;
  *text = malloc(size);
  if (*text)
    sb_contract_print(k, *text, size);
  else
    status = sb_fail(SB_NO_MEMORY, "%s: no memory", name);
  sb_contract_free(k);
  return status;
}
