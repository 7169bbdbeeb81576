#include "cluster/model_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/graph/memory_plan.h"

#define MEASURED_SLACK 0.01 /* of balance for bytes, where measured costs tell stages apart */

enum {
    TRIES = 16, /* of giving weights less room, as activations take what they leave */
    MOST_EIGHTHS = 4, /* of the memory that the denoiser leaves to the others, if they have no room else */
};

static const df_component order[] = { DF_DENOISER,       DF_VAE_DECODER,    DF_TEXT_ENCODER,
                                      DF_TEXT_ENCODER_2, DF_TEXT_ENCODER_3, DF_VAE_ENCODER };

/* What is known while components are planned one after another. */
typedef struct laying {
    df_model_plan *p;
    const df_model *model;
    const df_plan_terms *terms;
    df_graph_size size;
    df_component last;
    double *busy, *rate; /* [n_ranks] */
    double *for_text; /* [n_ranks] what a picture of the model's own size keeps ranks busy beyond that of `size` */
    int64_t *room, *activations; /* [n_ranks] */
    size_t *packed; /* [n_nodes] of the component that is laid; NULL: no backend */
    int64_t left_bytes; /* by the denoiser for the others, on each rank */
    double pace; /* measured costs of the denoiser against modelled ones; 1: they are modelled */
} laying;

static void component_free(df_component_plan *c) {
    df_cut_free(&c->cut);
    df_plan_free(&c->plan);
    df_cost_free(&c->cost);
    df_graph_free(&c->graph);
    free(c->activation_bytes);
    c->activation_bytes = NULL;
}

void df_model_plan_free(df_model_plan **p) {
    if (!p || !*p) return;
    for (int c = 0; c < DF_COMPONENT_COUNT; c++) component_free(&(*p)->component[c]);
    free((*p)->busy_seconds);
    free((*p)->receive_seconds);
    free((*p)->memory_bytes);
    free(*p);
    *p = NULL;
}

static df_graph_size size_of(const laying *l, df_component c) {
    if (c == l->last) return l->size;
    if (c < DF_DENOISER) return (df_graph_size) { 0 };
    if (l->last < DF_DENOISER) return df_model_own_size(l->model);
    return (df_graph_size) { .latent_h = l->size.latent_h, .latent_w = l->size.latent_w };
}

int df_model_plan_sizes(df_graph_size out[2], const df_model *model, const df_graph_size *size, df_component last) {
    const laying l = { .model = model, .size = *size, .last = last };
    out[0] = size_of(&l, DF_DENOISER);
    out[1] = df_model_own_size(model);
    return last == DF_COMPONENT_COUNT && df_model_has(model, DF_TEXT_ENCODER) && !df_graph_size_equal(&out[0], &out[1])
               ? 2
               : 1;
}

static int rows_per_step(const df_plan_terms *t) {
    return t->rows_per_step ? t->rows_per_step : DF_PLAN_ROWS;
}

static int steps_of(const df_plan_terms *t) {
    return t->steps ? t->steps : DF_PLAN_STEPS;
}

static double rows_of(const df_plan_terms *t, df_component c) {
    return c == DF_DENOISER ? (double)steps_of(t) * rows_per_step(t) : 1;
}

/* A rank is as fast at receiving as the slowest of those that send to it. */
static void set_rates(laying *l) {
    for (int to = 0; to < l->p->n_ranks; to++) {
        l->rate[to] = INFINITY;
        for (int from = 0; l->terms->hops && from < l->p->n_ranks; from++)
            if (from != to)
                l->rate[to] = fmin(l->rate[to], df_hops_between(l->terms->hops, from, to)->bytes_per_second);
    }
}

/* Other work for each row of a component, so that it is counted once for a picture. */
static df_plan_ranks ranks_for(laying *l, const df_component_plan *c) {
    const df_component_plan *d = &l->p->component[DF_DENOISER];
    bool text = c < d, denoiser = c == d, limited = l->terms->device_bytes && c != &l->p->component[DF_VAE_ENCODER];
    for (int r = 0; r < l->p->n_ranks; r++) {
        l->busy[r] = (l->p->busy_seconds[r] + (text ? l->for_text[r] : 0)) / c->rows_per_picture;
        l->room[r] =
            l->terms->device_bytes - l->p->memory_bytes[r] - l->activations[r] - (denoiser ? l->left_bytes : 0);
    }
    return (df_plan_ranks) { .speed = l->terms->speed,
                             .busy_seconds = l->busy,
                             .room_bytes = limited ? l->room : NULL,
                             .bytes_per_second = l->terms->hops ? l->rate : NULL,
                             .slack = denoiser && l->p->measured ? MEASURED_SLACK : 0,
                             .dtype = l->terms->backend_cfg.dtype,
                             .weight_bytes = l->packed };
}

/* Rows of a micro-batch that run: an autoencoder takes one for each picture. */
static int64_t max_rows_of(const laying *l, const df_component_plan *c) {
    int rows = l->terms->max_rows, a_picture = rows_per_step(l->terms);
    return c > &l->p->component[DF_DENOISER] ? (rows + a_picture - 1) / a_picture : rows;
}

static df_code measure_activations(const laying *l, df_component_plan *c, df_err *err) {
    df_code rc = DF_OK;
    for (int r = 0; r < l->p->n_ranks && !rc; r++) {
        df_memory_plan *m = NULL;
        if ((rc = df_memory_plan_new(&m, c->graph, c->cut, r, l->terms->backend_cfg.dtype, err))) break;
        size_t a_row = (m->slot_bytes + m->kept_bytes) * (size_t)l->terms->n_slots + m->scratch_bytes;
        c->activation_bytes[r] = (int64_t)a_row * max_rows_of(l, c);
        df_memory_plan_free(&m);
    }
    return rc;
}

/* What a rank needs beyond what it has. */
static int64_t excess(const laying *l, const df_component_plan *c, int rank) {
    if (!l->terms->device_bytes || c == &l->p->component[DF_VAE_ENCODER]) return 0;
    int64_t need = l->p->memory_bytes[rank] + c->activation_bytes[rank] + (int64_t)c->plan->stage[rank].weight_bytes;
    return need > l->terms->device_bytes ? need - l->terms->device_bytes : 0;
}

typedef enum outcome { FITS, TRY_AGAIN, STUCK } outcome;

/* Ranks that need too much leave less room to weights next time; STUCK: they did already, the plan would be the same.
 */
static outcome make_room(laying *l, const df_component_plan *c) {
    outcome is = FITS;
    for (int r = 0; r < l->p->n_ranks; r++) {
        if (!excess(l, c, r)) continue;
        bool again = l->activations[r] != c->activation_bytes[r];
        is = again || is == TRY_AGAIN ? TRY_AGAIN : STUCK;
        l->activations[r] = c->activation_bytes[r];
    }
    return is;
}

static int64_t weights_of(const laying *l, const df_component_plan *c) {
    int64_t bytes = 0, unit = (int64_t)df_dtype_bytes(l->terms->backend_cfg.dtype);
    for (int i = 0; l->packed && i < c->graph->n_nodes; i++) bytes += (int64_t)l->packed[i];
    for (int i = 0; !l->packed && i < c->graph->n_weights; i++)
        bytes += df_shape_elements(c->graph->weights[i].shape) * unit;
    return bytes;
}

/* The largest value lies in a slot of some rank, however the graph is cut. */
static int64_t least_activations(const laying *l, const df_component_plan *c) {
    int64_t most = 0;
    for (int i = 0; i < c->graph->n_nodes; i++) {
        int64_t elements = df_shape_elements(df_graph_shape(c->graph, c->graph->nodes[i].out));
        if (elements > most) most = elements;
    }
    return most * (int64_t)df_dtype_bytes(l->terms->backend_cfg.dtype) * max_rows_of(l, c) * l->terms->n_slots;
}

static df_code fail_full(const laying *l, const df_component_plan *c, df_err *err) {
    const double gib = 1024.0 * 1024.0 * 1024.0;
    int64_t others = 0, activations = least_activations(l, c);
    for (int r = 0; r < l->p->n_ranks; r++) {
        if (l->p->memory_bytes[r] > others) others = l->p->memory_bytes[r];
        if (c->activation_bytes[r] > activations) activations = c->activation_bytes[r];
    }
    return df_err_set(
        err, DF_ELIMIT,
        "%s has no room on %d ranks of %.3g GiB: its weights take %.3g GiB together, its activations up to "
        "%.3g GiB of a rank, other components up to %.3g GiB of one",
        c->graph->name, l->p->n_ranks, (double)l->terms->device_bytes / gib, (double)weights_of(l, c) / gib,
        (double)activations / gib, (double)others / gib);
}

/* True of any cut: found before one is looked for. */
static bool is_hopeless(const laying *l, const df_component_plan *c) {
    if (!l->terms->device_bytes || c == &l->p->component[DF_VAE_ENCODER]) return false;
    int64_t room = 0;
    for (int r = 0; r < l->p->n_ranks; r++) room += l->terms->device_bytes - l->p->memory_bytes[r];
    return weights_of(l, c) > room || least_activations(l, c) > l->terms->device_bytes;
}

static df_code plan_once(laying *l, df_component_plan *c, df_err *err) {
    df_plan_ranks ranks = ranks_for(l, c);
    df_plan_free(&c->plan);
    df_cut_free(&c->cut);
    df_code rc = df_plan_make(&c->plan, c->graph, &c->cost, l->p->n_ranks, DF_PLAN_FOLDED, &ranks, err);
    if (!rc) rc = df_cut_new(&c->cut, c->graph, c->plan->stage_of, l->p->n_ranks, err);
    return rc ? rc : measure_activations(l, c, err);
}

/* What activations take is known of a finished plan only: where they are too many, weights get less room. */
static df_code plan_within_memory(laying *l, df_component_plan *c, df_err *err) {
    outcome is = TRY_AGAIN;
    df_code rc = is_hopeless(l, c) ? DF_ELIMIT : DF_OK;
    for (int r = 0; r < l->p->n_ranks; r++) l->activations[r] = 0;
    for (int i = 0; i < TRIES && is == TRY_AGAIN && !rc; i++) {
        rc = plan_once(l, c, err);
        if (!rc) is = make_room(l, c);
    }
    return rc == DF_ELIMIT || (!rc && is != FITS) ? fail_full(l, c, err) : rc;
}

static void add_up(laying *l, const df_component_plan *c) {
    for (int r = 0; r < l->p->n_ranks; r++) {
        l->p->busy_seconds[r] += c->plan->stage[r].seconds * c->rows_per_picture;
        l->p->receive_seconds[r] += (double)c->plan->stage[r].bytes_in * c->rows_per_picture / l->rate[r];
        l->p->memory_bytes[r] += c->activation_bytes[r] + (int64_t)c->plan->stage[r].weight_bytes;
    }
}

static double sum_of(const double *x, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return sum;
}

static void take_measured(laying *l, df_component_plan *c, const df_graph_size *size) {
    int n = c->graph->n_nodes;
    const double *seconds = l->terms->costs ? df_cost_book_find(l->terms->costs, size, n) : NULL;
    double modelled = sum_of(c->cost.node_seconds, n);
    if (!seconds || !(modelled > 0)) return;
    l->pace = sum_of(seconds, n) / modelled;
    l->p->measured = true;
    memcpy(c->cost.node_seconds, seconds, (size_t)n * sizeof *seconds);
}

/* Of a row and pass, on this machine where that is known. */
static df_code find_costs(laying *l, df_component id, const df_graph_size *size, df_err *err) {
    df_component_plan *c = &l->p->component[id];
    df_code rc = df_cost_model(&c->cost, c->graph, err);
    if (rc) return rc;
    if (id == DF_DENOISER) take_measured(l, c, size);
    for (int i = 0; i < c->cost.n_nodes; i++) {
        if (id != DF_DENOISER) c->cost.node_seconds[i] *= l->pace;
        if (df_node_is_kept(c->graph, &c->graph->nodes[i])) c->cost.node_seconds[i] /= steps_of(l->terms);
    }
    return DF_OK;
}

static df_code find_packed(laying *l, const df_graph *g, df_err *err) {
    free(l->packed);
    l->packed = NULL;
    if (!l->terms->backend) return DF_OK;
    l->packed = calloc(g->n_nodes ? (size_t)g->n_nodes : 1, sizeof *l->packed);
    if (!l->packed) return df_err_set(err, DF_ENOMEM, "%s: plan of %d nodes", g->name, g->n_nodes);
    df_backend_weight_bytes(l->terms->backend, &l->terms->backend_cfg, g, l->packed);
    return DF_OK;
}

static df_code lay(laying *l, df_component id, df_err *err) {
    df_component_plan *c = &l->p->component[id];
    df_graph_size size = size_of(l, id);
    df_code rc = df_model_graph_of(l->model, id, &size, &c->graph, err);
    if (rc) return id == l->last || l->last == DF_COMPONENT_COUNT || rc == DF_ENOMEM ? rc : DF_OK;
    c->rows_per_picture = rows_of(l->terms, id);
    c->activation_bytes = calloc((size_t)l->p->n_ranks, sizeof *c->activation_bytes);
    if (!c->activation_bytes) return df_err_set(err, DF_ENOMEM, "%s: plan", c->graph->name);
    rc = find_costs(l, id, &size, err);
    if (!rc) rc = find_packed(l, c->graph, err);
    if (!rc) rc = plan_within_memory(l, c, err);
    if (!rc && id != DF_VAE_ENCODER) add_up(l, c);
    return rc;
}

/* A rank that loads a text encoder does not know of what size pictures will be, only of what size they usually are. */
static df_code weigh_for_text(laying *l, df_err *err) {
    df_graph_size own = df_model_own_size(l->model);
    df_plan_terms terms = *l->terms;
    df_model_plan *usual = NULL;
    if (l->last != DF_COMPONENT_COUNT || (own.latent_h == l->size.latent_h && own.latent_w == l->size.latent_w))
        return DF_OK;
    terms.device_bytes = 0;
    df_component last = df_model_has(l->model, DF_VAE_DECODER) ? DF_VAE_DECODER : DF_DENOISER;
    df_code rc = df_model_plan_new(&usual, l->model, &own, &terms, last, err);
    for (int r = 0; r < l->p->n_ranks && !rc; r++) l->for_text[r] = usual->busy_seconds[r] - l->p->busy_seconds[r];
    df_model_plan_free(&usual);
    return rc;
}

static df_code lay_all(laying *l, df_err *err) {
    df_code rc = DF_OK;
    set_rates(l);
    for (size_t i = 0; i < sizeof order / sizeof *order && !rc; i++) {
        if (order[i] == DF_TEXT_ENCODER && df_model_has(l->model, DF_TEXT_ENCODER)) rc = weigh_for_text(l, err);
        if (!rc && (df_model_has(l->model, order[i]) || order[i] == l->last)) rc = lay(l, order[i], err);
        if (order[i] == l->last) break;
    }
    return rc;
}

static bool alloc_plan(laying *l, size_t n) {
    df_model_plan *p = l->p = calloc(1, sizeof *p);
    if (!p) return false;
    p->n_ranks = (int)n;
    return (p->busy_seconds = calloc(n, sizeof *p->busy_seconds)) &&
           (p->receive_seconds = calloc(n, sizeof *p->receive_seconds)) &&
           (p->memory_bytes = calloc(n, sizeof *p->memory_bytes)) && (l->busy = calloc(n, sizeof *l->busy)) &&
           (l->for_text = calloc(n, sizeof *l->for_text)) && (l->rate = calloc(n, sizeof *l->rate)) &&
           (l->room = calloc(n, sizeof *l->room)) && (l->activations = calloc(n, sizeof *l->activations));
}

static df_code try_plan(df_model_plan **out, laying l, df_err *err) {
    df_code rc = alloc_plan(&l, (size_t)l.terms->n_ranks)
                     ? lay_all(&l, err)
                     : df_err_set(err, DF_ENOMEM, "plan for %d ranks", l.terms->n_ranks);
    free(l.busy);
    free(l.for_text);
    free(l.rate);
    free(l.room);
    free(l.activations);
    free(l.packed);
    if (rc)
        df_model_plan_free(&l.p);
    else
        *out = l.p;
    return rc;
}

df_code df_model_plan_new(df_model_plan **out, const df_model *model, const df_graph_size *size,
                          const df_plan_terms *terms, df_component last, df_err *err) {
    laying l = { .model = model, .terms = terms, .size = *size, .last = last, .pace = 1 };
    df_code rc = try_plan(out, l, err);
    for (int i = 1; i <= MOST_EIGHTHS && rc == DF_ELIMIT && terms->device_bytes; i++) {
        df_err again;
        l.left_bytes = terms->device_bytes / 8 * i;
        if (try_plan(out, l, &again) == DF_OK) return DF_OK;
    }
    return rc;
}

double df_model_plan_pace(const df_model_plan *p) {
    double pace = 0;
    for (int r = 0; r < p->n_ranks; r++) pace = fmax(pace, fmax(p->busy_seconds[r], p->receive_seconds[r]));
    return pace;
}

double df_model_plan_efficiency(const df_model_plan *p) {
    double pace = df_model_plan_pace(p), busy = 0;
    for (int r = 0; r < p->n_ranks; r++) busy += p->busy_seconds[r];
    return pace > 0 ? busy / (pace * p->n_ranks) : 1;
}
