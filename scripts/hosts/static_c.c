#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
int sqlite3_leadx_init(sqlite3 *, char **,
                       const void *); /* from libleadx.a, as Flutter and Drift link it */
static int show(void *arg, int n, char **values, char **names) {
  return (void)arg, (void)n, (void)names, puts(values[0]) < 0;
}
int main(void) {
  char line[4096];
  sqlite3 *db;
  FILE *sql = fopen(getenv("SQL"), "r");
  if (sqlite3_auto_extension((void (*)(void))sqlite3_leadx_init) ||
      sqlite3_open(getenv("FILE"), &db))
    return 1;
  while (fgets(line, sizeof line, sql))
    if (sqlite3_exec(db, line, show, NULL, NULL))
      return fprintf(stderr, "%s\n", sqlite3_errmsg(db)), 2;
  return sqlite3_close(db);
}
