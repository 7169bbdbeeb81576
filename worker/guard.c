#include "worker/guard.h"

#include <stdlib.h>
#include <string.h>

static bool is_f32(const Diffarm__JobSpec *job) {
    return !strcmp(job->dtype, "f32");
}

bool df_guard_doubts_picture(const Diffarm__JobSpec *job, unsigned flags) {
    return flags & DF_FLAG_FLAT && !is_f32(job);
}

bool df_guard_doubts_failure(const Diffarm__JobSpec *job, df_code code) {
    return code == DF_ENUMERIC && !is_f32(job);
}

Diffarm__Adapter **df_guard_adapters(const Diffarm__Row *row) {
    Diffarm__Adapter **kept = calloc(row->n_adapters + 1, sizeof *kept);
    size_t n = 0;
    for (size_t i = 0; kept && i < row->n_adapters; i++)
        if (row->adapters[i]->kind != DIFFARM__ADAPTER__KIND__INT8_SCALES) kept[n++] = row->adapters[i];
    return kept;
}

void df_guard_want(df_session_want *want) {
    want->dtype = "f32";
    want->fast_conv = false; /* of bf16 only */
}

uint64_t df_guard_pixels_hash(const uint8_t *rgb, int width, int height) {
    char hex[DF_SHA256_HEX_BYTES];
    const uint32_t size[] = { (uint32_t)width, (uint32_t)height };
    df_sha256 *sum = df_sha256_new();
    if (!sum) abort(); /* the supervisor starts us anew, the row goes to another */
    df_sha256_add(sum, size, sizeof size);
    df_sha256_add(sum, rgb, (size_t)width * (size_t)height * 3);
    df_sha256_end(&sum, hex);
    hex[16] = '\0';
    uint64_t hash = strtoull(hex, NULL, 16);
    return hash ? hash : 1;
}
