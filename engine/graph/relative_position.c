#include "engine/graph/relative_position.h"

#include <math.h>

int df_relative_bucket(int64_t key_minus_query, int buckets, int max_distance) {
    int half = buckets / 2, exact = half / 2, base = key_minus_query > 0 ? half : 0;
    int64_t distance = key_minus_query < 0 ? -key_minus_query : key_minus_query;
    if (distance < exact) return base + (int)distance;
    float span = (float)log((double)max_distance / exact);
    float share = logf((float)distance / (float)exact) / span * (float)(half - exact);
    return base + (share < (float)(half - exact) ? exact + (int)share : half - 1);
}
