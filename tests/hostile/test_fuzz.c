/* The fuzzers' kept inputs, replayed: what was found once stays found. `make fuzz` looks for
** more. */
#include "fuzz/fuzz.h"
#include "fuzz/fuzz_server.h"

#include <dirent.h>
#include <string.h>

#include "suites.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define CORPUS "tests/fuzz/corpus"

static const struct target {
  const char *name;
  void (*run)(const char *data, size_t n);
  int least;
} targets[] = {
    {"answer", fuzz_answer, 10},  {"instant", fuzz_instant, 15}, {"config", fuzz_config, 6},
    {"request", fuzz_request, 6}, {"file", fuzz_file, 10},       {"sync", fuzz_sync, 10},
};

/* A whole file, in malloc memory of exactly its size, so that a sanitizer sees a read behind its
** end. */
static char *slurp(const char *name, size_t *n) {
  FILE *in = fopen(name, "rb");
  ck_assert_msg(in != NULL, "%s: run this from the top of the tree", name);
  fseek(in, 0, SEEK_END);
  *n = (size_t)ftell(in);
  rewind(in);
  char *data = malloc(*n ? *n : 1);
  ck_assert_int_eq(fread(data, 1, *n, in), *n);
  fclose(in);
  return data;
}

START_TEST(what_the_fuzzers_keep_breaks_no_promise) {
  const struct target *target = &targets[_i];
  char folder[128];
  snprintf(folder, sizeof folder, CORPUS "/%s", target->name);
  DIR *dir = opendir(folder);
  ck_assert_msg(dir != NULL, "%s: run this from the top of the tree", folder);
  int seen = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    char name[512];
    size_t n = 0;
    if (entry->d_name[0] == '.') continue;
    snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
    char *data = slurp(name, &n);
    /* And every beginning of it, as a road that is cut delivers it; of files, which take long, a
    ** few. */
    size_t step = target->run == fuzz_file || target->run == fuzz_sync ? n / 2 + 1 : n / 40 + 1;
    for (size_t part = 0; part < n; part += step) target->run(data, part);
    target->run(data, n);
    free(data);
    seen++;
  }
  closedir(dir);
  ck_assert_int_ge(seen, target->least);
}
END_TEST

static void tear_down(void) {
  fuzz_close();
  fuzz_server_close();
}

Suite *test_fuzz_suite(void) {
  Suite *suite = suite_create("fuzz");
  TCase *replay = tcase_create("replay");
  tcase_add_checked_fixture(replay, NULL, tear_down);
  tcase_set_timeout(replay, 60);
  tcase_add_loop_test(replay, what_the_fuzzers_keep_breaks_no_promise, 0, COUNT(targets));
  suite_add_tcase(suite, replay);
  return suite;
}
