/* Golden texts. See golden.h. */
#include "golden.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path) {
  FILE *in = fopen(path, "rb");
  if (!in) return NULL;
  char *text = calloc(1, 1 << 18);
  size_t n = fread(text, 1, (1 << 18) - 1, in);
  text[n] = 0;
  fclose(in);
  return text;
}

static void write_file(const char *path, const char *text) {
  FILE *out = fopen(path, "wb");
  ck_assert_ptr_nonnull(out);
  fputs(text, out);
  fclose(out);
}

void golden_expect(const char *path, const char *text) {
  if (getenv("LEADX_GOLDEN")) write_file(path, text);
  char *want = read_file(path);
  ck_assert_msg(want != NULL, "%s is missing; LEADX_GOLDEN=write makes it", path);
  ck_assert_msg(strcmp(text, want) == 0,
                "%s differs; if that is meant, LEADX_GOLDEN=write makes it anew:\n%.4000s", path,
                text);
  free(want);
}
