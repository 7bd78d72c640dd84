/* Small text files of rows: read whole, split into words. Private to conformance/. */
#ifndef SAMEBITS_CONFORMANCE_TEXT_H
#define SAMEBITS_CONFORMANCE_TEXT_H

#include "samebits/status.h"

/* Reads a file of at most 16 MiB; `*text` ends in NUL and is freed by free(). */
sb_status sb_read_text(const char *path, char **text);

/* Cuts the next line off *text and splits it at blanks, a # and what follows left out. Returns the number of words, at
 * most `room` (a longer line gives room + 1), or -1 at the end. The words lie in the text. */
int sb_next_words(char **text, char *words[], int room);

#endif
