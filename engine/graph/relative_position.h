/* T5's buckets of relative positions: near keys have one each, farther ones share, ever wider, up to max_distance and
 * beyond. Raffel et al. 2020, arXiv:1910.10683, section 2.1; the roundings are those of transformers'
 * T5Attention._relative_position_bucket, whose logarithm is an f32. */
#ifndef DF_ENGINE_GRAPH_RELATIVE_POSITION_H
#define DF_ENGINE_GRAPH_RELATIVE_POSITION_H

#include <stdint.h>

/* Bucket of a key at `key_minus_query` places behind the query (negative: before it), bidirectional: the upper half of
 * the buckets is for keys behind. buckets >= 4, max_distance > buckets / 4. */
int df_relative_bucket(int64_t key_minus_query, int buckets, int max_distance);

#endif
