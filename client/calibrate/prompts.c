#include "client/calibrate/prompts.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "client/fields.h"

/* Things, people, places, styles: broad rather than many. */
static const char *const own[] = {
    "a photo of a red apple on a wooden table",
    "portrait of an old man with a beard, oil painting",
    "a city street at night in the rain, neon lights",
    "a cat sleeping on a blue sofa",
    "mountains behind a lake, watercolor",
    "a smiling robot, cartoon",
    "a bowl of soup and bread, seen from above",
    "a spaceship over a green planet, detailed",
};

static df_code add(df_calibrate_prompts *p, const char *path, char *line, df_err *err) {
    char why[256];
    line[strcspn(line, "\r")] = '\0';
    if (!*line) return DF_OK;
    if (p->n == DF_CALIBRATE_MAX_PROMPTS)
        return df_err_set(err, DF_ELIMIT, "%s: more than %d prompts", path, DF_CALIBRATE_MAX_PROMPTS);
    const char *fault = df_text_fault(line, DF_MAX_PROMPT_BYTES, why, sizeof why);
    if (fault) return df_err_set(err, DF_EINVAL, "%s: prompt %d: %s", path, p->n + 1, fault);
    p->text[p->n++] = line;
    return DF_OK;
}

static df_code read_file(df_calibrate_prompts *p, const char *path, df_err *err) {
    enum { MOST = 4 << 20 };
    size_t bytes;
    df_code rc = df_file_read(path, MOST, &p->file, &bytes, err);
    if (!rc && strlen(p->file) != bytes) rc = df_err_set(err, DF_EFORMAT, "%s: no text file: it has a zero byte", path);
    for (char *at = rc ? NULL : p->file; at && !rc;) {
        char *end = strchr(at, '\n');
        if (end) *end = '\0';
        rc = add(p, path, at, err);
        at = end ? end + 1 : NULL;
    }
    if (!rc && !p->n) rc = df_err_set(err, DF_EINVAL, "%s: no prompts in it", path);
    return rc;
}

df_code df_calibrate_prompts_read(df_calibrate_prompts *p, const char *path, df_err *err) {
    *p = (df_calibrate_prompts) { .text = calloc(DF_CALIBRATE_MAX_PROMPTS, sizeof *p->text) };
    if (!p->text) return df_err_set(err, DF_ENOMEM, "prompts");
    if (!path) {
        p->n = sizeof own / sizeof *own;
        memcpy(p->text, own, sizeof own);
        return DF_OK;
    }
    df_code rc = read_file(p, path, err);
    if (rc) df_calibrate_prompts_free(p);
    return rc;
}

void df_calibrate_prompts_free(df_calibrate_prompts *p) {
    free(p->text);
    free(p->file);
    *p = (df_calibrate_prompts) { 0 };
}
