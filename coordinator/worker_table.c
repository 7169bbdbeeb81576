#include "coordinator/worker_table.h"

#include <stdlib.h>
#include <string.h>

#include "coordinator/text.h"

typedef struct edge {
    df_worker_state from;
    df_worker_event event;
    df_worker_state to;
} edge;

static const edge edges[] = {
    /* docs/protocol.md, section "life of a worker" */
    { DF_WORKER_READY, DF_WORKER_EV_HELLO, DF_WORKER_READY },
    { DF_WORKER_DRAINING, DF_WORKER_EV_HELLO, DF_WORKER_READY },
    { DF_WORKER_SILENT, DF_WORKER_EV_HELLO, DF_WORKER_READY },
    { DF_WORKER_GONE, DF_WORKER_EV_HELLO, DF_WORKER_READY },
    { DF_WORKER_READY, DF_WORKER_EV_HEARD, DF_WORKER_READY },
    { DF_WORKER_DRAINING, DF_WORKER_EV_HEARD, DF_WORKER_DRAINING },
    { DF_WORKER_SILENT, DF_WORKER_EV_HEARD, DF_WORKER_READY },
    { DF_WORKER_READY, DF_WORKER_EV_DRAIN, DF_WORKER_DRAINING },
    { DF_WORKER_DRAINING, DF_WORKER_EV_DRAIN, DF_WORKER_DRAINING },
    { DF_WORKER_READY, DF_WORKER_EV_SILENCE, DF_WORKER_SILENT },
    { DF_WORKER_DRAINING, DF_WORKER_EV_SILENCE, DF_WORKER_SILENT },
    { DF_WORKER_SILENT, DF_WORKER_EV_FORGET, DF_WORKER_GONE },
    { DF_WORKER_READY, DF_WORKER_EV_GOODBYE, DF_WORKER_GONE },
    { DF_WORKER_DRAINING, DF_WORKER_EV_GOODBYE, DF_WORKER_GONE },
    { DF_WORKER_SILENT, DF_WORKER_EV_GOODBYE, DF_WORKER_GONE },
    { DF_WORKER_READY, DF_WORKER_EV_PUT_OUT, DF_WORKER_PUT_OUT },
    { DF_WORKER_READY, DF_WORKER_EV_READMIT, DF_WORKER_READY },
    { DF_WORKER_PUT_OUT, DF_WORKER_EV_HELLO, DF_WORKER_PUT_OUT }, /* a new connection makes it no better */
    { DF_WORKER_PUT_OUT, DF_WORKER_EV_HEARD, DF_WORKER_PUT_OUT },
    { DF_WORKER_PUT_OUT, DF_WORKER_EV_DRAIN, DF_WORKER_DRAINING },
    { DF_WORKER_PUT_OUT, DF_WORKER_EV_FORGET, DF_WORKER_GONE },
    { DF_WORKER_PUT_OUT, DF_WORKER_EV_GOODBYE, DF_WORKER_GONE },
    { DF_WORKER_PUT_OUT, DF_WORKER_EV_READMIT, DF_WORKER_READY },
};

const char *df_worker_state_name(df_worker_state state) {
    static const char *const names[DF_WORKER_N_STATES] = { "ready", "draining", "silent", "gone", "put_out" };
    return state < DF_WORKER_N_STATES ? names[state] : "?";
}

bool df_worker_apply(df_worker *worker, df_worker_event event) {
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        if (edges[i].from == worker->state && edges[i].event == event) {
            worker->state = edges[i].to;
            return true;
        }
    return false;
}

bool df_worker_offers(const df_worker *worker, const char *model_sha256) {
    if (worker->any_model) return true;
    for (size_t i = 0; i < worker->n_models; i++)
        if (!strcmp(worker->models[i], model_sha256)) return true;
    return false;
}

static bool computes_in(const df_worker *worker, const char *dtype) {
    size_t n = strlen(dtype);
    const char *at = worker->dtypes;
    while (*at) {
        size_t word = strcspn(at, " ");
        if (word == n && !memcmp(at, dtype, n)) return true;
        at += word;
        at += strspn(at, " ");
    }
    return !worker->dtypes[0];
}

bool df_worker_computes_on(const df_worker *worker, const char *backend) {
    const char *wanted = *backend ? backend : "cpu";
    return !worker->backend[0] || !strcmp(wanted, "any") || !strcmp(wanted, worker->backend);
}

bool df_worker_can(const df_worker *worker, const df_job_spec *spec) {
    return df_worker_offers(worker, spec->model_sha256) && df_worker_computes_on(worker, spec->backend) &&
           computes_in(worker, spec->dtype);
}

/* all workers */

static void worker_free(df_worker *worker) {
    if (worker) free(worker->models);
    free(worker);
}

df_worker *df_worker_table_add(df_worker_table *table, const char *id) {
    if (table->n == table->cap) {
        size_t cap = table->cap ? 2 * table->cap : 16;
        df_worker **at = realloc(table->at, cap * sizeof *at);
        if (!at) return NULL;
        table->at = at;
        table->cap = cap;
    }
    df_worker *worker = calloc(1, sizeof *worker);
    if (!worker || !df_map_put(&table->by_id, id, strlen(id), worker)) {
        worker_free(worker);
        return NULL;
    }
    df_text_clean(worker->id, sizeof worker->id, id);
    return table->at[table->n++] = worker;
}

static bool set_models(df_worker *worker, const Diffarm__Hello *hello) {
    char(*models)[65] = calloc(hello->n_models + 1, sizeof *models);
    if (!models) return false;
    for (size_t i = 0; i < hello->n_models; i++) df_text_clean(models[i], sizeof models[i], hello->models[i]->sha256);
    free(worker->models);
    worker->models = models;
    worker->n_models = hello->n_models;
    worker->any_model = hello->any_model;
    return true;
}

static bool set_identity(df_worker_table *table, df_worker *worker, const void *identity, size_t bytes) {
    if (worker->identity_bytes) df_map_remove(&table->by_identity, worker->identity, worker->identity_bytes);
    memcpy(worker->identity, identity, bytes);
    worker->identity_bytes = bytes;
    return df_map_put(&table->by_identity, identity, bytes, worker);
}

df_worker *df_worker_table_hello(df_worker_table *table, const Diffarm__Hello *hello, const void *identity,
                                 size_t identity_bytes) {
    df_worker *before = df_worker_table_of(table, identity, identity_bytes);
    df_worker *worker = df_worker_table_find(table, hello->worker_id);
    if (!worker && !(worker = df_worker_table_add(table, hello->worker_id))) return NULL;
    if (before && before != worker) before->identity_bytes = 0; /* another process behind the same connection name */
    if (!set_models(worker, hello) || !set_identity(table, worker, identity, identity_bytes)) return NULL;
    df_text_clean(worker->name, sizeof worker->name, hello->name);
    df_text_clean(worker->dtypes, sizeof worker->dtypes, hello->dtype);
    df_text_clean(worker->backend, sizeof worker->backend, hello->backend);
    worker->pipeline_ranks = hello->pipeline_ranks;
    worker->threads = hello->threads;
    worker->groups_acks = hello->groups_acks;
    df_worker_table_stop_asking(table, worker);
    table->n_changes++;
    return worker;
}

df_worker *df_worker_table_find(const df_worker_table *table, const char *worker_id) {
    return df_map_get(&table->by_id, worker_id, strlen(worker_id));
}

df_worker *df_worker_table_of(const df_worker_table *table, const void *identity, size_t identity_bytes) {
    return df_map_get(&table->by_identity, identity, identity_bytes);
}

bool df_worker_table_apply(df_worker_table *table, df_worker *worker, df_worker_event event) {
    df_worker_state before = worker->state;
    bool is_edge = df_worker_apply(worker, event);
    table->n_changes += worker->state != before;
    return is_edge;
}

void df_worker_table_ask(df_worker_table *table, df_worker *worker) {
    df_worker_table_stop_asking(table, worker);
    worker->asks = true;
    worker->asks_before = table->last_asking;
    *(table->last_asking ? &table->last_asking->asks_after : &table->first_asking) = worker;
    table->last_asking = worker;
}

void df_worker_table_stop_asking(df_worker_table *table, df_worker *worker) {
    if (!worker->asks) return;
    *(worker->asks_before ? &worker->asks_before->asks_after : &table->first_asking) = worker->asks_after;
    *(worker->asks_after ? &worker->asks_after->asks_before : &table->last_asking) = worker->asks_before;
    worker->asks = false;
    worker->asks_before = worker->asks_after = NULL;
}

void df_worker_table_remove_at(df_worker_table *table, size_t index) {
    df_worker *worker = table->at[index];
    df_worker_table_stop_asking(table, worker);
    table->n_changes++;
    df_map_remove(&table->by_id, worker->id, strlen(worker->id));
    if (worker->identity_bytes) df_map_remove(&table->by_identity, worker->identity, worker->identity_bytes);
    table->at[index] = table->at[--table->n];
    worker_free(worker);
}

void df_worker_table_free(df_worker_table *table) {
    for (size_t i = 0; i < table->n; i++) worker_free(table->at[i]);
    free(table->at);
    df_map_free(&table->by_id);
    df_map_free(&table->by_identity);
    *table = (df_worker_table) { 0 };
}
