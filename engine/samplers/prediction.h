/* From what a model predicts to the clean sample and the noise it stands for: x = a * clean + b * noise.
 * Sources: epsilon, Ho et al. 2020; v = a * noise - b * clean, Salimans and Ho 2022. */
#ifndef DF_ENGINE_SAMPLERS_PREDICTION_H
#define DF_ENGINE_SAMPLERS_PREDICTION_H

#include <math.h>

#include "engine/samplers/scheduler.h"

static inline float df_clean_of(df_prediction kind, float a, float b, float x, float predicted) {
    if (kind == DF_PREDICT_EPSILON) return (x - b * predicted) / a;
    if (kind == DF_PREDICT_V) return a * x - b * predicted;
    return predicted;
}

static inline float df_noise_of(df_prediction kind, float a, float b, float x, float predicted) {
    if (kind == DF_PREDICT_EPSILON) return predicted;
    if (kind == DF_PREDICT_V) return a * predicted + b * x;
    return (x - a * predicted) / b;
}

/* The same where x = clean + sigma * noise. */
static inline float df_clean_of_sigma(df_prediction kind, float sigma, float x, float predicted) {
    if (kind == DF_PREDICT_EPSILON) return x - sigma * predicted;
    if (kind == DF_PREDICT_V) {
        float norm = sigma * sigma + 1.0f;
        return predicted * (-sigma / sqrtf(norm)) + x / norm;
    }
    return predicted;
}

typedef enum df_predicted { DF_PREDICTED_CLEAN, DF_PREDICTED_NOISE, DF_PREDICTED_CLEAN_OF_SIGMA } df_predicted;

/* Each of the three above; the last takes sigma for a. */
static inline float df_predicted_of(df_predicted what, df_prediction kind, float a, float b, float x, float predicted) {
    if (what == DF_PREDICTED_CLEAN) return df_clean_of(kind, a, b, x, predicted);
    if (what == DF_PREDICTED_NOISE) return df_noise_of(kind, a, b, x, predicted);
    return df_clean_of_sigma(kind, a, x, predicted);
}

#endif
