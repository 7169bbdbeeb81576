/* The reference backend: every operation as plain loops, written to be read. It is the oracle of every other backend.
 *
 * Activations are f32 or f64, from one source (real.h). All arithmetic is in f64 in both: in f32 mode each element of
 * a result is rounded once, when it is stored, so that the f32 reference is the best answer f32 activations allow.
 * One file an operation, named as the operation; a file exports one function for each of the two types. */
#ifndef DF_ENGINE_BACKEND_REFERENCE_REFERENCE_H
#define DF_ENGINE_BACKEND_REFERENCE_REFERENCE_H

#include "engine/backend/backend.h"

/* One run of a node: what df_backend.node_run is given, and what node_open has kept. */
typedef struct df_ref_call {
    const df_graph *g;
    const df_node *node;
    const float *weight; /* convolutions [ky][kx][C][O], linear [K][O], else as in the file; NULL where absent */
    const float *bias; /* the node's second weight */
    const float *int8_scale; /* [O] of a product in 8 bits, whose inputs and weights are integers; NULL: of none */
    int64_t n_rows;
    const void *const *in;
    const void *add_channel, *residual;
    void *out;
    double *scratch; /* df_ref_scratch_doubles of them for each thread */
    int threads;
    df_err *err;
} df_ref_call;

#define DF_REF_OPS(X)                                                                                                  \
    X(EMBEDDING, embedding)                                                                                            \
    X(TIMESTEP_EMBEDDING, timestep_embedding)                                                                          \
    X(LINEAR, linear)                                                                                                  \
    X(CONV2D, conv2d)                                                                                                  \
    X(GROUP_NORM, group_norm)                                                                                          \
    X(LAYER_NORM, layer_norm)                                                                                          \
    X(ATTENTION, attention)                                                                                            \
    X(ACTIVATION, activation)                                                                                          \
    X(GEGLU, geglu)                                                                                                    \
    X(ADD, add)                                                                                                        \
    X(ADD_CHANNEL, add_channel)                                                                                        \
    X(CONCAT, concat)                                                                                                  \
    X(UPSAMPLE_NEAREST, upsample_nearest)                                                                              \
    X(RMS_NORM, rms_norm)                                                                                              \
    X(MODULATE, modulate)                                                                                              \
    X(GATE, gate)                                                                                                      \
    X(MUL, mul)                                                                                                        \
    X(SCALE, scale)                                                                                                    \
    X(SLICE, slice)                                                                                                    \
    X(CONCAT_TOKENS, concat_tokens)                                                                                    \
    X(SLICE_TOKENS, slice_tokens)                                                                                      \
    X(ADD_CONSTANT, add_constant)                                                                                      \
    X(CLASS_EMBEDDING, class_embedding)                                                                                \
    X(UNPATCHIFY, unpatchify)                                                                                          \
    X(QUANTIZE, quantize)                                                                                              \
    X(UPSAMPLE_CONV2D, upsample_conv2d)

typedef df_code (*df_ref_fn)(const df_ref_call *c);

#define X(op, name)                                                                                                    \
    df_code df_ref_##name##_f32(const df_ref_call *c);                                                                 \
    df_code df_ref_##name##_f64(const df_ref_call *c);
DF_REF_OPS(X)
#undef X

/* Attention keeps the scores of one query and its result; the others need nothing. */
size_t df_ref_scratch_doubles(const df_graph *g, const df_node *node);

/* q [n] = the integers that a product in 8 bits takes x for, less their zero. */
void df_ref_to_int8_f32(void *q, const void *x, int64_t n, df_int8 how);
void df_ref_to_int8_f64(void *q, const void *x, int64_t n, df_int8 how);

double df_ref_act(df_act act, double x);

#endif
