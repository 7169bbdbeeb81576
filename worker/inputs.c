#include "worker/inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/image/image_file.h"
#include "engine/image/resize.h"

enum { N_KEPT = 8 };

typedef struct kept {
    char sha256[DF_SHA256_HEX_BYTES];
    df_image image;
    uint64_t used; /* 0: empty */
} kept;

struct df_inputs {
    kept at[N_KEPT];
    uint64_t clock;
};

df_inputs *df_inputs_new(void) {
    return calloc(1, sizeof(df_inputs));
}

void df_inputs_free(df_inputs **inputs) {
    if (!inputs || !*inputs) return;
    for (int i = 0; i < N_KEPT; i++) df_image_clear(&(*inputs)->at[i].image);
    free(*inputs);
    *inputs = NULL;
}

static df_code read_picture(const Diffarm__Input *input, df_image *out, df_err *err) {
    char sha256[DF_SHA256_HEX_BYTES];
    df_image image = { 0 };
    df_code rc = df_image_read(&image, input->path, sha256, err);
    if (*sha256 && strcmp(sha256, input->sha256)) /* then it does not matter whether it is a picture */
        rc = df_err_set(err, DF_EINVAL, "%s: has changed since the job was submitted; submit the job again",
                        input->path);
    if (rc)
        df_image_clear(&image);
    else
        *out = image;
    return rc;
}

df_code df_inputs_picture(df_inputs *inputs, const Diffarm__Input *input, const df_image **out, df_err *err) {
    kept *oldest = &inputs->at[0];
    for (int i = 0; i < N_KEPT; i++) {
        kept *k = &inputs->at[i];
        if (k->used && !strcmp(k->sha256, input->sha256)) {
            k->used = ++inputs->clock;
            *out = &k->image;
            return DF_OK;
        }
        if (k->used < oldest->used) oldest = k;
    }
    df_image image;
    df_code rc = read_picture(input, &image, err);
    if (rc) return rc;
    df_image_clear(&oldest->image);
    oldest->image = image;
    oldest->used = ++inputs->clock;
    snprintf(oldest->sha256, sizeof oldest->sha256, "%s", input->sha256);
    *out = &oldest->image;
    return DF_OK;
}
