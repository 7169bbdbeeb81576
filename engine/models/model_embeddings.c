/* Textual inversion: words of their own in the tokenizers of a model, and their vectors behind the tables of its text
 * encoders. */
#include <stdlib.h>
#include <string.h>

#include "engine/adapters/embedding.h"
#include "engine/models/model_impl.h"

enum { N_ENCODERS = 2 }; /* those of CLIP */

struct df_model_embeddings {
    float *rows[N_ENCODERS]; /* [n][width], behind those of the file */
    int64_t n[N_ENCODERS], first_id[N_ENCODERS];
};

void df_model_embeddings_free(struct df_model_embeddings **e) {
    if (!e || !*e) return;
    for (int i = 0; i < N_ENCODERS; i++) free((*e)->rows[i]);
    free(*e);
    *e = NULL;
}

static const df_model_part *encoder_of(const df_model *m, int i) {
    const df_model_part *p = &m->part[DF_PART_TEXT + i];
    return p->klass && p->klass->set_vocab ? p : NULL;
}

static int64_t width_of(const df_model *m, int i) {
    const df_model_part *p = encoder_of(m, i);
    return p ? p->facts.text.width : 0;
}

static df_code open_for(const df_model *m, const df_adapter_use *use, df_embedding **out, df_err *err) {
    int64_t width[N_ENCODERS];
    for (int i = 0; i < N_ENCODERS; i++) width[i] = width_of(m, i);
    df_code rc = df_embedding_open(out, use->path, use->name, err);
    return rc ? rc : df_embedding_check(*out, width, N_ENCODERS, err);
}

df_code df_model_check_embedding(const df_model *m, const df_adapter_use *use, df_err *err) {
    df_embedding *e = NULL;
    df_code rc = open_for(m, use, &e, err);
    for (int i = 0; i < N_ENCODERS && !rc; i++) {
        df_embedding_view v = df_embedding_vectors(e, i, width_of(m, i));
        if (!v.tensor || !m->tokenizer[i]) continue;
        if ((rc = df_tokenizer_can_add(m->tokenizer[i], df_embedding_token(e), err)))
            df_err_wrap(err, "%s (TOKEN=FILE gives it another name)", use->path);
    }
    df_embedding_close(&e);
    return rc;
}

static df_code keep_rows(struct df_model_embeddings *to, int i, const df_embedding_view *v, df_err *err) {
    size_t have = (size_t)(to->n[i] * v->width), more = (size_t)(v->n * v->width);
    float *rows = reallocarray(to->rows[i], have + more, sizeof *rows);
    if (!rows) return df_err_set(err, DF_ENOMEM, "%lld vectors", (long long)v->n);
    to->rows[i] = rows;
    to->n[i] += v->n;
    return df_tensor_to_f32(v->tensor, rows + have, err);
}

static df_code add_to_encoder(df_model *m, int i, const df_embedding *e, df_err *err) {
    struct df_model_embeddings *to = m->embeddings;
    df_embedding_view v = df_embedding_vectors(e, i, width_of(m, i));
    if (!v.tensor) return DF_OK;
    if (!to->n[i])
        to->first_id[i] =
            m->tokenizer[i] ? df_tokenizer_vocab_size(m->tokenizer[i]) : encoder_of(m, i)->facts.text.vocab;
    df_code rc = keep_rows(to, i, &v, err);
    if (!rc && m->tokenizer[i]) rc = df_tokenizer_add(m->tokenizer[i], df_embedding_token(e), (int)v.n, err);
    return rc;
}

df_code df_model_add_embedding(df_model *m, const df_adapter_use *use, df_err *err) {
    df_embedding *e = NULL;
    if (!m->embeddings && !(m->embeddings = calloc(1, sizeof *m->embeddings)))
        return df_err_set(err, DF_ENOMEM, "%s", use->path);
    df_code rc = open_for(m, use, &e, err);
    for (int i = 0; i < N_ENCODERS && !rc; i++)
        if ((rc = add_to_encoder(m, i, e, err))) df_err_wrap(err, "%s", use->path);
    df_embedding_close(&e);
    return rc;
}

df_code df_model_place_embeddings(df_model *m, df_err *err) {
    const struct df_model_embeddings *e = m->embeddings;
    df_code rc = DF_OK;
    for (int i = 0; e && i < N_ENCODERS && !rc; i++) {
        df_model_part *p = &m->part[DF_PART_TEXT + i];
        if (!e->n[i]) continue;
        p->facts.text.vocab = e->first_id[i] + e->n[i];
        p->klass->set_vocab(p->config, p->facts.text.vocab);
        rc = df_weights_append(p->weights, p->klass->token_table, e->first_id[i], e->rows[i], e->n[i],
                               p->facts.text.width, err);
    }
    return rc;
}
