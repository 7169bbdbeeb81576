/* What a calibration draws: the lines of a file, or a few prompts of our own. */
#ifndef DF_CLIENT_CALIBRATE_PROMPTS_H
#define DF_CLIENT_CALIBRATE_PROMPTS_H

#include "base/err.h"

enum { DF_CALIBRATE_MAX_PROMPTS = 1000 };

typedef struct df_calibrate_prompts {
    const char **text; /* [n], lines without their ends; empty ones are left out */
    int n;
    char *file; /* what text points into; NULL: our own */
} df_calibrate_prompts;

df_code df_calibrate_prompts_read(df_calibrate_prompts *p, const char *path, df_err *err); /* path NULL: our own */
void df_calibrate_prompts_free(df_calibrate_prompts *p);

#endif
