/* Adapters of a model: each part's weights get what the files hold for them as they are read. */
#include <stdlib.h>
#include <string.h>

#include "engine/adapters/lora.h"
#include "engine/models/model_impl.h"

typedef struct part_patch {
    const struct df_model_adapters *all;
    int part;
} part_patch;

struct df_model_adapters {
    df_lora **lora; /* [n] */
    double *weight; /* [n] of the LoRAs */
    int n;
    part_patch patch[DF_PART_COUNT];
};

void df_model_adapters_close(struct df_model_adapters **a) {
    if (!a || !*a) return;
    for (int i = 0; i < (*a)->n; i++) df_lora_close(&(*a)->lora[i]);
    free((*a)->lora);
    free((*a)->weight);
    free(*a);
    *a = NULL;
}

static df_code patch(void *ctx, const char *name, const int64_t *dim, int rank, float *dst, df_err *err) {
    const part_patch *p = ctx;
    df_code rc = DF_OK;
    for (int i = 0; i < p->all->n && !rc; i++)
        rc = df_lora_add(p->all->lora[i], p->part, name, p->all->weight[i], dst, dim, rank, err);
    return rc;
}

static df_code check_content(const df_adapter_use *use, df_err *err) {
    char hex[DF_SHA256_HEX_BYTES];
    if (!use->sha256) return DF_OK;
    df_code rc = df_sha256_file(use->path, hex, err);
    if (!rc && strcmp(hex, use->sha256))
        rc = df_err_set(err, DF_EINVAL, "%s: has changed since the job was submitted; submit the job again", use->path);
    return rc;
}

static df_code open_lora(const df_model *m, const df_adapter_use *use, df_lora **out, df_err *err) {
    df_code rc = df_lora_open(out, use->path, err);
    for (int i = 0; i < DF_PART_AUTOENCODER && !rc; i++)
        if (m->part[i].klass) rc = df_lora_match(*out, i, m->index.pipeline->part[i].folder, m->part[i].weights, err);
    return rc ? rc : df_lora_check(*out, err);
}

df_code df_model_check_adapter(const df_model *m, const df_adapter_use *use, df_err *err) {
    df_lora *lora = NULL;
    df_code rc = check_content(use, err);
    if (rc) return rc;
    if (use->kind == DF_ADAPTER_EMBEDDING) return df_model_check_embedding(m, use, err);
    if (use->kind == DF_ADAPTER_INT8_SCALES) return df_model_check_int8(m, use, err);
    rc = open_lora(m, use, &lora, err);
    df_lora_close(&lora);
    return rc;
}

static df_code open_all(df_model *m, struct df_model_adapters *a, df_err *err) {
    int n = m->options.n_adapters;
    a->lora = calloc((size_t)n, sizeof(df_lora *));
    a->weight = calloc((size_t)n, sizeof *a->weight);
    if (!a->lora || !a->weight) return df_err_set(err, DF_ENOMEM, "%s: %d adapters", m->path, n);
    df_code rc = DF_OK;
    for (int i = 0; i < n && !rc; i++) {
        const df_adapter_use *use = &m->options.adapters[i];
        rc = check_content(use, err);
        if (!rc && use->kind == DF_ADAPTER_EMBEDDING) rc = df_model_add_embedding(m, use, err);
        if (!rc && use->kind == DF_ADAPTER_INT8_SCALES) rc = df_model_add_int8(m, use, err);
        if (rc || use->kind != DF_ADAPTER_LORA) continue;
        a->weight[a->n] = use->weight;
        rc = open_lora(m, use, &a->lora[a->n++], err);
    }
    return rc ? rc : df_model_place_embeddings(m, err);
}

df_code df_model_adapt(df_model *m, df_err *err) {
    if (!m->options.n_adapters) return DF_OK;
    if (!(m->adapters = calloc(1, sizeof *m->adapters))) return df_err_set(err, DF_ENOMEM, "%s: adapters", m->path);
    df_code rc = open_all(m, m->adapters, err);
    m->options.adapters = NULL; /* borrowed for the call */
    for (int i = 0; i < DF_PART_COUNT && !rc; i++) {
        m->adapters->patch[i] = (part_patch) { .all = m->adapters, .part = i };
        if (m->part[i].weights) df_weights_set_patch(m->part[i].weights, patch, &m->adapters->patch[i]);
    }
    return rc;
}
