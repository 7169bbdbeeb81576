#include "engine/noise/philox.h"

enum { ROUNDS = 10 };

static df_philox_block one_round(df_philox_block c, uint32_t key_low, uint32_t key_high) {
    uint64_t a = UINT64_C(0xd2511f53) * c.word[0], b = UINT64_C(0xcd9e8d57) * c.word[2];
    return (df_philox_block) { { (uint32_t)(b >> 32) ^ c.word[1] ^ key_low, (uint32_t)b,
                                 (uint32_t)(a >> 32) ^ c.word[3] ^ key_high, (uint32_t)a } };
}

df_philox_block df_philox(df_philox_block counter, uint64_t key) {
    uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32);
    for (int i = 0; i < ROUNDS; i++) {
        counter = one_round(counter, low, high);
        low += 0x9e3779b9u;
        high += 0xbb67ae85u;
    }
    return counter;
}
