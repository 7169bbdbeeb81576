/* MMDiT: two streams a block, each with q, k and v in one tensor. Shift comes before scale in the modulation of what
 * ends a stream (the last layer, and the last block's text): diffusers has these halves the other way round. */
#include <stdio.h>
#include <string.h>

#include "engine/models/checkpoint.h"

typedef struct pair {
    const char *from, *to;
} pair;

static const pair outside[] = {
    { "x_embedder.", "pos_embed." },
    { "t_embedder.mlp.0.", "time_text_embed.timestep_embedder.linear_1." },
    { "t_embedder.mlp.2.", "time_text_embed.timestep_embedder.linear_2." },
    { "y_embedder.mlp.0.", "time_text_embed.text_embedder.linear_1." },
    { "y_embedder.mlp.2.", "time_text_embed.text_embedder.linear_2." },
    { "context_embedder.", "context_embedder." },
    { "final_layer.linear.", "proj_out." },
};
static const pair picture[] = {
    { "adaLN_modulation.1.", "norm1.linear." },
    { "attn.proj.", "attn.to_out.0." },
    { "attn.ln_q.", "attn.norm_q." },
    { "attn.ln_k.", "attn.norm_k." },
    { "attn2.proj.", "attn2.to_out.0." },
    { "attn2.ln_q.", "attn2.norm_q." },
    { "attn2.ln_k.", "attn2.norm_k." },
    { "mlp.fc1.", "ff.net.0.proj." },
    { "mlp.fc2.", "ff.net.2." },
};
static const pair text[] = {
    { "adaLN_modulation.1.", "norm1_context.linear." },
    { "attn.proj.", "attn.to_add_out." },
    { "attn.ln_q.", "attn.norm_added_q." },
    { "attn.ln_k.", "attn.norm_added_k." },
    { "mlp.fc1.", "ff_context.net.0.proj." },
    { "mlp.fc2.", "ff_context.net.2." },
};
static const pair fused_picture[] = { { "attn.qkv.", "attn.to_%c." }, { "attn2.qkv.", "attn2.to_%c." } };
static const pair fused_text[] = { { "attn.qkv.", "attn.add_%c_proj." } };

static bool put(df_weights_alias *out, int *n, const char *block, const char *rest, const pair *pairs, size_t n_pairs) {
    for (size_t i = 0; i < n_pairs && !*n; i++) {
        size_t from = strlen(pairs[i].from);
        if (strncmp(rest, pairs[i].from, from)) continue;
        *n = snprintf(out->name, sizeof out->name, "%s%s%s", block, pairs[i].to, rest + from) < (int)sizeof out->name;
    }
    return *n;
}

static void put_fused(df_weights_alias *out, int *n, const char *block, const char *rest, const pair *pairs,
                      size_t n_pairs) {
    static const char parts[] = "qkv";
    for (size_t i = 0; i < n_pairs && !*n; i++) {
        size_t from = strlen(pairs[i].from);
        if (strncmp(rest, pairs[i].from, from)) continue;
        for (int k = 0; k < 3; k++) {
            const char *mark = strchr(pairs[i].to, '%');
            out[k] = (df_weights_alias) { .piece = k, .pieces = 3 };
            snprintf(out[k].name, sizeof out[k].name, "%s%.*s%c%s%s", block, (int)(mark - pairs[i].to), pairs[i].to,
                     parts[k], mark + 2, rest + from);
        }
        *n = 3;
    }
}

#define COUNT(pairs) (sizeof(pairs) / sizeof *(pairs))

void df_checkpoint_mmdit_names(const df_checkpoint_layout *l, const char *name, df_weights_alias *out, int *n) {
    int at, length = 0;
    char stream[8] = "", block[48];
    *out = (df_weights_alias) { 0 };
    *n = 0;
    if (!strcmp(name, "pos_embed")) {
        *n = snprintf(out->name, sizeof out->name, "pos_embed.pos_embed") > 0;
    } else if (!strncmp(name, "final_layer.adaLN_modulation.1.", 31)) {
        *n = snprintf(out->name, sizeof out->name, "norm_out.linear.%s", name + 31) < (int)sizeof out->name;
        out->halves_swapped = true;
    } else if (sscanf(name, "joint_blocks.%d.%7[a-z]_block.%n", &at, stream, &length) == 2 && length) {
        bool is_text = !strcmp(stream, "context");
        snprintf(block, sizeof block, "transformer_blocks.%d.", at);
        name += length;
        put_fused(out, n, block, name, is_text ? fused_text : fused_picture,
                  is_text ? COUNT(fused_text) : COUNT(fused_picture));
        if (*n) return;
        put(out, n, block, name, is_text ? text : picture, is_text ? COUNT(text) : COUNT(picture));
        out->halves_swapped = is_text && at == l->blocks - 1 && !strncmp(name, "adaLN", 5);
    } else {
        put(out, n, "", name, outside, COUNT(outside));
    }
}
