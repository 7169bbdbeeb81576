#include "worker/encoder.h"

#include <pthread.h>
#include <stdlib.h>

#include "engine/image/png_io.h"
#include "proto/beside.h"
#include "worker/guard.h"
#include "worker/png_text.h"
#include "worker/queue.h"

#define MAX_WAITING 8

struct df_encoder {
    df_uplink *uplink;
    const char *backend;
    df_queue *queue;
    pthread_t thread;
    bool started;
};

/* Tells the thread to end once it has done what was before it. */
static df_raw_picture the_end;

df_code df_encode_picture(df_raw_picture *p, const char *backend, df_err *err) {
    df_result *r = p->result;
    const Diffarm__Row *row = r->lease->rows[r->i];
    df_buf parameters = { 0 }, provenance = { 0 };
    df_png_parameters(&parameters, row, r->lease->job, r->scheduler);
    df_png_provenance(&provenance, row, r->lease->job, r->scheduler, backend, r->flags & DF_GUARD_FLAG_F32);
    df_code rc = DF_OK;
    if (parameters.failed || provenance.failed) {
        rc = df_err_set(err, DF_ENOMEM, "texts of a picture");
    } else {
        const df_png_text texts[] = { { "parameters", parameters.data }, { "diffarm", provenance.data } };
        rc = df_png_encode(&r->png, &r->png_bytes, p->rgb, p->width, p->height, texts, 2, err);
    }
    if (!rc) df_sha256_of(r->png, r->png_bytes, r->sha256);
    r->pixels_hash = df_guard_pixels_hash(p->rgb, p->width, p->height);
    df_buf_free(&parameters);
    df_buf_free(&provenance);
    return rc;
}

/* Where the file cannot be written the picture goes by message, and r->why goes with it. */
static void put_beside(df_result *r) {
    const Diffarm__JobSpec *job = r->lease->job;
    if (r->png && job->shared_sink)
        r->is_beside = !df_beside_write(job->out_dir, job->job_id, r->lease->token, r->lease->rows[r->i]->row, r->png,
                                        r->png_bytes, &r->why);
}

static void *encoder_thread(void *arg) {
    df_encoder *e = arg;
    for (df_raw_picture *p; (p = df_queue_pop(e->queue, -1)) != &the_end;) {
        df_encode_picture(p, e->backend, &p->result->why); /* without a PNG it counts as failed, and this is why */
        put_beside(p->result);
        df_uplink_result(e->uplink, &p->result);
        free(p->rgb);
        free(p);
    }
    return NULL;
}

df_code df_encoder_open(df_encoder **out, df_uplink *uplink, const char *backend, df_err *err) {
    df_code rc;
    df_encoder *e = calloc(1, sizeof *e);
    if (!e) return df_err_set(err, DF_ENOMEM, "the PNG encoder");
    e->uplink = uplink;
    e->backend = backend;
    if ((rc = df_queue_open(&e->queue, MAX_WAITING, err))) goto fail;
    int why = pthread_create(&e->thread, NULL, encoder_thread, e);
    if (why) {
        rc = df_err_errno(err, why, "the PNG encoder's thread");
        goto fail;
    }
    e->started = true;
    *out = e;
    return DF_OK;
fail:
    df_encoder_close(&e);
    return rc;
}

void df_encoder_close(df_encoder **e) {
    if (!*e) return;
    if ((*e)->started) {
        df_queue_push((*e)->queue, &the_end);
        pthread_join((*e)->thread, NULL);
    }
    df_queue_close(&(*e)->queue);
    free(*e);
    *e = NULL;
}

void df_encoder_add(df_encoder *e, df_raw_picture *p) {
    df_queue_push(e->queue, p);
}
