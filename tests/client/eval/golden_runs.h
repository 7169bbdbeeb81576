/* The sampling runs of golden cases, each a test on each backend: nothing that a golden.json holds is left out. Where
 * the cuda backend is there on doubles of its libraries, tests are linked a second time, for it alone.
 *
 *   golden_runs runs = { 0 };
 *   golden_runs_add(&runs, "sd2", &family, test_run);         every run of sd2; its state is a golden_run
 *   golden_runs_append(&runs, tests, sizeof tests / sizeof *tests);            and tests of other kinds
 *   return golden_runs_test(&runs);
 *
 * Where a case is not at hand, one test of its name is skipped. */
#ifndef DF_TESTS_CLIENT_EVAL_GOLDEN_RUNS_H
#define DF_TESTS_CLIENT_EVAL_GOLDEN_RUNS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/client/eval/eval_call.h"
#include "tests/support/golden.h"

extern const bool golden_runs_on_cuda; /* the one backend is cuda */

enum { GOLDEN_RUNS_MAX = 256, GOLDEN_RUNS_NAME = 96 };

typedef struct golden_run {
    const char *golden; /* "sd2" */
    char run[GOLDEN_RUNS_NAME]; /* "run.ddim" */
    const char *backend;
    const void *family; /* what golden_runs_add was given */
    double tolerance; /* of latents, model outputs and pictures */
} golden_run;

typedef struct golden_runs {
    struct CMUnitTest tests[GOLDEN_RUNS_MAX];
    golden_run run[GOLDEN_RUNS_MAX];
    char name[GOLDEN_RUNS_MAX][GOLDEN_RUNS_NAME * 2];
    size_t n;
} golden_runs;

void golden_runs_add(golden_runs *r, const char *from, const void *family, CMUnitTestFunction test);
void golden_runs_append(golden_runs *r, const struct CMUnitTest *tests, size_t n);
int golden_runs_test(golden_runs *r); /* for main to return */

/* What golden.json says of a run; its numbers, its scheduler as a file beside the call's inputs. */
const json_t *golden_run_about(const golden *g, const char *run);
double golden_run_number(const json_t *about, const char *key, double otherwise);
const char *golden_run_scheduler(eval_call *c, const json_t *about);
void golden_run_give_noise(eval_call *c, const golden *g, const char *run); /* all draws, in order */

#endif
