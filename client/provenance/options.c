#include "client/provenance/options.h"

#include "base/cores.h"

enum { OPT_CONFIG = 0x8000, OPT_FILE, OPT_THREADS, OPT_SAMPLE };

static void check(const df_provenance_options *o, struct argp_state *state) {
    if (!o->path || !*o->path) argp_error(state, "give %s", o->what);
    if (!o->model && (o->takes == DF_PROVENANCE_OUT || o->sample))
        argp_error(state, "give the model that made it: -m MODEL");
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_provenance_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->output; return 0;
    case 'm': o->model = arg; return 0;
    case 'o':
        if (o->takes != DF_PROVENANCE_OUT) argp_error(state, "-o is not of this command");
        o->out = arg;
        return 0;
    case OPT_CONFIG: o->config_dir = arg; return 0;
    case OPT_THREADS: o->threads = (int)df_option_int(state, "threads", arg, 1, 1024); return 0;
    case OPT_SAMPLE:
        if (o->takes != DF_PROVENANCE_SAMPLE) argp_error(state, "--sample is not of this command");
        o->sample = df_option_int(state, "sample", arg, 1, 1000000000);
        return 0;
    case OPT_FILE:
        if (o->n_files == DF_PROVENANCE_MAX_FILES) argp_error(state, "more than %d files", DF_PROVENANCE_MAX_FILES);
        o->files[o->n_files++] = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (o->path) argp_error(state, "'%s' is one argument too many", arg);
        o->path = arg;
        return 0;
    case ARGP_KEY_END: check(o, state); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option common[] = {
    { "model", 'm', "MODEL", 0, "The model that it was made with; its hash is checked", 0 },
    { "config", OPT_CONFIG, "DIR", 0, "Folder with the configs of a model in one file", 0 },
    { "file", OPT_FILE, "FILE", 0,
      "An image, mask, LoRA, embedding or int8 scales it was made from, found by its hash; may be repeated", 0 },
    { "threads", OPT_THREADS, "T", 0, "Threads (all cores)", 0 },
    { NULL, 'o', "FILE", 0, "replay: also write the picture that was rendered now", 1 },
    { "sample", OPT_SAMPLE, "N", 0, "verify: also render N pictures again, spread over the job", 1 },
    { 0 },
};

void df_provenance_options_parse(df_provenance_options *o, const char *what, const char *doc, df_provenance_takes takes,
                                 int argc, char **argv) {
    static const struct argp_child children[] = { { &df_output_argp, 0, "", 3 }, { 0 } };
    const struct argp argp = { .options = common, .parser = parse, .args_doc = what, .doc = doc, .children = children };
    *o = (df_provenance_options) { .what = what, .takes = takes, .threads = df_cores_count() };
    df_options_parse(&argp, argc, argv, o);
}
