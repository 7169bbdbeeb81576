/* Philox4x32-10: 128 bits from a 128-bit counter and a 64-bit key, no state.
 * Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". Reference: Random123's known answers. */
#ifndef DF_ENGINE_NOISE_PHILOX_H
#define DF_ENGINE_NOISE_PHILOX_H

#include <stdint.h>

typedef struct df_philox_block {
    uint32_t word[4]; /* the counter going in, lowest word first; random bits coming out */
} df_philox_block;

df_philox_block df_philox(df_philox_block counter, uint64_t key);

#endif
