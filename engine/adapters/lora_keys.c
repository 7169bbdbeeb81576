#include "engine/adapters/lora_keys.h"

#include <stdio.h>
#include <string.h>

#include "engine/models/checkpoint.h"

static const struct {
    const char *end;
    df_lora_role role;
} ends[] = {
    { ".lora_A.weight", DF_LORA_DOWN },
    { ".lora_B.weight", DF_LORA_UP },
    { ".lora_A.default.weight", DF_LORA_DOWN },
    { ".lora_B.default.weight", DF_LORA_UP },
    { ".lora.down.weight", DF_LORA_DOWN },
    { ".lora.up.weight", DF_LORA_UP },
    { ".lora_linear_layer.down.weight", DF_LORA_DOWN },
    { ".lora_linear_layer.up.weight", DF_LORA_UP },
    { ".lora_down.weight", DF_LORA_DOWN },
    { ".lora_up.weight", DF_LORA_UP },
    { "_lora.down.weight", DF_LORA_DOWN }, /* attention processors: attn1.processor.to_q_lora.down.weight */
    { "_lora.up.weight", DF_LORA_UP },
    { ".alpha", DF_LORA_ALPHA },
};

static const struct {
    const char *begin, *part;
} begins[] = {
    { "unet.", "unet" },
    { "text_encoder.", "text_encoder" },
    { "text_encoder_2.", "text_encoder_2" },
    { "transformer.", "transformer" },
    { "lora_unet_", "unet" },
    { "lora_te_", "text_encoder" },
    { "lora_te1_", "text_encoder" },
    { "lora_te2_", "text_encoder_2" },
    { "", "unet" }, /* attention processors name no part */
};

static void underscore(char *text) {
    for (; *text; text++)
        if (*text == '.') *text = '_';
}

/* attn1.processor.to_out -> attn1.to_out.0 */
static void drop_processor(char *module) {
    static const char word[] = "processor.";
    char *at = strstr(module, word);
    if (!at) return;
    memmove(at, at + sizeof word - 1, strlen(at + sizeof word - 1) + 1);
    size_t n = strlen(module);
    if (n >= 6 && !strcmp(module + n - 6, "to_out") && n + 2 < DF_LORA_NAME_BYTES) memcpy(module + n, ".0", 3);
}

static bool split(df_lora_key *out, const char *module, size_t bytes) {
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        size_t n = strlen(begins[i].begin);
        if (bytes <= n || strncmp(module, begins[i].begin, n)) continue;
        if (bytes - n >= sizeof out->module) return false;
        snprintf(out->part, sizeof out->part, "%s", begins[i].part);
        snprintf(out->module, sizeof out->module, "%.*s", (int)(bytes - n), module + n);
        drop_processor(out->module);
        underscore(out->module);
        return true;
    }
    return false;
}

bool df_lora_key_parse(df_lora_key *out, const char *key) {
    size_t n = strlen(key);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t end = strlen(ends[i].end);
        if (n <= end || strcmp(key + n - end, ends[i].end)) continue;
        out->role = ends[i].role;
        return split(out, key, n - end);
    }
    return false;
}

bool df_lora_module_of(char out[DF_LORA_NAME_BYTES], const char *name) {
    static const char end[] = ".weight";
    size_t n = strlen(name), tail = sizeof end - 1;
    if (n <= tail || n - tail >= DF_LORA_NAME_BYTES || strcmp(name + n - tail, end)) return false;
    snprintf(out, DF_LORA_NAME_BYTES, "%.*s", (int)(n - tail), name);
    underscore(out);
    return true;
}

/* The parts whose names have numbers in both code bases; all else keeps its underscores. */
static void restore_dots(char *rest) {
    static const char *const words[][2] = {
        { "in_layers_0", "in_layers.0" },   { "in_layers_2", "in_layers.2" },   { "emb_layers_1", "emb_layers.1" },
        { "out_layers_0", "out_layers.0" }, { "out_layers_3", "out_layers.3" },
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (!strcmp(rest, words[i][0])) memcpy(rest, words[i][1], strlen(rest));
}

void df_lora_module_from_original(char module[DF_LORA_NAME_BYTES], int stride) {
    char block[8], dotted[DF_LORA_NAME_BYTES + 32], rest[DF_LORA_NAME_BYTES];
    int at, part, length = 0, n = 0;
    df_weights_alias alias[DF_WEIGHTS_MAX_ALIASES];
    const df_checkpoint_layout layout = { .stride = stride };
    if (sscanf(module, "%6[a-z]_blocks_%d_%d_%n", block, &at, &part, &length) == 3 && length) {
        snprintf(rest, sizeof rest, "%s", module + length);
        restore_dots(rest);
        snprintf(dotted, sizeof dotted, "%s_blocks.%d.%d.%s.", block, at, part, rest);
    } else if (sscanf(module, "middle_block_%d_%n", &part, &length) == 1 && length) {
        snprintf(rest, sizeof rest, "%s", module + length);
        restore_dots(rest);
        snprintf(dotted, sizeof dotted, "middle_block.%d.%s.", part, rest);
    } else {
        return;
    }
    df_checkpoint_unet_names(&layout, dotted, alias, &n);
    size_t bytes = n ? strlen(alias[0].name) : 0;
    if (bytes < 2 || bytes >= DF_LORA_NAME_BYTES) return;
    alias[0].name[bytes - 1] = '\0';
    snprintf(module, DF_LORA_NAME_BYTES, "%s", alias[0].name);
    underscore(module);
}
