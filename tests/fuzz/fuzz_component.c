/* Any bytes as a component's config.json; before it, in a line of its own, the class. What is read gives a graph at the
 * size that it names, as when a model is opened. */
#include <string.h>

#include "engine/graph/fuse.h"
#include "engine/models/components.h"
#include "engine/models/model_impl.h"
#include "tests/fuzz/fuzz.h"

long fuzz_accepted;

static df_code build(const df_component_class *k, const void *config, const df_build_size *size, bool encoder) {
    df_err err = { 0 };
    df_graph *g = df_graph_new(k->name);
    FUZZ_CHECK(g);
    if (encoder)
        k->build_encoder(g, config, size);
    else
        k->build(g, config, size);
    df_code rc = df_graph_finish(g, &err);
    if (!rc) rc = df_graph_fuse(g, &err);
    FUZZ_CHECK(rc == DF_OK || (err.code == rc && err.text[0]));
    df_graph_free(&g);
    return rc;
}

static bool in_limits(const df_build_size *s) {
    return s->latent_h >= 1 && s->latent_h <= DF_MODEL_MAX_LATENT && s->latent_w >= 1 &&
           s->latent_w <= DF_MODEL_MAX_LATENT && s->tokens >= 1 && s->tokens <= DF_MODEL_MAX_TOKENS;
}

static void build_all(const df_component_class *k, const void *config) {
    df_part_facts facts = { 0 };
    k->describe(config, &facts);
    df_build_size size = { .tokens = facts.text.tokens ? facts.text.tokens : 77,
                           .latent_h = facts.denoiser.sample_h ? facts.denoiser.sample_h : 8,
                           .latent_w = facts.denoiser.sample_w ? facts.denoiser.sample_w : 8 };
    if (!in_limits(&size) || build(k, config, &size, false)) return;
    fuzz_accepted++;
    if (k->build_encoder) FUZZ_CHECK(!build(k, config, &size, true));
    if (facts.text.pooled) {
        static const int32_t ids[8] = { 5, 7, 7, 1 };
        int64_t at = k->pooled_position(config, ids, 8);
        FUZZ_CHECK(at >= 0 && at < 8);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char name[64];
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    if (!end || (size_t)(end - data) >= sizeof name) return 0;
    memcpy(name, data, (size_t)(end - data));
    name[end - data] = '\0';
    const df_component_class *k = df_component_class_find(name);
    if (!k) return 0;
    json_t *root = NULL;
    df_err err = { 0 };
    df_config c = { .path = "fuzz", .err = &err };
    if (df_json_parse(&root, (const char *)end + 1, size - (size_t)(end + 1 - data), "fuzz", &err)) return 0;
    c.root = root;
    void *config = calloc(1, k->config_bytes);
    FUZZ_CHECK(config);
    df_code rc = k->read(config, &c);
    FUZZ_CHECK(rc == c.rc && (rc == DF_OK || (err.code == rc && err.text[0])));
    json_decref(root); /* a config keeps nothing of it */
    if (!rc) build_all(k, config);
    free(config);
    return 0;
}
