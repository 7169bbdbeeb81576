#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/activations.h"

enum { CHANNELS = 2, AREA = 3 };

static const float planes[CHANNELS * AREA] = { 1, 2, 3, -4, -5, 1.0f / 3 };

static void test_channels_go_last_and_back(void **state) {
    (void)state;
    static const df_dtype types[] = { DF_F64, DF_F32, DF_F16, DF_BF16 };
    static const float kept[] = { 1.0f / 3, 1.0f / 3, 0x1.554p-2f, 0x1.56p-2f }; /* of a third */
    for (int k = 0; k < 4; k++) {
        const double want[CHANNELS * AREA] = { 1, -4, 2, -5, 3, (double)kept[k] };
        double stored[CHANNELS * AREA];
        float back[CHANNELS * AREA];
        df_activations_write(stored, planes, CHANNELS, AREA, types[k]);
        for (size_t i = 0; i < CHANNELS * AREA; i++) assert_true(df_dtype_load(types[k], stored, i) == want[i]);
        df_activations_read(back, stored, CHANNELS, AREA, types[k]);
        for (int i = 0; i < CHANNELS * AREA; i++)
            assert_true(back[i] == (i == CHANNELS * AREA - 1 ? kept[k] : planes[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_channels_go_last_and_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
