#include "worker/row_files.h"

static df_code find(Diffarm__Input *out, df_places *places, const Diffarm__Input *in, df_err *err) {
    const char *path;
    df_code rc = df_places_find(places, in, &path, err);
    *out = *in;
    if (!rc) out->path = (char *)path;
    return rc;
}

/* Those that are not here are asked for all at once, so that they come without a pause. */
static bool goes_on(df_code rc) {
    return !rc || rc == DF_ETIMEOUT;
}

static df_code find_adapters(df_row_files *out, df_places *places, const Diffarm__Row *row, df_err *err) {
    df_code rc = DF_OK;
    for (size_t i = 0; i < row->n_adapters && goes_on(rc); i++) {
        df_code this = find(&out->file[i], places, row->adapters[i]->file, err);
        if (this) rc = this;
        out->adapter[i] = *row->adapters[i];
        out->adapter[i].file = &out->file[i];
        out->list[i] = &out->adapter[i];
    }
    out->list[row->n_adapters] = NULL;
    out->row.adapters = out->list;
    return rc;
}

df_code df_row_files_find(df_row_files *out, df_places *places, const Diffarm__Row *row, df_err *err) {
    df_code rc[3] = { DF_OK };
    if (row->n_adapters > DF_SESSION_MAX_ADAPTERS)
        return df_err_set(err, DF_ELIMIT, "%zu adapters, at most %d are possible", row->n_adapters,
                          DF_SESSION_MAX_ADAPTERS);
    out->row = *row;
    if (row->image) {
        rc[0] = find(&out->image, places, row->image, err);
        out->row.image = &out->image;
    }
    if (row->mask && goes_on(rc[0])) {
        rc[1] = find(&out->mask, places, row->mask, err);
        out->row.mask = &out->mask;
    }
    if (goes_on(rc[0]) && goes_on(rc[1])) rc[2] = find_adapters(out, places, row, err);
    for (int i = 0; i < 3; i++)
        if (!goes_on(rc[i])) return rc[i];
    return rc[0] ? rc[0] : rc[1] ? rc[1] : rc[2];
}
