/* Files of int8 scales: what they set, what is refused and how, where they are looked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "engine/adapters/int8_scales.h"
#include "engine/models/model.h"
#include "tests/support/golden.h"

#define SHA "9a1452a61a58df15d318424df7516e11f44a5d70cf719655bbbc44a1d37da3d7"
#define HEAD "{\"format\": \"diffarm int8 scales\", \"version\": 1, \"model_sha256\": \"" SHA "\", "
#define FILE_OF(layers) HEAD "\"layers\": [" layers "]}"
#define TO_Q "{\"name\": \"to_q\", \"scale\": 0.25, \"zero\": 7}"

static const char *put(const char *text) {
    static char path[4096];
    df_err err;
    snprintf(path, sizeof path, "%s/scales.json", golden_temp_dir());
    if (df_file_write(path, text, strlen(text), &err)) fail_msg("%s", err.text);
    return path;
}

static df_graph *small_graph(void) {
    df_graph *g = df_graph_new("unet");
    df_err err;
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(4, 8));
    x = df_g_linear(g, "to_q", df_g_layer_norm(g, "norm", x, 1e-5), 8, false);
    df_graph_output(g, "out", df_g_linear(g, "to_out", x, 8, true));
    if (df_graph_finish(g, &err)) fail_msg("%s", err.text);
    return g;
}

static void layers_are_set(void **state) {
    (void)state;
    df_int8_scales *s = NULL;
    df_err err;
    df_graph *g = small_graph();
    if (df_int8_scales_open(&s, put(FILE_OF(TO_Q)), &err)) fail_msg("%s", err.text);
    if (df_int8_scales_apply(s, g, &err)) fail_msg("%s", err.text);
    assert_true(g->nodes[1].int8.scale == 0.25f && g->nodes[1].int8.zero == 7);
    assert_true(g->nodes[2].int8.scale == 0);
    assert_int_equal(df_int8_scales_check_model(s, SHA, &err), DF_OK);
    assert_int_equal(df_int8_scales_check_model(s, "0000", &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "diffarm calibrate"));
    df_int8_scales_close(&s);
    df_graph_free(&g);
}

static void bad_files_are_refused(void **state) {
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "", "scales.json" },
        { "[]", "not a JSON object" },
        { "{}", "diffarm calibrate" },
        { "{\"format\": \"diffarm int8 scales\", \"version\": 2, \"layers\": []}", "version 1" },
        { "{\"format\": 3}", "'format'" },
        { "{\"format\": \"diffarm int8 scales\", \"version\": 1, \"layers\": []}", "64 hexadecimal digits" },
        { HEAD "\"layers\": 3}", "'layers' must be a list" },
        { FILE_OF(""), "'layers' must be a list" },
        { FILE_OF("3"), "not a JSON object" },
        { FILE_OF("{\"scale\": 1, \"zero\": 1}"), "layers[0]: no 'name'" },
        { FILE_OF("{\"name\": \"to_q\", \"zero\": 1}"), "'scale' is 0" },
        { FILE_OF("{\"name\": \"to_q\", \"scale\": -1, \"zero\": 1}"), "'scale' is -1" },
        { FILE_OF("{\"name\": \"to_q\", \"scale\": 1e300, \"zero\": 1}"), "'scale' is 1e+300" },
        { FILE_OF("{\"name\": \"to_q\", \"scale\": NaN, \"zero\": 1}"), "'scale'" },
        { FILE_OF("{\"name\": \"to_q\", \"scale\": \"1\", \"zero\": 1}"), "'scale' is \"1\"" },
        { FILE_OF("{\"name\": \"to_q\", \"scale\": 1}"), "no 'zero'" },
        { FILE_OF("{\"name\": \"to_q\", \"scale\": 1, \"zero\": 256}"), "'zero' is 256" },
        { FILE_OF("{\"name\": \"to_q\", \"scale\": 1, \"zero\": 1.5}"), "'zero' is 1.5" },
        { FILE_OF(TO_Q ", " TO_Q), "'to_q' is there twice" },
        { FILE_OF("{\"name\": \"to_v\", \"scale\": 1, \"zero\": 1}"), "'to_v' is no layer" },
        { FILE_OF("{\"name\": \"norm\", \"scale\": 1, \"zero\": 1}"), "'norm' is no convolution or linear layer" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        df_int8_scales *s = NULL;
        df_err err = { 0 };
        df_graph *g = small_graph();
        df_code rc = df_int8_scales_open(&s, put(cases[i].text), &err);
        if (!rc) rc = df_int8_scales_apply(s, g, &err);
        if (!rc || !strstr(err.text, cases[i].says) || !strstr(err.text, "scales.json"))
            fail_msg("%s: %s, not: %s", cases[i].text, cases[i].says, err.text);
        df_int8_scales_close(&s);
        df_graph_free(&g);
    }
}

static void they_lie_beside_the_model(void **state) {
    (void)state;
    char path[4096];
    df_err err = { 0 };
    df_int8_scales_beside(path, sizeof path, "/m/sd15.safetensors");
    assert_string_equal(path, "/m/sd15.int8.json");
    df_int8_scales_beside(path, sizeof path, DF_SOURCE_DIR "/models/starter//");
    assert_string_equal(path, DF_SOURCE_DIR "/models/starter/diffarm-int8.json");
    assert_int_equal(df_int8_scales_find(path, sizeof path, DF_SOURCE_DIR "/models/starter", NULL, &err), DF_OK);
    assert_int_equal(df_int8_scales_find(path, sizeof path, "/m", "/m/none.json", &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "`diffarm calibrate -m /m -o /m/none.json`"));
}

static void model_takes(df_code want, const char *path) {
    const df_adapter_use use = { .kind = DF_ADAPTER_INT8_SCALES, .path = path };
    const df_adapter_use twice[] = { use, use };
    df_model_options how = { .adapters = twice, .n_adapters = 1 };
    df_model *m = NULL;
    df_graph *g = NULL;
    df_err err = { 0 };
    if (df_model_open_with(&m, golden_source_path("models/starter"), &how, &err)) fail_msg("%s", err.text);
    assert_true(df_model_is_int8(m));
    assert_int_equal(df_model_graph(m, DF_DENOISER, 16, 16, &g, &err), want);
    df_graph_free(&g);
    df_model_close(&m);
    how.n_adapters = 2;
    assert_int_equal(df_model_open_with(&m, golden_source_path("models/starter"), &how, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "already"));
}

/* The starter's own are those of its files, and reach its denoiser's graph, of any size, but no other component's. */
static void a_model_is_opened_with_them(void **state) {
    (void)state;
    const char *path = DF_SOURCE_DIR "/models/starter/diffarm-int8.json";
    const df_adapter_use use = { .kind = DF_ADAPTER_INT8_SCALES, .path = path };
    df_model *m = NULL;
    df_graph *g = NULL;
    df_err err = { 0 };
    char sha256[DF_SHA256_HEX_BYTES];
    int n = 0;
    if (df_model_open_with(&m, golden_source_path("models/starter"),
                           &(df_model_options) { .adapters = &use, .n_adapters = 1 }, &err))
        fail_msg("%s", err.text);
    if (df_model_sha256(m, sha256, &err) || df_model_check_int8_hash(m, sha256, &err)) fail_msg("%s", err.text);
    if (df_model_graph(m, DF_DENOISER, 24, 8, &g, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < g->n_nodes; i++) {
        n += g->nodes[i].int8.scale > 0;
        if (g->nodes[i].int8.scale > 0) assert_true(df_int8_is_candidate(g, &g->nodes[i]));
    }
    assert_in_range(n, 80, 104);
    df_graph_free(&g);
    if (df_model_graph(m, DF_VAE_DECODER, 16, 16, &g, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < g->n_nodes; i++) assert_true(g->nodes[i].int8.scale == 0);
    df_graph_free(&g);
    df_model_close(&m);
    model_takes(DF_OK, path);
    model_takes(DF_EINVAL, put(FILE_OF(TO_Q)));
}

static void ends_and_vectors_are_no_candidates(void **state) {
    (void)state;
    df_model *m = NULL;
    df_graph *g = NULL;
    df_err err = { 0 };
    if (df_model_open(&m, golden_source_path("models/starter"), &err)) fail_msg("%s", err.text);
    if (df_model_graph(m, DF_DENOISER, 16, 16, &g, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < g->n_nodes; i++) {
        const df_node *n = &g->nodes[i];
        bool end = !strcmp(n->name, "conv_in") || !strcmp(n->name, "conv_out") || strstr(n->name, "time_emb") ||
                   strstr(n->name, "attn2.to_k") || strstr(n->name, "attn2.to_v");
        bool inner = strstr(n->name, "conv1") || strstr(n->name, "attn1.to_") || strstr(n->name, "ff.net.2");
        if (end) assert_false(df_int8_is_candidate(g, n));
        if (inner) assert_true(df_int8_is_candidate(g, n));
    }
    df_graph_free(&g);
    df_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_set),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(they_lie_beside_the_model),
        cmocka_unit_test(a_model_is_opened_with_them),
        cmocka_unit_test(ends_and_vectors_are_no_candidates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
