#include "client/calibrate/observer.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "client/calibrate/histogram.h"
#include "engine/adapters/int8_scales.h"
#include "engine/backend/int8.h"

typedef struct layer {
    const df_node *node; /* of the graph below */
    df_int8 codes;
    double snr_db;
    bool kept; /* not in 8 bits */
} layer;

struct df_observer {
    const df_model *model;
    df_graph *graph; /* as the pipeline makes it: values have the same numbers there */
    df_dtype dtype;
    df_histogram **of_value; /* [n_values] NULL: no layer reads it; layers may share one */
    layer *layers; /* [n] */
    int n;
    double min_snr_db;
};

void df_observer_close(df_observer **observer) {
    df_observer *o = *observer;
    if (!o) return;
    for (int v = 0; o->of_value && v < o->graph->n_values; v++) free(o->of_value[v]);
    free(o->of_value);
    free(o->layers);
    df_graph_free(&o->graph);
    free(o);
    *observer = NULL;
}

static df_code add_layer(df_observer *o, const df_node *n, df_err *err) {
    df_histogram **h = &o->of_value[n->in[0]];
    if (!*h && !(*h = calloc(1, sizeof **h))) return df_err_set(err, DF_ENOMEM, "%s", n->name);
    o->layers[o->n++] = (layer) { .node = n };
    return DF_OK;
}

static df_code list_layers(df_observer *o, df_err *err) {
    const df_graph *g = o->graph;
    df_code rc = DF_OK;
    o->of_value = calloc((size_t)g->n_values + 1, sizeof(df_histogram *));
    o->layers = calloc((size_t)g->n_nodes + 1, sizeof *o->layers);
    if (!o->of_value || !o->layers) return df_err_set(err, DF_ENOMEM, "%d layers", g->n_nodes);
    for (int i = 0; i < g->n_nodes && !rc; i++)
        if (df_int8_is_candidate(g, &g->nodes[i])) rc = add_layer(o, &g->nodes[i], err);
    if (!rc && !o->n) rc = df_err_set(err, DF_EUNSUPPORTED, "%s: has no layer that could be in int8", g->name);
    return rc;
}

df_code df_observer_open(df_observer **out, const df_model *model, int latent_h, int latent_w, df_dtype dtype,
                         df_err *err) {
    df_observer *o = calloc(1, sizeof *o);
    if (!o) return df_err_set(err, DF_ENOMEM, "calibration");
    *o = (df_observer) { .model = model, .dtype = dtype };
    df_code rc = df_model_graph(model, DF_DENOISER, latent_h, latent_w, &o->graph, err);
    if (!rc) rc = list_layers(o, err);
    if (rc)
        df_observer_close(&o);
    else
        *out = o;
    return rc;
}

void df_observer_tap(void *observer, const df_node *node, const void *out, int64_t n_rows) {
    df_observer *o = observer;
    df_histogram *h = o->of_value[node->out];
    if (h) df_histogram_add(h, o->dtype, out, n_rows * df_shape_elements(o->graph->values[node->out].shape));
}

/* weights */

static double noise_of(const float *w, const int8_t *codes, const float *scale, int64_t channels, int64_t n) {
    double error = 0, squares = 0;
    for (int64_t i = 0; i < channels * n; i++) {
        double is = (double)w[i], d = is - (double)codes[i] * (double)scale[i / n];
        error += d * d;
        squares += is * is;
    }
    return squares > 0 ? error / squares : 0;
}

static df_code weight_noise(const df_observer *o, const layer *l, double *noise, df_err *err) {
    const df_weight *w = &o->graph->weights[l->node->weight[0]];
    int64_t all = df_shape_elements(w->shape), channels = w->shape.dim[0];
    float *data = malloc((size_t)all * sizeof *data), *scale = malloc((size_t)channels * sizeof *scale);
    int8_t *codes = malloc((size_t)all);
    df_code rc = DF_OK;
    if (!data || !scale || !codes)
        rc = df_err_set(err, DF_ENOMEM, "'%s': %lld weights", w->name, (long long)all);
    else
        rc = df_weights_read_f32(df_model_weights(o->model, DF_DENOISER), w->name, w->shape.dim, w->shape.rank, data,
                                 err);
    if (!rc) {
        df_int8_weights(codes, scale, data, channels, all / channels);
        *noise = noise_of(data, codes, scale, channels, all / channels);
    }
    free(data);
    free(scale);
    free(codes);
    return rc;
}

df_code df_observer_measure(df_observer *o, double min_snr_db, df_err *err) {
    o->min_snr_db = min_snr_db;
    for (int i = 0; i < o->n; i++) {
        layer *l = &o->layers[i];
        double of_inputs, of_weights = 0;
        l->codes = df_histogram_codes(o->of_value[l->node->in[0]], &of_inputs);
        df_code rc = weight_noise(o, l, &of_weights, err);
        if (rc) return rc;
        l->snr_db = fmin(-10 * log10(of_inputs + of_weights + 1e-12), 120);
        l->kept = !(l->codes.scale > 0) || l->snr_db < min_snr_db;
    }
    return DF_OK;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

df_calibration_result df_observer_result(const df_observer *o) {
    df_calibration_result r = { 0 };
    double *snr = calloc((size_t)o->n, sizeof *snr);
    for (int i = 0; snr && i < o->n; i++) {
        if (o->layers[i].kept)
            r.n_kept++;
        else
            snr[r.n_layers++] = o->layers[i].snr_db;
    }
    if (r.n_layers) {
        qsort(snr, (size_t)r.n_layers, sizeof *snr, by_value);
        r.worst_snr_db = snr[0];
        r.median_snr_db = snr[r.n_layers / 2];
    }
    free(snr);
    return r;
}

/* the file */

static json_t *layers_json(const df_observer *o, bool kept) {
    json_t *list = json_array();
    for (int i = 0; i < o->n; i++) {
        const layer *l = &o->layers[i];
        if (l->kept != kept) continue;
        json_t *one = json_pack("{s:s, s:f}", "name", l->node->name, "snr_db", round(l->snr_db * 100) / 100);
        if (!kept) {
            json_object_set_new(one, "scale", json_real((double)l->codes.scale));
            json_object_set_new(one, "zero", json_integer(l->codes.zero));
        }
        json_array_append_new(list, one);
    }
    return list;
}

df_code df_observer_write(const df_observer *o, const char *path, const df_calibration_about *about, df_err *err) {
    json_t *root =
        json_pack("{s:s, s:i, s:s, s:s, s:{s:i, s:i, s:i, s:i, s:f}, s:o, s:o}", "format", DF_INT8_FORMAT, "version",
                  DF_INT8_VERSION, "model_sha256", about->model_sha256, "component", o->graph->name, "calibration",
                  "prompts", about->n_prompts, "steps", about->steps, "width", about->width, "height", about->height,
                  "min_snr_db", o->min_snr_db, "layers", layers_json(o, false), "kept", layers_json(o, true));
    char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    df_code rc = text ? df_file_write(path, text, strlen(text), err) : df_err_set(err, DF_ENOMEM, "%s", path);
    free(text);
    json_decref(root);
    return rc;
}
