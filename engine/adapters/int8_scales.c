#include "engine/adapters/int8_scales.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/config/json_config.h"
#include "engine/graph/shape.h"

typedef struct layer {
    char *name;
    df_int8 how;
} layer;

struct df_int8_scales {
    char *path;
    char model_sha256[DF_SHA256_HEX_BYTES];
    layer *layers; /* [n] in order of their names */
    size_t n;
};

void df_int8_scales_close(df_int8_scales **scales) {
    if (!scales || !*scales) return;
    df_int8_scales *s = *scales;
    for (size_t i = 0; s->layers && i < s->n; i++) free(s->layers[i].name);
    free(s->layers);
    free(s->path);
    free(s);
    *scales = NULL;
}

/* finding */

void df_int8_scales_beside(char *path, size_t path_bytes, const char *model) {
    static const char ending[] = ".safetensors";
    struct stat st;
    size_t n = strlen(model);
    if (!stat(model, &st) && S_ISDIR(st.st_mode)) {
        while (n > 1 && model[n - 1] == '/') n--;
        snprintf(path, path_bytes, "%.*s/diffarm-int8.json", (int)n, model);
        return;
    }
    if (n >= sizeof ending && !strcmp(model + n - (sizeof ending - 1), ending)) n -= sizeof ending - 1;
    snprintf(path, path_bytes, "%.*s.int8.json", (int)n, model);
}

df_code df_int8_scales_find(char *path, size_t path_bytes, const char *model, const char *given, df_err *err) {
    if (given)
        snprintf(path, path_bytes, "%s", given);
    else
        df_int8_scales_beside(path, path_bytes, model);
    if (!access(path, R_OK)) return DF_OK;
    return df_err_set(err, DF_ENOTFOUND,
                      "%s: cannot be read (%s), and int8 needs a model's scales: make them with "
                      "`diffarm calibrate -m %s -o %s`",
                      path, strerror(errno), model, path);
}

/* reading */

static df_code read_head(df_int8_scales *s, df_config *c) {
    const char *format = df_config_string(c, "format", "");
    int64_t version = df_config_int(c, "version", 0, 0, INT32_MAX);
    const char *sha256 = df_config_string(c, "model_sha256", "");
    if (c->rc) return c->rc;
    if (strcmp(format, DF_INT8_FORMAT) || version != DF_INT8_VERSION)
        return df_err_set(c->err, DF_EFORMAT,
                          "%s: not int8 scales of version %d ('format', 'version'); make them with `diffarm calibrate`",
                          s->path, DF_INT8_VERSION);
    if (strlen(sha256) != DF_SHA256_HEX_BYTES - 1 || strspn(sha256, "0123456789abcdef") != DF_SHA256_HEX_BYTES - 1)
        return df_err_set(c->err, DF_EFORMAT, "%s: 'model_sha256' is not 64 hexadecimal digits", s->path);
    memcpy(s->model_sha256, sha256, sizeof s->model_sha256);
    return DF_OK;
}

static df_code read_layer(layer *l, const char *path, size_t i, json_t *value, df_err *err) {
    char where[512];
    snprintf(where, sizeof where, "%.400s: layers[%zu]", path, i);
    df_config c = { .root = value, .path = where, .err = err };
    const char *name = df_config_string(&c, "name", "");
    double scale = df_config_double(&c, "scale", 0);
    int64_t zero = df_config_int(&c, "zero", -1, 0, 255);
    if (c.rc) return c.rc;
    if (!*name) return df_err_set(err, DF_EFORMAT, "%s: no 'name'", where);
    if (zero < 0) return df_err_set(err, DF_EFORMAT, "%s '%s': no 'zero'", where, name);
    if (!(scale >= 1e-30 && scale <= 1e30)) /* far within what an f32 and its inverse hold */
        return df_err_set(err, DF_EFORMAT, "%s '%s': 'scale' is %g, must be a positive number", where, name, scale);
    l->how = (df_int8) { .scale = (float)scale, .zero = (int32_t)zero };
    l->name = strdup(name);
    return l->name ? DF_OK : df_err_set(err, DF_ENOMEM, "%s", where);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const layer *)a)->name, ((const layer *)b)->name);
}

static df_code read_layers(df_int8_scales *s, const json_t *list, df_err *err) {
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n < 1 || n > DF_INT8_MAX_LAYERS)
        return df_err_set(err, DF_EFORMAT, "%s: 'layers' must be a list of 1 to %d", s->path, DF_INT8_MAX_LAYERS);
    if (!(s->layers = calloc(n, sizeof *s->layers))) return df_err_set(err, DF_ENOMEM, "%s: %zu layers", s->path, n);
    for (; s->n < n; s->n++) {
        df_code rc = read_layer(&s->layers[s->n], s->path, s->n, json_array_get(list, s->n), err);
        if (rc) return rc;
    }
    qsort(s->layers, n, sizeof *s->layers, by_name);
    for (size_t i = 1; i < n; i++)
        if (!by_name(&s->layers[i - 1], &s->layers[i]))
            return df_err_set(err, DF_EFORMAT, "%s: layer '%s' is there twice", s->path, s->layers[i].name);
    return DF_OK;
}

static df_code read_all(df_int8_scales *s, df_err *err) {
    json_t *root = NULL;
    df_code rc = df_json_load(&root, s->path, err);
    if (rc) return rc;
    df_config c = { .root = root, .path = s->path, .err = err };
    rc = read_head(s, &c);
    if (!rc) rc = read_layers(s, json_object_get(root, "layers"), err);
    json_decref(root);
    return rc;
}

df_code df_int8_scales_open(df_int8_scales **out, const char *path, df_err *err) {
    df_int8_scales *s = calloc(1, sizeof *s);
    df_code rc = s && (s->path = strdup(path)) ? read_all(s, err) : df_err_set(err, DF_ENOMEM, "%s", path);
    if (rc)
        df_int8_scales_close(&s);
    else
        *out = s;
    return rc;
}

df_code df_int8_scales_check_model(const df_int8_scales *s, const char *model_sha256, df_err *err) {
    if (!strcmp(s->model_sha256, model_sha256)) return DF_OK;
    return df_err_set(err, DF_EINVAL,
                      "%s: made for the model %.12s..., this one is %.12s...: make others with `diffarm calibrate`",
                      s->path, s->model_sha256, model_sha256);
}

/* use */

static bool is_product(const df_node *n) {
    return n->op == DF_OP_LINEAR || n->op == DF_OP_CONV2D;
}

static df_node *find_node(df_graph *g, const char *name) {
    for (int i = 0; i < g->n_nodes; i++)
        if (!strcmp(g->nodes[i].name, name)) return &g->nodes[i];
    return NULL;
}

df_code df_int8_scales_apply(const df_int8_scales *s, df_graph *g, df_err *err) {
    for (size_t i = 0; i < s->n; i++) {
        const layer *l = &s->layers[i];
        df_node *n = find_node(g, l->name);
        if (!n || !is_product(n))
            return df_err_set(err, DF_EINVAL, "%s: '%s' is no %s of this model's %s: the scales are another model's",
                              s->path, l->name, n ? "convolution or linear layer" : "layer", g->name);
        n->int8 = l->how;
    }
    df_code rc = df_graph_check(g, err);
    return rc ? df_err_wrap(err, "%s", s->path) : DF_OK;
}

/* The value, or what it is a reshape of, is an input of the graph. */
static bool is_input(const df_graph *g, df_value_id v) {
    for (;;) {
        int producer = g->values[v].producer;
        if (producer < 0) return true;
        if (g->nodes[producer].op != DF_OP_RESHAPE) return false;
        v = g->nodes[producer].in[0];
    }
}

static bool is_output(const df_graph *g, df_value_id v) {
    for (int i = 0; i < g->n_outputs; i++)
        if (g->outputs[i].value == v) return true;
    for (int i = 0; i < g->n_nodes; i++) {
        const df_node *n = &g->nodes[i];
        bool carries = n->op == DF_OP_RESHAPE || n->op == DF_OP_UNPATCHIFY;
        if (carries && n->in[0] == v && is_output(g, n->out)) return true;
    }
    return false;
}

bool df_int8_is_candidate(const df_graph *g, const df_node *n) {
    if (!is_product(n) || is_input(g, n->in[0]) || is_output(g, n->out)) return false;
    df_shape x = df_graph_shape(g, n->in[0]), w = g->weights[n->weight[0]].shape;
    int64_t positions = df_shape_elements(x) / x.dim[x.rank - 1];
    return positions > 1 && df_shape_elements(w) / w.dim[0] <= DF_INT8_MAX_PRODUCTS;
}
