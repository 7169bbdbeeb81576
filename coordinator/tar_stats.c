#include "coordinator/tar_stats.h"

#include <jansson.h>
#include <string.h>

#include "coordinator/json_line.h"

df_code df_tar_stats_write(const df_tar_stats *s, char **text, size_t *bytes, df_err *err) {
    *text = df_json_line_text(
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:s}", "shard", s->shard, "first_row", (json_int_t)s->first_row,
                  "n_rows", (json_int_t)s->n_rows, "n_done", (json_int_t)s->n_done, "n_failed", (json_int_t)s->n_failed,
                  "bytes", (json_int_t)s->bytes, "sha256", s->sha256, "metadata_sha256", s->metadata_sha256));
    if (!*text) return df_err_set(err, DF_ENOMEM, "%s", s->shard);
    *bytes = strlen(*text);
    return DF_OK;
}

static int take_count(const json_t *object, const char *name, uint64_t *to) {
    const json_t *v = json_object_get(object, name);
    if (!json_is_integer(v) || json_integer_value(v) < 0) return 0;
    *to = (uint64_t)json_integer_value(v);
    return 1;
}

static int take_hash(const json_t *object, const char *name, char to[DF_SHA256_HEX_BYTES]) {
    const char *text = json_string_value(json_object_get(object, name));
    if (!text || !df_sha256_is_hex(text)) return 0;
    memcpy(to, text, DF_SHA256_HEX_BYTES);
    return 1;
}

df_code df_tar_stats_read(df_tar_stats *out, const char *text, size_t bytes, df_err *err) {
    json_t *o = json_loadb(text, bytes, 0, NULL);
    const char *shard = json_string_value(json_object_get(o, "shard"));
    *out = (df_tar_stats) { 0 };
    int good = shard && strlen(shard) < sizeof out->shard && take_count(o, "first_row", &out->first_row) &&
               take_count(o, "n_rows", &out->n_rows) && take_count(o, "n_done", &out->n_done) &&
               take_count(o, "n_failed", &out->n_failed) && take_count(o, "bytes", &out->bytes) &&
               take_hash(o, "sha256", out->sha256);
    if (good) strcpy(out->shard, shard);
    if (good && json_object_get(o, "metadata_sha256")) good = take_hash(o, "metadata_sha256", out->metadata_sha256);
    json_decref(o);
    return good ? DF_OK : df_err_set(err, DF_EFORMAT, "no stats of a shard");
}
