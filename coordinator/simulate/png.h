/* A small PNG that any reader takes: 8-bit grey, not compressed, its pixels made from a number. */
#ifndef DF_COORDINATOR_SIMULATE_PNG_H
#define DF_COORDINATOR_SIMULATE_PNG_H

#include <stddef.h>
#include <stdint.h>

/* side 1..16. Writes at most 512 bytes to out; returns how many. */
size_t df_sim_png(uint8_t *out, uint32_t side, uint64_t number);

#endif
