/* Reading rows of words. */
#include "conformance/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sb_status sb_read_text(const char *path, char **text) {
  enum { LIMIT = 1 << 24 };
  *text = NULL;
  FILE *file = fopen(path, "r");
  if (!file) return sb_fail(SB_FILE, "%s: cannot open: %s", path, strerror(errno));
  char *data = malloc(LIMIT + 1);
  size_t size = data ? fread(data, 1, LIMIT + 1, file) : 0;
  sb_status status = SB_OK;
  if (!data)
    status = sb_fail(SB_NO_MEMORY, "%s: no memory", path);
  else if (ferror(file))
    status = sb_fail(SB_FILE, "%s: cannot read: %s", path, strerror(errno));
  else if (size > LIMIT)
    status = sb_fail(SB_FILE, "%s: longer than %d bytes", path, LIMIT);
  else if (memchr(data, 0, size))
    status = sb_fail(SB_FILE, "%s: it is no text", path);
  fclose(file);
  if (status) {
    free(data);
    return status;
  }
  data[size] = 0;
  *text = data;
  return SB_OK;
}

int sb_next_words(char **text, char *words[], int room) {
  char *line = *text, *rest = NULL;
  if (!line || !*line) return -1;
  size_t length = strcspn(line, "\n");
  *text = line + length + (line[length] == '\n');
  line[length] = 0;
  line[strcspn(line, "#")] = 0;
  int count = 0;
  for (char *word = strtok_r(line, " \t\r", &rest); word; word = strtok_r(NULL, " \t\r", &rest)) {
    if (count == room) return room + 1;
    words[count++] = word;
  }
  return count;
}
