/* Micro-batches of prompts: each distinct prompt passes each text encoder once. */
#include <string.h>

#include "cluster/renderer_impl.h"
#include "cluster/text_context.h"

static size_t tokens_of(const df_renderer *r, const df_batch *b) {
    return (size_t)df_model_facts(r->model, r->encoder[b->encoder])->text.tokens;
}

static void fill(df_renderer *r, df_batch *b, int slot) {
    size_t tokens = tokens_of(r, b);
    df_halves_split(b->n_rows, df_pipeline_halves(r->pipeline), b->n);
    for (int i = 0; i < b->n; i++) {
        df_half_place at = df_halves_place(b->n_rows, i);
        int32_t *ids = df_pipeline_half_input(r->pipeline, slot, b->program, at.half, "ids", b->n_rows[at.half]);
        memcpy(ids + (size_t)at.at * tokens, b->prompts[i]->ids[b->encoder], tokens * sizeof *ids);
    }
}

static void fail(df_batch *b, const df_err *why) {
    for (int i = 0; i < b->n; i++) df_prompt_fail(b->prompts[i], why);
    b->n = 0;
}

static df_code start(df_renderer *r, int encoder, int slot, bool *started, df_err *err) {
    df_batch *b = &r->batches[slot];
    int max = df_pipeline_max_rows(r->pipeline);
    bool later;
    df_err why;
    df_prompt *p;
    df_code rc = df_batch_load(r, b, r->encoder[encoder], &(df_graph_size) { 0 }, &later, &why, err);
    if (rc || later) return rc;
    for (b->n = 0; b->n < max && (p = df_prompt_next(r->prompts, encoder));) b->prompts[b->n++] = p;
    if (why.code) {
        fail(b, &why);
        return DF_OK;
    }
    b->kind = DF_BATCH_TEXT;
    b->encoder = encoder;
    fill(r, b, slot);
    return df_batch_run(r, b, slot, started, err);
}

df_code df_text_batch_start(df_renderer *r, int slot, bool *started, df_err *err) {
    df_code rc = DF_OK;
    for (int k = 0; k < r->n_encoders && !rc && !*started; k++)
        if (df_prompt_is_waiting(r->prompts, k)) rc = start(r, k, slot, started, err);
    return rc;
}

/* [tokens][width] of prompt i. */
static const void *states_of(const df_renderer *r, const df_batch *b, int slot, const char *port, int i) {
    return df_batch_output(r, b, slot, port, df_halves_place(b->n_rows, i));
}

static void take_context(df_renderer *r, df_batch *b, int slot) {
    char name[DF_TEXT_PORT_BYTES];
    df_component c = r->encoder[b->encoder];
    const df_graph *g = df_pipeline_graph(r->pipeline, b->program);
    const char *port = df_text_context_port(r->model, c, g, name);
    for (int i = 0; i < b->n; i++)
        df_text_context_put(r->model, c, b->prompts[i], states_of(r, b, slot, port, i), r->dtype);
}

static void take_pooled(df_renderer *r, df_batch *b, int slot) {
    df_component c = r->encoder[b->encoder];
    const char *port = df_text_pooled_port(r->model, c);
    if (!port) return;
    for (int i = 0; i < b->n; i++)
        df_text_pooled_put(r->model, c, b->prompts[i], b->prompts[i]->ids[b->encoder], states_of(r, b, slot, port, i),
                           r->dtype);
}

void df_text_batch_finish(df_renderer *r, df_batch *b, int slot, const df_err *failure) {
    if (failure) {
        fail(b, failure);
        return;
    }
    take_context(r, b, slot);
    take_pooled(r, b, slot);
    for (int i = 0; i < b->n; i++) df_prompt_encoded(r->prompts, b->prompts[i]);
}
