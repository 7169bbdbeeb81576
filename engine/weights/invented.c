#include "engine/weights/invented.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* FNV-1a. */
static uint64_t hash_of(const char *name) {
    uint64_t h = 14695981039346656037u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 1099511628211u;
    return h;
}

/* Sum of four uniform numbers of 16 bits: near enough to normal; deviation 1. */
static float number(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = *state ^ *state >> 29;
    uint32_t sum =
        (uint32_t)(x & 0xffff) + (uint32_t)(x >> 16 & 0xffff) + (uint32_t)(x >> 32 & 0xffff) + (uint32_t)(x >> 48);
    return ((float)sum / 65536 - 2) * 1.7320508f;
}

void df_weights_invent(const char *name, const int64_t *dim, int rank, float *dst) {
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= dim[i];
    bool vector = rank == 1;
    float mean = vector && strstr(name, ".weight") ? 1 : 0;
    float deviation = vector ? 0.05f : (float)(1 / sqrt((double)n / (double)dim[0]));
    uint64_t state = hash_of(name);
    for (int64_t i = 0; i < n; i++) dst[i] = mean + deviation * number(&state);
}
