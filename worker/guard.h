/* The guard: a picture that came out as NaN or flat in bf16 or int8 is made once more in f32, where numbers are finer;
 * what that gives is final. In f32 itself nothing is made twice: it would come out the same.
 *
 *   if (df_guard_doubts_failure(job, code))            begin the row again, in a session of
 *       df_guard_want(&want)           and with df_guard_adapters(row)
 *
 * All is decided by the row's own picture, so that its bytes do not depend on who renders it beside what. */
#ifndef DF_WORKER_GUARD_H
#define DF_WORKER_GUARD_H

#include "worker/session.h"

enum { DF_GUARD_FLAG_F32 = 1 << 8 }; /* beside DF_FLAG_*: the picture was made in f32, though the job asks for less */

bool df_guard_doubts_picture(const Diffarm__JobSpec *job, unsigned flags); /* DF_FLAG_* */
bool df_guard_doubts_failure(const Diffarm__JobSpec *job, df_code code);

/* The row's adapters without int8 scales: [n_adapters] and a NULL, borrowed from the row. The array is the caller's to
 * free; NULL when out of memory. */
Diffarm__Adapter **df_guard_adapters(const Diffarm__Row *row);
/* What a row with such adapters wants, made into f32. */
void df_guard_want(df_session_want *want);

/* The first 8 bytes of a SHA-256 over size and pixels, never 0: in 10 million different pictures two share it with a
 * chance of 3 in a million. rgb [height][width][3]. */
uint64_t df_guard_pixels_hash(const uint8_t *rgb, int width, int height);

#endif
