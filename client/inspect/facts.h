/* What `diffarm inspect` found out, before it is printed. */
#ifndef DF_CLIENT_INSPECT_FACTS_H
#define DF_CLIENT_INSPECT_FACTS_H

#include "client/inspect/options.h"
#include "cluster/model_plan.h"
#include "cluster/strategy.h"
#include "engine/models/model.h"

/* What a component takes in memory when it computes in a type; modelled. */
typedef struct df_memory_facts {
    int64_t weight_bytes;
    int64_t activation_bytes; /* of one row on one rank */
} df_memory_facts;

typedef struct df_inspect_dtype {
    df_dtype type;
    const char *name; /* as --dtype has it */
} df_inspect_dtype;

enum { DF_INSPECT_DTYPES = 2 };
extern const df_inspect_dtype df_inspect_dtypes[DF_INSPECT_DTYPES];

typedef struct df_component_facts {
    df_graph *graph; /* NULL: the model has no such component */
    const df_component_plan *laid; /* NULL without --pipeline; the next two are its */
    const df_plan *plan;
    const df_cut *cut;
    df_dtype dtype; /* of what crosses */
    int64_t parameters;
    int64_t stored_bytes; /* in the model's files */
    df_memory_facts memory[DF_INSPECT_DTYPES];
    double flops; /* of one row */
} df_component_facts;

typedef struct df_facts {
    df_model *model;
    int width, height; /* pixels that costs are for */
    int latent_w, latent_h;
    int n_ranks; /* of the plan, which is that of each half; 0: no plan */
    int n_halves;
    df_cost_book costs; /* measured ones, where they are known */
    df_plan_setup setup; /* of the plan */
    df_model_plan *plan;
    df_strategies strategies; /* of --ranks, or of --pipeline; n 0: none */
    df_strategy_aim aim;
    df_component_facts component[DF_COMPONENT_COUNT];
    int64_t parameters, stored_bytes, weight_bytes[DF_INSPECT_DTYPES]; /* of all components */
    char sha256[DF_SHA256_HEX_BYTES]; /* "" unless asked for */
} df_facts;

df_code df_facts_gather(df_facts *f, const df_inspect_options *o, df_err *err);
void df_facts_free(df_facts *f);

/* Nodes of a stage. */
int df_facts_stage_nodes(const df_component_facts *c, int stage);
/* Bytes of a value, one row, as it crosses. */
int64_t df_facts_value_bytes(const df_component_facts *c, df_value_id v);
/* Largest stage against the smallest, less 1; infinite with an empty stage. */
double df_facts_spread(const df_plan *p);

/* The choice and why; then, if what was asked for is slower, a warning. "" where there is nothing to say. */
void df_facts_choice(const df_facts *f, char *choice, char *warning, size_t bytes_each);

void df_report_text(const df_facts *f, bool values);
df_code df_report_json(const df_facts *f, df_err *err);

#endif
