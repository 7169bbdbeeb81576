/* An autoencoder's decoder in pieces, so that its large end can run tile by tile:
 *
 *   head        z -> x, up to the last two upsamplings (or as many as there are)
 *   segment s   x [h][w][C] -> x [2h][2w][C'], the next level; the last segment -> image
 *
 * A segment is built for one tile of its input. A tile cannot know the statistics of its group norms, which are those
 * of the whole picture: they are inputs. With norm K's mean m and deviation d of a channel's group, y = x * (1 +
 * scale.K) + shift.K,   scale.K = weight / d - 1,   shift.K = bias - m * weight / d          [C] each To find them out
 * the same segment is built up to norm K, whose input it then gives as "pre". What a tile computes near its edges is
 * wrong where the picture goes on: df_vae_segment_halo pixels of its input. */
#ifndef DF_ENGINE_MODELS_VAE_TAIL_H
#define DF_ENGINE_MODELS_VAE_TAIL_H

#include "engine/graph/graph.h"
#include "engine/models/vae_config.h"

enum { DF_VAE_MAX_SEGMENTS = 2 };

typedef struct df_vae_norm {
    char name[64]; /* its weights are NAME.weight and NAME.bias */
    int64_t channels;
} df_vae_norm;

int df_vae_segments(const df_vae_config *cfg); /* 0 where the decoder never upsamples */
/* From x [h][w][latent_channels], as the decoder's conv_in takes it, to the output "x". */
void df_vae_head_way(df_graph *g, const df_vae_config *cfg, df_value_id x);

int64_t df_vae_segment_channels(const df_vae_config *cfg, int segment); /* of its input */
int df_vae_segment_halo(const df_vae_config *cfg, int segment);
int df_vae_segment_norms(const df_vae_config *cfg, int segment);
df_vae_norm df_vae_segment_norm(const df_vae_config *cfg, int segment, int k);

/* n_norms: so many have their statistics given; if there is another one, the graph ends before it. */
void df_vae_segment_build(df_graph *g, const df_vae_config *cfg, int segment, int64_t h, int64_t w, int n_norms);

#endif
