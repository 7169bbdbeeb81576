/* Text encoders: CLIP's have the names of transformers, OpenCLIP's their own, with q, k and v in one tensor. */
#include <stdio.h>
#include <string.h>

#include "engine/models/checkpoint.h"

void df_checkpoint_clip_names(const df_checkpoint_layout *l, const char *name, df_weights_alias *out, int *n) {
    (void)l;
    *out = (df_weights_alias) { 0 };
    *n = snprintf(out->name, sizeof out->name, "%s", name) < (int)sizeof out->name;
}

static const struct {
    const char *from, *to;
} outside[] = {
    { "token_embedding.", "text_model.embeddings.token_embedding." },
    { "ln_final.", "text_model.final_layer_norm." },
}, inside[] = {
    { "ln_1.", "layer_norm1." },           { "ln_2.", "layer_norm2." },    { "mlp.c_fc.", "mlp.fc1." },
    { "mlp.c_proj.", "mlp.fc2." },         { "attn.out_proj.", "self_attn.out_proj." },
};

static void put_fused(df_weights_alias *out, int *n, int layer, const char *what) {
    static const char parts[] = "qkv";
    for (int i = 0; i < 3; i++) {
        out[i] = (df_weights_alias) { .piece = i, .pieces = 3 };
        snprintf(out[i].name, sizeof out[i].name, "text_model.encoder.layers.%d.self_attn.%c_proj.%s", layer, parts[i],
                 what);
    }
    *n = 3;
}

static void put_layer(df_weights_alias *out, int *n, int layer, const char *rest) {
    if (!strcmp(rest, "attn.in_proj_weight")) put_fused(out, n, layer, "weight");
    if (!strcmp(rest, "attn.in_proj_bias")) put_fused(out, n, layer, "bias");
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        size_t from = strlen(inside[i].from);
        if (strncmp(rest, inside[i].from, from)) continue;
        *n = snprintf(out->name, sizeof out->name, "text_model.encoder.layers.%d.%s%s", layer, inside[i].to,
                      rest + from) < (int)sizeof out->name;
    }
}

void df_checkpoint_open_clip_names(const df_checkpoint_layout *l, const char *name, df_weights_alias *out, int *n) {
    int layer, length = 0;
    (void)l;
    *out = (df_weights_alias) { 0 };
    *n = 0;
    if (sscanf(name, "transformer.resblocks.%d.%n", &layer, &length) == 1 && length) {
        put_layer(out, n, layer, name + length);
    } else if (!strcmp(name, "positional_embedding")) {
        snprintf(out->name, sizeof out->name, "text_model.embeddings.position_embedding.weight");
        *n = 1;
    } else if (!strcmp(name, "text_projection")) { /* multiplied from the other side */
        snprintf(out->name, sizeof out->name, "text_projection.weight");
        out->transposed = true;
        *n = 1;
    }
    for (size_t i = 0; i < sizeof outside / sizeof outside[0] && !*n; i++) {
        size_t from = strlen(outside[i].from);
        if (!strncmp(name, outside[i].from, from))
            *n = snprintf(out->name, sizeof out->name, "%s%s", outside[i].to, name + from) < (int)sizeof out->name;
    }
}
