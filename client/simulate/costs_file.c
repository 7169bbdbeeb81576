#include "client/simulate/costs_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "client/json_fields.h"
#include "cluster/halves.h"

enum { LEAST = -1, MOST = INT32_MAX }; /* ranks and segments: which there are is df_pipesim_costs_check's to say */

/* Seconds, or bytes. */
static df_code get_amount(const json_t *o, const df_json_place *at, const char *key, double *out, df_err *err) {
    return df_json_number(o, at, key, 0, 1e18, out, err);
}

static df_code read_segments(df_pipesim_program *p, const json_t *list, const df_json_place *at, df_err *err) {
    df_code rc = DF_OK;
    p->segments = calloc(json_array_size(list) + 1, sizeof *p->segments);
    if (!p->segments) return df_err_set(err, DF_ENOMEM, "%s: %zu segments", at->path, json_array_size(list));
    for (size_t i = 0; i < json_array_size(list) && !rc; i++) {
        const json_t *o = json_array_get(list, i);
        df_pipesim_segment *s = &p->segments[p->n_segments++];
        df_json_place in = df_json_item(at, "segments", i);
        rc = df_json_int(o, &in, "rank", LEAST, MOST, &s->rank, err);
        if (!rc) rc = get_amount(o, &in, "seconds", &s->seconds, err);
        if (!rc) rc = get_amount(o, &in, "row_seconds", &s->row_seconds, err);
    }
    return rc;
}

static df_code read_edges(df_pipesim_program *p, const json_t *list, const df_json_place *at, df_err *err) {
    df_code rc = DF_OK;
    p->edges = calloc(json_array_size(list) + 1, sizeof *p->edges);
    if (!p->edges) return df_err_set(err, DF_ENOMEM, "%s: %zu edges", at->path, json_array_size(list));
    for (size_t i = 0; i < json_array_size(list) && !rc; i++) {
        const json_t *o = json_array_get(list, i);
        df_pipesim_edge *e = &p->edges[p->n_edges++];
        df_json_place in = df_json_item(at, "edges", i);
        rc = df_json_int(o, &in, "from", LEAST, MOST, &e->from_segment, err);
        if (!rc) rc = df_json_int(o, &in, "to", LEAST, MOST, &e->to_segment, err);
        if (!rc) rc = get_amount(o, &in, "row_bytes", &e->row_bytes, err);
    }
    return rc;
}

static int component_named(const char *name) {
    for (int c = 0; name && c < DF_COMPONENT_COUNT; c++)
        if (!strcmp(name, df_component_name((df_component)c))) return c;
    return -1;
}

static df_code read_program(df_pipesim_costs *c, const json_t *o, const df_json_place *at, df_err *err) {
    const json_t *segments, *edges;
    int id = component_named(json_string_value(json_object_get(o, "component")));
    if (id < 0) return df_json_refuse(at, "component", "is none: text_encoder, unet, vae_decoder, ...", err);
    df_pipesim_program *p = &c->program[id];
    if (p->segments) return df_json_refuse(at, "component", "comes a second time", err);
    df_code rc = df_json_array(o, at, "segments", &segments, err);
    if (!rc) rc = df_json_array(o, at, "edges", &edges, err);
    if (!rc) rc = read_segments(p, segments, at, err);
    return rc ? rc : read_edges(p, edges, at, err);
}

static df_code read_thread(df_pipesim_thread *t, const json_t *file, const char *path, df_err *err) {
    const json_t *o = json_object_get(file, "thread");
    const df_json_place at = { .path = path, .text = "thread" };
    df_code rc = get_amount(o, &at, "prepare_row_seconds", &t->prepare_row, err);
    if (!rc) rc = get_amount(o, &at, "finish_row_seconds", &t->finish_row, err);
    if (!rc) rc = get_amount(o, &at, "message_seconds", &t->message, err);
    return rc ? rc : get_amount(o, &at, "byte_seconds", &t->byte, err);
}

/* May be absent. */
static df_code read_memory(df_pipesim_costs *c, const json_t *file, const df_json_place *top, df_err *err) {
    const json_t *list = json_object_get(file, "memory_bytes");
    if (!list) return DF_OK;
    if (json_array_size(list) != (size_t)c->n_ranks)
        return df_json_refuse(top, "memory_bytes", "is not a list of one number for each rank", err);
    c->memory_bytes = calloc((size_t)c->n_ranks, sizeof *c->memory_bytes);
    if (!c->memory_bytes) return df_err_set(err, DF_ENOMEM, "%s: %d ranks", top->path, c->n_ranks);
    for (int r = 0; r < c->n_ranks; r++) {
        const json_t *v = json_array_get(list, (size_t)r);
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return df_json_refuse(top, "memory_bytes", "has something that is no number of bytes", err);
        c->memory_bytes[r] = json_integer_value(v);
    }
    return DF_OK;
}

static df_code read_all(df_pipesim_costs *c, const json_t *file, const char *path, df_err *err) {
    const json_t *programs;
    const df_json_place top = { .path = path };
    df_code rc = df_json_int(file, &top, "ranks", 1, DF_PIPESIM_MOST_RANKS, &c->n_ranks, err);
    if (!rc && json_object_get(file, "halves"))
        rc = df_json_int(file, &top, "halves", 1, DF_MOST_HALVES, &c->n_halves, err);
    if (!rc && c->n_halves && c->n_ranks % c->n_halves)
        rc = df_json_refuse(&top, "halves", "are of an odd number of ranks", err);
    if (!rc) rc = read_thread(&c->thread, file, path, err);
    if (!rc) rc = read_memory(c, file, &top, err);
    if (!rc) rc = df_json_array(file, &top, "programs", &programs, err);
    for (size_t i = 0; !rc && i < json_array_size(programs); i++) {
        df_json_place at = df_json_item(&top, "programs", i);
        rc = read_program(c, json_array_get(programs, i), &at, err);
    }
    if (!rc && (rc = df_pipesim_costs_check(c, err))) df_err_wrap(err, "%s", path);
    return rc;
}

df_code df_costs_file_read(df_pipesim_costs *out, const char *path, df_err *err) {
    df_pipesim_costs c = { 0 };
    json_t *file;
    df_code rc = df_json_read(&file, path, err);
    if (rc) return rc;
    rc = read_all(&c, file, path, err);
    json_decref(file);
    if (rc)
        df_pipesim_costs_free(&c);
    else
        *out = c;
    return rc;
}

static json_t *json_of_program(const df_pipesim_program *p, int component) {
    json_t *segments = json_array(), *edges = json_array();
    for (int i = 0; i < p->n_segments; i++) {
        const df_pipesim_segment *s = &p->segments[i];
        json_array_append_new(segments, json_pack("{s:i, s:f, s:f}", "rank", s->rank, "seconds", s->seconds,
                                                  "row_seconds", s->row_seconds));
    }
    for (int i = 0; i < p->n_edges; i++) {
        const df_pipesim_edge *e = &p->edges[i];
        json_array_append_new(edges, json_pack("{s:i, s:i, s:f}", "from", e->from_segment, "to", e->to_segment,
                                               "row_bytes", e->row_bytes));
    }
    return json_pack("{s:s, s:o, s:o}", "component", df_component_name((df_component)component), "segments", segments,
                     "edges", edges);
}

static json_t *json_of_costs(const df_pipesim_costs *c) {
    json_t *programs = json_array(), *memory = json_array();
    for (int i = 0; i < DF_COMPONENT_COUNT; i++)
        if (c->program[i].n_segments) json_array_append_new(programs, json_of_program(&c->program[i], i));
    for (int r = 0; c->memory_bytes && r < c->n_ranks; r++)
        json_array_append_new(memory, json_integer((json_int_t)c->memory_bytes[r]));
    const df_pipesim_thread *t = &c->thread;
    json_t *file = json_pack("{s:i, s:{s:f, s:f, s:f, s:f}, s:o}", "ranks", c->n_ranks, "thread", "prepare_row_seconds",
                             t->prepare_row, "finish_row_seconds", t->finish_row, "message_seconds", t->message,
                             "byte_seconds", t->byte, "programs", programs);
    if (c->n_halves > 1) json_object_set_new(file, "halves", json_integer(c->n_halves));
    if (c->memory_bytes)
        json_object_set_new(file, "memory_bytes", memory);
    else
        json_decref(memory);
    return file;
}

df_code df_costs_file_write(const df_pipesim_costs *c, const char *path, df_err *err) {
    json_t *file = json_of_costs(c);
    char *text = file ? json_dumps(file, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(file);
    if (!text) return df_err_set(err, DF_ENOMEM, "%s: costs of %d ranks", path, c->n_ranks);
    df_code rc = df_file_write(path, text, strlen(text), err);
    free(text);
    return rc;
}
