/* The encoder: pictures in, PNG files with their texts out to the uplink; a thread of its own, so that compression
 * never holds up the renderer. A full queue slows the renderer down instead of growing.
 *
 *   df_encoder_open(&e, uplink, "cpu", &err);   df_encoder_add(e, &p);   df_encoder_close(&e);     finishes what it has
 */
#ifndef DF_WORKER_ENCODER_H
#define DF_WORKER_ENCODER_H

#include "worker/uplink.h"

typedef struct df_encoder df_encoder;

typedef struct df_raw_picture {
    df_result *result; /* with lease, i, flags, seconds, scheduler; png is filled in */
    uint8_t *rgb; /* [height][width][3], malloc'd */
    int width, height;
} df_raw_picture;

/* uplink and backend are borrowed and outlive it. */
df_code df_encoder_open(df_encoder **out, df_uplink *uplink, const char *backend, df_err *err);
void df_encoder_close(df_encoder **e);
void df_encoder_add(df_encoder *e, df_raw_picture *p); /* takes *p, malloc'd */

/* What the encoder does to one picture. */
df_code df_encode_picture(df_raw_picture *p, const char *backend, df_err *err);

#endif
