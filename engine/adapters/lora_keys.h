/* Keys of LoRA files, taken apart. */
#ifndef DF_ENGINE_ADAPTERS_LORA_KEYS_H
#define DF_ENGINE_ADAPTERS_LORA_KEYS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum df_lora_role { DF_LORA_DOWN, DF_LORA_UP, DF_LORA_ALPHA } df_lora_role;

enum { DF_LORA_NAME_BYTES = 256 };

typedef struct df_lora_key {
    df_lora_role role;
    char part[20]; /* "unet", "text_encoder", "text_encoder_2", "transformer" */
    char module[DF_LORA_NAME_BYTES]; /* its path in the part, '.' written as '_': the one form that all layouts have */
} df_lora_key;

/* false: no key of a LoRA. */
bool df_lora_key_parse(df_lora_key *out, const char *key);

/* "down_blocks.0.conv.weight" to "down_blocks_0_conv", as above; false: not a weight, or too long. */
bool df_lora_module_of(char out[DF_LORA_NAME_BYTES], const char *weight_name);

/* A module of a U-Net under the names of its original code base ("input_blocks_4_1_proj_in") to that of diffusers; the
 * same where it is none. stride: see df_checkpoint_layout. */
void df_lora_module_from_original(char module[DF_LORA_NAME_BYTES], int stride);

#endif
