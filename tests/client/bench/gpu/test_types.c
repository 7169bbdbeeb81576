/* Names of devices, and rooflines that were worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/bench/gpu/types.h"

static void devices_are_known_by_their_names(void **state) {
    (void)state;
    static const char *const known[][2] = {
        { "NVIDIA A100-SXM4-80GB", "A100 SXM 80 GB" },
        { "NVIDIA A100-SXM4-40GB", "A100 SXM 40 GB" },
        { "NVIDIA A100 80GB PCIe", "A100 PCIe 80 GB" },
        { "NVIDIA H100 80GB HBM3", "H100 SXM" },
        { "NVIDIA H100 PCIe", "H100 PCIe" },
        { "NVIDIA H200", "H200" },
        { "NVIDIA H200 NVL", "H200 NVL" },
        { "NVIDIA GH200 480GB", "GH200" },
        { "NVIDIA B200", "B200" },
        { "NVIDIA GB200", "GB200" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const df_gpu_type *t = df_gpu_type_of(known[i][0]);
        assert_non_null(t);
        assert_string_equal(t->name, known[i][1]);
        assert_true(df_gpu_peak_is_known(&t->peak));
    }
    assert_null(df_gpu_type_of("NVIDIA GeForce RTX 4090"));
    assert_null(df_gpu_type_of(""));
}

static void the_slower_of_arithmetic_and_memory_counts(void **state) {
    (void)state;
    const df_gpu_peak peak = { .tensor_tflops = 100, .vector_tflops = 10, .gigabytes_per_second = 1000 };
    const df_node_work product = { .kind = DF_WORK_PRODUCT, .flops = 1e12, .values = 1e9, .weights = 4e9 };
    /* 16 bits: 4 x 1e12 / 100e12 = 0.04 s; (4 x 1e9 + 4e9) x 2 / 1e12 = 0.016 s */
    assert_float_equal(df_roofline_seconds(&peak, &product, 4, DF_BF16), 0.04, 1e-12);
    assert_float_equal(df_roofline_seconds(&peak, &product, 4, DF_F16), 0.04, 1e-12);
    assert_float_equal(df_roofline_seconds(&peak, &product, 4, DF_F32), 0.4, 1e-12); /* no tensor cores */
    assert_float_equal(df_roofline_seconds(&peak, &product, 0, DF_BF16), 0.008, 1e-12); /* the weights alone */
    const df_node_work norm = { .kind = DF_WORK_POINTWISE, .flops = 1e9, .values = 1e9 };
    assert_float_equal(df_roofline_seconds(&peak, &norm, 1, DF_BF16), 0.002, 1e-12);
    const df_node_work fused = { .kind = DF_WORK_PRODUCT, .flops = 1e12, .fused_flops = 1e11 };
    assert_float_equal(df_roofline_seconds(&peak, &fused, 1, DF_BF16), 0.01 + 0.01, 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_are_known_by_their_names),
        cmocka_unit_test(the_slower_of_arithmetic_and_memory_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
