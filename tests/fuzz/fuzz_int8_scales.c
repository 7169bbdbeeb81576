/* Any bytes as int8 scales, applied to a small graph. */
#include "engine/adapters/int8_scales.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"

long fuzz_accepted;

static df_graph *small(void) {
    df_graph *g = df_graph_new("unet");
    df_err err = { 0 };
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(4, 8));
    x = df_g_linear(g, "to_q", df_g_layer_norm(g, "norm", x, 1e-5), 8, false);
    df_graph_output(g, "out", df_g_linear(g, "to_out", x, 8, true));
    FUZZ_CHECK(!df_graph_finish(g, &err));
    return g;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    df_int8_scales *s = NULL;
    df_err err = { 0 };
    df_code rc = df_int8_scales_open(&s, fuzz_put("int8.json", data, size), &err);
    FUZZ_CHECK((rc == DF_OK) == (s != NULL) && (rc == DF_OK || (err.code == rc && err.text[0])));
    if (rc) return 0;
    df_graph *g = small();
    if (!df_int8_scales_apply(s, g, &err)) {
        fuzz_accepted++;
        for (int i = 0; i < g->n_nodes; i++)
            FUZZ_CHECK(g->nodes[i].int8.scale >= 0 && g->nodes[i].int8.zero >= 0 && g->nodes[i].int8.zero <= 255);
    }
    df_graph_free(&g);
    df_int8_scales_close(&s);
    return 0;
}
