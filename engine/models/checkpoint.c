#include "engine/models/checkpoint.h"

#include <stdio.h>
#include <string.h>

/* Where the tensors of a part lie, by the code base that wrote the file. */
static const struct {
    df_part part;
    const char *prefix;
    df_checkpoint_names_fn names;
} places[] = {
    { DF_PART_TEXT, "cond_stage_model.transformer.", df_checkpoint_clip_names },
    { DF_PART_TEXT, "cond_stage_model.model.", df_checkpoint_open_clip_names },
    { DF_PART_TEXT, "conditioner.embedders.0.transformer.", df_checkpoint_clip_names },
    { DF_PART_TEXT_2, "conditioner.embedders.1.model.", df_checkpoint_open_clip_names },
    { DF_PART_TEXT, "text_encoders.clip_l.transformer.", df_checkpoint_clip_names },
    { DF_PART_TEXT_2, "text_encoders.clip_g.transformer.", df_checkpoint_clip_names },
    { DF_PART_TEXT_3, "text_encoders.t5xxl.transformer.", df_checkpoint_clip_names },
    { DF_PART_DENOISER, "model.diffusion_model.", df_checkpoint_unet_names },
    { DF_PART_DENOISER, "model.diffusion_model.", df_checkpoint_mmdit_names },
    { DF_PART_AUTOENCODER, "first_stage_model.", df_checkpoint_vae_names },
};

typedef struct renaming {
    df_part part;
    df_checkpoint_layout layout;
} renaming;

static void rename_one(void *ctx, const char *name, df_weights_alias *out, int *n) {
    const renaming *r = ctx;
    *n = 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0] && !*n; i++) {
        size_t prefix = strlen(places[i].prefix);
        if (places[i].part == r->part && !strncmp(name, places[i].prefix, prefix))
            places[i].names(&r->layout, name + prefix, out, n);
    }
}

/* The first downsampler ends the first level; a U-Net of one level has none. */
static df_checkpoint_layout layout_of(const df_safetensors *f) {
    df_checkpoint_layout l = { .stride = 1 << 20, .levels = 0 };
    int at, end;
    for (int i = 0; i < df_safetensors_count(f); i++) {
        const char *name = df_safetensors_at(f, i)->name;
        end = 0;
        if (sscanf(name, "model.diffusion_model.input_blocks.%d.0.op.weight%n", &at, &end) == 1 && end && at > 0 &&
            at < l.stride)
            l.stride = at;
        if (sscanf(name, "model.diffusion_model.joint_blocks.%d.", &at) == 1 && at >= l.blocks && at < 4096)
            l.blocks = at + 1;
        if (sscanf(name, "first_stage_model.decoder.up.%d.", &at) == 1 && at >= l.levels && at < 64) l.levels = at + 1;
    }
    return l;
}

df_code df_checkpoint_open_part(df_weights **out, const char *path, df_part part, df_err *err) {
    df_safetensors *f = NULL;
    df_code rc = df_safetensors_open(&f, path, err);
    if (rc) return rc;
    renaming r = { .part = part, .layout = layout_of(f) };
    df_safetensors_close(&f);
    return df_weights_open_renamed(out, path, rename_one, &r, err);
}
