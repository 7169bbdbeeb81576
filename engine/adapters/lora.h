/* LoRA files: small pairs of matrices that are added to weights of a model, W + weight * alpha / rank * up * down.
 * Source: Hu et al. 2021 (arXiv:2106.09685), eq. 3.
 *
 *   df_lora_open(&lora, "style.safetensors", &err);
 *   df_lora_match(lora, DF_PART_DENOISER, "unet", weights, &err);         for each part of the model
 *   df_lora_check(lora, &err);                                            every key has found its weight?
 *   df_lora_add(lora, DF_PART_DENOISER, "conv_in.weight", 0.8, w, dim, rank, &err);
 *   df_lora_close(&lora);
 *
 * Layouts: PEFT and diffusers (unet.MODULE.lora_A.weight, .lora.down.weight, .lora_linear_layer.down.weight, and the
 * older MODULE.processor.to_q_lora.down.weight), kohya (lora_unet_MODULE.lora_down.weight, lora_te_, lora_te1_,
 * lora_te2_; with the names of diffusers or of the U-Net's original code base). The rank is each layer's own; without
 * an alpha it is the rank. Sums are in f64. What has other kinds of factors (LoHa, LoKr, DoRA) is refused. */
#ifndef DF_ENGINE_ADAPTERS_LORA_H
#define DF_ENGINE_ADAPTERS_LORA_H

#include "engine/weights/weights.h"

typedef struct df_lora df_lora;

df_code df_lora_open(df_lora **out, const char *path, df_err *err);
void df_lora_close(df_lora **lora);

/* part: any number; keys are matched to `weights` under the part's name in diffusers ("unet", "text_encoder",
 * "text_encoder_2", "transformer"). Checks the shapes of what is matched. */
df_code df_lora_match(df_lora *lora, int part, const char *part_name, const df_weights *weights, df_err *err);

/* DF_EINVAL lists keys that no part has taken. */
df_code df_lora_check(const df_lora *lora, df_err *err);

/* Adds what the file has for that weight of the part, nothing where it has none. */
df_code df_lora_add(const df_lora *lora, int part, const char *name, double weight, float *w, const int64_t *dim,
                    int rank, df_err *err);

#endif
