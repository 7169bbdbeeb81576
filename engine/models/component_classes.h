/* The component classes of classes[] in components.c; each is defined beside its graph builder. */
#ifndef DF_ENGINE_MODELS_COMPONENT_CLASSES_H
#define DF_ENGINE_MODELS_COMPONENT_CLASSES_H

#include "engine/models/components.h"

extern const df_component_class df_class_clip_text; /* clip_text.c */
extern const df_component_class df_class_clip_text_projection;
extern const df_component_class df_class_unet; /* unet.c */
extern const df_component_class df_class_autoencoder_kl; /* vae_class.c */
extern const df_component_class df_class_unet2d; /* unet2d.c */
extern const df_component_class df_class_vq; /* vq.c */
extern const df_component_class df_class_dit; /* dit.c */
extern const df_component_class df_class_dit_transformer_2d;
extern const df_component_class df_class_mmdit; /* mmdit.c */
extern const df_component_class df_class_t5; /* t5.c */

#endif
