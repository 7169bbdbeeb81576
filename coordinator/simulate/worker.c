/* A worker as docs/protocol.md tells it, with no-op pictures. While fate is at work it may lie: about bytes, rows,
 * leases and failures, in ways that a coordinator can find out. */
#include <stdio.h>
#include <string.h>

#include "coordinator/simulate/world.h"
#include "proto/beside.h"

enum { ASK_AGAIN_MS = 10000, SEND_AGAIN_MS = 30000, HELLO_AGAIN_MS = 2000, HEARTBEAT_MS = 2000, SILENT_HEARTBEATS = 3 };

char *df_sim_worker_id(const df_sim_worker *worker, char out[DF_WORKER_ID_BYTES]) {
    snprintf(out, DF_WORKER_ID_BYTES, "worker-%d.%d", worker->number, worker->life);
    return out;
}

static void say(df_sim_world *w, const df_sim_worker *worker, Diffarm__Message msg, const void *blob, size_t bytes) {
    df_sim_network_send(&w->network, w->now_ms, true, worker->number, &msg, blob, bytes);
}

/* Distinct tokens of what is not acknowledged. */
static size_t tokens_of(df_sim_worker *worker, char **tokens) {
    size_t n = 0;
    for (int i = 0; i < worker->n_items; i++) {
        bool known = false;
        for (size_t k = 0; k < n && !known; k++) known = !strcmp(tokens[k], worker->items[i].token);
        if (!known) tokens[n++] = worker->items[i].token;
    }
    return n;
}

static bool has_work(const df_sim_worker *worker) {
    for (int i = 0; i < worker->n_items; i++)
        if (!worker->items[i].is_rendered) return true;
    return false;
}

static void drop(df_sim_worker *worker, const char *token, const uint64_t *row) {
    int kept = 0;
    for (int i = 0; i < worker->n_items; i++)
        if (strcmp(worker->items[i].token, token) != 0 || (row && worker->items[i].row != *row))
            worker->items[kept++] = worker->items[i];
    worker->n_items = kept;
}

/* what it says */

static void hello(df_sim_world *w, df_sim_worker *worker) {
    char *tokens[DF_SIM_MAX_ITEMS], id[DF_WORKER_ID_BYTES];
    Diffarm__Hello out = DIFFARM__HELLO__INIT;
    df_sim_worker_id(worker, id);
    out.role = DIFFARM__HELLO__ROLE__WORKER;
    out.worker_id = out.name = id;
    out.any_model = 1;
    out.groups_acks = worker->number % 2;
    out.leases_held = tokens;
    out.n_leases_held = tokens_of(worker, tokens);
    worker->hello_ms = w->now_ms + HELLO_AGAIN_MS;
    say(w, worker, DF_WIRE_MESSAGE(HELLO, hello, &out), NULL, 0);
}

static void beat(df_sim_world *w, df_sim_worker *worker) {
    char *tokens[DF_SIM_MAX_ITEMS];
    Diffarm__Heartbeat out = DIFFARM__HEARTBEAT__INIT;
    out.tokens = tokens;
    out.n_tokens = tokens_of(worker, tokens);
    out.draining = worker->is_draining;
    worker->beat_ms = w->now_ms + HEARTBEAT_MS;
    say(w, worker, DF_WIRE_MESSAGE(HEARTBEAT, heartbeat, &out), NULL, 0);
}

static void ask(df_sim_world *w, df_sim_worker *worker) {
    Diffarm__LeaseRequest out = DIFFARM__LEASE_REQUEST__INIT;
    out.max_rows = (uint32_t)df_sim_between(&w->random, 0, 6);
    out.images_per_second = df_sim_chance(&w->random, 0.5) ? 1000.0 / worker->row_ms : 0;
    if (df_sim_chance(&w->newer, 0.3)) out.work_per_second = 64 * 4 * 1000.0 / worker->row_ms;
    if (worker->ends_ms) out.seconds_left = (double)(worker->ends_ms - w->now_ms) / 1000;
    worker->asks = true;
    worker->asked_ms = w->now_ms;
    say(w, worker, DF_WIRE_MESSAGE(LEASE_REQUEST, lease_request, &out), NULL, 0);
}

static void say_failed(df_sim_world *w, const df_sim_worker *worker, const df_sim_item *item, df_code code) {
    Diffarm__RowFailed out = DIFFARM__ROW_FAILED__INIT;
    out.token = (char *)item->token;
    out.job_id = item->job->id;
    out.row = item->row;
    out.code = code;
    out.error = (char *)"it went wrong";
    item->job->rows[item->row].doomed |= code == DF_EINVAL || code == DF_ESHAPE;
    say(w, worker, DF_WIRE_MESSAGE(ROW_FAILED, row_failed, &out), NULL, 0);
}

static void lie_of_failure(df_sim_world *w, const df_sim_worker *worker, const df_sim_item *item) {
    static const df_code codes[] = { DF_EIO, DF_ENOMEM, DF_EBACKEND, DF_EINVAL, DF_ESHAPE };
    say_failed(w, worker, item, codes[df_sim_below(&w->random, 5)]);
}

/* On a machine of its own: what is planned for the coordinator's does not strike here. */
static bool put_beside(df_sim_world *w, const df_sim_item *item, const void *png, size_t bytes) {
    int ops_to_live = w->disk->ops_to_live;
    int64_t busy_ms = w->disk->busy_ms;
    w->disk->ops_to_live = 0;
    df_code rc = df_beside_write(item->job->out_dir, item->job->id, item->token, item->row, png, bytes, NULL);
    w->disk->ops_to_live = ops_to_live;
    w->disk->busy_ms = busy_ms;
    return !rc;
}

typedef enum lie { WRONG_HASH, DAMAGED, NO_BYTES, WRONG_ROW, WRONG_TOKEN, OLD_TOKEN, FAILED, N_LIES } lie;

/* Another token of the same job, so that what an ack speaks of stays clear. */
static const char *some_token(df_sim_world *w, const df_sim_item *item) {
    const df_sim_token *token = &w->tokens[df_sim_below(&w->random, (uint64_t)w->n_tokens)];
    return token->job == item->job ? token->text : item->token;
}

static void send_lie(df_sim_world *w, const df_sim_worker *worker, const df_sim_item *item, Diffarm__Result *out) {
    const df_sim_row *r = &item->job->rows[item->row];
    lie kind = (lie)df_sim_below(&w->random, N_LIES);
    const void *blob = r->png;
    size_t bytes = r->png_bytes;
    switch (kind) {
    case WRONG_HASH: blob = r->damaged; break;
    case DAMAGED:
        blob = r->png + 8; /* no PNG any more */
        bytes -= 8;
        break;
    case NO_BYTES: /* nor, of a shared sink, a file; or another */
        if (item->job->is_shared && df_sim_chance(&w->random, 0.5)) put_beside(w, item, r->damaged, bytes);
        out->beside_bytes = item->job->is_shared ? bytes : 0;
        blob = NULL;
        bytes = 0;
        break;
    case WRONG_ROW: out->row += 1000; break;
    case WRONG_TOKEN: out->token = (char *)"1-0123456789abcdef-1"; break;
    case OLD_TOKEN: out->token = (char *)some_token(w, item); break;
    default: lie_of_failure(w, worker, item); return;
    }
    say(w, worker, DF_WIRE_MESSAGE(RESULT, result, out), blob, bytes);
}

/* A picture that only looks right, for a row that another worker has: nobody may be robbed of his rows. */
static void steal(df_sim_world *w, const df_sim_worker *worker) {
    const df_sim_token *token = &w->tokens[df_sim_below(&w->extra, (uint64_t)w->n_tokens)];
    const df_sim_row *r = &token->job->rows[token->row];
    char id[DF_WORKER_ID_BYTES], sha256[DF_SHA256_HEX_BYTES];
    Diffarm__Result out = DIFFARM__RESULT__INIT;
    df_sim_worker_id(worker, id);
    if (!strcmp(token->worker_id, id)) return;
    df_sha256_of(r->damaged, r->png_bytes, sha256);
    out.token = (char *)token->text;
    out.job_id = token->job->id;
    out.row = token->row;
    out.png_sha256 = sha256;
    out.scheduler = (char *)"ddim";
    say(w, worker, DF_WIRE_MESSAGE(RESULT, result, &out), r->damaged, r->png_bytes);
}

static void send_result(df_sim_world *w, df_sim_worker *worker, df_sim_item *item) {
    const df_sim_row *r = &item->job->rows[item->row];
    Diffarm__Result out = DIFFARM__RESULT__INIT;
    out.token = item->token;
    out.job_id = item->job->id;
    out.row = item->row;
    out.png_sha256 = (char *)r->png_sha256;
    out.scheduler = (char *)"ddim";
    out.seconds = worker->row_ms / 1000.0;
    out.pixels_hash = df_sim_row_pixels(r);
    item->sent_ms = w->now_ms;
    if (!df_sim_is_calm(w) && worker->is_broken) {
        say_failed(w, worker, item, DF_EBACKEND);
        return;
    }
    if (!df_sim_is_calm(w) && worker->lies > 0 && df_sim_chance(&w->extra, 0.3)) steal(w, worker);
    if (!df_sim_is_calm(w) && df_sim_chance(&w->random, worker->lies))
        send_lie(w, worker, item, &out);
    else if (item->job->is_shared && !item->is_told && put_beside(w, item, r->png, r->png_bytes)) {
        out.beside_bytes = r->png_bytes;
        say(w, worker, DF_WIRE_MESSAGE(RESULT, result, &out), NULL, 0);
    } else
        say(w, worker, DF_WIRE_MESSAGE(RESULT, result, &out), r->png, r->png_bytes);
    item->is_told = true;
}

void df_sim_worker_die(df_sim_world *w, df_sim_worker *worker, int64_t until_ms) {
    worker->is_up = false;
    worker->up_ms = until_ms;
    w->network.connection[worker->number]++;
    df_sim_note(w, "worker %d dies", worker->number);
}

/* The last loss fails the row, which may be all that its job waits for. */
static void murder(df_sim_world *w, df_sim_worker *worker, df_sim_job *job) {
    df_sim_worker_die(w, worker, w->now_ms + df_sim_between(&w->extra, 50, 3000));
    if (++job->n_murders == DF_FARM_MAX_LOSSES) df_sim_fate_strikes_soon(w, job);
}

static void render(df_sim_world *w, df_sim_worker *worker) {
    for (int i = 0; i < worker->n_items; i++) {
        df_sim_item *item = &worker->items[i];
        if (item->is_rendered) continue;
        if (item->job->murderer == (int64_t)item->row) {
            murder(w, worker, item->job);
            return;
        }
        item->is_rendered = true;
        worker->render_ms = w->now_ms + worker->row_ms;
        return;
    }
}

static void send_results(df_sim_world *w, df_sim_worker *worker) {
    for (int i = 0; i < worker->n_items; i++) {
        df_sim_item *item = &worker->items[i];
        if (item->is_rendered && (!item->sent_ms || w->now_ms - item->sent_ms >= SEND_AGAIN_MS))
            send_result(w, worker, item);
    }
}

/* A drained worker hands back what it has not begun, says goodbye, and another takes its place. */
static void drain(df_sim_world *w, df_sim_worker *worker) {
    Diffarm__Goodbye bye = DIFFARM__GOODBYE__INIT;
    for (int i = worker->n_items - 1; i >= 0; i--) {
        Diffarm__LeaseReturned out = DIFFARM__LEASE_RETURNED__INIT;
        const df_sim_item item = worker->items[i];
        if (item.is_rendered) continue;
        out.token = (char *)item.token;
        out.rows = (uint64_t *)&item.row;
        out.n_rows = 1;
        say(w, worker, DF_WIRE_MESSAGE(LEASE_RETURNED, lease_returned, &out), NULL, 0);
        drop(worker, item.token, &item.row);
    }
    if (worker->n_items) return;
    say(w, worker, DF_WIRE_MESSAGE(GOODBYE, goodbye, &bye), NULL, 0);
    worker->is_up = false;
    worker->up_ms = w->now_ms + df_sim_between(&w->random, 100, 3000);
}

/* what it hears */

static void take_lease(df_sim_world *w, df_sim_worker *worker, const Diffarm__Lease *lease) {
    df_sim_job *job = df_sim_find_job(w, lease->job->job_id);
    for (int i = 0; i < worker->n_items; i++)
        if (!strcmp(worker->items[i].token, lease->token)) return; /* came twice */
    worker->asks = false;
    for (size_t i = 0; job && i < lease->n_rows && worker->n_items < DF_SIM_MAX_ITEMS; i++) {
        df_sim_item *item = &worker->items[worker->n_items++];
        *item = (df_sim_item) { .job = job, .row = lease->rows[i]->row };
        snprintf(item->token, sizeof item->token, "%s", lease->token);
    }
    if (worker->render_ms < w->now_ms) worker->render_ms = w->now_ms + worker->row_ms;
}

static void take_welcome(df_sim_world *w, df_sim_worker *worker, const Diffarm__Welcome *welcome) {
    snprintf(worker->coordinator, sizeof worker->coordinator, "%s", welcome->coordinator_id);
    worker->is_welcome = true;
    worker->beat_ms = w->now_ms;
    worker->asks = false;
    for (int i = 0; i < worker->n_items; i++) worker->items[i].sent_ms = 0;
}

static void greet_again(df_sim_world *w, df_sim_worker *worker) {
    worker->is_welcome = false;
    worker->hello_ms = w->now_ms;
}

static void send_again(df_sim_worker *worker, const Diffarm__PictureWanted *wanted) {
    for (int i = 0; i < worker->n_items; i++)
        if (worker->items[i].row == wanted->row && !strcmp(worker->items[i].token, wanted->token))
            worker->items[i].sent_ms = 0;
}

void df_sim_worker_take(df_sim_world *w, df_sim_worker *worker, const Diffarm__Message *m) {
    worker->heard_ms = w->now_ms;
    switch (m->body_case) {
    case DIFFARM__MESSAGE__BODY_WELCOME: take_welcome(w, worker, m->welcome); break;
    case DIFFARM__MESSAGE__BODY_SAY_HELLO: greet_again(w, worker); break;
    case DIFFARM__MESSAGE__BODY_LEASE: take_lease(w, worker, m->lease); break;
    case DIFFARM__MESSAGE__BODY_LEASE_REVOKED: drop(worker, m->lease_revoked->token, NULL); break;
    case DIFFARM__MESSAGE__BODY_PICTURE_WANTED: send_again(worker, m->picture_wanted); break;
    case DIFFARM__MESSAGE__BODY_RESULT_ACK:
        drop(worker, m->result_ack->token, &m->result_ack->row);
        for (size_t i = 0; i < m->result_ack->n_more_rows; i++)
            drop(worker, m->result_ack->token, &m->result_ack->more_rows[i]);
        break;
    case DIFFARM__MESSAGE__BODY_HEARTBEAT_ACK:
        if (strcmp(worker->coordinator, m->heartbeat_ack->coordinator_id) != 0) greet_again(w, worker);
        break;
    default: df_sim_broken(w, "worker %d was sent a message of kind %d", worker->number, m->body_case); break;
    }
    worker->wake_ms = w->now_ms;
}

/* by the clock */

void df_sim_worker_start(df_sim_world *w, df_sim_worker *worker) {
    worker->life++;
    worker->is_up = true;
    worker->is_welcome = worker->is_draining = worker->asks = false;
    worker->n_items = 0;
    worker->ends_ms = worker->walltime_ms && !df_sim_is_calm(w) ? w->now_ms + worker->walltime_ms : 0;
    worker->hello_ms = worker->wake_ms = worker->heard_ms = w->now_ms;
    w->network.connection[worker->number]++;
    df_sim_note(w, "worker %d starts, life %d", worker->number, worker->life);
}

static void plan_wake(const df_sim_world *w, df_sim_worker *worker) {
    int64_t next = worker->is_welcome ? worker->beat_ms : worker->hello_ms;
    if (has_work(worker) && worker->render_ms < next) next = worker->render_ms;
    if (worker->ends_ms && worker->ends_ms < next) next = worker->ends_ms;
    worker->wake_ms = next > w->now_ms ? next : w->now_ms + 1;
}

void df_sim_worker_wake(df_sim_world *w, df_sim_worker *worker) {
    if (!worker->is_up) {
        df_sim_worker_start(w, worker);
        return;
    }
    if (worker->ends_ms && w->now_ms >= worker->ends_ms) {
        df_sim_worker_die(w, worker, w->now_ms + df_sim_between(&w->newer, 100, 3000));
        return;
    }
    if (has_work(worker) && w->now_ms >= worker->render_ms) render(w, worker);
    if (!worker->is_up) return;
    if (worker->is_welcome && w->now_ms - worker->heard_ms > SILENT_HEARTBEATS * HEARTBEAT_MS) greet_again(w, worker);
    if (worker->is_welcome) {
        send_results(w, worker);
        if (w->now_ms >= worker->beat_ms) beat(w, worker);
        if (worker->is_draining)
            drain(w, worker);
        else if (!has_work(worker) && (!worker->asks || w->now_ms - worker->asked_ms >= ASK_AGAIN_MS))
            ask(w, worker);
    } else if (w->now_ms >= worker->hello_ms) {
        hello(w, worker);
    }
    plan_wake(w, worker);
}
