/* Autoencoder: the same tree as in diffusers, with other words, and the decoder's levels counted from the picture. */
#include <stdio.h>
#include <string.h>

#include "engine/models/checkpoint.h"

static const struct {
    const char *from, *to;
} words[] = {
    { "nin_shortcut.", "conv_shortcut." },
    { "downsample.conv.", "downsamplers.0.conv." },
    { "upsample.conv.", "upsamplers.0.conv." },
    { "mid.block_1.", "mid_block.resnets.0." },
    { "mid.block_2.", "mid_block.resnets.1." },
    { "mid.attn_1.norm.", "mid_block.attentions.0.group_norm." },
    { "mid.attn_1.q.", "mid_block.attentions.0.to_q." },
    { "mid.attn_1.k.", "mid_block.attentions.0.to_k." },
    { "mid.attn_1.v.", "mid_block.attentions.0.to_v." },
    { "mid.attn_1.proj_out.", "mid_block.attentions.0.to_out.0." },
    { "norm_out.", "conv_norm_out." },
    { "block.", "resnets." },
};

/* What stands at the beginning of `rest`, or behind the number of a residual block. */
static void put_rest(char *out, size_t out_bytes, const char *rest) {
    int block, length = 0;
    char head[32] = "";
    if (sscanf(rest, "block.%d.%n", &block, &length) == 1 && length) snprintf(head, sizeof head, "resnets.%d.", block);
    rest += length;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (!strncmp(rest, words[i].from, strlen(words[i].from))) {
            snprintf(out, out_bytes, "%s%s%s", head, words[i].to, rest + strlen(words[i].from));
            return;
        }
    snprintf(out, out_bytes, "%s%s", head, rest);
}

void df_checkpoint_vae_names(const df_checkpoint_layout *l, const char *name, df_weights_alias *out, int *n) {
    int level, length = 0;
    char rest[sizeof out->name - 64];
    *out = (df_weights_alias) { 0 };
    *n = 1;
    if (sscanf(name, "encoder.down.%d.%n", &level, &length) == 1 && length) {
        put_rest(rest, sizeof rest, name + length);
        snprintf(out->name, sizeof out->name, "encoder.down_blocks.%d.%s", level, rest);
    } else if (sscanf(name, "decoder.up.%d.%n", &level, &length) == 1 && length) {
        put_rest(rest, sizeof rest, name + length);
        snprintf(out->name, sizeof out->name, "decoder.up_blocks.%d.%s", l->levels - 1 - level, rest);
    } else if (!strncmp(name, "encoder.", 8) || !strncmp(name, "decoder.", 8)) {
        put_rest(rest, sizeof rest, name + 8);
        snprintf(out->name, sizeof out->name, "%.8s%s", name, rest);
    } else if (!strncmp(name, "quant_conv.", 11) || !strncmp(name, "post_quant_conv.", 16)) {
        snprintf(out->name, sizeof out->name, "%s", name);
    } else {
        *n = 0; /* losses of its training */
    }
}
