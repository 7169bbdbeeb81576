/* The one source of chance of a simulated world: the same seed, the same world. Xorshift64* (Vigna 2016). */
#ifndef DF_COORDINATOR_SIMULATE_RANDOM_H
#define DF_COORDINATOR_SIMULATE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct df_sim_random {
    uint64_t state;
} df_sim_random;

static inline df_sim_random df_sim_random_from(uint64_t seed) {
    uint64_t z = seed + 0x9e3779b97f4a7c15u; /* splitmix64: neighbouring seeds must not look alike */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (df_sim_random) { z ? z : 1 };
}

static inline uint64_t df_sim_draw(df_sim_random *r) {
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1du;
}

/* 0..n-1, n > 0. */
static inline uint64_t df_sim_below(df_sim_random *r, uint64_t n) {
    return (df_sim_draw(r) >> 11) % n;
}

static inline int64_t df_sim_between(df_sim_random *r, int64_t least, int64_t most) {
    return least + (int64_t)df_sim_below(r, (uint64_t)(most - least + 1));
}

static inline bool df_sim_chance(df_sim_random *r, double p) {
    return (double)(df_sim_draw(r) >> 11) * 0x1p-53 < p;
}

#endif
