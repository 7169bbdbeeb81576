/* A small PNG that any reader takes: 8-bit grey, not compressed, its pixels made from a number. */
#ifndef DF_COORDINATOR_SIMULATE_PNG_H
#define DF_COORDINATOR_SIMULATE_PNG_H

#include <stddef.h>
#include <stdint.h>

enum { DF_SIM_PNG_BYTES = 512 }; /* the most that a small one takes */

/* side 1..16. Writes at most DF_SIM_PNG_BYTES to out; returns how many. */
size_t df_sim_png(uint8_t *out, uint32_t side, uint64_t number);
/* The same picture in about `bytes` bytes, DF_SIM_PNG_BYTES more at most: filled up by a chunk that readers skip. */
size_t df_sim_png_of_size(uint8_t *out, uint32_t side, size_t bytes);

#endif
