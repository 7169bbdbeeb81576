#include "engine/models/model_index.h"

#include <string.h>

#include "engine/models/config_check.h"

static const char pipeline_class[] = "StableDiffusionPipeline";

/* A component and the classes it may have; no class: any, checked where it is read or not used at all. */
static const struct component {
    const char *name;
    bool needed;
    const char *classes[3];
} components[] = {
    { "unet", true, { "UNet2DConditionModel" } },
    { "vae", true, { "AutoencoderKL" } },
    { "text_encoder", true, { "CLIPTextModel" } },
    { "tokenizer", true, { "CLIPTokenizer", "CLIPTokenizerFast" } },
    { "scheduler", true, { NULL } },
    { "safety_checker", false, { NULL } },
    { "feature_extractor", false, { NULL } },
    { "image_encoder", false, { NULL } },
};

static const struct component *find_component(const char *name) {
    for (size_t i = 0; i < sizeof components / sizeof components[0]; i++)
        if (strcmp(components[i].name, name) == 0) return &components[i];
    return NULL;
}

static void check_pipeline(df_config *c) {
    const char *name = df_config_string(c, "_class_name", "");
    if (c->rc || strcmp(name, pipeline_class) == 0) return;
    c->rc =
        df_err_set(c->err, DF_EUNSUPPORTED, "%s: '_class_name' is '%s'; supported: %s", c->path, name, pipeline_class);
}

/* An entry is ["library", "class"]; [null, null] where the pipeline goes without. */
static const char *class_of(const json_t *entry) {
    const char *name = json_string_value(json_array_get(entry, 1));
    return name ? name : "";
}

static void check_class(df_config *c, const struct component *part, const char *class_name) {
    if (!part->classes[0]) return;
    for (int i = 0; part->classes[i]; i++)
        if (strcmp(part->classes[i], class_name) == 0) return;
    c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: '%s' is a '%s', only '%s' is supported", c->path, part->name,
                       class_name, part->classes[0]);
}

static void check_components(df_config *c) {
    const char *key;
    json_t *entry;
    json_object_foreach(c->root, key, entry) {
        if (c->rc) return;
        if (key[0] == '_' || !json_is_array(entry)) continue;
        const char *class_name = class_of(entry);
        const struct component *part = find_component(key);
        if (part && class_name[0]) check_class(c, part, class_name);
        if (!part && class_name[0])
            c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: '%s' (a '%s') is no part of a %s", c->path, key,
                               class_name, pipeline_class);
    }
}

static void check_complete(df_config *c) {
    for (size_t i = 0; i < sizeof components / sizeof components[0] && !c->rc; i++) {
        if (!components[i].needed) continue;
        if (class_of(json_object_get(c->root, components[i].name))[0] == '\0')
            c->rc = df_err_set(c->err, DF_EFORMAT, "%s: '%s' is missing; a %s needs it", c->path, components[i].name,
                               pipeline_class);
    }
}

df_code df_model_index_read(df_model_index *out, const char *path, df_err *err) {
    df_config c;
    json_t *root = NULL;
    df_code rc = df_config_load(&c, &root, path, err);
    if (!rc) {
        check_pipeline(&c);
        check_components(&c);
        check_complete(&c);
        rc = c.rc;
    }
    if (!rc) *out = (df_model_index) { .pipeline_class = pipeline_class };
    json_decref(root);
    return rc;
}
