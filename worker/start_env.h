/* What libraries read from the environment when a program that computes is loaded.
 *
 * OpenMP's threads wait without spinning: as soon as anything else wants a core, a spinning one holds up those it waits
 * for (measured beside other load: five times slower). glibc asks for huge pages for what it allocates: weights are
 * read from end to end at every step, and a page of 4 KiB ends what the processor fetches ahead (2 to 3 % of a text
 * encoder's pass, 1 % of a U-Net's). What the user has set is heeded. */
#ifndef DF_WORKER_START_ENV_H
#define DF_WORKER_START_ENV_H

/* "NAME=VALUE", NULL at the end, for a child's environment (child.h); NULL where nothing is to be added. */
const char *const *df_start_env(void);

/* Loads this program again with the same arguments and that environment; returns if there is nothing to add, or where
 * it fails: then we are merely slower. */
void df_start_again(char **argv);

#endif
