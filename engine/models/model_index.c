#include "engine/models/model_index.h"

#include <string.h>

#include "engine/models/config_check.h"

static void find_pipeline(df_config *c, df_model_index *index) {
    char names[1024];
    const char *name = df_config_string(c, "_class_name", "");
    if (c->rc || (index->pipeline = df_pipeline_class_find(name))) return;
    c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: '_class_name' is '%s'; supported: %s", c->path, name,
                       df_pipeline_class_names(names, sizeof names));
}

/* An entry is ["library", "class"]; [null, null] where the pipeline goes without. */
static const char *class_of(const json_t *entry) {
    const char *name = json_string_value(json_array_get(entry, 1));
    return name ? name : "";
}

static const char *class_named(const df_config *c, const char *key) {
    return class_of(json_object_get(c->root, key));
}

static void read_part(df_config *c, df_model_index *index, int i) {
    const df_pipeline_part *part = &index->pipeline->part[i];
    const char *name = part->folder ? class_named(c, part->folder) : "";
    if (!part->folder || c->rc) return;
    for (int k = 0; k < DF_MAX_PART_CLASSES && part->classes[k]; k++)
        if (strcmp(part->classes[k], name) == 0) index->part[i] = df_component_class_find(name);
    if (index->part[i] || (!name[0] && part->optional)) return;
    if (!name[0])
        c->rc = df_err_set(c->err, DF_EFORMAT, "%s: '%s' is missing; a %s needs it", c->path, part->folder,
                           index->pipeline->name);
    else
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: '%s' is a '%s', only '%s' is supported", c->path, part->folder,
                           name, part->classes[0]);
}

static void read_tokenizer(df_config *c, df_model_index *index, int i) {
    static const char *const classes[][3] = {
        [DF_TOKENIZER_NONE] = { NULL },
        [DF_TOKENIZER_CLIP] = { "CLIPTokenizer", "CLIPTokenizerFast", NULL },
        [DF_TOKENIZER_T5] = { "T5Tokenizer", "T5TokenizerFast", NULL },
    };
    const char *const *allowed = classes[index->pipeline->tokenizer[i]];
    const char *key = df_tokenizer_folder(i), *name = class_named(c, key);
    if (!allowed[0] || c->rc) return;
    for (int k = 0; allowed[k]; k++) index->has_tokenizer[i] |= strcmp(allowed[k], name) == 0;
    if (index->has_tokenizer[i] || (!name[0] && index->pipeline->part[DF_PART_TEXT + i].optional)) return;
    if (!name[0])
        c->rc =
            df_err_set(c->err, DF_EFORMAT, "%s: '%s' is missing; a %s needs it", c->path, key, index->pipeline->name);
    else
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: '%s' is a '%s', only '%s' is supported", c->path, key, name,
                           allowed[0]);
}

static bool is_known(const df_pipeline_class *p, const char *key) {
    if (strcmp(key, "scheduler") == 0) return true;
    if (p->low_res_scheduler && strcmp(key, "low_res_scheduler") == 0) return true;
    for (int i = 0; i < DF_PART_COUNT; i++)
        if (p->part[i].folder && strcmp(p->part[i].folder, key) == 0) return true;
    for (int i = 0; i < DF_MAX_TOKENIZERS; i++)
        if (p->tokenizer[i] && strcmp(df_tokenizer_folder(i), key) == 0) return true;
    for (int i = 0; i < DF_MAX_IGNORED && p->ignored[i]; i++)
        if (strcmp(p->ignored[i], key) == 0) return true;
    return false;
}

static void refuse_others(df_config *c, const df_pipeline_class *p) {
    const char *key;
    json_t *entry;
    json_object_foreach(c->root, key, entry) {
        if (c->rc) return;
        if (key[0] == '_' || !json_is_array(entry) || !class_of(entry)[0] || is_known(p, key)) continue;
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: '%s' (a '%s') is no part of a %s", c->path, key,
                           class_of(entry), p->name);
    }
}

static void need_scheduler(df_config *c, const df_pipeline_class *p, const char *key) {
    if (!c->rc && !class_named(c, key)[0])
        c->rc = df_err_set(c->err, DF_EFORMAT, "%s: '%s' is missing; a %s needs it", c->path, key, p->name);
}

static void read_index(df_config *c, df_model_index *index) {
    find_pipeline(c, index);
    if (c->rc) return;
    refuse_others(c, index->pipeline);
    for (int i = 0; i < DF_PART_COUNT; i++) read_part(c, index, i);
    for (int i = 0; i < DF_MAX_TOKENIZERS; i++) read_tokenizer(c, index, i);
    need_scheduler(c, index->pipeline, "scheduler");
    if (index->pipeline->low_res_scheduler) need_scheduler(c, index->pipeline, "low_res_scheduler");
    index->force_zeros = df_config_bool(c, "force_zeros_for_empty_prompt", index->pipeline->pooled == DF_POOLED_SECOND);
    index->max_noise_level = (int)df_config_int(c, "max_noise_level", 350, 0, 1000000);
}

df_code df_model_index_read(df_model_index *out, const char *path, df_err *err) {
    df_config c;
    json_t *root = NULL;
    df_model_index index = { 0 };
    df_code rc = df_config_load(&c, &root, path, err);
    if (!rc) {
        read_index(&c, &index);
        rc = c.rc;
    }
    if (!rc) *out = index;
    json_decref(root);
    return rc;
}
