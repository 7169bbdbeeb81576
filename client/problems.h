/* Problems: everything that is wrong with an input, collected before anything starts.
 *
 *   df_problems p = { 0 };  df_problems_add(&p, "%s:%d: ...", ...);  if (p.n) df_problems_print(&p, stderr, "error");
 *   df_problems_free(&p);
 *
 * The first DF_PROBLEMS_KEPT texts are kept, the rest is counted. */
#ifndef DF_CLIENT_PROBLEMS_H
#define DF_CLIENT_PROBLEMS_H

#include <stdint.h>
#include <stdio.h>

#define DF_PROBLEMS_KEPT 20

typedef struct df_problems {
    char *text[DF_PROBLEMS_KEPT]; /* NULL where memory ran out */
    uint64_t n;
} df_problems;

void df_problems_add(df_problems *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One line each, "diffarm: KIND: TEXT", and a last one that counts what was not kept. */
void df_problems_print(const df_problems *p, FILE *to, const char *kind);
void df_problems_free(df_problems *p);

#endif
