/* How OpenMP's threads wait in a worker: without spinning. As soon as anything else wants a core, a spinning one holds
 * up those it waits for (measured beside other load: five times slower). OpenMP reads its environment when the program
 * is loaded, so a worker is started with it. Whoever has set it otherwise is heeded. */
#ifndef DF_WORKER_WAIT_POLICY_H
#define DF_WORKER_WAIT_POLICY_H

/* "NAME=VALUE", NULL at the end, for a child's environment (child.h); NULL where the environment says something
 * already. */
const char *const *df_wait_policy_env(void);

#endif
