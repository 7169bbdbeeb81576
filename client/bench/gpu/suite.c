#include "client/bench/gpu/suite.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/samplers/sampler.h"

/* The settings that figures are usually told for. */
static const struct {
    const char *name;
    int width, height, steps;
    double guidance;
} standard[] = {
    { "sd15", 512, 512, 50, 7.5 },
    { "sdxl", 1024, 1024, 20, 8 }, /* MLPerf Inference's */
    { "sd3", 1024, 1024, 28, 7 },
};

/* models */

static int standard_of(const char *name) {
    for (int i = 0; i < (int)(sizeof standard / sizeof *standard); i++)
        if (!strcmp(standard[i].name, name)) return i;
    return -1;
}

/* The source tree's, where the program lies in a build folder of it. */
static df_code configs_of(char *out, size_t out_bytes, const char *told, const char *name, df_err *err) {
    char program[PATH_MAX], index[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash) *slash = '\0';
    if (told)
        n = snprintf(out, out_bytes, "%s/%s", told, name);
    else
        n = snprintf(out, out_bytes, "%s/../../bench/models/%s", program, name);
    if (n < 0 || (size_t)n >= out_bytes) return df_err_set(err, DF_ELIMIT, "%s: path too long", name);
    snprintf(index, sizeof index, "%s/model_index.json", out);
    if (!access(index, F_OK)) return DF_OK;
    return df_err_set(err, DF_ENOTFOUND,
                      "%s: no configs of '%s' there; name the folder that has them with --configs DIR, or a model's "
                      "folder instead",
                      out, name);
}

static const char *last_of(const char *path) {
    size_t n = strlen(path);
    const char *end = path + n;
    while (end > path + 1 && end[-1] == '/') end--;
    while (end > path && end[-1] != '/') end--;
    return end;
}

static df_code open_model(df_gpu_model *m, const char *told, const df_gpu_options *o, df_err *err) {
    char path[PATH_MAX];
    int at = standard_of(told);
    df_code rc = DF_OK;
    m->invented = at >= 0;
    snprintf(path, sizeof path, "%s", told);
    snprintf(m->name, sizeof m->name, "%.*s", (int)strcspn(last_of(told), "/"), last_of(told));
    if (m->invented) rc = configs_of(path, sizeof path, o->configs, told, err);
    const df_model_options how = { .invented = m->invented };
    if (!rc) rc = df_model_open_with(&m->model, path, &how, err);
    if (rc) return rc;
    const df_model_info *info = df_model_info_of(m->model);
    m->width = o->width ? o->width : at >= 0 ? standard[at].width : info->default_width;
    m->height = o->height ? o->height : at >= 0 ? standard[at].height : info->default_height;
    m->steps = o->steps ? o->steps : at >= 0 ? standard[at].steps : DF_DEFAULT_STEPS;
    m->guidance = at >= 0 ? standard[at].guidance : DF_DEFAULT_GUIDANCE;
    if (m->width % info->size_multiple || m->height % info->size_multiple)
        return df_err_set(err, DF_EINVAL, "--size %dx%d: sides of %s must be multiples of %d", m->width, m->height,
                          m->name, info->size_multiple);
    return DF_OK;
}

static df_code count_calls(df_gpu_model *m, df_err *err) {
    df_sampler *s = NULL;
    df_code rc = df_sampler_new(&s, df_model_scheduler(m->model), m->steps, 0, 1, err);
    if (!rc) m->calls = df_sampler_n_calls(s);
    df_sampler_free(&s);
    return rc;
}

static df_code make_graphs(df_gpu_model *m, df_err *err) {
    int factor = df_model_info_of(m->model)->vae_factor;
    df_code rc = DF_OK;
    for (df_component c = DF_TEXT_ENCODER; c <= DF_VAE_DECODER && !rc; c++) {
        const df_graph_size latents = { .latent_h = m->height / factor, .latent_w = m->width / factor }, text = { 0 };
        if (df_model_has(m->model, c))
            rc = df_model_graph_of(m->model, c, c < DF_DENOISER ? &text : &latents, &m->graph[c], err);
    }
    return rc;
}

/* items */

static df_gpu_item *add_item(df_suite *s, int model, df_gpu_part part, df_component of, int64_t rows) {
    df_gpu_item *list = realloc(s->item, (size_t)(s->n_items + 1) * sizeof *list);
    if (!list) return NULL;
    s->item = list;
    df_gpu_item *i = &list[s->n_items++];
    *i = (df_gpu_item) { .model = model, .part = part, .of = of, .node = -1, .nodes = 1, .rows = rows };
    if (part != DF_GPU_PICTURES)
        snprintf(i->component, sizeof i->component, "%s", df_model_component_name(s->model[model].model, of));
    return i;
}

/* All nodes of a graph, for so many rows together. */
static void add_graph(double *flops, double *bytes, const df_graph *g, int64_t rows, df_dtype dtype, double times) {
    for (int i = 0; g && i < g->n_nodes; i++) {
        df_node_work w = df_node_work_of(g, &g->nodes[i]);
        *flops += times * (double)rows * (w.flops + w.fused_flops);
        *bytes += times * df_work_bytes(&w, rows, dtype);
    }
}

/* How often a graph runs for one picture, when `rows` of it run together. */
static double runs_per_picture(const df_gpu_model *m, df_component c, const df_gpu_item *i, int64_t *rows) {
    *rows = c == DF_DENOISER ? 2 * i->rows : i->rows;
    return (c == DF_DENOISER ? m->calls : 1) / (double)i->rows;
}

static bool add_pictures(df_suite *s, int model, int micro_batch) {
    df_gpu_model *m = &s->model[model];
    df_gpu_item *i = add_item(s, model, DF_GPU_PICTURES, DF_DENOISER, micro_batch);
    if (!i) return false;
    for (df_component c = DF_TEXT_ENCODER; c <= DF_VAE_DECODER; c++) {
        int64_t rows;
        double times = runs_per_picture(m, c, i, &rows);
        add_graph(&i->flops, &i->bytes, m->graph[c], rows, s->dtype, times);
    }
    return true;
}

static bool add_step(df_suite *s, int model, int micro_batch) {
    df_gpu_item *i = add_item(s, model, DF_GPU_STEP, DF_DENOISER, 2 * micro_batch);
    if (i) add_graph(&i->flops, &i->bytes, s->model[model].graph[DF_DENOISER], i->rows, s->dtype, 1);
    return i != NULL;
}

static df_code add_ops(df_suite *s, int model, df_component c, int64_t rows, df_err *err) {
    const df_graph *g = s->model[model].graph[c];
    df_shapes shapes;
    df_code rc = g ? df_shapes_of(&shapes, g, err) : DF_OK;
    if (rc || !g) return rc;
    for (int k = 0; k < shapes.n; k++) {
        const df_op_shape *shape = &shapes.at[k];
        df_gpu_item *i = add_item(s, model, DF_GPU_OPS, c, rows);
        if (!i) {
            df_shapes_free(&shapes);
            return df_err_set(err, DF_ENOMEM, "a list of operations");
        }
        memcpy(i->name, shape->name, sizeof i->name);
        i->node = shape->node;
        i->nodes = shape->nodes;
        i->work = shape->work;
        i->flops = (double)rows * (shape->work.flops + shape->work.fused_flops);
        i->bytes = df_work_bytes(&shape->work, rows, s->dtype);
    }
    df_shapes_free(&shapes);
    return DF_OK;
}

static df_code add_items(df_suite *s, const df_gpu_options *o, df_err *err) {
    df_code rc = DF_OK;
    bool there = true;
    for (int m = 0; m < s->n_models; m++) {
        if (o->part[DF_GPU_PICTURES]) there = there && add_pictures(s, m, o->micro_batch);
        if (o->part[DF_GPU_STEP]) there = there && add_step(s, m, o->micro_batch);
    }
    if (!there) return df_err_set(err, DF_ENOMEM, "a list of %d models", s->n_models);
    for (int m = 0; m < s->n_models && !rc && o->part[DF_GPU_OPS]; m++) {
        rc = add_ops(s, m, DF_DENOISER, 2 * o->micro_batch, err);
        if (!rc) rc = add_ops(s, m, DF_VAE_DECODER, o->micro_batch, err);
    }
    return rc;
}

df_code df_suite_open(df_suite **out, const df_gpu_options *o, df_err *err) {
    df_suite *s = calloc(1, sizeof *s);
    if (!s) return df_err_set(err, DF_ENOMEM, "bench");
    df_code rc = DF_OK;
    s->dtype = o->backend_cfg.dtype;
    while (s->n_models < o->n_models && !rc) {
        df_gpu_model *m = &s->model[s->n_models];
        rc = open_model(m, o->model[s->n_models++], o, err);
        if (!rc) rc = count_calls(m, err);
        if (!rc) rc = make_graphs(m, err);
    }
    if (!rc) rc = add_items(s, o, err);
    if (rc)
        df_suite_close(&s);
    else
        *out = s;
    return rc;
}

void df_suite_close(df_suite **suite) {
    df_suite *s = *suite;
    if (!s) return;
    for (int m = 0; m < s->n_models; m++) {
        for (int c = 0; c < DF_COMPONENT_COUNT; c++) df_graph_free(&s->model[m].graph[c]);
        df_model_close(&s->model[m].model);
    }
    free(s->item);
    free(s);
    *suite = NULL;
}

/* expectations */

static double graph_seconds(const df_graph *g, int64_t rows, df_dtype dtype, const df_gpu_peak *peak) {
    double seconds = 0;
    for (int i = 0; g && i < g->n_nodes; i++) {
        df_node_work w = df_node_work_of(g, &g->nodes[i]);
        seconds += df_roofline_seconds(peak, &w, rows, dtype);
    }
    return seconds;
}

double df_suite_expected(const df_suite *s, const df_gpu_item *i, const df_gpu_peak *peak) {
    const df_gpu_model *m = &s->model[i->model];
    double seconds = 0;
    if (i->part == DF_GPU_OPS) return df_roofline_seconds(peak, &i->work, i->rows, s->dtype);
    if (i->part == DF_GPU_STEP) return graph_seconds(m->graph[DF_DENOISER], i->rows, s->dtype, peak);
    for (df_component c = DF_TEXT_ENCODER; c <= DF_VAE_DECODER; c++) {
        int64_t rows;
        double times = runs_per_picture(m, c, i, &rows);
        seconds += times * graph_seconds(m->graph[c], rows, s->dtype, peak);
    }
    return seconds;
}
