/* Renders requests over a pipeline of threads and keeps what the renderer tells.
 *
 *   album a = { 0 };  album_render(model, &setup, requests, n, &a);  ... a.shot[i] ...  album_free(&a);
 *
 * What goes wrong fails the running test. */
#ifndef DF_TESTS_CLUSTER_ALBUM_H
#define DF_TESTS_CLUSTER_ALBUM_H

#include "cluster/renderer.h"
#include "tests/cluster/thread_farm.h"

enum { ALBUM_MOST = 16 };

typedef struct album_shot {
    uint8_t *rgb;
    int width, height, n_images, n_failed, n_steps;
    unsigned flags;
    df_err why;
} album_shot;

typedef struct album {
    album_shot shot[ALBUM_MOST]; /* by id */
    df_renderer *renderer;
    uint64_t cancel_id; /* cancelled from its first on_step; 0: none */
    bool fast_conv; /* asked for */
    thread_farm_comm_fn *comms; /* what ranks talk over; NULL: communicators of threads */
    int n_halves; /* of the pipeline; 0: none */
    int tile; /* every picture is decoded in tiles of so many pixels; 0: none is */
} album;

typedef struct album_setup {
    const df_backend *backend;
    int n_ranks, micro_batch, n_slots;
    df_dtype dtype; /* of activations */
} album_setup;

void album_render(const df_model *m, const album_setup *s, const df_request *requests, int n, album *out);
void album_free(album *a);

/* One picture of each, the same bytes; i and s are for the message. */
void album_assert_same(const album_shot *a, const album_shot *b, int i, const album_setup *s);

/* The renderer's callbacks; ctx is an album. */
void album_on_image(void *ctx, uint64_t id, const df_picture *picture);
void album_on_step(void *ctx, uint64_t id, int step, int n_steps);
void album_on_failed(void *ctx, uint64_t id, const df_err *why);

#endif
