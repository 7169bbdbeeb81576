/* The Mersenne twister mt19937, 32 bits a draw.
 * Source: Matsumoto and Nishimura 1998, "Mersenne Twister". Reference: std::mt19937, at::mt19937. */
#ifndef DF_ENGINE_NOISE_MT19937_H
#define DF_ENGINE_NOISE_MT19937_H

#include <stdint.h>

#define DF_MT19937_WORDS 624

typedef struct df_mt19937 {
    uint32_t state[DF_MT19937_WORDS];
    int next; /* word that the next draw tempers; DF_MT19937_WORDS: a new block is made first */
} df_mt19937;

void df_mt19937_seed(df_mt19937 *m, uint32_t seed);
uint32_t df_mt19937_next(df_mt19937 *m);

#endif
