#include "engine/backend/int8.h"

static float largest(const float *w, int64_t n) {
    float most = 0;
    for (int64_t i = 0; i < n; i++)
        if (fabsf(w[i]) > most) most = fabsf(w[i]);
    return most;
}

/* NaN too becomes -127: a model with such weights has failed before. */
static int8_t code_of(float w, float scale) {
    float code = rintf(w / scale);
    return code > -127 ? code < 127 ? (int8_t)code : 127 : -127;
}

void df_int8_weights(int8_t *codes, float *scale, const float *w, int64_t channels, int64_t n) {
    for (int64_t c = 0; c < channels; c++, w += n, codes += n) {
        float step = largest(w, n) / 127;
        scale[c] = step > 0 && isfinite(step) ? step : 1;
        for (int64_t i = 0; i < n; i++) codes[i] = code_of(w[i], scale[c]);
    }
}
