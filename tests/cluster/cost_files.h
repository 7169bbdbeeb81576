/* Files of measured costs, for tests that plan with them.
 *
 *   cost_files_change(dir, fn);        every time in every file of the folder becomes fn(signature, seconds)
 */
#ifndef DF_TESTS_CLUSTER_COST_FILES_H
#define DF_TESTS_CLUSTER_COST_FILES_H

typedef double (*cost_files_fn)(const char *signature, double seconds);

/* Returns how many files there are. What goes wrong fails the running test. */
int cost_files_change(const char *dir, cost_files_fn fn);
void cost_files_overwrite(const char *dir, const char *text); /* what every file of it has */

#endif
