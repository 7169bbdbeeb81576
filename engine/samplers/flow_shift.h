/* The timestep shift of flow matching: more steps where it is noisy. Esser et al. 2024 (arXiv:2403.03206), 5.3.2. */
#ifndef DF_ENGINE_SAMPLERS_FLOW_SHIFT_H
#define DF_ENGINE_SAMPLERS_FLOW_SHIFT_H

static inline double df_flow_shift(double sigma, double shift) {
    return shift * sigma / (1 + (shift - 1) * sigma);
}

#endif
