#include "tests/engine/samplers/step_cases.h"

enum { CLIPS = 1, THRESHOLDS = 2, SDE = 4, HEUN = 8, BH1 = 16, RUNGE_KUTTA = 32, LARGE = 64, INCREMENTS = 128 };

typedef struct step_case {
    const char *name;
    df_scheduler_class klass;
    unsigned options;
    int order, n_steps, first_call;
    double eta;
    uint64_t recorded;
} step_case;

static const step_case cases[] = {
    { "ddpm", DF_SCHEDULER_DDPM, 0, 0, 5, 0, 0, 0xc3638c8ac94fa867 },
    { "ddpm, clipped, large variance", DF_SCHEDULER_DDPM, CLIPS | LARGE, 0, 5, 0, 0, 0x93254dc6302a4a16 },
    { "ddim", DF_SCHEDULER_DDIM, 0, 0, 5, 0, 0, 0x2780e9256642b153 },
    { "ddim, half-way, with noise", DF_SCHEDULER_DDIM, 0, 0, 6, 2, 0.5, 0xad3ca514135a7d32 },
    { "ddim, thresholded", DF_SCHEDULER_DDIM, THRESHOLDS, 0, 5, 0, 1, 0xb1cbc60c1ca9676b },
    { "pndm", DF_SCHEDULER_PNDM, 0, 0, 7, 0, 0, 0x1449530d86ef225d },
    { "pndm, Runge-Kutta", DF_SCHEDULER_PNDM, RUNGE_KUTTA, 0, 8, 0, 0, 0x7624b641f36de54d },
    { "euler", DF_SCHEDULER_EULER, 0, 0, 5, 0, 0, 0x3f92fe9fd388bbc5 },
    { "euler_ancestral", DF_SCHEDULER_EULER_ANCESTRAL, 0, 0, 5, 0, 0, 0xf0dcfd041631c3b6 },
    { "dpmpp_multistep 1", DF_SCHEDULER_DPMPP_MULTISTEP, 0, 1, 6, 0, 0, 0xa3d6d8e11998e7d3 },
    { "dpmpp_multistep 2", DF_SCHEDULER_DPMPP_MULTISTEP, 0, 2, 6, 0, 0, 0x69ee9a8c28577247 },
    { "dpmpp_multistep 2, heun, thresholded", DF_SCHEDULER_DPMPP_MULTISTEP, HEUN | THRESHOLDS, 2, 6, 0, 0,
      0xb20bcbe7f23018a1 },
    { "dpmpp_multistep 2, sde", DF_SCHEDULER_DPMPP_MULTISTEP, SDE, 2, 6, 0, 0, 0x9390c11b45c989b6 },
    { "dpmpp_multistep 3", DF_SCHEDULER_DPMPP_MULTISTEP, 0, 3, 7, 0, 0, 0xc0ca8f1b30c5d466 },
    { "dpmpp_multistep 3, sde, half-way", DF_SCHEDULER_DPMPP_MULTISTEP, SDE, 3, 8, 2, 0, 0xd05d7c4467c1261e },
    { "lms", DF_SCHEDULER_LMS, 0, 0, 7, 0, 0, 0xbdd23fa42045011a },
    { "lms, half-way", DF_SCHEDULER_LMS, 0, 0, 8, 3, 0, 0xe3d664a5c484b82c },
    { "heun", DF_SCHEDULER_HEUN, 0, 0, 5, 0, 0, 0x0d0a08697e61c0d6 },
    { "heun, clipped", DF_SCHEDULER_HEUN, CLIPS, 0, 5, 0, 0, 0x3873e609c2835f52 },
    { "unipc 1", DF_SCHEDULER_UNIPC, 0, 1, 6, 0, 0, 0xebeefdfbfebe98f7 },
    { "unipc 2", DF_SCHEDULER_UNIPC, 0, 2, 6, 0, 0, 0x841fae32a59ce85f },
    { "unipc 3, thresholded", DF_SCHEDULER_UNIPC, THRESHOLDS, 3, 7, 0, 0, 0xfdea383a0aa147c7 },
    { "unipc 3, bh1", DF_SCHEDULER_UNIPC, BH1, 3, 7, 0, 0, 0x7009708849f2c9d2 },
    { "lcm", DF_SCHEDULER_LCM, 0, 0, 4, 0, 0, 0x1e188beb37aa3aa1 },
    { "lcm, clipped", DF_SCHEDULER_LCM, CLIPS, 0, 4, 0, 0, 0x6a5b89c265237014 },
    { "tcd", DF_SCHEDULER_TCD, 0, 0, 4, 0, 0, 0xce37e2c27f411e9c },
    { "tcd, with noise", DF_SCHEDULER_TCD, 0, 0, 4, 0, 0.3, 0x7d1c1bc5b67b1848 },
    { "flow_euler", DF_SCHEDULER_FLOW_EULER, 0, 0, 5, 0, 0, 0xfcf062c6c9878df7 },
    { "dpmpp_sde", DF_SCHEDULER_DPMPP_SDE, 0, 0, 5, 0, 0, 0xbeb72c3b4b8f4cc4 },
    { "dpmpp_sde, increments", DF_SCHEDULER_DPMPP_SDE, INCREMENTS, 0, 5, 0, 0, 0x0f41461bbf6560d5 },
    { "dpmpp_singlestep 2", DF_SCHEDULER_DPMPP_SINGLESTEP, 0, 2, 7, 0, 0, 0xf1b7f522dc98841e },
    { "dpmpp_singlestep 2, heun", DF_SCHEDULER_DPMPP_SINGLESTEP, HEUN, 2, 7, 0, 0, 0x9875ab3fde209b68 },
    { "dpmpp_singlestep 3, thresholded", DF_SCHEDULER_DPMPP_SINGLESTEP, THRESHOLDS, 3, 7, 0, 0, 0x6f4026229841e039 },
    { "dpmpp_singlestep 3, heun", DF_SCHEDULER_DPMPP_SINGLESTEP, HEUN, 3, 7, 0, 0, 0x5f6f9139808687bf },
    { "deis 1", DF_SCHEDULER_DEIS, 0, 1, 5, 0, 0, 0xe94e3942190b3145 },
    { "deis 2", DF_SCHEDULER_DEIS, 0, 2, 5, 0, 0, 0x0f7a859e338f7a41 },
    { "deis 3, thresholded", DF_SCHEDULER_DEIS, THRESHOLDS, 3, 7, 0, 0, 0x23a4ebb336ff80da },
    { "kdpm2", DF_SCHEDULER_KDPM2, 0, 0, 5, 0, 0, 0x194cb1e15a4c8913 },
    { "kdpm2, half-way", DF_SCHEDULER_KDPM2, 0, 0, 6, 4, 0, 0xa22af59960b9bf7b },
    { "kdpm2_ancestral", DF_SCHEDULER_KDPM2_ANCESTRAL, 0, 0, 5, 0, 0, 0xc30caa14001747e7 },
};

int step_n_cases(void) {
    return sizeof cases / sizeof *cases;
}

void step_run_of(step_run *out, int index, df_prediction kind) {
    const step_case *c = &cases[index];
    *out = (step_run) {
        .name = c->name,
        .config = { .klass = c->klass,
                    .n_train_timesteps = 1000,
                    .beta_start = 0.00085,
                    .beta_end = 0.012,
                    .beta_schedule = DF_BETA_SCALED_LINEAR,
                    .prediction = kind,
                    .clip_sample = c->options & CLIPS,
                    .clip_sample_range = 1.25,
                    .thresholding = c->options & THRESHOLDS,
                    .threshold_ratio = 0.9,
                    .threshold_max = 1.5,
                    .spacing = DF_SPACING_LINSPACE,
                    .skip_prk_steps = !(c->options & RUNGE_KUTTA),
                    .variance_large = c->options & LARGE,
                    .solver_order = c->order,
                    .solver_heun = c->options & HEUN,
                    .solver_sde = c->options & SDE,
                    .solver_bh1 = c->options & BH1,
                    .lower_order_final = true,
                    .original_steps = 50,
                    .timestep_scaling = 10,
                    .flow_shift = 3,
                    .name = "test" },
        .n_steps = c->n_steps,
        .first_call = c->first_call,
        .eta = c->eta,
        .increments = c->options & INCREMENTS,
        .recorded = c->recorded,
    };
}

void step_numbers(float *out, size_t n, uint64_t seed) {
    uint64_t state = seed;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        out[i] = (float)((double)(state >> 40) * 0x1p-24 - 0.5) * 4.0f;
    }
}

uint64_t step_output_seed(int call) {
    return 1000 + (uint64_t)call * 7919;
}

df_code step_draw(void *ctx, float *out, size_t n, df_err *err) {
    int *n_draws = ctx;
    (void)err;
    step_numbers(out, n, 500000 + (uint64_t)(*n_draws)++ * 104729);
    return DF_OK;
}
