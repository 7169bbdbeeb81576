#include "cluster/program.h"

#include <stdio.h>
#include <stdlib.h>

void df_program_close(df_program **p) {
    if (!p || !*p) return;
    df_portal_close(&(*p)->portal);
    df_rank_pace_free(&(*p)->pace);
    free((*p)->planned);
    free((*p)->crossings);
    df_stage_close(&(*p)->stage);
    df_cut_free(&(*p)->cut);
    df_graph_free(&(*p)->graph);
    free((*p)->local);
    free(*p);
    *p = NULL;
}

/* FNV-1a over what must be the same on all ranks. */
static uint64_t mix(uint64_t hash, const void *data, size_t bytes) {
    const unsigned char *at = data;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t fingerprint_of(const df_graph *g, const df_cut *cut, const df_program_cfg *cfg) {
    uint64_t hash = 0xcbf29ce484222325u;
    hash = mix(hash, &cfg->max_rows, sizeof cfg->max_rows);
    hash = mix(hash, &cfg->max_pictures, sizeof cfg->max_pictures);
    hash = mix(hash, &cfg->n_slots, sizeof cfg->n_slots);
    hash = mix(hash, &cfg->n_halves, sizeof cfg->n_halves);
    hash = mix(hash, &cfg->backend_cfg.dtype, sizeof cfg->backend_cfg.dtype);
    hash = mix(hash, &cfg->backend_cfg.fast_conv, sizeof cfg->backend_cfg.fast_conv);
    for (const char *c = cfg->backend->name; *c; c++) hash = mix(hash, c, 1);
    for (int i = 0; i < g->n_nodes; i++) {
        for (const char *c = g->nodes[i].name; *c; c++) hash = mix(hash, c, 1);
        hash = mix(hash, &cut->stage_of[i], sizeof cut->stage_of[i]);
        hash = mix(hash, &g->nodes[i].int8, sizeof g->nodes[i].int8);
    }
    for (int v = 0; v < g->n_values; v++) {
        df_shape s = g->values[v].shape;
        hash = mix(hash, s.dim, (size_t)s.rank * sizeof s.dim[0]);
    }
    return hash;
}

static df_code make_whole(df_program *p, const df_program_cfg *cfg, df_err *err) {
    df_code rc = df_model_graph_of(cfg->model, p->component, &p->size, &p->graph, err);
    return rc ? rc : df_cut_whole(&p->cut, p->graph, err);
}

/* Every rank plans by itself, from what all know. */
df_code df_program_plan(df_model_plan **out, const df_program_cfg *cfg, df_component c, const df_graph_size *size,
                        df_err *err) {
    const df_plan_terms terms = { .n_ranks = df_program_depth(cfg),
                                  .backend_cfg = cfg->backend_cfg,
                                  .costs = cfg->costs,
                                  .hops = cfg->hops,
                                  .speed = cfg->speed };
    return df_model_plan_new(out, cfg->model, size, &terms, c, err);
}

static df_code note_planned(df_program *p, const df_program_cfg *cfg, const df_plan *plan, df_err *err) {
    p->planned = calloc((size_t)plan->n_stages, sizeof *p->planned);
    if (!p->planned) return df_err_set(err, DF_ENOMEM, "%s: program", p->graph->name);
    for (int i = 0; i < plan->n_stages; i++) p->planned[i] = plan->stage[i].seconds * (cfg->speed ? cfg->speed[i] : 1);
    return DF_OK;
}

static df_code make_cut(df_program *p, const df_program_cfg *cfg, df_err *err) {
    df_model_plan *plan = NULL;
    if (df_program_depth(cfg) == 1) return make_whole(p, cfg, err);
    df_code rc = df_program_plan(&plan, cfg, p->component, &p->size, err);
    if (rc) return rc;
    df_component_plan *mine = &plan->component[p->component];
    p->graph = mine->graph;
    p->cut = mine->cut;
    mine->graph = NULL;
    mine->cut = NULL;
    rc = note_planned(p, cfg, mine->plan, err);
    df_model_plan_free(&plan);
    return rc;
}

static df_code list_crossings(df_program *p, const df_program_cfg *cfg, df_err *err) {
    df_code rc = df_crossings_list(&p->crossings, &p->n_crossings, p->graph, p->cut, cfg->n_halves, err);
    if (rc || p->n_crossings <= DF_PROGRAM_MAX_EDGES) return rc;
    return df_err_set(err, DF_ELIMIT, "%s: %d values cross between %d ranks, %d are possible", p->graph->name,
                      p->n_crossings, cfg->n_ranks, DF_PROGRAM_MAX_EDGES);
}

static int stage_of(const df_program_cfg *cfg) {
    return cfg->rank % df_program_depth(cfg);
}

static df_code list_local(df_program *p, const df_program_cfg *cfg, df_err *err) {
    p->local = calloc((size_t)p->cut->n_segments + 1, sizeof *p->local);
    if (!p->local) return df_err_set(err, DF_ENOMEM, "%s: program", p->graph->name);
    for (int i = 0; i < p->cut->n_segments; i++)
        if (p->cut->segments[i].stage == stage_of(cfg)) p->local[p->n_local++] = i;
    return DF_OK;
}

static df_code open_stage(df_program *p, const df_program_cfg *cfg, df_err *err) {
    char key[2048];
    int length = snprintf(key, sizeof key, "model %s\n%s, rank %d of %d, %016llx", cfg->model_key ? cfg->model_key : "",
                          df_component_name(p->component), stage_of(cfg), df_program_depth(cfg),
                          (unsigned long long)p->fingerprint);
    df_stage_cfg stage = {
        .graph = p->graph,
        .cut = p->cut,
        .stage = stage_of(cfg),
        .weights = df_model_weights(cfg->model, p->component),
        .backend = cfg->backend,
        .backend_cfg = cfg->backend_cfg,
        .packed_dir = cfg->model_key && (size_t)length < sizeof key ? cfg->packed_dir : NULL,
        .packed_key = key,
    };
    df_code rc = df_stage_open(&p->stage, &stage, err);
    if (!rc && p->component == DF_DENOISER) df_stage_set_tap(p->stage, cfg->denoiser_tap, cfg->tap_ctx);
    if (!rc && cfg->edges_on_device) df_stage_keep_edges_on_device(p->stage);
    return rc ? rc : df_stage_reserve(p->stage, p->max_rows, cfg->n_slots, err);
}

df_code df_program_open(df_program **out, const df_program_cfg *cfg, df_component c, const df_graph_size *size,
                        df_err *err) {
    df_program *p = calloc(1, sizeof *p);
    if (!p) return df_err_set(err, DF_ENOMEM, "%s: program", df_component_name(c));
    int all = c > DF_DENOISER ? cfg->max_pictures : cfg->max_rows;
    *p = (df_program) { .component = c, .size = *size, .max_rows = (int)df_halves_most(cfg->n_halves, all) };
    df_code rc = make_cut(p, cfg, err);
    if (!rc) rc = list_crossings(p, cfg, err);
    if (!rc) rc = list_local(p, cfg, err);
    if (!rc && cfg->n_halves > 1 && !cfg->rank)
        rc = df_portal_open(&p->portal, p->graph, cfg->backend_cfg.dtype, p->max_rows, cfg->n_slots, err);
    if (!rc) {
        p->fingerprint = fingerprint_of(p->graph, p->cut, cfg);
        rc = open_stage(p, cfg, err);
    }
    if (rc) {
        df_program_close(&p);
        return rc;
    }
    *out = p;
    return DF_OK;
}

char *df_program_name(const df_program *p, char *out, size_t out_bytes) {
    if (p->component < DF_DENOISER)
        snprintf(out, out_bytes, "%s", df_component_name(p->component));
    else
        snprintf(out, out_bytes, "%s %dx%d", df_component_name(p->component), p->size.latent_w, p->size.latent_h);
    return out;
}
