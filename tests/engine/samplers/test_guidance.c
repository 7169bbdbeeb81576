#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/samplers/guidance.h"

static void guidance_in_place(void **state) {
    (void)state;
    float cond[3] = { 1, 2, 3 }, uncond[3] = { 0.5f, 2, 5 };
    df_guidance(cond, uncond, 7.5f, cond, 3);
    assert_true(cond[0] == 4.25f && cond[1] == 2 && cond[2] == -10);
}

static void rescale_brings_the_spread_back(void **state) {
    (void)state;
    static const float cond[4] = { 1, 2, 3, 4 }; /* half the deviation of out */
    float out[4] = { 2, 6, 4, 8 }, flat[2] = { 5, 5 };
    df_guidance_rescale(out, cond, 0.75, 4);
    assert_true(fabsf(out[0] - 1.25f) < 1e-6f && fabsf(out[1] - 3.75f) < 1e-6f && fabsf(out[3] - 5) < 1e-6f);
    df_guidance_rescale(out, cond, 0, 4);
    assert_true(fabsf(out[3] - 5) < 1e-6f);
    df_guidance_rescale(flat, cond, 1, 2);
    assert_true(flat[0] == 5 && flat[1] == 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guidance_in_place),
        cmocka_unit_test(rescale_brings_the_spread_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
