/* U-Net: input_blocks, middle_block and output_blocks are numbered through; a level has its layers, then (all levels
 * but the last) what changes the resolution. */
#include <stdio.h>
#include <string.h>

#include "engine/models/checkpoint.h"

typedef struct pair {
    const char *from, *to;
} pair;

static const pair outside[] = {
    { "input_blocks.0.0.", "conv_in." },
    { "time_embed.0.", "time_embedding.linear_1." },
    { "time_embed.2.", "time_embedding.linear_2." },
    { "label_emb.0.0.", "add_embedding.linear_1." },
    { "label_emb.0.2.", "add_embedding.linear_2." },
    { "out.0.", "conv_norm_out." },
    { "out.2.", "conv_out." },
};
static const pair inside_resnet[] = {
    { "in_layers.0.", "norm1." },  { "in_layers.2.", "conv1." },  { "emb_layers.1.", "time_emb_proj." },
    { "out_layers.0.", "norm2." }, { "out_layers.3.", "conv2." }, { "skip_connection.", "conv_shortcut." },
};

/* The rest of `name` behind one of the beginnings, *to what stands for it; NULL: none fits. */
static const char *behind(const char *name, const pair *pairs, size_t n, const char **to) {
    for (size_t i = 0; i < n; i++)
        if (!strncmp(name, pairs[i].from, strlen(pairs[i].from))) {
            *to = pairs[i].to;
            return name + strlen(pairs[i].from);
        }
    return NULL;
}

static void put(df_weights_alias *out, int *n, const char *block, int i, const char *kind, int j, const char *to,
                const char *rest) {
    char number[32] = "";
    if (i >= 0) snprintf(number, sizeof number, ".%d", i);
    int length = snprintf(out->name, sizeof out->name, "%s%s.%s.%d.%s%s", block, number, kind, j, to, rest);
    *n = length > 0 && (size_t)length < sizeof out->name;
}

/* A residual block, or else an attention block, whose names agree. */
static void put_layer(df_weights_alias *out, int *n, const char *block, int i, int j, const char *rest) {
    const char *to, *end = behind(rest, inside_resnet, sizeof inside_resnet / sizeof *inside_resnet, &to);
    if (end)
        put(out, n, block, i, "resnets", j, to, end);
    else
        put(out, n, block, i, "attentions", j, "", rest);
}

void df_checkpoint_unet_names(const df_checkpoint_layout *l, const char *name, df_weights_alias *out, int *n) {
    const char *to, *end = behind(name, outside, sizeof outside / sizeof *outside, &to);
    int at, part, length = 0;
    *out = (df_weights_alias) { 0 };
    if (end) {
        *n = snprintf(out->name, sizeof out->name, "%s%s", to, end) < (int)sizeof out->name;
    } else if (sscanf(name, "middle_block.%d.%n", &part, &length) == 1 && length && part >= 0) {
        put_layer(out, n, "mid_block", -1, part / 2, name + length);
    } else if (sscanf(name, "input_blocks.%d.%d.%n", &at, &part, &length) == 2 && length && at > 0) {
        int level = (at - 1) / l->stride, layer = (at - 1) % l->stride;
        if (!strncmp(name + length, "op.", 3))
            put(out, n, "down_blocks", level, "downsamplers", 0, "conv.", name + length + 3);
        else
            put_layer(out, n, "down_blocks", level, layer, name + length);
    } else if (sscanf(name, "output_blocks.%d.%d.%n", &at, &part, &length) == 2 && length && at >= 0) {
        int level = at / l->stride, layer = at % l->stride;
        if (!strncmp(name + length, "conv.", 5))
            put(out, n, "up_blocks", level, "upsamplers", 0, "conv.", name + length + 5);
        else
            put_layer(out, n, "up_blocks", level, layer, name + length);
    }
}
