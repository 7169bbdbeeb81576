#include "client/doctor/checkup.h"
#include "client/model_check.h"
#include "engine/models/model.h"

void df_check_model(const df_checkup *c) {
    df_model *m = NULL;
    df_err err;
    if (!c->model) return;
    const df_model_options how = { .config_dir = c->config_dir };
    df_code rc = df_model_open_with(&m, c->model, &how, &err);
    if (!rc) rc = df_model_check(m, &err);
    if (rc)
        df_found(c->found, DF_FOUND_PROBLEM, "model", "`diffarm inspect` tells more of it", "%s", err.text);
    else
        df_found(c->found, DF_FOUND_OK, "model", NULL, "%s: every tensor is there, in its shape", c->model);
    df_model_close(&m);
}
