/* The graph: a model component (text encoder, U-Net, decoder, ...) as a list of nodes in the order they run.
 *
 *   df_graph *g = df_graph_new("unet");
 *   df_value_id x = df_graph_input(g, "sample", DF_F32, DF_SHAPE(16, 16, 4));
 *   x = df_g_conv2d(g, "conv_in", x, 320, (df_conv_attr){ .kernel = 3, .stride = 1, .pad = { 1, 1, 1, 1 } });
 *   df_graph_output(g, "out", x);
 *   rc = df_graph_finish(g, &err);           first error of any call above, or DF_OK
 *
 * Rows. A batch is N rows; a value's shape is that of ONE row and N appears nowhere in the graph. No operation can
 * therefore mix rows: that rows are independent (own prompt, step, guidance) holds by construction.
 *
 * Layout. Activations are channels-last: a picture is [H][W][C], a token sequence [T][D], a vector [D]. A picture
 * seen as tokens (T = H*W) is the same memory, so nothing is transposed between convolutions and attention.
 *
 * Weights are named tensors in PyTorch's shapes and order ([O][I][kh][kw], [out][in]); a backend packs them once.
 *
 * Builders (df_g_*) append one node and return its value. They check shapes at once; after the first error they all
 * return DF_NO_VALUE and df_graph_finish reports it, so model code needs no checks between calls.
 * Weight names are the node's name plus ".weight" and ".bias". Threads: a graph is built by one thread; a finished
 * graph is read-only and may be shared. */
#ifndef DF_ENGINE_GRAPH_GRAPH_H
#define DF_ENGINE_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/dtype.h"

#define DF_MAX_RANK 4
#define DF_NODE_MAX_IN 4
#define DF_NODE_MAX_WEIGHTS 2
#define DF_NODE_MAX_READS (DF_NODE_MAX_IN + 2) /* in[], fused_add_channel, residual */
#define DF_NO_VALUE (-1)
#define DF_NO_WEIGHT (-1)
/* Limits that keep rows * elements * sizeof(double), and sums of them over a graph, far from overflow. */
#define DF_MAX_ROW_ELEMENTS ((int64_t)1 << 36)
#define DF_MAX_ROWS ((int64_t)1 << 16)

typedef int32_t df_value_id;
typedef int32_t df_weight_id;

typedef struct df_shape {
    int rank;
    int64_t dim[DF_MAX_RANK];
} df_shape;

/* DF_SHAPE(16, 16, 4): the shape of one row */
#define DF_SHAPE(...)                                                                                                  \
    ((df_shape) { .rank = (int)(sizeof((int64_t[]) { __VA_ARGS__ }) / sizeof(int64_t)), .dim = { __VA_ARGS__ } })

/* op, name */
#define DF_OPS(X)                                                                                                      \
    X(EMBEDDING, "embedding")                                                                                          \
    X(TIMESTEP_EMBEDDING, "timestep_embedding")                                                                        \
    X(LINEAR, "linear")                                                                                                \
    X(CONV2D, "conv2d")                                                                                                \
    X(GROUP_NORM, "group_norm")                                                                                        \
    X(LAYER_NORM, "layer_norm")                                                                                        \
    X(ATTENTION, "attention")                                                                                          \
    X(ACTIVATION, "activation")                                                                                        \
    X(GEGLU, "geglu")                                                                                                  \
    X(ADD, "add")                                                                                                      \
    X(ADD_CHANNEL, "add_channel")                                                                                      \
    X(CONCAT, "concat")                                                                                                \
    X(UPSAMPLE_NEAREST, "upsample_nearest")                                                                            \
    X(RESHAPE, "reshape")                                                                                              \
    X(RMS_NORM, "rms_norm")                                                                                            \
    X(MODULATE, "modulate")                                                                                            \
    X(GATE, "gate")                                                                                                    \
    X(MUL, "mul")                                                                                                      \
    X(SCALE, "scale")                                                                                                  \
    X(SLICE, "slice")                                                                                                  \
    X(CONCAT_TOKENS, "concat_tokens")                                                                                  \
    X(SLICE_TOKENS, "slice_tokens")                                                                                    \
    X(ADD_CONSTANT, "add_constant")                                                                                    \
    X(CLASS_EMBEDDING, "class_embedding")                                                                              \
    X(UNPATCHIFY, "unpatchify")                                                                                        \
    X(QUANTIZE, "quantize")                                                                                            \
    X(UPSAMPLE_CONV2D, "upsample_conv2d")

typedef enum df_op {
#define X(op, name) DF_OP_##op,
    DF_OPS(X)
#undef X
        DF_OP_COUNT
} df_op;

typedef enum df_act { DF_ACT_NONE, DF_ACT_SILU, DF_ACT_GELU, DF_ACT_GELU_TANH, DF_ACT_QUICK_GELU, DF_ACT_RELU } df_act;

/* Zero padding may be asymmetric: the encoder's downsampler pads right and bottom only. */
typedef struct df_conv_attr {
    int kernel; /* square */
    int stride;
    struct {
        int top, left, bottom, right;
    } pad;
    bool no_bias;
} df_conv_attr;

typedef struct df_timestep_attr {
    int dim;
    bool flip_sin_to_cos; /* true: cos first */
    double freq_shift;
    double max_period; /* 10000 */
    double scale; /* multiplies the angle; 1 */
} df_timestep_attr;

typedef union df_op_attr {
    df_conv_attr conv;
    df_timestep_attr timestep;
    struct {
        bool no_bias;
    } linear;
    struct {
        int groups; /* group_norm */
        double eps;
        bool no_affine; /* no gamma and beta */
    } norm;
    struct {
        int heads;
        bool causal;
        double scale; /* of q.k before the softmax; 0: 1/sqrt(head width) */
        int bias_buckets, bias_max_distance; /* T5's relative position bias; 0: none */
    } attention;
    struct {
        int64_t first, count; /* slice: of the last dimension; slice_tokens: of the first */
    } slice;
    struct {
        double by; /* scale */
        double plus; /* added after the product: x * by + plus */
    } affine;
    struct {
        int patch; /* unpatchify */
        int64_t h, w; /* in patches */
    } patch;
    struct {
        int64_t grid_h, grid_w; /* add_constant: the stored grid [grid_h][grid_w][D], 0: as many tokens as x has */
    } constant;
} df_op_attr;

/* How a product in 8 bits takes its input: q = clamp(round(x / scale) + zero, 0, 255), and back (q - zero) * scale.
 * Source: Jacob et al. 2018, arXiv:1712.05877, section 2.1. */
typedef struct df_int8 {
    float scale; /* of a step; 0: the product is not in 8 bits */
    int32_t zero; /* the code of 0 */
} df_int8;

/* Of one sum, so that it fits 32 bits whatever the codes are. */
#define DF_INT8_MAX_PRODUCTS (INT32_MAX / (255 * 127))

typedef struct df_node {
    df_op op;
    const char *name; /* module path, "down_blocks.0.resnets.0.conv1" */
    df_value_id in[DF_NODE_MAX_IN];
    int n_in;
    df_value_id out;
    df_weight_id weight[DF_NODE_MAX_WEIGHTS]; /* weight, bias; DF_NO_WEIGHT where absent */
    df_op_attr attr;
    /* What fusion passes fold in, applied to the node's own result y in this order:
     *   y = y + value(add_channel)        [C] of the row, onto every position
     *   y = act(y)
     *   y = y + value(residual)           as many elements as y, in the same order (a reshape may lie between) */
    df_value_id fused_add_channel, residual; /* DF_NO_VALUE where absent; counted in neither in[] nor n_in */
    df_act act; /* of an ACTIVATION node: the operation itself */
    df_int8 int8; /* LINEAR, CONV2D: their own result is a product of integers, the weights being rounded to 127 steps
                   * either way, in each output channel its own; what is fused in is computed as ever */
} df_node;

typedef struct df_value {
    const char *name;
    df_dtype dtype; /* F32: an activation, held in the backend's compute type; F64: numbers that are never rounded to it
                     * (timesteps, sizes); I32: ids */
    df_shape shape; /* one row */
    int32_t producer; /* node index, -1 for a graph input */
    bool kept; /* an input that a row keeps from step to step: what is made of kept inputs alone is not made again */
} df_value;

typedef struct df_weight {
    const char *name; /* name in the model file */
    df_shape shape; /* PyTorch's */
    const float *values; /* owned by the graph: computed, in no file; NULL: to be read from the file */
} df_weight;

typedef struct df_port {
    const char *name;
    df_value_id value;
} df_port;

/* Arrays are owned by the graph. Node order is run order. */
typedef struct df_graph {
    const char *name;
    df_node *nodes;
    int n_nodes;
    df_value *values;
    int n_values;
    df_weight *weights;
    int n_weights;
    df_port *inputs, *outputs;
    int n_inputs, n_outputs;
    struct df_graph_impl *impl; /* storage and the first error */
} df_graph;

df_graph *df_graph_new(const char *name); /* NULL when out of memory */
void df_graph_free(df_graph **g);
/* First error of any call; also: there is an output, and names of nodes, inputs and outputs are each unique. Two nodes
 * may share a weight by its name ("text.token_embedding.weight") where both want the same shape. */
df_code df_graph_finish(df_graph *g, df_err *err);

df_value_id df_graph_input(df_graph *g, const char *name, df_dtype dtype, df_shape shape);
void df_graph_keep(df_graph *g, df_value_id input); /* sets df_value.kept */
void df_graph_output(df_graph *g, const char *name, df_value_id v);
df_value_id df_graph_find_output(const df_graph *g, const char *name); /* DF_NO_VALUE if absent; inputs likewise */
df_value_id df_graph_find_input(const df_graph *g, const char *name);
df_shape df_graph_shape(const df_graph *g, df_value_id v); /* rank 0 for DF_NO_VALUE */

/* Builders may refuse a model with a reason of their own (kept if it is the first error). */
void df_graph_fail(df_graph *g, df_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The name may be formatted: df_g_linear(g, df_graph_name(g, "%s.to_q", prefix), ...). Owned by the graph. */
const char *df_graph_name(df_graph *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ids [T] I32 -> token[ids[t]] + position[t]  [T][D]; weights "NAME.token_embedding.weight" [V][D] and
 * "NAME.position_embedding.weight" [P][D], P >= T. */
df_value_id df_g_embedding(df_graph *g, const char *name, df_value_id ids, int64_t vocab, int64_t positions, int64_t d);
/* t [n] F64 -> the sinusoids of each number in order [n * dim]; Ho et al. 2020, as diffusers'
 * get_timestep_embedding; angles in f64. A bf16 timestep would be another one: 999 would be 1000. */
df_value_id df_g_timestep_embedding(df_graph *g, const char *name, df_value_id t, df_timestep_attr a);
/* x [..][K] -> x W^T + b  [..][out]; W [out][K]. */
df_value_id df_g_linear(df_graph *g, const char *name, df_value_id x, int64_t out, bool no_bias);
/* x [H][W][C] -> [H'][W'][out]; W [out][C][k][k]. */
df_value_id df_g_conv2d(df_graph *g, const char *name, df_value_id x, int64_t out, df_conv_attr a);
/* x [H][W][C] or [T][C]: per row and group of C/groups channels; Wu and He 2018. */
df_value_id df_g_group_norm(df_graph *g, const char *name, df_value_id x, int groups, double eps);
df_value_id df_g_layer_norm(df_graph *g, const char *name, df_value_id x, double eps);
/* q [T][D], k [S][D], v [S][Dv] -> [T][Dv]; D and Dv split into `heads` equal slices. */
df_value_id df_g_attention(df_graph *g, const char *name, df_value_id q, df_value_id k, df_value_id v, int heads,
                           bool causal);
df_value_id df_g_activation(df_graph *g, const char *name, df_value_id x, df_act act);
/* x [..][2D] = (a, b) -> a * gelu(b)  [..][D], exact (erf) gelu; Shazeer 2020, arXiv:2002.05202. */
df_value_id df_g_geglu(df_graph *g, const char *name, df_value_id x);
df_value_id df_g_add(df_graph *g, const char *name, df_value_id a, df_value_id b);
/* x [H][W][C] + v [C] at every position. */
df_value_id df_g_add_channel(df_graph *g, const char *name, df_value_id x, df_value_id v);
/* along the last dimension: a first. */
df_value_id df_g_concat(df_graph *g, const char *name, df_value_id a, df_value_id b);
/* Made by fusion only, no builder: UPSAMPLE_CONV2D, x [H][W][C] -> the 3x3 convolution (stride 1, padding 1) of x
 * upsampled to [2H][2W][C], [2H][2W][out]; weights and attributes are the convolution's. */
/* x [H][W][C] -> [h][w][C], source index floor(i * H / h) as torch.nn.functional.interpolate(mode="nearest"). */
df_value_id df_g_upsample_nearest(df_graph *g, const char *name, df_value_id x, int64_t h, int64_t w);
/* Same memory, other shape. */
df_value_id df_g_reshape(df_graph *g, const char *name, df_value_id x, df_shape shape);

/* --- Operations of the transformer families ---------------------------------------------------------------------- */

/* y = gamma[d] * x / sqrt(mean(x^2) + eps) over the last dimension; weight "NAME.weight" [D]; any rank: with x
 * [T][K][d] (a reshape of [T][K*d]) it is the norm of every head, gamma [d] shared. Zhang and Sennrich 2019,
 * arXiv:1910.07467. */
df_value_id df_g_rms_norm(df_graph *g, const char *name, df_value_id x, double eps);
/* Layer norm without gamma and beta. */
df_value_id df_g_layer_norm_plain(df_graph *g, const char *name, df_value_id x, double eps);
/* x [T][D] (or [H][W][D]), shift [D], scale [D] -> x * (1 + scale) + shift at every position. Peebles and Xie 2022,
 * arXiv:2212.09748 (adaptive layer norm). */
df_value_id df_g_modulate(df_graph *g, const char *name, df_value_id x, df_value_id shift, df_value_id scale);
/* x [T][D], gate [D] -> x * gate at every position. */
df_value_id df_g_gate(df_graph *g, const char *name, df_value_id x, df_value_id gate);
/* Element by element, same shape. */
df_value_id df_g_mul(df_graph *g, const char *name, df_value_id a, df_value_id b);
/* x * by + plus. */
df_value_id df_g_scale(df_graph *g, const char *name, df_value_id x, double by, double plus);
/* [first, first + count) of the last dimension. */
df_value_id df_g_slice(df_graph *g, const char *name, df_value_id x, int64_t first, int64_t count);
/* a [Ta][D], b [Tb][D] -> [Ta + Tb][D], a first; and the way back. */
df_value_id df_g_concat_tokens(df_graph *g, const char *name, df_value_id a, df_value_id b);
df_value_id df_g_slice_tokens(df_graph *g, const char *name, df_value_id x, int64_t first, int64_t count);
/* x [h][w][D] or [T][D] + a weight named `weight_name`, stored as [1][P][D]: P = T, or, with grid_h * grid_w = P, its
 * centred crop of h x w (SD3's positions). */
df_value_id df_g_add_constant(df_graph *g, const char *name, df_value_id x, const char *weight_name, int64_t grid_h,
                              int64_t grid_w);
/* x [h][w][D] or [T][D] + values, as many, computed by the model's builder and copied here (positions that no file
 * holds). They become the weight "NAME.table". */
df_value_id df_g_add_table(df_graph *g, const char *name, df_value_id x, const float *values);
/* ids [1] I32 -> row of the table [V][D], weight "NAME.weight" -> [D]; out of range ids are a run-time error. */
df_value_id df_g_class_embedding(df_graph *g, const char *name, df_value_id ids, int64_t vocab, int64_t d);
/* ids [T] I32 -> [T][D] without positions (T5); weight "NAME.weight". */
df_value_id df_g_token_embedding(df_graph *g, const char *name, df_value_id ids, int64_t vocab, int64_t d);
/* Attention without scaling and with T5's relative position bias, bidirectional; weight "BIAS_WEIGHT.weight"
 * [buckets][heads], of the module that every layer names: the first one's.
 * Raffel et al. 2020, arXiv:1910.10683, section 2.1. */
df_value_id df_g_attention_relative(df_graph *g, const char *name, df_value_id q, df_value_id k, df_value_id v,
                                    int heads, const char *bias_weight, int buckets, int max_distance);
/* x [h*w][patch*patch*C], tokens in reading order, elements of a token ordered (row, column, channel)
 * -> [h*patch][w*patch][C]. */
df_value_id df_g_unpatchify(df_graph *g, const char *name, df_value_id x, int64_t h, int64_t w, int patch);
/* x [H][W][C] -> nearest row of the codebook "NAME.weight" [V][C] by squared distance, the first of equals.
 * van den Oord et al. 2017, arXiv:1711.00937. */
df_value_id df_g_quantize(df_graph *g, const char *name, df_value_id x, int64_t vocab);

const char *df_op_name(df_op op);
/* The type of a value's elements in a backend whose activations are of type `activation`. */
df_dtype df_value_held_as(const df_value *v, df_dtype activation);
const char *df_act_name(df_act act);
int64_t df_shape_elements(df_shape s); /* of one row; shapes in a graph are checked not to overflow */

/* Everything the node reads, fused operands included; returns how many. */
int df_node_reads(const df_node *n, df_value_id reads[DF_NODE_MAX_READS]);

int64_t df_node_parameters(const df_graph *g, const df_node *n); /* elements of its weights */

/* True if the node reads kept inputs and nothing else. */
bool df_node_is_kept(const df_graph *g, const df_node *n);

/* True if the op may write its result over in[0] (element-wise operations and the norms: every backend reads an element
 * before it writes it, or keeps statistics aside). */
bool df_op_can_run_in_place(df_op op);

#endif
