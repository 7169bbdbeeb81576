#include "tests/cluster/album.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void album_on_image(void *ctx, uint64_t id, const df_picture *picture) {
    album_shot *s = &((album *)ctx)->shot[id];
    size_t bytes = 3 * (size_t)picture->width * (size_t)picture->height;
    s->n_images++;
    s->width = picture->width;
    s->height = picture->height;
    s->flags = picture->flags;
    free(s->rgb);
    s->rgb = malloc(bytes);
    assert_non_null(s->rgb);
    memcpy(s->rgb, picture->rgb, bytes);
    assert_true(picture->seconds > 0);
}

void album_on_step(void *ctx, uint64_t id, int step, int n_steps) {
    album *a = ctx;
    assert_int_equal(step, ++a->shot[id].n_steps); /* each step is told once, in order */
    assert_true(step <= n_steps);
    if (a->cancel_id && id == a->cancel_id) df_renderer_cancel(a->renderer, id);
}

void album_on_failed(void *ctx, uint64_t id, const df_err *why) {
    album_shot *s = &((album *)ctx)->shot[id];
    s->n_failed++;
    s->why = *why;
}

void album_free(album *a) {
    for (int i = 0; i < ALBUM_MOST; i++) free(a->shot[i].rgb);
    *a = (album) { 0 };
}

void album_render(const df_model *m, const album_setup *s, const df_request *requests, int n, album *out) {
    df_pipeline_cfg cfg = {
        .backend = s->backend,
        .backend_cfg = { .dtype = s->dtype, .threads = 1, .fast_conv = out->fast_conv },
        .max_rows = 2 * s->micro_batch,
        .n_slots = s->n_slots,
        .n_halves = out->n_halves,
    };
    thread_farm f;
    df_err err;
    thread_farm_open_over(&f, out->comms ? out->comms : df_comm_threads_open, m, s->n_ranks, &cfg, false);
    df_renderer_cfg rc = { .micro_batch = s->micro_batch,
                           .whole_bytes = out->tile ? 1 : 0,
                           .tile = out->tile,
                           .ctx = out,
                           .on_image = album_on_image,
                           .on_step = album_on_step,
                           .on_failed = album_on_failed };
    if (df_renderer_open(&out->renderer, f.pipeline, m, &rc, &err)) fail_msg("%s", err.text);
    for (int next = 0; next < n || df_renderer_busy(out->renderer);) {
        while (next < n && df_renderer_room(out->renderer) > 0) {
            if (df_renderer_add(out->renderer, (uint64_t)next, &requests[next], &err)) fail_msg("%s", err.text);
            next++;
        }
        if (df_renderer_step(out->renderer, 100000, &err)) fail_msg("%s", err.text);
    }
    df_renderer_close(&out->renderer);
    thread_farm_close(&f);
}

void album_assert_same(const album_shot *a, const album_shot *b, int i, const album_setup *s) {
    assert_int_equal(a->n_images, 1);
    assert_int_equal(b->n_images, 1);
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->flags, b->flags);
    if (memcmp(a->rgb, b->rgb, 3 * (size_t)a->width * (size_t)a->height) != 0)
        fail_msg("image %d differs with %d ranks, micro-batch %d, %d slots", i, s->n_ranks, s->micro_batch, s->n_slots);
}
