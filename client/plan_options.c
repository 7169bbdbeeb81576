#include "client/plan_options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cores.h"
#include "client/options.h"
#include "client/split_options.h"
#include "cluster/halves.h"
#include "worker/defaults.h"

enum {
    OPT_LINK = 0x8000,
    OPT_DEVICE_MEMORY,
    OPT_SPEED,
    OPT_DTYPE,
    OPT_STEPS,
    OPT_MICRO_BATCH,
    OPT_SLOTS,
    OPT_UNGUIDED,
    OPT_THREADS,
    OPT_SPLIT
};

static const struct argp_option option_table[] = {
    { "link", OPT_LINK, "[A-B=]LINK", 0,
      "Between ranks, or two of them: 10GbE, 25GbE,5us, 12Gb/s, 3GB/s,2us, IB-HDR, IB-NDR, NVLink, shm; may be "
      "repeated (nothing to pay)",
      2 },
    { "device-memory", OPT_DEVICE_MEMORY, "SIZE", 0, "Of each rank, like 24GiB or 800MiB (any)", 2 },
    { "speed", OPT_SPEED, "S,S,...", 0, "Of each rank against the others; the last holds for all that follow (1)", 2 },
    { "dtype", OPT_DTYPE, "D", 0, "Arithmetic: f32 or bf16 (f32)", 2 },
    { "threads", OPT_THREADS, "T", 0, "Threads of each rank that costs were measured with (its share of the cores)",
      2 },
    { "steps", OPT_STEPS, "N", 0, "Denoising steps of a picture (25)", 2 },
    { "unguided", OPT_UNGUIDED, NULL, 0, "Pictures without guidance: a step is one row", 2 },
    { "micro-batch", OPT_MICRO_BATCH, "B", 0, "Pictures computed together (4; of small ones 8)", 2 },
    { "slots", OPT_SLOTS, "S", 0, "Micro-batches in flight of a pipeline (twice its stages)", 2 },
    { "split", OPT_SPLIT, "layers|cfg", 0,
      "How ranks share the model: its layers, or in two halves, one for the conditional rows of guided pictures, one "
      "for the others (layers)",
      2 },
    { 0 },
};

static int64_t bytes_of(struct argp_state *state, const char *text) {
    static const struct {
        const char *unit;
        double bytes;
    } units[] = { { "MiB", 1048576.0 }, { "GiB", 1073741824.0 }, { "MB", 1e6 }, { "GB", 1e9 } };
    char *end;
    double x = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (end != text && !strcmp(end, units[i].unit) && x > 0 && x * units[i].bytes < 1e15)
            return (int64_t)(x * units[i].bytes);
    argp_error(state, "--device-memory must be like 24GiB or 800MiB, not '%s'", text);
    return 0;
}

static void set_speeds(struct argp_state *state, df_plan_options *o, const char *text) {
    o->n_speeds = 0;
    for (const char *at = text;; at++) {
        char *end;
        double x = strtod(at, &end);
        if (end == at || !isfinite(x) || x <= 0 || (*end && *end != ',') || o->n_speeds == DF_PLAN_MOST_RANKS)
            argp_error(state, "--speed must be numbers above 0 with commas between, not '%s'", text);
        o->speed[o->n_speeds++] = x;
        if (!*end) return;
        at = end;
    }
}

static void add_link(struct argp_state *state, df_plan_options *o, const char *text) {
    if (o->n_links == DF_PLAN_MOST_LINKS) argp_error(state, "more than %d times --link", DF_PLAN_MOST_LINKS);
    o->link[o->n_links++] = text;
}

static void set_dtype(struct argp_state *state, df_plan_options *o, const char *text) {
    df_arithmetic is = { 0 };
    if (!df_arithmetic_of(text, &is) || is.int8) argp_error(state, "--dtype must be f32 or bf16, not '%s'", text);
    o->backend_cfg.dtype = is.dtype;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    df_plan_options *o = state->input;
    switch (key) {
    case OPT_LINK: add_link(state, o, arg); return 0;
    case OPT_DEVICE_MEMORY: o->device_bytes = bytes_of(state, arg); return 0;
    case OPT_SPEED: set_speeds(state, o, arg); return 0;
    case OPT_DTYPE: set_dtype(state, o, arg); return 0;
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->costs; return 0;
    case OPT_THREADS: o->backend_cfg.threads = (int)df_option_int(state, "threads", arg, 1, 1024); return 0;
    case OPT_STEPS: o->steps = (int)df_option_int(state, "steps", arg, 1, 1000); return 0;
    case OPT_UNGUIDED: o->unguided = true; return 0;
    case OPT_MICRO_BATCH: o->micro_batch = (int)df_option_int(state, "micro-batch", arg, 1, 64); return 0;
    case OPT_SPLIT: o->split = df_split_option(state, arg); return 0;
    case OPT_SLOTS: o->slots = (int)df_option_int(state, "slots", arg, 1, 256); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

df_code df_plan_size(df_graph_size *out, const df_model *model, const char *name, int *width, int *height,
                     df_err *err) {
    const df_model_info *info = df_model_info_of(model);
    if (!*width) *width = info->default_width;
    if (!*height) *height = info->default_height;
    if (*width % info->size_multiple || *height % info->size_multiple)
        return df_err_set(err, DF_EINVAL, "%s: size %dx%d: sides must be multiples of %d", name, *width, *height,
                          info->size_multiple);
    *out = (df_graph_size) { .latent_h = *height / info->vae_factor, .latent_w = *width / info->vae_factor };
    return DF_OK;
}

static const struct argp_child children[] = { { &df_costs_argp, 0, NULL, 0 }, { 0 } };
const struct argp df_plan_argp = { .options = option_table, .parser = parse, .children = children };

static int micro_batch_of(const df_plan_options *o, const df_model *model) {
    if (model) return df_worker_micro_batch(o->micro_batch, df_model_info_of(model));
    return o->micro_batch ? o->micro_batch : 4;
}

void df_plan_costs_learn(df_cost_book *book, const df_plan_options *o, const df_model *model, const df_graph_size *size,
                         int n_ranks) {
    df_costs_terms terms = { .cfg = df_costs_options_cfg(&o->costs),
                             .backend = &df_backend_cpu,
                             .backend_cfg = o->backend_cfg,
                             .max_rows = DF_PLAN_ROWS * micro_batch_of(o, model) }; /* as a worker has it */
    df_graph_size sizes[2];
    df_err err;
    if (!terms.backend_cfg.threads) terms.backend_cfg.threads = df_cores_each(n_ranks);
    terms.cfg.warn = df_costs_warn;
    int n = df_model_plan_sizes(sizes, model, size, DF_COMPONENT_COUNT);
    for (int i = 0; i < n; i++)
        if (df_cost_book_learn(book, model, &sizes[i], &terms, &err)) df_costs_warn(NULL, err.text);
}

int df_plan_halves(const df_plan_options *o) {
    return o->split == DF_SPLIT_CFG ? 2 : 1;
}

df_code df_plan_setup_open(df_plan_setup *s, const df_plan_options *o, const df_model *model, int n_ranks, int n_halves,
                           df_err *err) {
    int rows = o->unguided ? 1 : DF_PLAN_ROWS;
    if (n_ranks % n_halves)
        return df_err_set(err, DF_EINVAL, "--split cfg makes two halves of the ranks of a pipeline: %d are odd",
                          n_ranks);
    df_code rc = df_hops_open(&s->hops, n_ranks, err);
    s->n_halves = n_halves;
    s->micro_batch = micro_batch_of(o, model);
    for (int i = 0; i < o->n_links && !rc; i++) rc = df_hops_set(&s->hops, o->link[i], err);
    for (int r = 0; r < n_ranks && o->n_speeds; r++) s->speed[r] = o->speed[r < o->n_speeds ? r : o->n_speeds - 1];
    s->terms = (df_plan_terms) {
        .n_ranks = n_ranks / n_halves,
        .backend_cfg = o->backend_cfg,
        .steps = o->steps ? o->steps : DF_PLAN_STEPS,
        .rows_per_step = rows,
        .speed = o->n_speeds ? s->speed : NULL,
        .hops = o->n_links ? &s->hops : NULL,
        .device_bytes = o->device_bytes,
        .max_rows = (int)df_halves_most(n_halves, rows * s->micro_batch),
        .n_slots = o->slots ? o->slots : df_worker_slots(n_ranks, n_halves),
    };
    return rc;
}

void df_plan_setup_close(df_plan_setup *s) {
    df_hops_close(&s->hops);
}
