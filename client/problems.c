#include "client/problems.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

void df_problems_add(df_problems *p, const char *fmt, ...) {
    if (p->n < DF_PROBLEMS_KEPT) {
        va_list args;
        va_start(args, fmt);
        if (vasprintf(&p->text[p->n], fmt, args) < 0) p->text[p->n] = NULL;
        va_end(args);
    }
    p->n++;
}

void df_problems_print(const df_problems *p, FILE *to, const char *kind) {
    for (uint64_t i = 0; i < p->n && i < DF_PROBLEMS_KEPT; i++)
        fprintf(to, "diffarm: %s: %s\n", kind, p->text[i] ? p->text[i] : "out of memory");
    if (p->n > DF_PROBLEMS_KEPT)
        fprintf(to, "diffarm: %s: and %" PRIu64 " more like these\n", kind, p->n - DF_PROBLEMS_KEPT);
}

void df_problems_free(df_problems *p) {
    for (int i = 0; i < DF_PROBLEMS_KEPT; i++) free(p->text[i]);
    *p = (df_problems) { 0 };
}
