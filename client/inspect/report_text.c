#include <math.h>
#include <stdio.h>

#include "client/inspect/facts.h"

enum { CELL = 24 };

/* Three digits that count: "8.83 M", "237 KB". */
static const char *scaled(char *out, double x, double step, const char *const *units) {
    int i = 0;
    for (; x >= 999.5 && units[i + 1]; i++) x /= step;
    int decimals = i == 0 || x >= 99.95 ? 0 : x >= 9.995 ? 1 : 2;
    snprintf(out, CELL, "%.*f%s%s", decimals, x, units[i][0] ? " " : "", units[i]);
    return out;
}

static const char *count(char *out, double n) {
    static const char *const units[] = { "", "K", "M", "G", "T", NULL };
    return scaled(out, n, 1000, units);
}

static const char *bytes(char *out, double n) {
    static const char *const units[] = { "B", "KB", "MB", "GB", "TB", NULL };
    return scaled(out, n, 1000, units);
}

static void print_model(const df_facts *f) {
    const df_model_info *info = df_model_info_of(f->model);
    const df_scheduler *s = df_model_scheduler(f->model);
    printf("%s: %s\n", df_model_dir(f->model), info->pipeline_class);
    printf("  default size  %dx%d pixels; sides are multiples of %d\n", info->default_width, info->default_height,
           info->size_multiple);
    printf("  latents       %d channels, %d times smaller than the picture\n", info->latent_channels, info->vae_factor);
    if (info->max_tokens)
        printf("  text          %d tokens of %d, width %d\n", info->max_tokens, info->vocab_size, info->text_width);
    if (info->n_classes) printf("  classes       %d\n", info->n_classes);
    printf("  scheduler     %s, %d training steps\n", s->name, s->n_train_timesteps);
    if (f->sha256[0]) printf("  sha256        %s\n", f->sha256);
}

static void print_line(const char *name, const char *parameters, const char *stored, const char *flops,
                       const char *nodes) {
    printf("%-14s %11s %10s %14s %7s", name, parameters, stored, flops, nodes);
}

static void print_memory_heads(void) {
    char head[CELL];
    for (int i = 0; i < DF_INSPECT_DTYPES; i++) {
        snprintf(head, sizeof head, "%s weights", df_inspect_dtypes[i].name);
        printf(" %13s %12s", head, "activations");
    }
    printf("\n");
}

static void print_memory(const df_memory_facts *memory) {
    char a[CELL], b[CELL];
    for (int i = 0; i < DF_INSPECT_DTYPES; i++)
        printf(" %13s %12s", bytes(a, (double)memory[i].weight_bytes), bytes(b, (double)memory[i].activation_bytes));
    printf("\n");
}

static void print_sums(const df_facts *f) {
    char a[CELL], b[CELL];
    print_line("all", count(a, (double)f->parameters), bytes(b, (double)f->stored_bytes), "", "");
    for (int i = 0; i < DF_INSPECT_DTYPES; i++) printf(" %13s %12s", bytes(a, (double)f->weight_bytes[i]), "");
    printf("\n");
}

static void print_components(const df_facts *f) {
    char a[CELL], b[CELL], c[CELL], nodes[CELL];
    printf("\n");
    print_line("component", "parameters", "stored", "FLOP per row", "nodes");
    print_memory_heads();
    for (int i = 0; i < DF_COMPONENT_COUNT; i++) {
        const df_component_facts *p = &f->component[i];
        if (!p->graph) continue;
        snprintf(nodes, sizeof nodes, "%d", p->graph->n_nodes);
        print_line(p->graph->name, count(a, (double)p->parameters), bytes(b, (double)p->stored_bytes),
                   count(c, p->flops), nodes);
        print_memory(p->memory);
    }
    print_sums(f);
    printf("FLOP and activations for one row of a picture of %dx%d pixels; guidance takes two rows.\n", f->width,
           f->height);
}

static void print_slices(const df_component_facts *c, int stage) {
    const char *separator = "";
    for (int i = 0; i < c->cut->n_segments; i++) {
        const df_segment *s = &c->cut->segments[i];
        if (s->stage != stage) continue;
        printf("%s%s .. %s", separator, c->graph->nodes[s->first_node].name, c->graph->nodes[s->end_node - 1].name);
        separator = ", ";
    }
    printf("%s\n", *separator ? "" : "(nothing)");
}

static void print_stages(const df_component_facts *c) {
    char a[CELL], b[CELL], d[CELL];
    printf("  rank  nodes  parameters     weights  compute  sends per row  from .. to\n");
    for (int i = 0; i < c->plan->n_stages; i++) {
        const df_plan_stage *s = &c->plan->stage[i];
        printf("  %4d  %5d  %10s  %10s  %5.1f %%  %13s  ", i, df_facts_stage_nodes(c, i),
               count(a, (double)s->parameters), bytes(b, (double)s->weight_bytes), 100 * s->share,
               bytes(d, (double)s->bytes_out));
        print_slices(c, i);
    }
}

static void print_values(const df_component_facts *c) {
    char a[CELL];
    for (int i = 0; i < c->cut->n_edges; i++) {
        const df_edge *e = &c->cut->edges[i];
        printf("    %d -> %d  %10s  %s\n", e->from_stage, e->to_stage,
               bytes(a, (double)df_facts_value_bytes(c, e->value)), c->graph->values[e->value].name);
    }
}

static void print_traffic(const df_plan *p) {
    char a[CELL], b[CELL];
    printf("  crossing     %s per row", bytes(a, (double)p->bytes_crossing));
    if (p->kind == DF_PLAN_FOLDED) {
        printf("; consecutive slices would send %s", bytes(b, (double)p->bytes_crossing_naive));
        if (p->bytes_crossing > 0)
            printf(" (%.1f times as much)", (double)p->bytes_crossing_naive / (double)p->bytes_crossing);
    }
    printf("\n");
}

static void print_balance(const df_plan *p) {
    double spread = df_facts_spread(p);
    if (isfinite(spread))
        printf("  balance      largest stage %.1f %% above the smallest", 100 * spread);
    else
        printf("  balance      some ranks have nothing to do");
    printf(", %.1f %% above the mean; predicted efficiency %.1f %%\n", 100 * p->imbalance, 100 * p->efficiency);
}

static void print_plan(const df_component_facts *c, int n_halves, bool values) {
    const df_plan *p = c->plan;
    printf("\n%s on %d rank%s%s: %s plan\n", c->graph->name, p->n_stages, p->n_stages == 1 ? "" : "s",
           n_halves > 1 ? " of each half" : "", p->kind == DF_PLAN_FOLDED ? "folded" : "linear");
    print_stages(c);
    if (values) print_values(c);
    print_traffic(p);
    print_balance(p);
}

static void print_ranks(const df_facts *f) {
    char a[CELL];
    const df_plan_terms *t = &f->setup.terms;
    double pace = df_model_plan_pace(f->plan);
    printf("\nfor a picture of %d steps of %d row%s\n  rank     busy      memory\n", t->steps, t->rows_per_step,
           t->rows_per_step == 1 ? "" : "s");
    for (int r = 0; r < f->n_halves * f->n_ranks; r++)
        printf("  %4d  %5.1f %%  %10s\n", r, 100 * f->plan->busy_seconds[r % f->n_ranks] / pace,
               bytes(a, (double)f->plan->memory_bytes[r % f->n_ranks]));
    if (f->n_halves > 1) printf("  two halves, each with one of a guided picture's two rows\n");
    printf("  costs: %s\n", f->plan->measured ? "measured on this machine" : "modelled from shapes");
    printf("  memory: weights, and activations of %d rows in each of %d micro-batches in flight; efficiency %.1f %%\n",
           t->max_rows, t->n_slots, 100 * df_model_plan_efficiency(f->plan));
}

static void print_strategies(const df_facts *f) {
    char name[64], a[CELL];
    printf("\n%3d ranks  %45s %16s %14s   (costs: %s)\n", f->strategies.n_ranks, "pictures/s", "s for one alone",
           "fullest rank", f->strategies.measured ? "measured" : "modelled");
    for (int i = 0; i < f->strategies.n; i++) {
        const df_strategy *s = &f->strategies.of[i];
        printf("  %-44s ", df_strategy_name(s, name, sizeof name));
        if (s->fits)
            printf("%10.3g %16.3g %14s\n", s->pictures_per_second, s->seconds_per_picture,
                   bytes(a, (double)s->memory_bytes));
        else
            printf("%10s\n", "no room");
    }
}

static void print_choice(const df_facts *f) {
    char choice[256], warning[256];
    df_facts_choice(f, choice, warning, sizeof choice);
    if (choice[0]) printf("choice   %s\n", choice);
    if (warning[0]) printf("warning  %s\n", warning);
}

void df_report_text(const df_facts *f, bool values) {
    print_model(f);
    print_components(f);
    for (int i = 0; i < DF_COMPONENT_COUNT && f->n_ranks; i++)
        if (f->component[i].graph) print_plan(&f->component[i], f->n_halves, values);
    if (f->n_ranks) print_ranks(f);
    if (f->strategies.n) print_strategies(f);
    print_choice(f);
}
