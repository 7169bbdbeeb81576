/* Walks of every class of sampler and of the options that change its arithmetic, for tests of the numbers themselves.
 *
 *   for (int c = 0; c < step_n_cases(); c++) { step_run run; step_run_of(&run, c, prediction); ... }
 *
 * What the model says and what is drawn are numbers made from the case and the call, so that two implementations of
 * the arithmetic can be held against each other, and against what was recorded. */
#ifndef DF_TESTS_ENGINE_SAMPLERS_STEP_CASES_H
#define DF_TESTS_ENGINE_SAMPLERS_STEP_CASES_H

#include <stdint.h>

#include "engine/samplers/sampler.h"

enum { STEP_ELEMENTS = 37 }; /* by fours, and one */

typedef struct step_run {
    const char *name;
    df_scheduler config;
    int n_steps, first_call;
    double eta;
    bool increments;
    uint64_t recorded; /* of the three kinds of prediction, see test_step_bytes.c */
} step_run;

int step_n_cases(void);
void step_run_of(step_run *out, int index, df_prediction kind);

/* n numbers in -2..2, a function of seed. */
void step_numbers(float *out, size_t n, uint64_t seed);
uint64_t step_output_seed(int call);

/* A df_draw_fn; ctx: int, the draws so far. */
df_code step_draw(void *ctx, float *out, size_t n, df_err *err);

#endif
