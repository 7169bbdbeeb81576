/* A backend runs nodes. It prepares a node once (packs its weights, picks an algorithm) and runs it many times.
 *
 * A backend is a const table of functions; each entry says what it means. Backends: `reference` (plain loops in f32 or
 * f64, the oracle of every test), `cpu` (oneDNN and own kernels), `cuda` (a GPU; in a library of its own,
 * cuda/module.h).
 *
 * The promise every backend keeps: row r of a result depends on row r of the inputs only, and its bytes depend neither
 * on how many rows run together, nor on the number of threads, nor on whether the result is written over an operand
 * (which the memory plan decides anew for each cut).
 * Threads: a context and its kernels belong to one caller at a time. */
#ifndef DF_ENGINE_BACKEND_BACKEND_H
#define DF_ENGINE_BACKEND_BACKEND_H

#include <stddef.h>

#include "engine/backend/space.h"
#include "engine/graph/graph.h"

struct df_packed; /* engine/weights/packed.h */

typedef struct df_backend_cfg {
    df_dtype dtype; /* compute type: F32; the reference also F64, the cpu backend also BF16, cuda also F16 and BF16 */
    int threads; /* 0: all cores; of no interest to cuda */
    int gpu; /* cuda: which, as the process counts them */
    bool int8; /* nodes with products in 8 bits may come: refused at once where the machine has none */
    bool fast_conv; /* convolutions may also take what rounds worse than a direct one in BF16 (docs/numerics.md) */
    struct df_packed *packed; /* where packed weights are looked for and left; NULL: nowhere. Borrowed for node_open */
} df_backend_cfg;

/* What --dtype names. */
typedef struct df_arithmetic {
    df_dtype dtype; /* of activations */
    bool int8; /* products in 8 bits, where the model's int8 scales say so */
} df_arithmetic;

/* "f32", "bf16", "f16", "int8" (on activations in bf16); false: another. Not every backend computes in each:
 * df_backend_can_do. */
bool df_arithmetic_of(const char *name, df_arithmetic *out);

typedef struct df_kernel df_kernel; /* a prepared node; the backend defines it */

typedef struct df_backend {
    const char *name;
    bool keeps_packed; /* uses df_backend_cfg.packed */

    /* *ctx is handed to node_open. DF_EUNSUPPORTED for a dtype it cannot compute in. */
    df_code (*open)(void **ctx, const df_backend_cfg *cfg, df_err *err);
    void (*close)(void **ctx);

    /* Packs the node's weights, which are given as f32 in PyTorch's order and borrowed for the call only
     * (weights[i] is NULL where the node has none). With a cfg.packed that has entries of the node (NAME/...),
     * weights[0] may be NULL: DF_ENOTFOUND if they are not what is needed. g and node are borrowed and outlive the
     * kernel. */
    df_code (*node_open)(void *ctx, df_kernel **out, const df_graph *g, const df_node *node,
                         const float *const *weights, df_err *err);
    void (*node_close)(df_kernel **k); /* accepts NULL */

    /* What the node's weights take once packed; the node need not be open. */
    size_t (*node_weight_bytes)(void *ctx, const df_graph *g, const df_node *node);

    /* Makes the kernel runnable for n_rows (idempotent) and says what scratch a run needs. Never called in a step. */
    df_code (*node_prepare)(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err);

    /* in[i], residual and add_channel follow the node's values, NULL where absent; all are dense [n_rows][row].
     * out may be the same memory as in[0] where df_op_can_run_in_place(op), or as residual where no in[i] is that too;
     * no other overlap occurs. RESHAPE nodes are neither opened nor run: their result is their input's memory.
     * scratch: 64-byte aligned, borrowed. Allocates nothing. */
    df_code (*node_run)(df_kernel *k, int64_t n_rows, const void *const *in, const void *add_channel,
                        const void *residual, void *out, void *scratch, df_err *err);

    /* Where operands, results and scratch lie, and when they are there. NULL: in the host's memory, and node_run
     * returns when its result is. */
    const df_space *space;

    /* Lanes: threads that each take rows of their own through many nodes, without waiting for each other in between.
     * All NULL where a backend has none: rows then run together. Results are the same bytes. */
    int (*n_lanes)(const void *ctx);
    /* Calls fn(arg, lane) for all lanes at once, each on a thread of its own, the first on the caller's, and returns
     * when the last has. */
    void (*each_lane)(void *ctx, void (*fn)(void *arg, int lane), void *arg);
    /* As node_prepare and node_run, for one lane with n_rows rows or fewer: each lane has scratch of its own. Weights
     * are shared; several lanes may run one kernel at once. */
    df_code (*lane_prepare)(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err);
    df_code (*lane_run)(df_kernel *k, int lane, int64_t n_rows, const void *const *in, const void *add_channel,
                        const void *residual, void *out, void *scratch, df_err *err);
} df_backend;

extern const df_backend df_backend_reference;
extern const df_backend df_backend_cpu;

/* "reference", "cpu" where it is built in, "cuda" where its library can be loaded. DF_EINVAL: no such name;
 * DF_EUNSUPPORTED: not on this machine, and why. Whether there is a GPU is seen by open. */
df_code df_backend_load(const df_backend **out, const char *name, df_err *err);
/* The same, NULL for whatever reason. */
const df_backend *df_backend_find(const char *name);

/* What it computes on: "NVIDIA H100 80GB HBM3", the processor's name. Sees whether there is one, and takes nothing of
 * it: DF_EUNSUPPORTED where there is none (no driver, too old a one, no GPU), DF_EINVAL for a GPU that is not there. */
df_code df_backend_device(const df_backend *backend, int gpu, char *out, size_t out_bytes, df_err *err);

/* What the weights of each node take once packed, of_node [g->n_nodes], without opening any. Where the backend cannot
 * compute so on this machine: each once, in the type. */
void df_backend_weight_bytes(const df_backend *backend, const df_backend_cfg *cfg, const df_graph *g, size_t *of_node);

/* DF_OK if it computes in dtype on this machine, else DF_EUNSUPPORTED with the reason. */
df_code df_backend_can_compute_in(const df_backend *backend, df_dtype dtype, df_err *err);
df_code df_backend_can_do(const df_backend *backend, df_arithmetic arithmetic, df_err *err); /* the same */

#endif
