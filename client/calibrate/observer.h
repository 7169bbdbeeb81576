/* Watches a denoiser run and says, for each of its products that could be in 8 bits, which codes serve it and what they
 * cost.
 *
 *   df_observer_open(&o, model, latent_h, latent_w, dtype, &err);
 *   pipeline with .denoiser_tap = df_observer_tap, .tap_ctx = o; run it; close it
 *   df_observer_measure(o, min_snr_db, &err);        reads the weights of one layer after another
 *   df_observer_write(o, path, &about, &err);        the file of engine/adapters/int8_scales.h, whole or not at all
 *   df_observer_close(&o);
 *
 * The cost of a layer is told as a ratio of signal to noise: the squared error of its inputs' codes over their squares,
 * plus that of its weights' codes over theirs, as the error of their product is where errors are independent. */
#ifndef DF_CLIENT_CALIBRATE_OBSERVER_H
#define DF_CLIENT_CALIBRATE_OBSERVER_H

#include "engine/exec/stage.h"
#include "engine/models/model.h"

typedef struct df_observer df_observer;

/* model is borrowed; dtype: of activations. DF_EUNSUPPORTED if it has no product that could be in 8 bits. */
df_code df_observer_open(df_observer **out, const df_model *model, int latent_h, int latent_w, df_dtype dtype,
                         df_err *err);
void df_observer_close(df_observer **o);

void df_observer_tap(void *observer, const df_node *node, const void *out, int64_t n_rows);

df_code df_observer_measure(df_observer *o, double min_snr_db, df_err *err);

typedef struct df_calibration_about {
    const char *model_sha256;
    int n_prompts, steps, width, height;
} df_calibration_about;

df_code df_observer_write(const df_observer *o, const char *path, const df_calibration_about *about, df_err *err);

typedef struct df_calibration_result {
    int n_layers, n_kept; /* in 8 bits; kept as they are for their noise */
    double worst_snr_db, median_snr_db; /* of those in 8 bits */
} df_calibration_result;
df_calibration_result df_observer_result(const df_observer *o);

#endif
