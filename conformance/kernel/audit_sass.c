#include "conformance/kernel/audit_sass.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MAX_OPERANDS = 8 };

/* The operand without sign, bars, reuse and spaces. */
static const char *bare(const char *text, char room[32]) {
  size_t n = 0;
  for (; *text && n < 31; text++)
    if (!strchr("-|~ ", *text)) room[n++] = *text;
  room[n] = 0;
  char *suffix = strchr(room, '.');
  if (suffix && isalpha((unsigned char)room[0])) *suffix = 0; /* RZ.reuse, R3.H0_H0 */
  return room;
}
static bool is_zero(const char *operand) {
  char room[32];
  bare(operand, room);
  return !strcmp(room, "RZ") || !strcmp(room, "URZ") || !strcmp(room, "0");
}
/* 1.875 is how a pair of bf16 ones is printed by a disassembler that reads them as f16. */
static bool is_one(const char *operand, bool bf16) {
  char room[32];
  bare(operand, room);
  return !strcmp(room, "1") || (bf16 && !strcmp(room, "1.875"));
}
static bool is_number(const char *operand) {
  char room[32];
  return isdigit((unsigned char)*bare(operand, room)) || strstr(room, "INF") || strstr(room, "NAN");
}

/* Whether a*b + c rounds a product and a sum at once: not where it is a move, a product or a sum. HFMA2 writes the two
 * halves of an immediate as two operands. */
static bool contracts(const char *opcode, char *operands) {
  char *word[MAX_OPERANDS], *save = NULL;
  int count = 0;
  for (char *w = strtok_r(operands, ",;", &save); w && count < MAX_OPERANDS; w = strtok_r(NULL, ",;", &save))
    if (w[strspn(w, " ")] && !(count > 3 && strchr("P!", w[strspn(w, " ")]))) word[count++] = w;
  if (count < 4) return true; /* no form that is known to be harmless */
  const bool bf16 = strstr(opcode, "BF16") != NULL;
  const bool pair = count > 4 && is_number(word[2]) && is_number(word[3]);
  if (is_zero(word[1]) || is_one(word[1], bf16)) return false;
  if (pair ? (is_one(word[2], bf16) && is_one(word[3], bf16)) || (is_zero(word[2]) && is_zero(word[3]))
           : is_zero(word[2]) || is_one(word[2], bf16))
    return false;
  return pair || count == 4 ? !is_zero(word[pair ? 4 : 3]) : !(is_zero(word[3]) && is_zero(word[4]));
}

static bool starts(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

/* "/ *0090* /  @!P0 FFMA R7, R0, R1, RZ ;" */
static void scan_instruction(char *at, const char *function, const char *line, sb_sass_found *found, void *context) {
  char copy[256], opcode[64];
  at += strspn(at, " \t");
  if (*at == '@') at += strcspn(at, " \t");
  at += strspn(at, " \t");
  const size_t n = strcspn(at, " \t;");
  if (n == 0 || n >= sizeof opcode) return;
  memcpy(opcode, at, n);
  opcode[n] = 0;
  snprintf(copy, sizeof copy, "%s", at + n);
  if ((starts(opcode, "FFMA") || starts(opcode, "HFMA2") || starts(opcode, "DFMA") || starts(opcode, "UFFMA")) &&
      contracts(opcode, copy))
    found(context, function, SB_AUDIT_FMA, at, line);
  if (starts(opcode, "MUFU")) found(context, function, SB_AUDIT_APPROX, at, line);
  if (strstr(opcode, ".FTZ")) found(context, function, SB_AUDIT_FLUSH, at, line);
}

void sb_sass_scan(char *text, sb_sass_found *found, void *context) {
  char *save = NULL, function[2048] = "", line[512] = "";
  for (char *at = strtok_r(text, "\n", &save); at; at = strtok_r(NULL, "\n", &save)) {
    char *name = at + strspn(at, " \t"), *file = strstr(at, "//## File \"");
    int number = 0;
    if (starts(name, ".section") && strstr(name, ".text.")) {
      name = strstr(name, ".text.") + 6;
      snprintf(function, sizeof function, "%.*s", (int)strcspn(name, ",\" \t"), name);
      line[0] = 0;
      found(context, function, SB_AUDIT_CLASSES, "", "");
    } else if (file) {
      file += strlen("//## File \"");
      const char *close = strchr(file, '"');
      const char *l = close ? strstr(close, "line ") : NULL;
      if (l && sscanf(l, "line %d", &number) == 1 && !strstr(l, "inlined"))
        snprintf(line, sizeof line, "%.*s:%d", (int)(close - file), file, number);
      else if (l && sscanf(l, "line %d", &number) == 1 && line[0] == 0)
        snprintf(line, sizeof line, "%.*s:%d", (int)(close - file), file, number);
    } else if (starts(name, "/*") && function[0] && strstr(name, "*/")) {
      char *code = strstr(name, "*/") + 2;
      char *close = strchr(code, ';');
      if (close) close[1] = 0;
      scan_instruction(code, function, line, found, context);
    }
  }
}
