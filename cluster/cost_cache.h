/* Times of nodes that were measured once, kept in a folder for those who plan later.
 *
 *   df_cost_cache_open(&c, dir, key, &flaw, &err);      key: text, everything that times depend on but the node
 *   seconds = df_cost_cache_find(c, signature);         of a row; below 0: not known
 *   df_cost_cache_put(c, signature, seconds, &err);
 *   df_cost_cache_save(c, &err);                        appears whole or not at all
 *   df_cost_cache_close(&c);
 *
 * Nodes go by their signatures (engine/graph/signature.h): what was measured for one model, size or rank holds for all
 * that have such a node. A key has one file, DIR/costs-(SHA-256 of the key).json: {"diffarm_node_costs": 1, "key": KEY,
 * "seconds": {SIGNATURE: SECONDS, ...}}. Nothing in it is trusted: a file that is damaged or of another key, or has a
 * number that is no time, counts as one that is not there. Threads: one owner. */
#ifndef DF_CLUSTER_COST_CACHE_H
#define DF_CLUSTER_COST_CACHE_H

#include "base/err.h"

typedef struct df_cost_cache df_cost_cache;

/* dir: NULL, nothing is kept, save does nothing. flaw: why a file that is there is not believed, code DF_OK: nothing
 * is wrong. Errors: DF_ENOMEM; DF_ELIMIT, the path is too long. */
df_code df_cost_cache_open(df_cost_cache **out, const char *dir, const char *key, df_err *flaw, df_err *err);
void df_cost_cache_close(df_cost_cache **c); /* accepts a pointer to NULL */

double df_cost_cache_find(const df_cost_cache *c, const char *signature);
df_code df_cost_cache_put(df_cost_cache *c, const char *signature, double seconds, df_err *err);
df_code df_cost_cache_save(const df_cost_cache *c, df_err *err);

#endif
