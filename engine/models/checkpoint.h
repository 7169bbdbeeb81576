/* Whole models in one safetensors file, as latent diffusion code bases write them: Stable Diffusion 1.x, 2.x, XL, 3
 * and 3.5.
 *
 *   df_checkpoint_open_part(&weights, "v1-5.safetensors", DF_PART_DENOISER, &err);
 *
 * gives the tensors of a part under the names of diffusers and transformers, as df_weights_open does for a folder. No
 * number is copied: fused projections of OpenCLIP (in_proj of q, k and v) become views of their rows. Rules, not lists,
 * make the names; how many layers a block has is read off the file. Sources: diffusers, scripts/
 * convert_original_stable_diffusion_to_diffusers.py and loaders/single_file_utils.py. */
#ifndef DF_ENGINE_MODELS_CHECKPOINT_H
#define DF_ENGINE_MODELS_CHECKPOINT_H

#include "engine/models/components.h"
#include "engine/weights/weights.h"

/* What of the layout the names depend on. */
typedef struct df_checkpoint_layout {
    int stride; /* input blocks per level of the U-Net: its layers, and the downsampler */
    int levels; /* of the autoencoder */
    int blocks; /* of the MMDiT */
} df_checkpoint_layout;

/* The diffusers names of a tensor of the file, its prefix taken off; *n of them (0: no weight of the part). */
typedef void (*df_checkpoint_names_fn)(const df_checkpoint_layout *layout, const char *name, df_weights_alias *out,
                                       int *n);
void df_checkpoint_unet_names(const df_checkpoint_layout *layout, const char *name, df_weights_alias *out, int *n);
void df_checkpoint_mmdit_names(const df_checkpoint_layout *layout, const char *name, df_weights_alias *out, int *n);
void df_checkpoint_vae_names(const df_checkpoint_layout *layout, const char *name, df_weights_alias *out, int *n);
void df_checkpoint_clip_names(const df_checkpoint_layout *layout, const char *name, df_weights_alias *out, int *n);
void df_checkpoint_open_clip_names(const df_checkpoint_layout *layout, const char *name, df_weights_alias *out, int *n);

/* DF_ENOTFOUND: the file has nothing of that part. */
df_code df_checkpoint_open_part(df_weights **out, const char *path, df_part part, df_err *err);

#endif
