#include "engine/models/components.h"

#include <stdio.h>
#include <string.h>

#include "engine/models/component_classes.h"

static const df_component_class *const classes[] = {
    &df_class_clip_text, &df_class_clip_text_projection,
    &df_class_unet,      &df_class_autoencoder_kl,
    &df_class_unet2d,    &df_class_vq,
    &df_class_dit,       &df_class_dit_transformer_2d,
    &df_class_mmdit,     &df_class_t5,
};

#define UNET                                                                                                           \
    {                                                                                                                  \
        .folder = "unet", .what = "the U-Net", .classes = { "UNet2DConditionModel" }                                   \
    }
#define AUTOENCODER_KL                                                                                                 \
    {                                                                                                                  \
        .folder = "vae", .what = "the autoencoder", .classes = { "AutoencoderKL" }                                     \
    }
#define CLIP_TEXT                                                                                                      \
    {                                                                                                                  \
        .folder = "text_encoder", .what = "the text encoder", .classes = { "CLIPTextModel" }                           \
    }
#define CLIP_TEXT_2                                                                                                    \
    {                                                                                                                  \
        .folder = "text_encoder_2", .what = "the second text encoder", .classes = { "CLIPTextModelWithProjection" }    \
    }
#define UNET_2D                                                                                                        \
    {                                                                                                                  \
        .folder = "unet", .what = "the U-Net", .classes = { "UNet2DModel" }                                            \
    }
#define AUTOENCODER_VQ                                                                                                 \
    {                                                                                                                  \
        .folder = "vqvae", .what = "the autoencoder", .classes = { "VQModel" }                                         \
    }
#define DIT                                                                                                            \
    {                                                                                                                  \
        .folder = "transformer", .what = "the transformer", .classes = {                                               \
            "DiTTransformer2DModel",                                                                                   \
            "Transformer2DModel"                                                                                       \
        }                                                                                                              \
    }
#define CLIP_TEXT_PROJECTED                                                                                            \
    {                                                                                                                  \
        .folder = "text_encoder", .what = "the text encoder", .classes = { "CLIPTextModelWithProjection" }             \
    }
#define T5_TEXT_3                                                                                                      \
    {                                                                                                                  \
        .folder = "text_encoder_3", .what = "the third text encoder", .optional = true, .classes = {                   \
            "T5EncoderModel"                                                                                           \
        }                                                                                                              \
    }
#define MMDIT                                                                                                          \
    {                                                                                                                  \
        .folder = "transformer", .what = "the transformer", .classes = { "SD3Transformer2DModel" }                     \
    }
/* They look at finished pictures, or serve tasks that are not offered. */
#define CHECKERS "safety_checker", "feature_extractor", "image_encoder"

static const df_pipeline_class pipelines[] = {
    {
        .name = "StableDiffusionPipeline",
        .part = {
            [DF_PART_TEXT] = CLIP_TEXT,
            [DF_PART_DENOISER] = UNET,
            [DF_PART_AUTOENCODER] = AUTOENCODER_KL,
        },
        .tokenizer = { DF_TOKENIZER_CLIP },
        .context = DF_CONTEXT_LAST,
        .ignored = { CHECKERS },
    },
    {
        .name = "StableDiffusionXLPipeline",
        .part = {
            [DF_PART_TEXT] = CLIP_TEXT,
            [DF_PART_TEXT_2] = CLIP_TEXT_2,
            [DF_PART_DENOISER] = UNET,
            [DF_PART_AUTOENCODER] = AUTOENCODER_KL,
        },
        .tokenizer = { DF_TOKENIZER_CLIP, DF_TOKENIZER_CLIP },
        .context = DF_CONTEXT_PENULTIMATE_PAIR,
        .pooled = DF_POOLED_SECOND,
        .ignored = { CHECKERS },
    },
    {
        .name = "StableDiffusionInpaintPipeline",
        .part = {
            [DF_PART_TEXT] = CLIP_TEXT,
            [DF_PART_DENOISER] = UNET,
            [DF_PART_AUTOENCODER] = AUTOENCODER_KL,
        },
        .tokenizer = { DF_TOKENIZER_CLIP },
        .context = DF_CONTEXT_LAST,
        .sample = DF_SAMPLE_MASKED,
        .ignored = { CHECKERS },
    },
    {
        .name = "StableDiffusionUpscalePipeline",
        .part = {
            [DF_PART_TEXT] = CLIP_TEXT,
            [DF_PART_DENOISER] = UNET,
            [DF_PART_AUTOENCODER] = AUTOENCODER_KL,
        },
        .tokenizer = { DF_TOKENIZER_CLIP },
        .context = DF_CONTEXT_LAST,
        .sample = DF_SAMPLE_PICTURE,
        .low_res_scheduler = true,
        .ignored = { CHECKERS, "watermarker" },
    },
    {
        .name = "DDPMPipeline",
        .part = { [DF_PART_DENOISER] = UNET_2D },
    },
    {
        .name = "LDMPipeline",
        .part = { [DF_PART_DENOISER] = UNET_2D, [DF_PART_AUTOENCODER] = AUTOENCODER_VQ },
    },
    {
        .name = "LDMSuperResolutionPipeline",
        .part = { [DF_PART_DENOISER] = UNET_2D, [DF_PART_AUTOENCODER] = AUTOENCODER_VQ },
        .sample = DF_SAMPLE_PICTURE,
        .unscaled = true,
    },
    {
        .name = "DiTPipeline",
        .part = { [DF_PART_DENOISER] = DIT, [DF_PART_AUTOENCODER] = AUTOENCODER_KL },
        .guided_by_class = true,
    },
    {
        .name = "StableDiffusion3Pipeline",
        .part = {
            [DF_PART_TEXT] = CLIP_TEXT_PROJECTED,
            [DF_PART_TEXT_2] = CLIP_TEXT_2,
            [DF_PART_TEXT_3] = T5_TEXT_3,
            [DF_PART_DENOISER] = MMDIT,
            [DF_PART_AUTOENCODER] = AUTOENCODER_KL,
        },
        .tokenizer = { DF_TOKENIZER_CLIP, DF_TOKENIZER_CLIP, DF_TOKENIZER_T5 },
        .context = DF_CONTEXT_JOINT,
        .pooled = DF_POOLED_PAIR,
        .ignored = { CHECKERS },
    },
};
enum { N_CLASSES = sizeof classes / sizeof classes[0], N_PIPELINES = sizeof pipelines / sizeof pipelines[0] };

const df_component_class *df_component_class_find(const char *name) {
    for (int i = 0; i < N_CLASSES; i++)
        if (strcmp(classes[i]->name, name) == 0) return classes[i];
    return NULL;
}

const df_pipeline_class *df_pipeline_class_find(const char *name) {
    for (int i = 0; i < N_PIPELINES; i++)
        if (strcmp(pipelines[i].name, name) == 0) return &pipelines[i];
    return NULL;
}

char *df_pipeline_class_names(char *out, size_t out_bytes) {
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; i < N_PIPELINES && at < out_bytes; i++)
        at += (size_t)snprintf(out + at, out_bytes - at, "%s%s", i ? ", " : "", pipelines[i].name);
    return out;
}

const char *df_tokenizer_folder(int i) {
    static const char *const folders[DF_MAX_TOKENIZERS] = { "tokenizer", "tokenizer_2", "tokenizer_3" };
    return folders[i];
}
