/* The texts in a picture's PNG: how it was made, for people's tools and for diffarm itself.
 *
 * Both are functions of the row, the job's settings and the resolved scheduler alone: nothing of when, where, by whom
 * or beside what it was rendered.
 *   parameters  the layout popular web interfaces write and read
 *   diffarm     one line of JSON with every field of the row, and the model, its hash, dtype, noise and backend */
#ifndef DF_WORKER_PNG_TEXT_H
#define DF_WORKER_PNG_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "farm.pb-c.h"

/* scheduler: resolved name ("dpmpp_2m_karras"); made_in_f32: guard.h. Appended to out. */
void df_png_parameters(df_buf *out, const Diffarm__Row *row, const Diffarm__JobSpec *job, const char *scheduler);
void df_png_provenance(df_buf *out, const Diffarm__Row *row, const Diffarm__JobSpec *job, const char *scheduler,
                       const char *backend, bool made_in_f32);

/* Shortest decimal that reads back as x, with at least one digit behind the point: "4.0". For finite x. */
void df_print_real(df_buf *out, double x);

#endif
