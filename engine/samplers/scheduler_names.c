#include <stdio.h>
#include <string.h>

#include "engine/samplers/scheduler_classes.h"
#include "engine/samplers/scheduler_fields.h"

/* The names of a manifest; models/README.md says what each means. */
typedef struct named {
    const char *name;
    df_scheduler_class klass;
    df_sigma_spacing sigma_spacing; /* of DPM++, where it is part of the name */
} named;

static const named names[] = {
    { "ddpm", DF_SCHEDULER_DDPM, 0 },
    { "ddim", DF_SCHEDULER_DDIM, 0 },
    { "pndm", DF_SCHEDULER_PNDM, 0 },
    { "lms", DF_SCHEDULER_LMS, 0 },
    { "euler", DF_SCHEDULER_EULER, 0 },
    { "euler_a", DF_SCHEDULER_EULER_ANCESTRAL, 0 },
    { "heun", DF_SCHEDULER_HEUN, 0 },
    { "dpmpp_2m", DF_SCHEDULER_DPMPP_MULTISTEP, DF_SIGMAS_OF_TIMESTEPS },
    { "dpmpp_2m_karras", DF_SCHEDULER_DPMPP_MULTISTEP, DF_SIGMAS_KARRAS },
    { "dpmpp_2s", DF_SCHEDULER_DPMPP_SINGLESTEP, 0 },
    { "dpmpp_sde", DF_SCHEDULER_DPMPP_SDE, 0 },
    { "kdpm2", DF_SCHEDULER_KDPM2, 0 },
    { "kdpm2_a", DF_SCHEDULER_KDPM2_ANCESTRAL, 0 },
    { "deis", DF_SCHEDULER_DEIS, 0 },
    { "unipc", DF_SCHEDULER_UNIPC, 0 },
    { "lcm", DF_SCHEDULER_LCM, 0 },
    { "tcd", DF_SCHEDULER_TCD, 0 },
    { "flow_euler", DF_SCHEDULER_FLOW_EULER, 0 },
};
enum { N_NAMES = sizeof names / sizeof names[0] };

static const char available[] = "ddpm ddim pndm lms euler euler_a heun dpmpp_2m dpmpp_2m_karras dpmpp_2s dpmpp_sde "
                                "kdpm2 kdpm2_a deis unipc lcm tcd flow_euler";

static const named *find_name(const char *name) {
    for (int i = 0; i < N_NAMES; i++)
        if (!strcmp(names[i].name, name)) return &names[i];
    return NULL;
}

bool df_scheduler_name_known(const char *name) {
    return find_name(name) != NULL;
}

const char *df_scheduler_names(void) {
    return available;
}

static int min3(int a, int b, int c) {
    int m = a < b ? a : b;
    return m < c ? m : c;
}

/* Levenshtein 1966; b shorter than DF_SCHEDULER_NAME_BYTES. */
static int edit_distance(const char *a, const char *b) {
    int row[DF_SCHEDULER_NAME_BYTES], n = (int)strlen(b);
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 0; a[i]; i++) {
        int diagonal = row[0];
        row[0] = i + 1;
        for (int j = 1; j <= n; j++) {
            int above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n];
}

/* NULL if nothing is near enough for a slip of the fingers. */
static const char *nearest_name(const char *typed) {
    const char *best = NULL;
    int best_distance = 4;
    if (strlen(typed) >= DF_SCHEDULER_NAME_BYTES) return NULL;
    for (int i = 0; i < N_NAMES; i++) {
        int d = edit_distance(typed, names[i].name);
        if (d >= best_distance || d >= (int)strlen(names[i].name)) continue;
        best = names[i].name;
        best_distance = d;
    }
    return best;
}

static df_code unknown_name(const char *name, df_err *err) {
    const char *near = nearest_name(name);
    if (near)
        return df_err_set(err, DF_EINVAL, "unknown scheduler '%s', did you mean '%s'? Available: %s", name, near,
                          available);
    return df_err_set(err, DF_EINVAL, "unknown scheduler '%.64s'; available: %s", name, available);
}

/* A name for what a config says, in the manner of the manifest's: "dpmpp_2m_sde_karras", "euler_exponential". */
static void name_config(df_scheduler *s) {
    static const char *const base[DF_SCHEDULER_CLASSES] = {
        [DF_SCHEDULER_DDPM] = "ddpm",
        [DF_SCHEDULER_DDIM] = "ddim",
        [DF_SCHEDULER_PNDM] = "pndm",
        [DF_SCHEDULER_EULER] = "euler",
        [DF_SCHEDULER_LMS] = "lms",
        [DF_SCHEDULER_EULER_ANCESTRAL] = "euler_a",
        [DF_SCHEDULER_HEUN] = "heun",
        [DF_SCHEDULER_DPMPP_MULTISTEP] = "dpmpp",
        [DF_SCHEDULER_LCM] = "lcm",
        [DF_SCHEDULER_UNIPC] = "unipc",
        [DF_SCHEDULER_TCD] = "tcd",
        [DF_SCHEDULER_FLOW_EULER] = "flow_euler",
        [DF_SCHEDULER_DEIS] = "deis",
        [DF_SCHEDULER_DPMPP_SINGLESTEP] = "dpmpp",
        [DF_SCHEDULER_KDPM2] = "kdpm2",
        [DF_SCHEDULER_DPMPP_SDE] = "dpmpp_sde",
        [DF_SCHEDULER_KDPM2_ANCESTRAL] = "kdpm2_a",
    };
    static const char *const sigmas[] = { "", "_karras", "_exponential", "_beta" };
    char order[8] = "";
    if (s->klass == DF_SCHEDULER_DPMPP_MULTISTEP) snprintf(order, sizeof order, "_%dm", s->solver_order);
    if (s->klass == DF_SCHEDULER_DPMPP_SINGLESTEP) snprintf(order, sizeof order, "_%ds", s->solver_order);
    snprintf(s->name, sizeof s->name, "%s%s%s%s", base[s->klass], order, s->solver_sde ? "_sde" : "",
             sigmas[s->sigma_spacing]);
}

static df_code open_config(df_config *c, json_t **root, const char *path, df_err *err) {
    df_code rc = df_json_load(root, path, err);
    if (rc) return rc;
    *c = (df_config) { .root = *root, .path = path, .err = err };
    return DF_OK;
}

df_code df_scheduler_read(df_scheduler *out, const char *path, df_err *err) {
    json_t *root;
    df_config c;
    df_code rc = open_config(&c, &root, path, err);
    if (rc) return rc;
    const char *class_name = df_config_string(&c, "_class_name", "");
    int klass = df_scheduler_class_named(class_name);
    if (!c.rc && klass < 0) {
        char known[512];
        c.rc = df_err_set(err, DF_EUNSUPPORTED, "%s: '_class_name' is '%.64s', supported: %s", path, class_name,
                          df_scheduler_class_names(known, sizeof known));
    }
    df_scheduler s = df_scheduler_defaults(klass < 0 ? 0 : klass);
    if (!c.rc) df_scheduler_read_model_fields(&c, &s);
    if (!c.rc) df_scheduler_read_class_fields(&c, &s);
    if (!c.rc) {
        name_config(&s);
        *out = s;
    }
    json_decref(root);
    return c.rc;
}

/* The class' values where the model's own config is of another class. Latent models want no clipping and the last
 * abar of their own table, whatever the constructors of DDPM, DDIM, LCM and TCD take for pixels. */
static df_scheduler fresh(const named *n) {
    df_scheduler s = df_scheduler_defaults(n->klass);
    s.clip_sample = false;
    s.set_alpha_to_one = false;
    s.skip_prk_steps = true;
    return s;
}

/* leading and linspace are what each class happens to start from, so they stay behind; trailing is a property of the
 * model: distilled and zero-terminal-SNR models must begin at the very last timestep. */
static void keep_trailing(df_config *c, df_scheduler *s) {
    df_scheduler of_model = *s;
    df_scheduler_read_spacing(c, &of_model);
    if (of_model.spacing == DF_SPACING_TRAILING) s->spacing = DF_SPACING_TRAILING;
}

static df_scheduler read_named(df_config *c, const named *n, int model_class) {
    bool same = model_class == (int)n->klass;
    df_scheduler s = same ? df_scheduler_defaults(n->klass) : fresh(n);
    if (!same && model_class >= 0) {
        df_scheduler of_model = df_scheduler_defaults(model_class);
        s.beta_start = of_model.beta_start;
        s.beta_end = of_model.beta_end;
        s.beta_schedule = of_model.beta_schedule;
    }
    df_scheduler_read_model_fields(c, &s);
    if (same)
        df_scheduler_read_class_fields(c, &s);
    else
        keep_trailing(c, &s);
    if (n->klass == DF_SCHEDULER_DPMPP_MULTISTEP) { /* the name says which variant */
        s.sigma_spacing = n->sigma_spacing;
        s.solver_order = 2;
        s.solver_sde = false;
    }
    if (n->klass == DF_SCHEDULER_DPMPP_SINGLESTEP) s.solver_order = 2;
    return s;
}

static df_code check_flow(const named *n, const char *class_name, const char *path, df_err *err) {
    bool model_flows = !strncmp(class_name, "FlowMatch", 9), name_flows = n->klass == DF_SCHEDULER_FLOW_EULER;
    if (model_flows == name_flows) return DF_OK;
    return df_err_set(err, DF_EINVAL, "scheduler '%s' cannot drive this model: %s names %s, a %s", n->name, path,
                      class_name, model_flows ? "flow-matching model (use flow_euler)" : "model that predicts noise");
}

df_code df_scheduler_named(df_scheduler *out, const char *name, const char *model_config_path, df_err *err) {
    const named *n = find_name(name);
    json_t *root;
    df_config c;
    df_code rc;
    if (!n) return unknown_name(name, err);
    if ((rc = open_config(&c, &root, model_config_path, err))) return rc;
    const char *class_name = df_config_string(&c, "_class_name", "");
    if (!c.rc) c.rc = check_flow(n, class_name, model_config_path, err);
    if (!c.rc) {
        df_scheduler s = read_named(&c, n, df_scheduler_class_named(class_name));
        snprintf(s.name, sizeof s.name, "%s", name);
        if (!c.rc) *out = s;
    }
    json_decref(root);
    return c.rc;
}
