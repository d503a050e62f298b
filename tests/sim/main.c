/* leadx_sim: runs seeds of the simulation. See sim.h.
**
**   leadx_sim [--seeds N] [--from N] [--devices N] [--steps N] [--workers N] [--seconds S
**   [--whole]] [--mutant NAME] [--expect-failure]
**   leadx_sim --seed N [--verbose]
**   leadx_sim --tables made|fixed   only the runs over tables of the seed's own, or over the fixed ones
**   leadx_sim --without NAME,… | --all   leaves steps of people's programs out (steps.c), or none
**   leadx_sim --real …   the server of scripts/server/server.sh in the model's place; its clock is its
**   own, so a seed does not run alike twice
**
** Ends with 0 when all seeds held, or all that there was time for (unless --whole); with
** --expect-failure (a mutant), when one did not. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "people.h"

typedef struct request {
  long from, seeds, devices, steps, workers, seconds, verbose, expect_failure, is_real, is_whole;
  sim_mutant mutant;
  const char *name, *tables, *without;
} request;

/* What a worker did, sent through a pipe. */
typedef struct report {
  long seeds, syncs, requests, crashes, conflicts, failures, first_failure;
  char failure[400];
} report;

/* Steps, triggers and columns of people's programs that are left out unless --all asks for them,
** because leadx fails with them: an application's total that pulled rows add to, whose table is
** rebuilt before the row is fetched; a column renamed here whose name on the server stays; a column
** added while a change of the row waits, whose values do not come. */
static const char known_failing[] = "total,rename-column,add-column";

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const struct {
  const char *name;
  sim_mutant mutant;
} mutants[] = {{"no-overlap", MUTANT_NO_OVERLAP},
               {"small-overlap", MUTANT_SMALL_OVERLAP},
               {"upsert", MUTANT_UPSERT},
               {"no-version", MUTANT_NO_VERSION}};

static void show_failure(const sim_world *world) {
  printf("seed %llu: %s\n  the last of what happened:\n", (unsigned long long)world->seed,
         world->failure);
  for (int i = world->ntrail > 24 ? world->ntrail - 24 : 0; i < world->ntrail; i++)
    printf("    %s\n", world->trail[i % 24]);
  if (world->people_ran)
    printf("  again: leadx_sim --tables made --seed %llu --verbose\n",
           (unsigned long long)world->seed);
  else
    printf("  again: leadx_sim --tables fixed --seed %llu --devices %d --steps %d --verbose\n",
           (unsigned long long)world->seed, world->knobs.devices, world->knobs.steps);
  fflush(stdout);
}

static int run_one(const request *req, long seed, int (*run)(sim_world *), report *out) {
  sim_world *world = calloc(1, sizeof *world);
  world->seed = (uint64_t)seed;
  world->verbose = (int)req->verbose;
  world->is_real = (int)req->is_real;
  world->knobs.devices = (int)req->devices;
  world->knobs.steps = (int)req->steps;
  world->knobs.mutant = req->mutant;
  world->without = req->without;
  world->people_ran = run == people_run;
  int failed = run(world);
  if (failed && !req->verbose && !req->expect_failure && out->failures < 3) show_failure(world);
  if (failed && out->failures++ == 0) {
    out->first_failure = seed;
    memcpy(out->failure, world->failure, sizeof out->failure);
  }
  out->syncs += world->syncs;
  out->requests += world->requests;
  out->crashes += world->crashes;
  out->conflicts += world->conflicts;
  free(world);
  return failed;
}

/* A seed is a run over the fixed tables, and one over tables of its own with people's programs. */
static int run_seed(const request *req, long seed, report *out) {
  int failed = 0;
  if (strcmp(req->tables, "made") != 0) failed = run_one(req, seed, sim_run, out);
  if (!failed && !req->is_real && strcmp(req->tables, "fixed") != 0)
    failed = run_one(req, seed, people_run, out);
  out->seeds++;
  return failed;
}

/* Worker w of n takes every n-th seed. */
static void work(const request *req, long w, report *out) {
  double end = now_s() + (double)req->seconds;
  memset(out, 0, sizeof *out);
  sim_clock_install();
  if (req->is_real) sim_real_prepare();
  for (long i = w; i < req->seeds && now_s() < end; i += req->workers) {
    if (run_seed(req, req->from + i, out) && req->expect_failure) break;
  }
}

static void add(report *all, const report *one) {
  if (one->failures && (!all->failures || one->first_failure < all->first_failure)) {
    all->first_failure = one->first_failure;
    memcpy(all->failure, one->failure, sizeof all->failure);
  }
  all->failures += one->failures;
  all->seeds += one->seeds;
  all->syncs += one->syncs;
  all->requests += one->requests;
  all->crashes += one->crashes;
  all->conflicts += one->conflicts;
}

/* A worker that dies without a report is a failure of its own. */
static report run_workers(const request *req) {
  report all = {0}, one;
  int pipes[64];
  for (long w = 0; w < req->workers; w++) {
    int ends[2];
    if (pipe(ends) != 0) exit(2);
    fflush(stdout);
    if (fork() == 0) {
      work(req, w, &one);
      fflush(stdout);
      _exit(write(ends[1], &one, sizeof one) == sizeof one ? 0 : 2);
    }
    close(ends[1]);
    pipes[w] = ends[0];
  }
  for (long w = 0; w < req->workers; w++) {
    if (read(pipes[w], &one, sizeof one) != (ssize_t)sizeof one) {
      memset(&one, 0, sizeof one);
      one.failures = 1;
      snprintf(one.failure, sizeof one.failure, "a worker died");
    }
    add(&all, &one);
    close(pipes[w]);
  }
  while (wait(NULL) > 0) continue;
  return all;
}

static long number(const char *text) { return text ? strtol(text, NULL, 10) : 0; }

static int parse(int argc, char **argv, request *req) {
  const struct {
    const char *name;
    long *to;
  } options[] = {{"--seeds", &req->seeds},     {"--from", &req->from},
                 {"--devices", &req->devices}, {"--steps", &req->steps},
                 {"--workers", &req->workers}, {"--seconds", &req->seconds}};
  for (int i = 1; i < argc; i++) {
    int known = 0;
    for (size_t k = 0; k < sizeof options / sizeof options[0]; k++) {
      if (strcmp(argv[i], options[k].name) != 0) continue;
      *options[k].to = number(argv[++i]);
      known = 1;
    }
    if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
      req->from = number(argv[++i]);
      req->seeds = req->workers = known = 1;
    }
    for (size_t k = 0;
         strcmp(argv[i], "--mutant") == 0 && i + 1 < argc && k < sizeof mutants / sizeof mutants[0];
         k++) {
      if (strcmp(argv[i + 1], mutants[k].name) == 0) req->mutant = mutants[k].mutant;
    }
    if (strcmp(argv[i], "--mutant") == 0 && i + 1 < argc) req->name = argv[++i], known = 1;
    if (strcmp(argv[i], "--tables") == 0 && i + 1 < argc) req->tables = argv[++i], known = 1;
    if (strcmp(argv[i], "--without") == 0 && i + 1 < argc) req->without = argv[++i], known = 1;
    if (strcmp(argv[i], "--all") == 0) req->without = NULL, known = 1;
    if (strcmp(argv[i], "--verbose") == 0) req->verbose = known = 1;
    if (strcmp(argv[i], "--expect-failure") == 0) req->expect_failure = known = 1;
    if (strcmp(argv[i], "--whole") == 0) req->is_whole = known = 1;
    if (strcmp(argv[i], "--real") == 0) req->is_real = req->workers = known = 1;
    if (!known) return 1;
  }
  return req->devices < 2 || req->devices > MAX_DEVICES || req->workers < 1 || req->workers > 64 ||
         req->seeds < 1;
}

int main(int argc, char **argv) {
  request req = {.from = 1,
                 .seeds = 200,
                 .devices = 5,
                 .steps = 200,
                 .workers = 2,
                 .seconds = 3600,
                 .name = "none",
                 .tables = "both",
                 .without = known_failing};
  if (parse(argc, argv, &req)) {
    fprintf(stderr,
            "usage: leadx_sim [--seeds N] [--from N] [--seed N] [--devices 2-8] [--steps N] "
            "[--workers N] [--seconds S]\n"
            "                 [--whole] [--mutant NAME] [--expect-failure] [--verbose] [--real]\n"
            "                 [--tables made|fixed] [--without STEP,...] [--all]\n");
    return 2;
  }
  double began = now_s();
  report all;
  if (req.verbose) work(&req, 0, &all);
  else all = run_workers(&req);
  if (req.expect_failure) {
    printf("  mutant %-16s %s", req.name, all.failures ? "found" : "NOT FOUND");
    printf(" after %ld seeds, %.1f s: %.110s\n", all.seeds, now_s() - began, all.failure);
    return all.failures ? 0 : 1;
  }
  if (all.seeds < req.seeds && !all.failures)
    printf("sim: the time was up after %ld of %ld seeds\n", all.seeds, req.seeds);
  printf("sim: %ld seeds x %ld devices x %ld steps: %ld violations; %ld syncs, %ld requests, %ld "
         "crashes, %ld conflicts, %.1f s\n",
         all.seeds, req.devices, req.steps, all.failures, all.syncs, all.requests, all.crashes,
         all.conflicts, now_s() - began);
  return all.failures || (req.is_whole && all.seeds < req.seeds) ? 1 : 0;
}
