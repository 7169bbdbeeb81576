#include "cluster/text_context.h"

#include <stdio.h>
#include <string.h>

size_t df_text_context_bytes(const df_model *m, df_dtype dtype) {
    const df_model_info *info = df_model_info_of(m);
    return (size_t)info->context_tokens * (size_t)info->text_width * df_dtype_bytes(dtype);
}

size_t df_text_pooled_bytes(const df_model *m, df_dtype dtype) {
    return (size_t)df_model_info_of(m)->pooled_width * df_dtype_bytes(dtype);
}

/* hidden.K of the greatest K is the output of the last layer; hidden[-2] the one before it. */
static int penultimate(const df_graph *g) {
    int last = 0, k;
    for (int i = 0; i < g->n_outputs; i++)
        if (sscanf(g->outputs[i].name, "hidden.%d", &k) == 1 && k > last) last = k;
    return last - 1;
}

const char *df_text_context_port(const df_model *m, df_component encoder, const df_graph *g,
                                 char name[DF_TEXT_PORT_BYTES]) {
    df_context context = df_model_pipeline(m)->context;
    bool last = context == DF_CONTEXT_LAST || encoder == DF_TEXT_ENCODER_3;
    if (last)
        snprintf(name, DF_TEXT_PORT_BYTES, "last_hidden_state");
    else
        snprintf(name, DF_TEXT_PORT_BYTES, "hidden.%d", penultimate(g));
    return name;
}

const char *df_text_pooled_port(const df_model *m, df_component encoder) {
    df_pooled pooled = df_model_pipeline(m)->pooled;
    bool wanted = (encoder == DF_TEXT_ENCODER_2 && pooled != DF_POOLED_NONE) ||
                  (encoder == DF_TEXT_ENCODER && pooled == DF_POOLED_PAIR);
    if (!wanted) return NULL;
    return df_model_facts(m, encoder)->text.projected ? "projected" : "last_hidden_state";
}

/* The second of a pair goes beside the first, a third below both. */
void df_text_context_put(const df_model *m, df_component encoder, df_prompt *p, const void *states, df_dtype dtype) {
    const df_model_info *info = df_model_info_of(m);
    const df_part_facts *first = df_model_facts(m, DF_TEXT_ENCODER), *facts = df_model_facts(m, encoder);
    size_t unit = df_dtype_bytes(dtype), wide = (size_t)info->text_width * unit;
    size_t bytes = (size_t)facts->text.width * unit;
    size_t column = encoder == DF_TEXT_ENCODER_2 ? (size_t)first->text.width * unit : 0;
    int64_t row = encoder == DF_TEXT_ENCODER_3 ? first->text.tokens : 0;
    char *to = (char *)p->embedding + column;
    const char *from = states;
    for (int64_t t = 0; t < facts->text.tokens && row + t < info->context_tokens; t++)
        memcpy(to + (size_t)(row + t) * wide, from + (size_t)t * bytes, bytes);
}

void df_text_pooled_put(const df_model *m, df_component encoder, df_prompt *p, const int32_t *ids, const void *states,
                        df_dtype dtype) {
    const df_part_facts *facts = df_model_facts(m, encoder);
    bool pair = df_model_pipeline(m)->pooled == DF_POOLED_PAIR;
    size_t unit = df_dtype_bytes(dtype), bytes = (size_t)facts->text.pooled * unit;
    size_t column =
        pair && encoder == DF_TEXT_ENCODER_2 ? (size_t)df_model_facts(m, DF_TEXT_ENCODER)->text.pooled * unit : 0;
    int64_t at = df_model_pooled_position_of(m, encoder, ids, facts->text.tokens);
    memcpy((char *)p->pooled + column, (const char *)states + (size_t)at * bytes, bytes);
}
