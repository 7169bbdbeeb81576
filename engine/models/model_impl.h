/* What the parts of df_model share; nobody outside this folder includes it. */
#ifndef DF_ENGINE_MODELS_MODEL_IMPL_H
#define DF_ENGINE_MODELS_MODEL_IMPL_H

#include "base/arena.h"
#include "engine/adapters/int8_scales.h"
#include "engine/models/config_check.h"
#include "engine/models/model.h"
#include "engine/models/model_index.h"
#include "engine/text/t5_tokenizer.h"

/* A folder of the model: text encoder, denoiser or autoencoder. */
typedef struct df_model_part {
    const df_component_class *klass; /* NULL: the model has no such part */
    void *config; /* klass->config_bytes in the model's arena */
    df_part_facts facts;
    df_weights *weights;
} df_model_part;

struct df_model {
    df_arena *arena; /* paths, configs */
    const char *dir; /* of the configs */
    const char *path; /* as given: the same folder, or a file with all weights */
    bool one_file;
    df_model_info info;
    df_model_options options;
    df_model_index index;
    const char *scheduler_path;
    df_scheduler scheduler, low_res_scheduler;
    df_tokenizer *tokenizer[DF_MAX_TOKENIZERS]; /* CLIP's; NULL: it has none */
    df_t5_tokenizer *t5_tokenizer; /* of the third text encoder; NULL: it has none */
    df_model_part part[DF_PART_COUNT];
    struct df_model_adapters *adapters; /* NULL: none */
    struct df_model_embeddings *embeddings; /* NULL: none */
    df_int8_scales *int8_scales; /* of the denoiser; NULL: none */
};

/* "DIR/SUB"; NULL when out of memory. */
const char *df_model_path(df_arena *arena, const df_model *m, const char *sub);

df_part df_component_part(df_component c);

/* Tokens of a text encoder's ids, or of the denoiser's encoder_hidden_states. */
int64_t df_model_tokens(const df_model *m, df_component c);

/* model_adapters.c: opens what options.adapters name and has it added to the weights. */
df_code df_model_adapt(df_model *m, df_err *err);
void df_model_adapters_close(struct df_model_adapters **a);

/* model_embeddings.c: opens the file of a textual inversion and gives its token to the tokenizers; with all of them
 * there, their vectors go behind the tables of the text encoders. */
df_code df_model_check_embedding(const df_model *m, const df_adapter_use *use, df_err *err);
df_code df_model_add_embedding(df_model *m, const df_adapter_use *use, df_err *err);
df_code df_model_place_embeddings(df_model *m, df_err *err);
void df_model_embeddings_free(struct df_model_embeddings **e);

/* model_int8.c: opens the scales, and holds them against the denoiser. */
df_code df_model_check_int8(const df_model *m, const df_adapter_use *use, df_err *err);
df_code df_model_add_int8(df_model *m, const df_adapter_use *use, df_err *err);

/* model_fit.c: each config may be right by itself and still not fit its neighbour. Fills info first. */
void df_model_fill_info(df_model *m);
df_code df_model_check_fit(const df_model *m, df_err *err);

#endif
