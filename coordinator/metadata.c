#include "coordinator/metadata.h"

#include <stdio.h>
#include <string.h>

#include "coordinator/row_extras.h"
#include "coordinator/tar_shard.h"

static json_t *flags_of(const df_stored_row *r) {
    const char *flags = r->flags; /* one a line */
    json_t *array = json_array();
    while (array && *flags) {
        size_t n = strcspn(flags, "\n");
        if (n && json_array_append_new(array, json_stringn(flags, n))) {
            json_decref(array);
            return NULL;
        }
        flags += n + (flags[n] == '\n');
    }
    if (array && r->first_alike != r->is.row) json_array_append_new(array, json_string("duplicate"));
    return array;
}

static json_t *size_of(const df_row *r) {
    char text[32];
    snprintf(text, sizeof text, "%ux%u", r->width, r->height);
    return json_string(text);
}

/* What the job asks for beyond the model's own ways; those that are off are not there. */
static json_t *options_of(const df_job_spec *spec) {
    const struct {
        const char *name;
        bool on;
    } options[] = { { "no_t5", spec->no_t5 },
                    { "long_prompts", spec->long_prompts },
                    { "prompt_weights", spec->prompt_weights },
                    { "fast_conv", spec->fast_conv } };
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].on) json_object_set_new(o, options[i].name, json_true());
    if (*spec->backend) json_object_set_new(o, "backend", json_string(spec->backend));
    return o;
}

json_t *df_metadata_of(const df_job *job, const df_stored_row *r) {
    char path[DF_ROW_PATH_BYTES];
    const df_job_spec *spec = &job->spec;
    bool tar = df_job_is_tar(job); /* where a row's name is no path of its own, it would be lost */
    if (tar)
        df_tar_shard_member(path, r->is.row);
    else
        df_row_path(path, r->is.row, r->is.name);
    json_t *line = json_pack("{s:s*, s:I, s:s, s:s, s:I, s:o, s:i, s:f, s:s, s:s, s:s, s:s, s:s}", "file_name",
                             df_job_keeps_pictures(job) ? path : NULL, "row", (json_int_t)r->is.row, "prompt",
                             r->is.prompt, "negative", r->is.negative, "seed", (json_int_t)r->is.seed, "size",
                             size_of(&r->is), "steps", (int)r->is.steps, "guidance", r->is.guidance, "scheduler",
                             *r->scheduler_used ? r->scheduler_used : r->is.scheduler, "task", r->is.task, "model",
                             spec->model_name, "model_sha256", spec->model_sha256, "dtype", spec->dtype);
    json_t *extras = df_row_extras_metadata(r->is.extras);
    json_t *options = options_of(spec);
    json_t *first = r->first_alike != r->is.row ? json_integer((json_int_t)r->first_alike) : NULL;
    json_t *rest = json_pack("{s:o, s:o*, s:s, s:s*}", "flags", flags_of(r), "duplicate_of", first, "sha256",
                             r->png_sha256, "name", tar && *r->is.name ? r->is.name : NULL);
    bool whole = line && extras && options && rest && !json_object_update(line, extras) &&
                 !json_object_update(line, options) && !json_object_update(line, rest);
    json_decref(extras);
    json_decref(options);
    json_decref(rest);
    if (whole) return line;
    json_decref(line);
    return NULL;
}
