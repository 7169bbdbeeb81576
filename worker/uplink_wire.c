#include "worker/uplink_wire.h"

#include <stdlib.h>
#include <unistd.h>

#include "cluster/renderer.h"
#include "worker/guard.h"
#include "worker/version.h"

static df_code send(void *socket, Diffarm__Message__BodyCase kind, void *body, const void *blob, size_t blob_bytes,
                    df_err *err) {
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    m.body_case = kind;
    m.hello = body; /* all members of the union are pointers */
    return df_wire_send(socket, NULL, 0, &m, blob, blob_bytes, err);
}

/* The tokens of all leases, borrowed; *n of them. */
static char **tokens_of(const df_book *b, size_t *n) {
    char **tokens = calloc(b->n_leases + 1, sizeof *tokens);
    *n = 0;
    for (df_held *h = b->leases; tokens && h; h = h->next) tokens[(*n)++] = (char *)h->lease->token;
    return tokens;
}

static void name_self(char *out, size_t bytes) {
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    snprintf(out, bytes, "%s:%ld", host, (long)getpid());
}

df_code df_uplink_send_hello(void *socket, const df_uplink_cfg *cfg, const char *worker_id, const df_book *b,
                             df_err *err) {
    char name[96];
    name_self(name, sizeof name);
    Diffarm__ModelOffer *offer = calloc((size_t)cfg->n_offers + 1, sizeof *offer);
    Diffarm__ModelOffer **offers = calloc((size_t)cfg->n_offers + 1, sizeof *offers);
    Diffarm__Hello m = DIFFARM__HELLO__INIT;
    m.leases_held = tokens_of(b, &m.n_leases_held);
    df_code rc = offer && offers && m.leases_held ? DF_OK : df_err_set(err, DF_ENOMEM, "Hello");
    for (int i = 0; !rc && i < cfg->n_offers; i++) {
        diffarm__model_offer__init(&offer[i]);
        offer[i].path = (char *)cfg->offers[i].path;
        offer[i].sha256 = (char *)cfg->offers[i].sha256;
        offers[i] = &offer[i];
    }
    m.role = DIFFARM__HELLO__ROLE__WORKER;
    m.name = name;
    m.software = (char *)DF_SOFTWARE;
    m.worker_id = (char *)worker_id;
    m.n_models = (size_t)cfg->n_offers;
    m.models = offers;
    m.pipeline_ranks = (uint32_t)cfg->n_ranks;
    m.threads = (uint32_t)cfg->threads;
    m.backend = (char *)cfg->backend;
    m.dtype = (char *)cfg->dtypes;
    m.any_model = !cfg->n_offers;
    m.groups_acks = 1;
    if (!rc) rc = send(socket, DIFFARM__MESSAGE__BODY_HELLO, &m, NULL, 0, err);
    free(m.leases_held);
    free(offers);
    free(offer);
    return rc;
}

df_code df_uplink_send_heartbeat(void *socket, const df_book *b, double steps_done, bool draining, df_err *err) {
    Diffarm__Heartbeat m = DIFFARM__HEARTBEAT__INIT;
    m.tokens = tokens_of(b, &m.n_tokens);
    if (!m.tokens) return df_err_set(err, DF_ENOMEM, "Heartbeat");
    m.steps_done = steps_done;
    m.draining = draining;
    df_code rc = send(socket, DIFFARM__MESSAGE__BODY_HEARTBEAT, &m, NULL, 0, err);
    free(m.tokens);
    return rc;
}

df_code df_uplink_send_request(void *socket, const df_question *question, df_err *err) {
    Diffarm__LeaseRequest m = DIFFARM__LEASE_REQUEST__INIT;
    m.request_id = question->id;
    m.max_rows = question->max_rows;
    m.images_per_second = question->images_per_second;
    m.work_per_second = question->work_per_second;
    m.seconds_left = question->seconds_left;
    return send(socket, DIFFARM__MESSAGE__BODY_LEASE_REQUEST, &m, NULL, 0, err);
}

static df_code send_picture(void *socket, const df_result *r, df_err *err) {
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = { { DF_FLAG_FLAT, "flat" },
                  { DF_FLAG_PROMPT_CUT, "prompt_cut" },
                  { DF_GUARD_FLAG_F32, "made_in_f32" } };
    char *flags[sizeof names / sizeof *names];
    Diffarm__Result m = DIFFARM__RESULT__INIT;
    m.token = (char *)r->lease->token;
    m.job_id = r->lease->job->job_id;
    m.row = r->lease->rows[r->i]->row;
    m.png_sha256 = (char *)r->sha256;
    m.seconds = r->seconds;
    m.pixels_hash = r->pixels_hash;
    m.scheduler = (char *)r->scheduler;
    m.flags = flags;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (r->flags & names[i].flag) flags[m.n_flags++] = (char *)names[i].name;
    if (r->is_beside) m.beside_bytes = r->png_bytes;
    if (r->is_beside) return send(socket, DIFFARM__MESSAGE__BODY_RESULT, &m, NULL, 0, err);
    m.beside_problem = (char *)r->why.text;
    return send(socket, DIFFARM__MESSAGE__BODY_RESULT, &m, r->png, r->png_bytes, err);
}

df_code df_uplink_send_result(void *socket, const df_result *r, df_err *err) {
    if (r->png) return send_picture(socket, r, err);
    Diffarm__RowFailed m = DIFFARM__ROW_FAILED__INIT;
    m.token = (char *)r->lease->token;
    m.job_id = r->lease->job->job_id;
    m.row = r->lease->rows[r->i]->row;
    m.error = (char *)r->why.text;
    m.code = r->why.code;
    return send(socket, DIFFARM__MESSAGE__BODY_ROW_FAILED, &m, NULL, 0, err);
}

df_code df_uplink_send_return(void *socket, const df_lease *lease, size_t first, df_err *err) {
    size_t n = lease->n_rows - first;
    uint64_t *rows = calloc(n + 1, sizeof *rows);
    if (!rows) return df_err_set(err, DF_ENOMEM, "LeaseReturned");
    for (size_t i = 0; i < n; i++) rows[i] = lease->rows[first + i]->row;
    Diffarm__LeaseReturned m = DIFFARM__LEASE_RETURNED__INIT;
    m.token = (char *)lease->token;
    m.reason = (char *)"the worker drains";
    m.n_rows = n;
    m.rows = rows;
    df_code rc = send(socket, DIFFARM__MESSAGE__BODY_LEASE_RETURNED, &m, NULL, 0, err);
    free(rows);
    return rc;
}

df_code df_uplink_send_file_get(void *socket, const char *sha256, uint64_t offset, df_err *err) {
    Diffarm__FileGet m = DIFFARM__FILE_GET__INIT;
    m.sha256 = (char *)sha256;
    m.offset = offset;
    return send(socket, DIFFARM__MESSAGE__BODY_FILE_GET, &m, NULL, 0, err);
}

df_code df_uplink_send_goodbye(void *socket, const char *reason, df_err *err) {
    Diffarm__Goodbye m = DIFFARM__GOODBYE__INIT;
    m.reason = (char *)reason;
    return send(socket, DIFFARM__MESSAGE__BODY_GOODBYE, &m, NULL, 0, err);
}
