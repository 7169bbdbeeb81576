#include "client/job_options.h"

#include "client/exit_code.h"

enum { OPT_LENIENT = 0x2000, OPT_DRY_RUN, OPT_CONFIG, OPT_NO_T5, OPT_LONG_PROMPTS, OPT_PROMPT_WEIGHTS, OPT_INPUTS };

void df_job_options_init(df_job_options *o) {
    *o = (df_job_options) { .output = DF_OUTPUT_TEXT };
    df_render_options_init(&o->render);
}

static void check_whole(struct argp_state *state, const df_job_options *o) {
    if (!o->manifest && !o->n_prompts && !o->render.asked.given)
        argp_error(state, "give a MANIFEST or prompts (-p TEXT)");
    if (o->manifest && o->n_prompts) argp_error(state, "give a MANIFEST or prompts (-p TEXT), not both");
    if (!o->model) argp_error(state, "give a model (-m MODEL)");
    if (!o->out) argp_error(state, "give a folder for the pictures (-o OUT)");
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_job_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->render;
        state->child_inputs[1] = &o->output;
        return 0;
    case 'p':
        if (o->n_prompts == DF_MAX_PROMPTS)
            argp_error(state, "more than %d prompts; write them into a manifest", DF_MAX_PROMPTS);
        o->prompt[o->n_prompts++] = arg;
        return 0;
    case 'm': o->model = arg; return 0;
    case 'o': o->out = arg; return 0;
    case OPT_INPUTS: o->inputs_dir = arg; return 0;
    case OPT_CONFIG: o->config_dir = arg; return 0;
    case OPT_NO_T5: o->no_t5 = true; return 0;
    case OPT_LONG_PROMPTS: o->syntax.chunks = true; return 0;
    case OPT_PROMPT_WEIGHTS: o->syntax.weights = true; return 0;
    case OPT_LENIENT: o->lenient = true; return 0;
    case OPT_DRY_RUN: o->dry_run = true; return 0;
    case ARGP_KEY_ARG:
        if (o->manifest) argp_error(state, "one MANIFEST only; '%s' is one too many", arg);
        o->manifest = arg;
        return 0;
    case ARGP_KEY_END: check_whole(state, o); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "prompt", 'p', "TEXT", 0, "A prompt, in place of a manifest; may be repeated", 0 },
    { "model", 'm', "MODEL", 0, "Model folder (diffusers layout), or a whole checkpoint in one safetensors file", 0 },
    { "config", OPT_CONFIG, "DIR", 0, "Configs and tokenizers of a MODEL that is one file: a diffusers folder", 0 },
    { "out", 'o', "OUT", 0, "Folder for pictures and metadata", 0 },
    { "inputs", OPT_INPUTS, "DIR", 0,
      "Files that manifest lines name count from there and may not lie elsewhere (the manifest's folder); / allows all",
      0 },
    { "no-t5", OPT_NO_T5, NULL, 0, "Leave out the third text encoder of Stable Diffusion 3: zeros for its states", 0 },
    { "long-prompts", OPT_LONG_PROMPTS, NULL, 0,
      "Read prompts over the model's limit in chunks of that length, and BREAK as the end of a chunk", 0 },
    { "prompt-weights", OPT_PROMPT_WEIGHTS, NULL, 0, "Read (word), [word] and (word:1.3) in prompts as emphasis", 0 },
    { "lenient", OPT_LENIENT, NULL, 0, "Skip bad manifest lines and list them", 0 },
    { "dry-run", OPT_DRY_RUN, NULL, 0, "Check everything, print the plan and what it needs, start nothing", 0 },
    { 0 },
};
static const struct argp_child children[] = { { &df_render_argp, 0, "Pictures", 1 },
                                              { &df_output_argp, 0, "", 3 },
                                              { 0 } };
const struct argp df_job_argp = { .options = options, .parser = parse, .children = children };

df_draft *df_draft_from_options(const df_job_options *o, int *code) {
    df_problems problems = { 0 };
    df_err err;
    df_draft *job = NULL;
    const df_draft_request rq = { .manifest = o->manifest,
                                  .prompts = o->prompt,
                                  .n_prompts = o->n_prompts,
                                  .model = o->model,
                                  .config_dir = o->config_dir,
                                  .no_t5 = o->no_t5,
                                  .syntax = o->syntax,
                                  .out = o->out,
                                  .inputs_dir = o->inputs_dir,
                                  .lenient = o->lenient,
                                  .options = &o->render };
    df_code rc = df_draft_prepare(&job, &rq, &problems, &err);
    df_problems_print(&problems, stderr, rc ? "error" : "skipped");
    if (rc) fprintf(stderr, "diffarm: error: %s\n", err.text);
    *code = rc ? DF_EXIT_USAGE : DF_EXIT_OK; /* whatever it was: nothing has been started */
    df_problems_free(&problems);
    return job;
}
