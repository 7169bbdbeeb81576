#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "client/eval/options.h"
#include "engine/tiles/tiled_decoder.h"

static df_code read_number(double *out, const df_eval_setting *s, double min, double max, df_err *err) {
    char *end;
    errno = 0;
    double x = strtod(s->value, &end);
    if (errno || end == s->value || *end || !isfinite(x) || x < min || x > max)
        return df_err_set(err, DF_EINVAL, "--set %s=%s: a number from %g to %g is needed", s->key, s->value, min, max);
    *out = x;
    return DF_OK;
}

static df_code read_whole(int *out, const df_eval_setting *s, double min, double max, df_err *err) {
    double x;
    df_code rc = read_number(&x, s, min, max, err);
    if (!rc && x != floor(x))
        rc = df_err_set(err, DF_EINVAL, "--set %s=%s: a whole number is needed", s->key, s->value);
    if (!rc) *out = (int)x;
    return rc;
}

static df_code read_task(df_eval_settings *out, const df_eval_setting *s, df_err *err) {
    out->task_given = df_task_named(&out->task, s->value);
    if (out->task_given) return DF_OK;
    return df_err_set(err, DF_EUNSUPPORTED,
                      "--set task=%s: one of txt2img, img2img, inpaint, upscale, class, uncond is needed", s->value);
}

static df_code refuse(const char *key, const char *call, const char *const *allowed, df_err *err) {
    df_buf list = { 0 };
    for (int i = 0; allowed[i]; i++) df_buf_printf(&list, "%s%s", i ? ", " : "", allowed[i]);
    df_code rc = df_err_set(err, DF_EINVAL, "--set %s: call '%s' has no such setting; it has: %s", key, call,
                            list.data ? list.data : "none");
    df_buf_free(&list);
    return rc;
}

static df_code read_one(df_eval_settings *out, const df_eval_setting *s, df_err *err) {
    if (strcmp(s->key, "steps") == 0) return read_whole(&out->steps, s, 1, 1000, err);
    if (strcmp(s->key, "guidance") == 0) return read_number(&out->guidance, s, 0, 1000, err);
    if (strcmp(s->key, "guidance_rescale") == 0) return read_number(&out->guidance_rescale, s, 0, 1, err);
    if (strcmp(s->key, "eta") == 0) return read_number(&out->eta, s, 0, 1, err);
    if (strcmp(s->key, "task") == 0) return read_task(out, s, err);
    if (strcmp(s->key, "strength") == 0) return read_number(&out->strength, s, 0.001, 1, err);
    if (strcmp(s->key, "noise_level") == 0) return read_whole(&out->noise_level, s, 0, 1000000, err);
    if (strcmp(s->key, "tile") == 0) return read_whole(&out->tile, s, DF_TILE_MIN_PIXELS, 65536, err);
    out->scheduler = s->value;
    return DF_OK;
}

df_code df_eval_settings_read(df_eval_settings *out, const df_eval_options *o, const char *const *allowed,
                              df_err *err) {
    *out = (df_eval_settings) { .steps = 25, .guidance = 7.5, .noise_level = 20 };
    for (int i = 0; i < o->n_settings; i++) {
        const df_eval_setting *s = &o->settings[i];
        int k = 0;
        while (allowed[k] && strcmp(allowed[k], s->key) != 0) k++;
        df_code rc = allowed[k] ? read_one(out, s, err) : refuse(s->key, o->call, allowed, err);
        if (rc) return rc;
    }
    return DF_OK;
}
