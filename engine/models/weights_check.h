/* Holds the weights that a graph asks for against the headers of a component's files, without reading any data:
 * before anyone allocates by the shapes of a config that may be wrong or hostile. */
#ifndef DF_ENGINE_MODELS_WEIGHTS_CHECK_H
#define DF_ENGINE_MODELS_WEIGHTS_CHECK_H

#include "engine/graph/graph.h"
#include "engine/weights/weights.h"

/* DF_ENOTFOUND or DF_ESHAPE with file, tensor and both shapes. A projection of an attention that is absent under its
 * own name may be there under a historical one: df_weights_read_f32 decides that; here it only has to fit in the
 * file. */
df_code df_weights_check(const df_weights *w, const df_graph *g, df_err *err);

#endif
