/* One table of every operation and its edge cases, and the graph that each makes: as long as there are operations, and
 * of no use in parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/engine/backend/op_cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/graph/fuse.h"

#define S(...)                                                                                                         \
    {                                                                                                                  \
        .rank = (int)(sizeof((int64_t[]) { __VA_ARGS__ }) / sizeof(int64_t)), .dim = { __VA_ARGS__ }                   \
    }
#define CONV(k, s, t, l, b, r)                                                                                         \
    {                                                                                                                  \
        .conv = {.kernel = k, .stride = s, .pad = { t, l, b, r } }                                                     \
    }
#define NORM(g, e)                                                                                                     \
    {                                                                                                                  \
        .norm = {.groups = g, .eps = e }                                                                               \
    }
#define HEADS(n)                                                                                                       \
    {                                                                                                                  \
        .attention = {.heads = n }                                                                                     \
    }
#define PLAIN_NORM(e)                                                                                                  \
    {                                                                                                                  \
        .norm = {.eps = e, .no_affine = true }                                                                         \
    }
#define RANGE(f, n)                                                                                                    \
    {                                                                                                                  \
        .slice = {.first = f, .count = n }                                                                             \
    }
#define GRID(height, width)                                                                                            \
    {                                                                                                                  \
        .constant = {.grid_h = height, .grid_w = width }                                                               \
    }
#define PATCHES(height, width, p)                                                                                      \
    {                                                                                                                  \
        .patch = {.patch = p, .h = height, .w = width }                                                                \
    }
/* T5's own scale is 1 */
#define RELATIVE(n, buckets, distance)                                                                                 \
    {                                                                                                                  \
        .attention = {.heads = n, .scale = 1, .bias_buckets = buckets, .bias_max_distance = distance }                 \
    }

/* In the table what a case does not have is left out. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

const op_case op_cases[] = {
    { "conv 3x3", DF_OP_CONV2D, { S(9, 7, 16) }, 32, CONV(3, 1, 1, 1, 1, 1) },
    { "conv 3x3, 4 to 320 channels", DF_OP_CONV2D, { S(8, 8, 4) }, 320, CONV(3, 1, 1, 1, 1, 1) },
    { "conv 3x3, 3 to 5 channels", DF_OP_CONV2D, { S(5, 6, 3) }, 5, CONV(3, 1, 1, 1, 1, 1) },
    { "conv 3x3, 320 to 4 channels", DF_OP_CONV2D, { S(8, 8, 320) }, 4, CONV(3, 1, 1, 1, 1, 1) },
    { "conv 3x3, 1 to 1 channel", DF_OP_CONV2D, { S(4, 4, 1) }, 1, CONV(3, 1, 1, 1, 1, 1) },
    { "conv 3x3, one position", DF_OP_CONV2D, { S(1, 1, 24) }, 40, CONV(3, 1, 1, 1, 1, 1) },
    { "conv 3x3, no padding", DF_OP_CONV2D, { S(6, 5, 20) }, 33, CONV(3, 1, 0, 0, 0, 0) },
    { "conv 3x3, no bias",
      DF_OP_CONV2D,
      { S(6, 5, 20) },
      33,
      { .conv = { .kernel = 3, .stride = 1, .pad = { 1, 1, 1, 1 }, .no_bias = true } } },
    { "conv 3x3, stride 2", DF_OP_CONV2D, { S(10, 8, 48) }, 48, CONV(3, 2, 1, 1, 1, 1) },
    { "conv 3x3, stride 2, odd size", DF_OP_CONV2D, { S(9, 7, 17) }, 19, CONV(3, 2, 1, 1, 1, 1) },
    { "conv 3x3, stride 2, padded right and bottom", DF_OP_CONV2D, { S(8, 8, 32) }, 32, CONV(3, 2, 0, 0, 1, 1) },
    { "conv 3x3, stride 2, padded top only", DF_OP_CONV2D, { S(7, 9, 12) }, 28, CONV(3, 2, 1, 0, 0, 0) },
    { "conv 1x1", DF_OP_CONV2D, { S(7, 5, 64) }, 96, CONV(1, 1, 0, 0, 0, 0) },
    { "conv 1x1, odd channels", DF_OP_CONV2D, { S(3, 4, 13) }, 21, CONV(1, 1, 0, 0, 0, 0) },
    { "conv 2x2, stride 2", DF_OP_CONV2D, { S(6, 8, 4) }, 24, CONV(2, 2, 0, 0, 0, 0) },
    { "conv 5x5", DF_OP_CONV2D, { S(7, 7, 10) }, 18, CONV(5, 1, 2, 2, 2, 2) },
    { "conv + channels", DF_OP_CONV2D, { S(6, 6, 32) }, 40, CONV(3, 1, 1, 1, 1, 1), .add_channel = true },
    { "conv + silu", DF_OP_CONV2D, { S(6, 5, 9) }, 40, CONV(3, 1, 1, 1, 1, 1), DF_ACT_SILU },
    { "conv + residual", DF_OP_CONV2D, { S(6, 6, 32) }, 40, CONV(3, 1, 1, 1, 1, 1), .residual = true },
    { "conv 1x1 + residual", DF_OP_CONV2D, { S(5, 3, 24) }, 23, CONV(1, 1, 0, 0, 0, 0), .residual = true },
    { "conv + channels, gelu, residual",
      DF_OP_CONV2D,
      { S(6, 7, 30) },
      37,
      CONV(3, 1, 1, 1, 1, 1),
      DF_ACT_GELU,
      true,
      true },
    { "conv, stride 2 + channels, relu, residual",
      DF_OP_CONV2D,
      { S(6, 7, 16) },
      16,
      CONV(3, 2, 1, 1, 1, 1),
      DF_ACT_RELU,
      true,
      true },

    /* what Winograd's algorithm takes (winograd_rule.c): by tiles of 4, cut at the right and at the bottom, of more
     * than one block, and by tiles of 2 */
    { "conv 3x3, tiles", DF_OP_CONV2D, { S(13, 10, 40) }, 64, CONV(3, 1, 1, 1, 1, 1) },
    { "conv 3x3, tiles, odd channels", DF_OP_CONV2D, { S(8, 12, 61) }, 63, CONV(3, 1, 1, 1, 1, 1) },
    { "conv 3x3, tiles of two blocks", DF_OP_CONV2D, { S(42, 41, 64) }, 65, CONV(3, 1, 1, 1, 1, 1) },
    { "conv 3x3, tiles of 2", DF_OP_CONV2D, { S(6, 6, 32) }, 64, CONV(3, 1, 1, 1, 1, 1) },
    { "conv 3x3, tiles, no padding", DF_OP_CONV2D, { S(12, 14, 48) }, 64, CONV(3, 1, 0, 0, 0, 0) },
    { "conv 3x3, tiles, padded right and bottom", DF_OP_CONV2D, { S(12, 12, 48) }, 64, CONV(3, 1, 0, 0, 1, 1) },
    { "conv 3x3, tiles + channels, silu, residual",
      DF_OP_CONV2D,
      { S(9, 11, 64) },
      96,
      CONV(3, 1, 1, 1, 1, 1),
      DF_ACT_SILU,
      true,
      true },

    /* inputs lie between -1.75 and 1.75: codes over all of that, or clipped */
    { "conv int8", DF_OP_CONV2D, { S(9, 7, 16) }, 32, CONV(3, 1, 1, 1, 1, 1), .int8 = { 0.014f, 128 } },
    { "conv int8, zero at 20", DF_OP_CONV2D, { S(8, 6, 64) }, 64, CONV(3, 1, 1, 1, 1, 1), .int8 = { 0.008f, 20 } },
    { "conv int8, zero at 0", DF_OP_CONV2D, { S(8, 6, 64) }, 64, CONV(3, 1, 1, 1, 1, 1), .int8 = { 0.008f, 0 } },
    { "conv int8, zero at 255", DF_OP_CONV2D, { S(6, 6, 20) }, 24, CONV(3, 1, 1, 1, 1, 1), .int8 = { 0.01f, 255 } },
    { "conv int8, odd channels, stride 2",
      DF_OP_CONV2D,
      { S(9, 7, 17) },
      19,
      CONV(3, 2, 1, 1, 1, 1),
      .int8 = { 0.014f, 128 } },
    { "conv int8, padded right and bottom",
      DF_OP_CONV2D,
      { S(8, 8, 32) },
      32,
      CONV(3, 2, 0, 0, 1, 1),
      .int8 = { 0.014f, 101 } },
    { "conv 1x1 int8 + residual",
      DF_OP_CONV2D,
      { S(5, 3, 24) },
      23,
      CONV(1, 1, 0, 0, 0, 0),
      .residual = true,
      .int8 = { 0.014f, 77 } },
    { "conv int8 + silu",
      DF_OP_CONV2D,
      { S(6, 6, 32) },
      40,
      CONV(3, 1, 1, 1, 1, 1),
      DF_ACT_SILU,
      .int8 = { 0.014f, 130 } },
    { "conv int8 + channels",
      DF_OP_CONV2D,
      { S(6, 6, 32) },
      40,
      CONV(3, 1, 1, 1, 1, 1),
      .add_channel = true,
      .int8 = { 0.014f, 130 } },
    { "conv int8, strips", DF_OP_CONV2D, { S(64, 64, 96) }, 160, CONV(3, 1, 1, 1, 1, 1), .int8 = { 0.014f, 126 } },
    { "linear int8", DF_OP_LINEAR, { S(77, 48) }, 96, .int8 = { 0.014f, 128 } },
    { "linear int8, a vector", DF_OP_LINEAR, { S(64) }, 128, .int8 = { 0.014f, 100 } },
    { "linear int8, odd, no bias",
      DF_OP_LINEAR,
      { S(7, 33) },
      51,
      { .linear = { .no_bias = true } },
      .int8 = { 0.014f, 128 } },
    { "linear int8, deep + residual", DF_OP_LINEAR, { S(19, 1280) }, 64, .residual = true, .int8 = { 0.01f, 128 } },
    { "linear int8 + gelu", DF_OP_LINEAR, { S(11, 24) }, 72, .act = DF_ACT_GELU, .int8 = { 0.014f, 3 } },
    { "linear, a vector", DF_OP_LINEAR, { S(64) }, 128 },
    { "linear, tokens", DF_OP_LINEAR, { S(77, 48) }, 96 },
    { "linear, odd", DF_OP_LINEAR, { S(7, 33) }, 51 },
    { "linear, 1 to 1", DF_OP_LINEAR, { S(1) }, 1 },
    { "linear, a picture", DF_OP_LINEAR, { S(5, 4, 24) }, 40 },
    { "linear, no bias", DF_OP_LINEAR, { S(16, 40) }, 40, { .linear = { .no_bias = true } } },
    { "linear, deep", DF_OP_LINEAR, { S(3, 1280) }, 64 },
    { "linear + silu", DF_OP_LINEAR, { S(320) }, 80, .act = DF_ACT_SILU },
    { "linear + quick_gelu", DF_OP_LINEAR, { S(11, 24) }, 72, .act = DF_ACT_QUICK_GELU },
    { "linear + gelu", DF_OP_LINEAR, { S(11, 24) }, 72, .act = DF_ACT_GELU },
    { "linear + residual", DF_OP_LINEAR, { S(11, 40) }, 40, .residual = true },
    { "linear, no bias + residual",
      DF_OP_LINEAR,
      { S(5, 32) },
      32,
      { .linear = { .no_bias = true } },
      .residual = true },
    { "linear + channels, gelu_tanh, residual",
      DF_OP_LINEAR,
      { S(9, 35) },
      29,
      .act = DF_ACT_GELU_TANH,
      .add_channel = true,
      .residual = true },

    { "group_norm", DF_OP_GROUP_NORM, { S(6, 5, 64) }, 0, NORM(32, 1e-5) },
    { "group_norm, one group", DF_OP_GROUP_NORM, { S(4, 4, 20) }, 0, NORM(1, 1e-6) },
    { "group_norm, a channel a group", DF_OP_GROUP_NORM, { S(4, 3, 24) }, 0, NORM(24, 1e-5) },
    { "group_norm, 5 channels a group", DF_OP_GROUP_NORM, { S(7, 5, 30) }, 0, NORM(6, 1e-5) },
    { "group_norm, tokens", DF_OP_GROUP_NORM, { S(35, 48) }, 0, NORM(8, 1e-5) },
    { "group_norm, large", DF_OP_GROUP_NORM, { S(40, 40, 32) }, 0, NORM(4, 1e-5) },
    /* the input itself is rounded to 2^-24 * 30 around a deviation of about 1, and so is the mean */
    { "group_norm, large mean", DF_OP_GROUP_NORM, { S(8, 8, 32) }, 0, NORM(8, 1e-5), .offset = 30, .slack = 8 },
    { "group_norm + silu", DF_OP_GROUP_NORM, { S(6, 5, 64) }, 0, NORM(32, 1e-5), DF_ACT_SILU },
    { "group_norm + silu, odd", DF_OP_GROUP_NORM, { S(3, 5, 21) }, 0, NORM(7, 1e-6), DF_ACT_SILU },

    { "layer_norm", DF_OP_LAYER_NORM, { S(77, 64) }, 0, NORM(0, 1e-5) },
    { "layer_norm, odd", DF_OP_LAYER_NORM, { S(5, 37) }, 0, NORM(0, 1e-5) },
    { "layer_norm, a vector", DF_OP_LAYER_NORM, { S(768) }, 0, NORM(0, 1e-5) },
    { "layer_norm, large mean", DF_OP_LAYER_NORM, { S(5, 320) }, 0, NORM(0, 1e-5), .offset = 30, .slack = 8 },
    { "layer_norm + gelu", DF_OP_LAYER_NORM, { S(5, 40) }, 0, NORM(0, 1e-5), DF_ACT_GELU },

    { "attention, heads of 8", DF_OP_ATTENTION, { S(64, 32), S(64, 32), S(64, 32) }, 0, HEADS(4) },
    { "attention, heads of 40", DF_OP_ATTENTION, { S(48, 320), S(48, 320), S(48, 320) }, 0, HEADS(8) },
    { "attention, heads of 64", DF_OP_ATTENTION, { S(77, 128), S(77, 128), S(77, 128) }, 0, HEADS(2) },
    { "attention, heads of 160", DF_OP_ATTENTION, { S(16, 320), S(16, 320), S(16, 320) }, 0, HEADS(2) },
    { "attention, one head of 512", DF_OP_ATTENTION, { S(25, 512), S(25, 512), S(25, 512) }, 0, HEADS(1) },
    { "attention, one head of 5", DF_OP_ATTENTION, { S(9, 5), S(9, 5), S(9, 5) }, 0, HEADS(1) },
    { "attention, 77 keys", DF_OP_ATTENTION, { S(64, 80), S(77, 80), S(77, 80) }, 0, HEADS(2) },
    { "attention, heads of 80, 150 keys", DF_OP_ATTENTION, { S(70, 80), S(150, 80), S(150, 80) }, 0, HEADS(1) },
    { "attention, heads of 128, causal",
      DF_OP_ATTENTION,
      { S(100, 128), S(100, 128), S(100, 128) },
      0,
      { .attention = { .heads = 1, .causal = true } } },
    { "attention, one key", DF_OP_ATTENTION, { S(12, 16), S(1, 16), S(1, 16) }, 0, HEADS(2) },
    { "attention, one query", DF_OP_ATTENTION, { S(1, 16), S(33, 16), S(33, 16) }, 0, HEADS(2) },
    { "attention, wider values", DF_OP_ATTENTION, { S(10, 16), S(12, 16), S(12, 48) }, 0, HEADS(2) },
    { "attention, own scale",
      DF_OP_ATTENTION,
      { S(10, 16), S(12, 16), S(12, 16) },
      0,
      { .attention = { .heads = 2, .scale = 0.7 } } },
    { "attention, 300 keys", DF_OP_ATTENTION, { S(150, 24), S(300, 24), S(300, 24) }, 0, HEADS(3) },
    /* scores up to +-1000: a softmax without its largest taken off overflows */
    { "attention, large scores",
      DF_OP_ATTENTION,
      { S(9, 16), S(9, 16), S(9, 16) },
      0,
      { .attention = { .heads = 2, .scale = 100 } },
      .slack = 100 },
    { "attention, large scores, 300 keys",
      DF_OP_ATTENTION,
      { S(60, 16), S(300, 16), S(300, 16) },
      0,
      { .attention = { .heads = 2, .scale = 30 } },
      .slack = 100 },
    { "attention, causal",
      DF_OP_ATTENTION,
      { S(77, 128), S(77, 128), S(77, 128) },
      0,
      { .attention = { .heads = 2, .causal = true } } },
    { "attention, causal, odd",
      DF_OP_ATTENTION,
      { S(19, 21), S(19, 21), S(19, 21) },
      0,
      { .attention = { .heads = 3, .causal = true } } },

    { "silu", DF_OP_ACTIVATION, { S(7, 5, 13) }, .act = DF_ACT_SILU },
    { "gelu", DF_OP_ACTIVATION, { S(77, 40) }, .act = DF_ACT_GELU },
    { "gelu_tanh", DF_OP_ACTIVATION, { S(77, 40) }, .act = DF_ACT_GELU_TANH },
    { "quick_gelu", DF_OP_ACTIVATION, { S(31) }, .act = DF_ACT_QUICK_GELU },
    { "relu", DF_OP_ACTIVATION, { S(33, 3) }, .act = DF_ACT_RELU },
    { "silu, far from zero", DF_OP_ACTIVATION, { S(500) }, .act = DF_ACT_SILU, .offset = -100 },
    { "geglu", DF_OP_GEGLU, { S(20, 64) } },
    { "geglu, odd", DF_OP_GEGLU, { S(7, 26) } },
    { "geglu, a vector", DF_OP_GEGLU, { S(2) } },

    { "add", DF_OP_ADD, { S(7, 5, 13), S(7, 5, 13) } },
    { "add, one element", DF_OP_ADD, { S(1), S(1) } },
    { "add_channel", DF_OP_ADD_CHANNEL, { S(7, 5, 13), S(13) } },
    { "add_channel, tokens", DF_OP_ADD_CHANNEL, { S(12, 32), S(32) } },
    { "concat", DF_OP_CONCAT, { S(6, 5, 32), S(6, 5, 16) } },
    { "concat, odd", DF_OP_CONCAT, { S(3, 7, 5), S(3, 7, 9) } },
    { "concat, tokens", DF_OP_CONCAT, { S(9, 5), S(9, 40) } },
    { "upsample, twice", DF_OP_UPSAMPLE_NEAREST, { S(5, 6, 17) }, .to = S(10, 12, 17) },
    { "upsample, odd", DF_OP_UPSAMPLE_NEAREST, { S(4, 5, 8) }, .to = S(7, 9, 8) },
    { "upsample, shrinking", DF_OP_UPSAMPLE_NEAREST, { S(9, 8, 3) }, .to = S(4, 5, 3) },
    /* 41 * 2 / 82 in f32 is just below 1 */
    { "upsample, an inexact ratio", DF_OP_UPSAMPLE_NEAREST, { S(2, 2, 3) }, .to = S(3, 82, 3) },
    { "upsample and conv", DF_OP_UPSAMPLE_CONV2D, { S(5, 6, 32) }, 48, CONV(3, 1, 1, 1, 1, 1) },
    { "upsample and conv, odd channels", DF_OP_UPSAMPLE_CONV2D, { S(4, 7, 13) }, 21, CONV(3, 1, 1, 1, 1, 1) },
    { "upsample and conv, one pixel", DF_OP_UPSAMPLE_CONV2D, { S(1, 1, 24) }, 40, CONV(3, 1, 1, 1, 1, 1) },
    { "upsample and conv, one line", DF_OP_UPSAMPLE_CONV2D, { S(1, 9, 3) }, 5, CONV(3, 1, 1, 1, 1, 1) },
    /* sums of taps are rounded to bf16 too, which adds 1.3e-3 of the rms to an element: five times that, in the worst
     * of so many */
    { "upsample and conv, wide",
      DF_OP_UPSAMPLE_CONV2D,
      { S(12, 12, 160) },
      160,
      CONV(3, 1, 1, 1, 1, 1),
      .slack_bf16 = 1.5 },
    { "upsample and conv, tiles + channels, silu, residual",
      DF_OP_UPSAMPLE_CONV2D,
      { S(9, 8, 64) },
      64,
      CONV(3, 1, 1, 1, 1, 1),
      DF_ACT_SILU,
      true,
      true,
      .slack_bf16 = 1.5 },
    { "upsample and conv, no bias",
      DF_OP_UPSAMPLE_CONV2D,
      { S(6, 5, 20) },
      33,
      { .conv = { .kernel = 3, .stride = 1, .pad = { 1, 1, 1, 1 }, .no_bias = true } } },
    { "upsample and conv + channels, gelu, residual",
      DF_OP_UPSAMPLE_CONV2D,
      { S(6, 7, 30) },
      37,
      CONV(3, 1, 1, 1, 1, 1),
      DF_ACT_GELU,
      true,
      true },
    { "embedding", DF_OP_EMBEDDING, { S(77) }, 48 },
    { "embedding, odd", DF_OP_EMBEDDING, { S(5) }, 13 },
    /* angles up to 999 in f32 would be off by 6e-5; they are taken in f64, what is left is sin and cos */
    { "timestep_embedding",
      DF_OP_TIMESTEP_EMBEDDING,
      { S(1) },
      0,
      { .timestep = { .dim = 320, .flip_sin_to_cos = true, .max_period = 10000, .scale = 1 } } },
    { "timestep_embedding, six numbers",
      DF_OP_TIMESTEP_EMBEDDING,
      { S(6) },
      0,
      { .timestep = { .dim = 17, .flip_sin_to_cos = true, .max_period = 10000, .scale = 1 } } },
    { "timestep_embedding, sin first, shifted, odd",
      DF_OP_TIMESTEP_EMBEDDING,
      { S(1) },
      0,
      { .timestep = { .dim = 33, .freq_shift = 1, .max_period = 10000, .scale = 0.5 } } },
    { "embedding, no positions", DF_OP_EMBEDDING, { S(77) }, 48, .no_positions = true },

    { "layer_norm, plain", DF_OP_LAYER_NORM, { S(19, 64) }, 0, PLAIN_NORM(1e-6) },
    { "layer_norm, plain, odd", DF_OP_LAYER_NORM, { S(5, 37) }, 0, PLAIN_NORM(1e-6) },
    { "layer_norm, plain + silu", DF_OP_LAYER_NORM, { S(5, 40) }, 0, PLAIN_NORM(1e-6), DF_ACT_SILU },
    { "rms_norm", DF_OP_RMS_NORM, { S(77, 64) }, 0, NORM(0, 1e-6) },
    { "rms_norm, odd", DF_OP_RMS_NORM, { S(5, 37) }, 0, NORM(0, 1e-6) },
    { "rms_norm, heads", DF_OP_RMS_NORM, { S(50, 6, 64) }, 0, NORM(0, 1e-6) },
    { "rms_norm, heads of 5", DF_OP_RMS_NORM, { S(9, 3, 5) }, 0, NORM(0, 1e-6) },
    { "rms_norm, a vector", DF_OP_RMS_NORM, { S(4096) }, 0, NORM(0, 1e-6) },
    { "rms_norm, large mean", DF_OP_RMS_NORM, { S(5, 320) }, 0, NORM(0, 1e-6), .offset = 30 },
    { "modulate", DF_OP_MODULATE, { S(40, 96), S(96), S(96) } },
    { "modulate, odd", DF_OP_MODULATE, { S(7, 13), S(13), S(13) } },
    { "modulate, a picture", DF_OP_MODULATE, { S(30, 20, 33), S(33), S(33) } },
    { "modulate, a vector", DF_OP_MODULATE, { S(31), S(31), S(31) } },
    { "gate", DF_OP_GATE, { S(300, 64), S(64) } },
    { "gate, odd", DF_OP_GATE, { S(7, 13), S(13) } },
    { "gate, a picture", DF_OP_GATE, { S(5, 4, 17), S(17) } },
    { "gate + residual", DF_OP_GATE, { S(300, 64), S(64) }, .residual = true },
    { "gate + residual, odd", DF_OP_GATE, { S(7, 13), S(13) }, .residual = true },
    { "mul", DF_OP_MUL, { S(7, 5, 13), S(7, 5, 13) } },
    { "mul, large", DF_OP_MUL, { S(256, 100), S(256, 100) } },
    { "mul, one element", DF_OP_MUL, { S(1), S(1) } },
    { "scale", DF_OP_SCALE, { S(7, 5, 13) }, 0, { .affine = { .by = 0.18215 } } },
    { "scale, plus", DF_OP_SCALE, { S(200, 130) }, 0, { .affine = { .by = 1 / 1.5305, .plus = 0.0609 } } },
    { "slice, the first", DF_OP_SLICE, { S(9, 24) }, 0, RANGE(0, 8) },
    { "slice, the last, odd", DF_OP_SLICE, { S(9, 23) }, 0, RANGE(12, 11) },
    { "slice, of a vector", DF_OP_SLICE, { S(6 * 96) }, 0, RANGE(96, 96) },
    { "slice, of a picture", DF_OP_SLICE, { S(5, 4, 8) }, 0, RANGE(3, 2) },
    { "concat_tokens", DF_OP_CONCAT_TOKENS, { S(77, 24), S(64, 24) } },
    { "concat_tokens, odd", DF_OP_CONCAT_TOKENS, { S(3, 5), S(1, 5) } },
    { "slice_tokens, the first", DF_OP_SLICE_TOKENS, { S(141, 24) }, 0, RANGE(0, 77) },
    { "slice_tokens, the last, odd", DF_OP_SLICE_TOKENS, { S(7, 5) }, 0, RANGE(6, 1) },
    { "add_constant, tokens", DF_OP_ADD_CONSTANT, { S(30, 64) } },
    { "add_constant, a picture", DF_OP_ADD_CONSTANT, { S(5, 3, 21) } },
    { "add_constant, the whole grid", DF_OP_ADD_CONSTANT, { S(5, 3, 21) }, 0, GRID(5, 3) },
    { "add_constant, cropped", DF_OP_ADD_CONSTANT, { S(16, 12, 40) }, 0, GRID(24, 24) },
    { "add_constant, cropped, odd", DF_OP_ADD_CONSTANT, { S(4, 3, 7) }, 0, GRID(7, 8) },
    { "class_embedding", DF_OP_CLASS_EMBEDDING, { S(1) }, 48 },
    { "class_embedding, odd", DF_OP_CLASS_EMBEDDING, { S(1) }, 13 },
    { "unpatchify", DF_OP_UNPATCHIFY, { S(6 * 4, 2 * 2 * 16) }, 0, PATCHES(6, 4, 2) },
    { "unpatchify, odd", DF_OP_UNPATCHIFY, { S(5 * 7, 3 * 3 * 3) }, 0, PATCHES(5, 7, 3) },
    { "unpatchify, patches of 1", DF_OP_UNPATCHIFY, { S(2 * 3, 5) }, 0, PATCHES(2, 3, 1) },
    { "quantize", DF_OP_QUANTIZE, { S(12, 10, 4) }, 200 },
    { "quantize, odd", DF_OP_QUANTIZE, { S(5, 7, 3) }, 37 },
    { "quantize, one code", DF_OP_QUANTIZE, { S(5, 3) }, 1 },
    { "quantize, wide", DF_OP_QUANTIZE, { S(9, 65) }, 64 },

    { "attention, relative", DF_OP_ATTENTION, { S(77, 128), S(77, 128), S(77, 128) }, 0, RELATIVE(2, 32, 128) },
    { "attention, relative, odd", DF_OP_ATTENTION, { S(19, 21), S(19, 21), S(19, 21) }, 0, RELATIVE(3, 10, 20) },
    { "attention, relative, more keys", DF_OP_ATTENTION, { S(9, 16), S(40, 16), S(40, 16) }, 0, RELATIVE(4, 8, 20) },
    { "attention, relative, more queries", DF_OP_ATTENTION, { S(60, 16), S(7, 16), S(7, 16) }, 0, RELATIVE(4, 8, 20) },
    { "attention, relative, 600 keys", DF_OP_ATTENTION, { S(600, 8), S(600, 8), S(600, 8) }, 0, RELATIVE(1, 32, 128) },
    /* unscaled scores of +-60: an f32 that large moves its exponential by 2e-6 when it is rounded */
    { "attention, relative, heads of 256",
      DF_OP_ATTENTION,
      { S(70, 256), S(70, 256), S(70, 256) },
      0,
      RELATIVE(1, 32, 128),
      .slack = 4 },
    { "attention, relative, own scale",
      DF_OP_ATTENTION,
      { S(33, 24), S(33, 24), S(33, 24) },
      0,
      { .attention = { .heads = 2, .scale = 0.3, .bias_buckets = 32, .bias_max_distance = 128 } } },
};
const int n_op_cases = sizeof op_cases / sizeof *op_cases;

enum { VOCAB = 100, POSITIONS = 80 };

static df_value_id build_attention(df_graph *g, const op_case *c, const df_value_id *in) {
    const df_op_attr *a = &c->attr;
    if (!a->attention.bias_buckets)
        return df_g_attention(g, "node", in[0], in[1], in[2], a->attention.heads, a->attention.causal);
    return df_g_attention_relative(g, "node", in[0], in[1], in[2], a->attention.heads, "table",
                                   a->attention.bias_buckets, a->attention.bias_max_distance);
}

/* As models have it; fusion makes one node of it. */
static df_value_id build_upsample_conv(df_graph *g, const op_case *c, df_value_id x) {
    x = df_g_upsample_nearest(g, "larger", x, 2 * c->in[0].dim[0], 2 * c->in[0].dim[1]);
    return df_g_conv2d(g, "node", x, c->out, c->attr.conv);
}

static df_value_id build_transformer_op(df_graph *g, const op_case *c, const df_value_id *in) {
    const df_op_attr *a = &c->attr;
    switch (c->op) {
    case DF_OP_RMS_NORM: return df_g_rms_norm(g, "node", in[0], a->norm.eps);
    case DF_OP_MODULATE: return df_g_modulate(g, "node", in[0], in[1], in[2]);
    case DF_OP_GATE: return df_g_gate(g, "node", in[0], in[1]);
    case DF_OP_MUL: return df_g_mul(g, "node", in[0], in[1]);
    case DF_OP_SCALE: return df_g_scale(g, "node", in[0], a->affine.by, a->affine.plus);
    case DF_OP_SLICE: return df_g_slice(g, "node", in[0], a->slice.first, a->slice.count);
    case DF_OP_CONCAT_TOKENS: return df_g_concat_tokens(g, "node", in[0], in[1]);
    case DF_OP_SLICE_TOKENS: return df_g_slice_tokens(g, "node", in[0], a->slice.first, a->slice.count);
    case DF_OP_ADD_CONSTANT:
        return df_g_add_constant(g, "node", in[0], "constant", a->constant.grid_h, a->constant.grid_w);
    case DF_OP_CLASS_EMBEDDING: return df_g_class_embedding(g, "node", in[0], VOCAB, c->out);
    case DF_OP_UNPATCHIFY: return df_g_unpatchify(g, "node", in[0], a->patch.h, a->patch.w, a->patch.patch);
    case DF_OP_QUANTIZE: return df_g_quantize(g, "node", in[0], c->out);
    case DF_OP_UPSAMPLE_CONV2D: return build_upsample_conv(g, c, in[0]);
    default: break;
    }
    fail_msg("%s: no builder for %s", c->name, df_op_name(c->op));
    return DF_NO_VALUE;
}

static df_value_id build(df_graph *g, const op_case *c, const df_value_id *in) {
    switch (c->op) {
    case DF_OP_EMBEDDING:
        if (c->no_positions) return df_g_token_embedding(g, "node", in[0], VOCAB, c->out);
        return df_g_embedding(g, "node", in[0], VOCAB, POSITIONS, c->out);
    case DF_OP_TIMESTEP_EMBEDDING: return df_g_timestep_embedding(g, "node", in[0], c->attr.timestep);
    case DF_OP_LINEAR: return df_g_linear(g, "node", in[0], c->out, c->attr.linear.no_bias);
    case DF_OP_CONV2D: return df_g_conv2d(g, "node", in[0], c->out, c->attr.conv);
    case DF_OP_GROUP_NORM: return df_g_group_norm(g, "node", in[0], c->attr.norm.groups, c->attr.norm.eps);
    case DF_OP_LAYER_NORM:
        if (c->attr.norm.no_affine) return df_g_layer_norm_plain(g, "node", in[0], c->attr.norm.eps);
        return df_g_layer_norm(g, "node", in[0], c->attr.norm.eps);
    case DF_OP_ATTENTION: return build_attention(g, c, in);
    case DF_OP_ACTIVATION: return df_g_activation(g, "node", in[0], c->act);
    case DF_OP_GEGLU: return df_g_geglu(g, "node", in[0]);
    case DF_OP_ADD: return df_g_add(g, "node", in[0], in[1]);
    case DF_OP_ADD_CHANNEL: return df_g_add_channel(g, "node", in[0], in[1]);
    case DF_OP_CONCAT: return df_g_concat(g, "node", in[0], in[1]);
    case DF_OP_UPSAMPLE_NEAREST: return df_g_upsample_nearest(g, "node", in[0], c->to.dim[0], c->to.dim[1]);
    default: return build_transformer_op(g, c, in);
    }
}

static df_dtype input_type(df_op op) {
    if (op == DF_OP_TIMESTEP_EMBEDDING) return DF_F64;
    return op == DF_OP_EMBEDDING || op == DF_OP_CLASS_EMBEDDING ? DF_I32 : DF_F32;
}

df_graph *op_case_graph(const op_case *c) {
    df_err err = { 0 };
    df_graph *g = df_graph_new(c->name);
    df_value_id in[3] = { DF_NO_VALUE, DF_NO_VALUE, DF_NO_VALUE };
    df_dtype dtype = input_type(c->op);
    for (int i = 0; i < 3 && c->in[i].rank; i++)
        in[i] = df_graph_input(g, df_graph_name(g, "in%d", i), dtype, c->in[i]);
    df_value_id y = build(g, c, in);
    df_shape s = df_graph_shape(g, y);
    if (c->add_channel)
        y = df_g_add_channel(g, "+channels", y, df_graph_input(g, "channels", DF_F32, DF_SHAPE(c->out)));
    if (c->act != DF_ACT_NONE && c->op != DF_OP_ACTIVATION) y = df_g_activation(g, "act", y, c->act);
    if (c->residual) y = df_g_add(g, "+residual", y, df_graph_input(g, "residual", DF_F32, s));
    df_graph_output(g, "out", y);
    if (df_graph_finish(g, &err) || df_graph_fuse(g, &err)) fail_msg("%s: %s", c->name, err.text);
    if (g->n_nodes != 1) fail_msg("%s: fused to %d nodes", c->name, g->n_nodes);
    g->nodes[0].int8 = c->int8;
    if (c->op == DF_OP_ATTENTION) {
        df_op_attr *a = &g->nodes[0].attr;
        assert_true(a->attention.scale == (a->attention.bias_buckets ? 1 : 0)); /* as built; then the case's own */
        a->attention.scale = c->attr.attention.scale;
    }
    return g;
}

/* Numbers */

static uint64_t mix(uint64_t x) { /* splitmix64 */
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

static uint64_t seed_of(const char *name) {
    uint64_t h = 0;
    for (; *name; name++) h = mix(h ^ (unsigned char)*name);
    return h;
}

/* Uniform in -1.75..1.75 (deviation about 1), an f32. */
static float number(uint64_t seed, int64_t row, int64_t i) {
    uint64_t bits = mix(seed ^ mix((uint64_t)row << 32 ^ (uint64_t)i));
    return (float)(((double)(bits >> 40) * 0x1p-24 - 0.5) * 3.5);
}

/* x, as an array of that type holds it. */
static double rounded(df_dtype type, double x) {
    double kept;
    df_dtype_store(type, &kept, 0, x);
    return df_dtype_load(type, &kept, 0);
}

float *op_case_weight(const df_weight *w, df_dtype given) {
    int64_t n = df_shape_elements(w->shape);
    float *data = malloc((size_t)n * sizeof *data);
    bool vector = w->shape.rank == 1;
    double fan_in = vector || w->shape.rank == 3 ? 1 : (double)(n / w->shape.dim[0]),
           scale = vector ? 0.5 : 1 / sqrt(fan_in);
    double centre = vector && strstr(w->name, ".weight") ? 1 : 0; /* gamma */
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)rounded(given, centre + scale * (double)number(seed_of(w->name), 0, i));
    return data;
}

static void *random_operand(const op_run *r, const op_case *c, df_value_id v, df_dtype given) {
    const df_value *value = &r->g->values[v];
    df_dtype type = df_value_held_as(value, r->dtype);
    int64_t n = df_shape_elements(value->shape);
    void *data = malloc((size_t)(n * r->rows) * df_dtype_bytes(type));
    for (int64_t row = 0; row < r->rows; row++)
        for (int64_t i = 0; i < n; i++) {
            float x = number(seed_of(value->name), row, i);
            size_t at = (size_t)(row * n + i);
            if (type == DF_I32)
                ((int32_t *)data)[at] = (int32_t)(mix(at) % VOCAB);
            else if (c->op == DF_OP_TIMESTEP_EMBEDDING)
                ((double *)data)[at] = floor(fabs((double)x) * 570); /* 0..997 */
            else
                df_dtype_store(type, data, at, rounded(given, (double)(x + (float)c->offset)));
        }
    return data;
}

/* Running */

static size_t row_bytes(const op_run *r, df_value_id v) {
    const df_value *value = &r->g->values[v];
    return (size_t)df_shape_elements(value->shape) * df_dtype_bytes(df_value_held_as(value, r->dtype));
}

static void open_kernel(op_run *r, const op_case *c, df_dtype given) {
    df_err err = { 0 };
    const df_node *n = &r->g->nodes[0];
    float *weights[DF_NODE_MAX_WEIGHTS] = { NULL };
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++)
        if (n->weight[i] != DF_NO_WEIGHT) weights[i] = op_case_weight(&r->g->weights[n->weight[i]], given);
    const float *borrowed[DF_NODE_MAX_WEIGHTS] = { weights[0], weights[1] };
    df_code rc = r->backend->node_open(r->ctx, &r->kernel, r->g, n, borrowed, &err);
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++) free(weights[i]);
    if (rc) fail_msg("%s on %s: %s", c->name, r->backend->name, err.text);
}

op_run op_run_open(const op_case *c, const df_backend *backend, const df_backend_cfg *cfg, df_dtype given,
                   int64_t rows) {
    df_err err = { 0 };
    op_run r = { .g = op_case_graph(c), .backend = backend, .dtype = cfg->dtype, .rows = rows };
    if (backend->open(&r.ctx, cfg, &err)) fail_msg("%s: %s", backend->name, err.text);
    open_kernel(&r, c, given);
    df_value_id reads[DF_NODE_MAX_READS];
    int n_reads = df_node_reads(&r.g->nodes[0], reads);
    for (int i = 0; i < n_reads; i++) {
        r.row_bytes[i] = row_bytes(&r, reads[i]);
        r.operand[i] = random_operand(&r, c, reads[i], given);
    }
    r.out_row_bytes = row_bytes(&r, r.g->nodes[0].out);
    return r;
}

void op_run_close(op_run *r) {
    for (int i = 0; i < DF_NODE_MAX_READS; i++) free(r->operand[i]);
    r->backend->node_close(&r->kernel);
    r->backend->close(&r->ctx);
    df_graph_free(&r->g);
}

/* Memory that a node works in, filled with a pattern, with as much of it behind: the host's, aligned to 64 bytes, or
 * the backend's with an image on the host. */
enum { GUARD = 256, PATTERN = 0xa5 };

typedef struct block {
    char *host;
    void *at; /* as the node gets it */
    size_t bytes, total;
} block;

static block block_new(const op_run *r, size_t bytes) {
    const df_space *space = r->backend->space;
    df_err err = { 0 };
    block b = { .bytes = bytes, .total = (bytes + GUARD + 63) / 64 * 64 };
    if (!space)
        b.at = b.host = aligned_alloc(64, b.total);
    else if (space->host_alloc(r->ctx, (void **)&b.host, b.total, &err) || space->alloc(r->ctx, &b.at, b.total, &err))
        fail_msg("%s on %s: %s", r->g->name, r->backend->name, err.text);
    memset(b.host, PATTERN, b.total);
    return b;
}

static void block_free(const op_run *r, block *b) {
    const df_space *space = r->backend->space;
    if (!space) {
        free(b->host);
        return;
    }
    space->free(r->ctx, b->at);
    space->host_free(r->ctx, b->host);
}

static df_code to_node(const op_run *r, const block *b, df_err *err) {
    const df_space *space = r->backend->space;
    return space ? space->upload(r->ctx, b->at, b->host, b->total, err) : DF_OK;
}

static df_code from_node(const op_run *r, const block *b, df_err *err) {
    const df_space *space = r->backend->space;
    return space ? space->download(r->ctx, b->host, b->at, b->total, err) : DF_OK;
}

static void check_guard(const op_run *r, const char *what, const block *b) {
    const unsigned char *p = (const unsigned char *)b->host + b->bytes;
    for (size_t i = 0; i < GUARD; i++)
        if (p[i] != PATTERN) fail_msg("%s on %s: wrote behind its %s", r->g->name, r->backend->name, what);
}

/* The index in df_node_reads of the operand that the result is written over; -1: none. */
static int shared_operand(const df_node *n, op_place place) {
    if (place == OP_OVER_INPUT) return 0;
    return place == OP_OVER_RESIDUAL ? n->n_in + (n->fused_add_channel != DF_NO_VALUE) : -1;
}

/* Memory of one run. Operands are in the order of df_node_reads, `out` may be one of them. */
typedef struct run_memory {
    block operand[DF_NODE_MAX_READS], scratch, apart;
    const block *out;
    int n_reads, shared;
} run_memory;

static void open_memory(const op_run *r, run_memory *m, const void *const *operands, int64_t n, size_t scratch_bytes,
                        op_place place) {
    df_value_id reads[DF_NODE_MAX_READS];
    m->n_reads = df_node_reads(&r->g->nodes[0], reads);
    m->shared = shared_operand(&r->g->nodes[0], place);
    m->scratch = block_new(r, scratch_bytes);
    for (int i = 0; i < m->n_reads; i++) {
        m->operand[i] = block_new(r, r->row_bytes[i] * (size_t)n);
        memcpy(m->operand[i].host, operands[i], m->operand[i].bytes);
    }
    if (m->shared < 0) m->apart = block_new(r, r->out_row_bytes * (size_t)n);
    m->out = m->shared < 0 ? &m->apart : &m->operand[m->shared];
}

static void close_memory(const op_run *r, run_memory *m) {
    for (int i = 0; i < m->n_reads; i++) block_free(r, &m->operand[i]);
    block_free(r, &m->scratch);
    if (m->shared < 0) block_free(r, &m->apart);
}

/* All that the node works in, there and back. */
static df_code move_memory(const op_run *r, const run_memory *m,
                           df_code (*move)(const op_run *, const block *, df_err *), df_err *err) {
    df_code rc = move(r, &m->scratch, err);
    for (int i = 0; i < m->n_reads && !rc; i++) rc = move(r, &m->operand[i], err);
    return rc || m->shared >= 0 ? rc : move(r, &m->apart, err);
}

static df_code run_node(const op_run *r, const run_memory *m, int64_t n, df_err *err) {
    const df_node *node = &r->g->nodes[0];
    const df_backend *b = r->backend;
    int at = node->n_in;
    const void *in[DF_NODE_MAX_IN] = { NULL };
    for (int i = 0; i < node->n_in; i++) in[i] = m->operand[i].at;
    const void *add_channel = node->fused_add_channel == DF_NO_VALUE ? NULL : m->operand[at++].at;
    const void *residual = node->residual == DF_NO_VALUE ? NULL : m->operand[at].at;
    return r->lane ? b->lane_run(r->kernel, r->lane - 1, n, in, add_channel, residual, m->out->at, m->scratch.at, err)
                   : b->node_run(r->kernel, n, in, add_channel, residual, m->out->at, m->scratch.at, err);
}

static df_code run_there_and_back(const op_run *r, const run_memory *m, int64_t n, df_err *err) {
    const df_space *space = r->backend->space;
    df_code rc = move_memory(r, m, to_node, err);
    if (!rc) rc = run_node(r, m, n, err);
    if (!rc) rc = move_memory(r, m, from_node, err);
    return rc || !space ? rc : space->wait(r->ctx, err);
}

static void check_memory(const op_run *r, const run_memory *m, const void *const *operands) {
    check_guard(r, "result", m->out);
    check_guard(r, "scratch", &m->scratch);
    for (int i = 0; i < m->n_reads; i++)
        if (i != m->shared && memcmp(m->operand[i].host, operands[i], m->operand[i].bytes))
            fail_msg("%s on %s: changed operand %d", r->g->name, r->backend->name, i);
}

df_code op_run_on(op_run *r, const void *const *operands, int64_t n, op_place place, void **out, df_err *err) {
    size_t scratch_bytes = 0;
    run_memory m;
    df_code rc = (r->lane ? r->backend->lane_prepare : r->backend->node_prepare)(r->kernel, n, &scratch_bytes, err);
    if (rc) return rc;
    open_memory(r, &m, operands, n, scratch_bytes, place);
    rc = run_there_and_back(r, &m, n, err);
    if (!rc) {
        check_memory(r, &m, operands);
        *out = memcpy(malloc(m.out->bytes), m.out->host, m.out->bytes);
    }
    close_memory(r, &m);
    return rc;
}

void *op_run_rows(op_run *r, int64_t first, int64_t n, op_place place) {
    const void *operands[DF_NODE_MAX_READS];
    df_err err = { 0 };
    void *out = NULL;
    for (int i = 0; i < DF_NODE_MAX_READS; i++)
        operands[i] = r->operand[i] ? (char *)r->operand[i] + r->row_bytes[i] * (size_t)first : NULL;
    if (op_run_on(r, operands, n, place, &out, &err)) fail_msg("%s on %s: %s", r->g->name, r->backend->name, err.text);
    return out;
}
