/* Input for cases: a counter-based generator and the fills made from it.
 *
 * Every element is a function of (seed, tensor, element) alone: the same bits for any thread count, chunk, host or
 * device. No libm function is used on the way, since its last bit differs between hosts. */
#ifndef SAMEBITS_FILL_H
#define SAMEBITS_FILL_H

#include "samebits/recipe.h"

/* Philox4x32-10 (Salmon et al., SC'11): four words for (seed, tensor, block). Element e uses word e % 4 of block e / 4.
 */
void sb_random_words(uint64_t seed, uint32_t tensor, uint64_t block, uint32_t words[4]);
uint32_t sb_random_word(uint64_t seed, uint32_t tensor, uint64_t element);

/* A word as a standard normal deviate: algorithm AS 241 (PPND7, Wichura 1988) of (word + 0.5) / 2^32, in f64 by + - * /
 * and square root only. |result| < 6.3. */
double sb_random_normal(uint32_t word);

/* What several tensors of one case are told apart by in the generator. */
enum { SB_RANDOM_X, SB_RANDOM_CHANNELS, SB_RANDOM_ROWS, SB_RANDOM_BLOCKS, SB_RANDOM_CODES, SB_RANDOM_STEPS };

typedef struct sb_fill {
  const char *name, *summary;
  const char *tier; /* the one tier that has this fill; NULL: all but those */
  /* The shape in which the tier takes it; NULL: the tier's shapes. */
  void (*shape)(const sb_spec *spec, int64_t *rows, int64_t *cols);
  bool (*applies)(const sb_spec *spec); /* whether a tier has it for the spec; NULL: always */
  bool ordinary; /* MISTRUSTED when all codes are equal, most are saturated, or every scale is at a floor */
  /* Fills x ([rows, cols] of spec->dtype, data allocated). SB_USAGE or SB_UNSUPPORTED when the spec has no such input.
   */
  sb_status (*make)(const sb_spec *spec, uint64_t seed, sb_tensor *x);
  /* Whether x has what the fill is for, and if not, why in sb_message() (SB_INVALID); NULL: nothing to check. */
  sb_status (*serves)(const sb_spec *spec, const sb_tensor *x);
} sb_fill;

extern const sb_fill *const sb_fill_table[];
extern const int sb_fill_table_count;
sb_status sb_fill_parse(const char *name, const sb_fill **fill);

/* Adds the rows of a file that `samebits directed make` wrote to those of the fill `directed`. SB_FILE: it cannot be
 * read, or a line is none. Not while other threads make input. */
sb_status sb_directed_add(const char *path);

/* Elements of x that share one scale: the group, the row, or the whole tensor. */
int64_t sb_fill_block(const sb_spec *spec, int64_t cols);

#endif
