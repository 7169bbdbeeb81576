#include "client/provenance/again.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "client/backend_choice.h"
#include "engine/image/png_io.h"
#include "worker/feeder.h"

enum { MAX_SIDE = 16384 };

struct df_again {
    char model[PATH_MAX], sha256[DF_SHA256_HEX_BYTES];
    const char *config_dir; /* borrowed, may be NULL */
    int threads;
    df_comm *comm;
    /* of the render in progress */
    const char *backend;
    unsigned char *png;
    size_t png_bytes;
    df_err why;
    bool ended;
};

df_code df_again_open(df_again **out, const char *model, const char *config_dir, int threads, df_err *err) {
    df_again *a = calloc(1, sizeof *a);
    df_model *opened = NULL;
    if (!a) return df_err_set(err, DF_ENOMEM, "%s", model);
    a->threads = threads;
    a->config_dir = config_dir;
    const df_model_options how = { .config_dir = config_dir };
    df_code rc = df_model_open_with(&opened, model, &how, err);
    if (!rc) rc = df_model_sha256(opened, a->sha256, err);
    df_model_close(&opened);
    if (!rc && !realpath(model, a->model)) rc = df_err_set(err, DF_ENOTFOUND, "%s", model);
    if (!rc) rc = df_comm_self_open(&a->comm, err);
    if (rc)
        df_again_close(&a);
    else
        *out = a;
    return rc;
}

void df_again_close(df_again **a) {
    if (!*a) return;
    if ((*a)->comm) (*a)->comm->ops->close(&(*a)->comm);
    free(*a);
    *a = NULL;
}

/* what the feeder calls back */

static void free_result(df_result **r) {
    df_lease_drop(&(*r)->lease);
    free((*r)->png);
    free(*r);
    *r = NULL;
}

static void deliver(void *ctx, df_raw_picture *p) {
    df_again *a = ctx;
    a->ended = true;
    if (!df_encode_picture(p, a->backend, &a->why)) {
        a->png = p->result->png;
        a->png_bytes = p->result->png_bytes;
        p->result->png = NULL;
    }
    free_result(&p->result);
    free(p->rgb);
    free(p);
}

static void fail(void *ctx, df_result **r) {
    df_again *a = ctx;
    a->ended = true;
    a->why = (*r)->why;
    free_result(r);
}

/* rendering */

static df_code lease_of(df_again *a, df_recipe *r, df_lease **out, df_err *err) {
    Diffarm__Lease body = DIFFARM__LEASE__INIT;
    Diffarm__Row *rows[] = { &r->row };
    Diffarm__Message wrapped = DIFFARM__MESSAGE__INIT;
    r->job.model_path = a->model;
    r->job.model_config = (char *)(a->config_dir ? a->config_dir : "");
    body.token = (char *)"again";
    body.job = &r->job;
    body.rows = rows;
    body.n_rows = 1;
    wrapped.body_case = DIFFARM__MESSAGE__BODY_LEASE;
    wrapped.lease = &body;
    size_t bytes = diffarm__message__get_packed_size(&wrapped);
    uint8_t *packed = malloc(bytes);
    Diffarm__Message *m = NULL;
    if (packed) m = diffarm__message__unpack(NULL, diffarm__message__pack(&wrapped, packed), packed);
    free(packed);
    if (!m) return df_err_set(err, DF_ENOMEM, "a lease");
    df_code rc = df_lease_new(out, &m, err);
    if (rc) diffarm__message__free_unpacked(m, NULL);
    return rc;
}

static df_code run(df_again *a, const df_backend *backend, df_lease **lease, df_err *err) {
    df_feeder *feeder = NULL;
    const df_feeder_cfg cfg = { .comm = a->comm,
                                .session = { .backend = backend, .threads = a->threads },
                                .ctx = a,
                                .deliver = deliver,
                                .fail = fail };
    df_code rc = df_feeder_open(&feeder, &cfg, err);
    if (rc) return rc;
    df_feeder_lease(feeder, lease);
    while (!rc && !a->ended) rc = df_feeder_work(feeder, err);
    df_feeder_close(&feeder);
    return rc;
}

df_code df_again_render(df_again *a, df_recipe *r, unsigned char **png, size_t *bytes, df_err *err) {
    const df_backend *backend = NULL;
    df_lease *lease = NULL;
    df_code rc = df_backend_choose(&backend, r->backend, 0, err);
    if (rc) return rc;
    if (strcmp(a->sha256, r->job.model_sha256) != 0)
        return df_err_set(err, DF_EINVAL,
                          "%s is another model: its hash is %.12s..., the picture was made with %s, %.12s...", a->model,
                          a->sha256, r->job.model_name, r->job.model_sha256);
    a->backend = r->backend;
    a->png = NULL;
    a->ended = false;
    a->why = (df_err) { 0 };
    rc = lease_of(a, r, &lease, err);
    if (!rc) rc = run(a, backend, &lease, err);
    df_lease_drop(&lease);
    if (rc) return rc;
    if (!a->png) return df_err_set(err, a->why.code ? a->why.code : DF_EINTERNAL, "%s", a->why.text);
    *png = a->png;
    *bytes = a->png_bytes;
    return DF_OK;
}

/* comparing */

static void count(df_difference *out, const uint8_t *a, const uint8_t *b, size_t n_pixels) {
    for (size_t i = 0; i < n_pixels; i++) {
        int most = 0;
        for (int c = 0; c < 3; c++) {
            int d = abs(a[3 * i + (size_t)c] - b[3 * i + (size_t)c]);
            most = d > most ? d : most;
        }
        out->n_pixels += most > 0;
        if (most > out->largest) out->largest = most;
    }
}

df_code df_again_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes, df_difference *out,
                         df_err *err) {
    uint8_t *x = NULL, *y = NULL;
    int xw = 0, xh = 0, yw = 0, yh = 0;
    *out = (df_difference) { .same_bytes = a_bytes == b_bytes && !memcmp(a, b, a_bytes) };
    df_code rc = df_png_decode(&x, &xw, &xh, a, a_bytes, MAX_SIDE, err);
    if (!rc) rc = df_png_decode(&y, &yw, &yh, b, b_bytes, MAX_SIDE, err);
    out->same_size = !rc && xw == yw && xh == yh;
    if (out->same_size) count(out, x, y, (size_t)xw * (size_t)xh);
    free(x);
    free(y);
    return rc;
}
