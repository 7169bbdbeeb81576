/* Looks at a model before a job is sent: every tensor that text encoders, denoiser and decoder need is there, in the
 * shape the configs ask for. Reads headers only. */
#ifndef DF_CLIENT_MODEL_CHECK_H
#define DF_CLIENT_MODEL_CHECK_H

#include "engine/models/model.h"

/* The error names file, tensor and both shapes. */
df_code df_model_check(const df_model *m, df_err *err);

#endif
