#include "cluster/node_costs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/file_lock.h"
#include "cluster/cost_cache.h"
#include "cluster/plan.h"
#include "engine/exec/node_timer.h"
#include "engine/graph/signature.h"

#define PASS_SECONDS 0.1 /* of the rows that are measured together, by the model, if that is two or more */
#define LEAST_SECONDS 1e-9 /* the clock has not moved */

enum { FEW_ROWS = 2, MANY_ROWS = 8, LOCK_MS = 120000 };

static const char *const mode_names[] = { "modelled", "known", "measured", "anew" };

const char *df_costs_mode_name(df_costs_mode mode) {
    return mode_names[mode];
}

bool df_costs_mode_of(const char *name, df_costs_mode *out) {
    for (int i = 0; i < 4; i++) {
        if (strcmp(mode_names[i], name) != 0) continue;
        *out = (df_costs_mode)i;
        return true;
    }
    return false;
}

/* A graph's nodes by kind. */
typedef struct finder {
    const df_graph *g;
    const df_costs_terms *terms;
    int64_t n_rows;
    char **signature; /* [n_nodes]; NULL for reshapes */
    int *missing; /* [n_missing] one node of each kind that is not known */
    int n_missing;
    df_cost_cache *cache;
} finder;

static df_code sign_nodes(finder *f, df_err *err) {
    size_t n = (size_t)f->g->n_nodes + 1;
    f->signature = calloc(n, sizeof *f->signature);
    f->missing = calloc(n, sizeof *f->missing);
    bool ok = f->signature && f->missing;
    for (int i = 0; ok && i < f->g->n_nodes; i++) {
        df_buf text = { 0 };
        if (f->g->nodes[i].op == DF_OP_RESHAPE) continue;
        df_node_signature(&text, f->g, &f->g->nodes[i]);
        f->signature[i] = text.data;
        ok = !text.failed;
    }
    return ok ? DF_OK : df_err_set(err, DF_ENOMEM, "%s: costs of %d nodes", f->g->name, f->g->n_nodes);
}

/* Many rows share the reading of weights, as in a micro-batch; but a start should not take long. */
static df_code choose_rows(finder *f, df_err *err) {
    df_cost cost = { 0 };
    double row = 0;
    df_code rc = df_cost_model(&cost, f->g, err);
    for (int i = 0; !rc && i < cost.n_nodes; i++) row += cost.node_seconds[i];
    df_cost_free(&cost);
    f->n_rows = row > 0 && row * MANY_ROWS > PASS_SECONDS ? (int64_t)(PASS_SECONDS / row) : MANY_ROWS;
    if (f->n_rows < FEW_ROWS) f->n_rows = FEW_ROWS;
    if (f->n_rows > f->terms->max_rows) f->n_rows = f->terms->max_rows;
    return rc;
}

static df_code open_cache(finder *f, df_err *flaw, df_err *err) {
    const df_backend_cfg *b = &f->terms->backend_cfg;
    char key[512], device[256] = "";
    df_code rc = df_backend_device(f->terms->backend, b->gpu, device, sizeof device, err);
    if (rc) return rc;
    df_cost_cache_close(&f->cache);
    snprintf(key, sizeof key, "%s %s%s%s, %d threads, %lld rows, %s", f->terms->backend->name, df_dtype_name(b->dtype),
             b->int8 ? " int8" : "", b->fast_conv ? " fast_conv" : "", b->threads, (long long)f->n_rows, device);
    return df_cost_cache_open(&f->cache, f->terms->cfg.dir, key, flaw, err);
}

static void warn(const finder *f, const df_err *why) {
    if (why->code && f->terms->cfg.warn) f->terms->cfg.warn(f->terms->cfg.warn_ctx, why->text);
}

static bool is_listed(const finder *f, const char *signature) {
    for (int k = 0; k < f->n_missing; k++)
        if (!strcmp(f->signature[f->missing[k]], signature)) return true;
    return false;
}

static void list_missing(finder *f, bool all) {
    f->n_missing = 0;
    for (int i = 0; i < f->g->n_nodes; i++) {
        const char *s = f->signature[i];
        if (s && (all || df_cost_cache_find(f->cache, s) < 0) && !is_listed(f, s)) f->missing[f->n_missing++] = i;
    }
}

static df_code measure(finder *f, df_err *err) {
    double *seconds = calloc((size_t)f->n_missing + 1, sizeof *seconds);
    if (!seconds) return df_err_set(err, DF_ENOMEM, "%s: costs of %d nodes", f->g->name, f->n_missing);
    const df_node_timer_cfg cfg = { f->terms->backend, f->terms->backend_cfg, f->n_rows };
    df_code rc = df_nodes_time(seconds, f->g, f->missing, f->n_missing, &cfg, err);
    for (int k = 0; !rc && k < f->n_missing; k++) {
        double row = seconds[k] / (double)f->n_rows;
        rc = df_cost_cache_put(f->cache, f->signature[f->missing[k]], row > 0 ? row : LEAST_SECONDS, err);
    }
    free(seconds);
    return rc;
}

/* Where nothing can be written the times hold for this run. */
static void save(const finder *f) {
    df_err why;
    if (df_cost_cache_save(f->cache, &why)) warn(f, &why);
}

/* Another process may have measured the same while we waited. */
static df_code measure_alone(finder *f, df_err *err) {
    char path[4096];
    const char *dir = f->terms->cfg.dir;
    bool all = f->terms->cfg.mode == DF_COSTS_ANEW;
    df_file_lock lock = { -1 };
    df_err flaw; /* it was told of before */
    df_code rc = DF_OK;
    if (dir && !df_file_mkdirs(dir, NULL) && (size_t)snprintf(path, sizeof path, "%s/lock", dir) < sizeof path)
        lock = df_file_lock_take(path, LOCK_MS);
    if (!all) rc = open_cache(f, &flaw, err);
    if (!rc) list_missing(f, all);
    if (!rc && f->n_missing) rc = measure(f, err);
    if (!rc && f->n_missing) save(f);
    df_file_lock_drop(&lock);
    return rc;
}

static df_code find(finder *f, bool *found, df_err *err) {
    df_costs_mode mode = f->terms->cfg.mode;
    df_err flaw = { 0 };
    df_code rc = sign_nodes(f, err);
    if (!rc) rc = choose_rows(f, err);
    if (!rc) rc = open_cache(f, &flaw, err);
    if (rc) return rc;
    warn(f, &flaw);
    list_missing(f, mode == DF_COSTS_ANEW);
    *found = !f->n_missing;
    if (*found || mode == DF_COSTS_KNOWN) return DF_OK;
    rc = measure_alone(f, err);
    *found = !rc;
    return rc;
}

df_code df_node_costs_find(double *seconds, bool *found, const df_graph *g, const df_costs_terms *terms, df_err *err) {
    finder f = { .g = g, .terms = terms };
    *found = false;
    if (terms->cfg.mode == DF_COSTS_MODELLED) return DF_OK;
    df_code rc = find(&f, found, err);
    for (int i = 0; *found && i < g->n_nodes; i++)
        seconds[i] = f.signature[i] ? df_cost_cache_find(f.cache, f.signature[i]) : 0;
    for (int i = 0; f.signature && i < g->n_nodes; i++) free(f.signature[i]);
    free(f.signature);
    free(f.missing);
    df_cost_cache_close(&f.cache);
    return rc;
}
