#include "engine/noise/noise.h"

#include <stdlib.h>
#include <string.h>

#include "engine/noise/torch_cpu.h"
#include "engine/noise/torch_cuda.h"

static const char *const kind_names[] = {
    [DF_NOISE_TORCH_CPU] = "torch-cpu",
    [DF_NOISE_TORCH_CUDA] = "torch-cuda",
};

enum { N_KINDS = sizeof kind_names / sizeof kind_names[0] };

struct df_noise {
    df_noise_kind kind;
    union {
        df_torch_cpu torch_cpu;
        df_torch_cuda torch_cuda;
    };
};

df_noise *df_noise_new(df_noise_kind kind, uint64_t seed) {
    df_noise *z = calloc(1, sizeof *z);
    if (!z) return NULL;
    z->kind = kind;
    switch (kind) {
    case DF_NOISE_TORCH_CPU: df_torch_cpu_seed(&z->torch_cpu, seed); break;
    case DF_NOISE_TORCH_CUDA: df_torch_cuda_seed(&z->torch_cuda, seed, DF_TORCH_CUDA_GRID); break;
    }
    return z;
}

void df_noise_free(df_noise **z) {
    free(*z);
    *z = NULL;
}

void df_noise_normal(df_noise *z, float *out, size_t n) {
    switch (z->kind) {
    case DF_NOISE_TORCH_CPU: df_torch_cpu_normal(&z->torch_cpu, out, n); return;
    case DF_NOISE_TORCH_CUDA: df_torch_cuda_normal(&z->torch_cuda, out, n); return;
    }
}

int df_noise_kind_of(const char *name) {
    for (int k = 0; k < N_KINDS; k++)
        if (!strcmp(name, kind_names[k])) return k;
    return -1;
}

const char *df_noise_kind_name(df_noise_kind kind) {
    return kind_names[kind];
}
