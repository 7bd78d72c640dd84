/* What the parser of lines and the parser of expressions share. */
#ifndef SAMEBITS_CONTRACT_PARSER_H
#define SAMEBITS_CONTRACT_PARSER_H

#include "conformance/contract/ast.h"

typedef struct parser {
  const char *label, *p, *end, *line_start;
  int line, column, depth, inside, nodes;
  sb_arena *arena;
  bool pattern;
  sb_status status;
} parser;

bool sb_parse_fail(parser *s, const char *what);
void sb_parse_blanks(parser *s);
bool sb_parse_take(parser *s, const char *symbol);
bool sb_parse_need(parser *s, const char *symbol);
bool sb_parse_word(parser *s, char out[SB_MAX_NAME + 1]);
sb_node *sb_parse_expression(parser *s);

#endif
