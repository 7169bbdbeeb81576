/* The text encoder against the golden models: every hidden state, on every backend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/models/clip_text_config.h"
#include "tests/engine/models/component.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

static const double tolerance = 2e-5;

static df_model *open_model(const char *name) {
    df_model *m = NULL;
    df_err err;
    if (df_model_open(&m, model_folder_new(name), &err)) fail_msg("%s", err.text);
    return m;
}

/* The golden keeps the inner states of prompts 1 and 2 only. */
static void compare_hidden(const golden *g, component *c, int k) {
    char golden_name[32], port[32];
    snprintf(golden_name, sizeof golden_name, "text.hidden.%d", k);
    snprintf(port, sizeof port, "hidden.%d", k);
    size_t n;
    float *hidden = component_get(c, port, &n);
    size_t row = n / (size_t)c->n;
    golden_compare(g, golden_name, hidden + row, 2 * row, tolerance);
    free(hidden);
}

static void check(const char *name, const backend_case *b) {
    golden *g = golden_open(name);
    df_model *m = open_model(name);
    int64_t n_prompts = golden_view(g, "text.ids")->dim[0];
    int32_t *ids = golden_i32(g, "text.ids", NULL);
    component c = component_open(m, DF_TEXT_ENCODER, 0, 0, b, n_prompts);
    component_set_ids(&c, "ids", ids);
    component_run(&c);
    size_t n;
    float *last = component_get(&c, "last_hidden_state", &n);
    golden_compare(g, "text.last_hidden_state", last, n, tolerance);
    for (int k = 0; k < 3; k++)
        if (golden_has(g, k == 0 ? "text.hidden.0" : k == 1 ? "text.hidden.1" : "text.hidden.2"))
            compare_hidden(g, &c, k);
    free(last);
    free(ids);
    component_close(&c);
    df_model_close(&m);
    golden_close(&g);
}

static void test_sd15(void **state) {
    check("sd15", *state);
}

static void test_sd2(void **state) { /* exact GELU, another width */
    check("sd2", *state);
}

static void test_pooled_position(void **state) {
    (void)state;
    const int32_t ids[] = { 90, 5, 7, 99, 98, 99, 3 };
    df_clip_text_config cfg = { .eos_id = 2 };
    assert_int_equal(df_clip_text_pooled_position(&cfg, ids, 7), 3); /* the first largest */
    cfg.eos_id = 98;
    assert_int_equal(df_clip_text_pooled_position(&cfg, ids, 7), 4);
    cfg.eos_id = 42;
    assert_int_equal(df_clip_text_pooled_position(&cfg, ids, 7), 0);
}

int main(void) {
    static backend_case cpu = { "cpu", DF_F32, "cpu" }, f32 = { "reference", DF_F32, "reference" },
                        f64 = { "reference", DF_F64, "reference f64" };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pooled_position),
        { "sd15 reference", test_sd15, NULL, NULL, &f32 },
        { "sd15 reference f64", test_sd15, NULL, NULL, &f64 },
        { "sd15 cpu", test_sd15, NULL, NULL, &cpu },
        { "sd2 reference", test_sd2, NULL, NULL, &f32 },
        { "sd2 cpu", test_sd2, NULL, NULL, &cpu },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
