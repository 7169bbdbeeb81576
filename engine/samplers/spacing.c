#include "engine/samplers/spacing.h"

#include <math.h>

double df_linspace_at(double first, double last, int n, int i) {
    if (n == 1) return first;
    if (i == n - 1) return last;
    return i * ((last - first) / (n - 1)) + first;
}

/* numpy.arange(N, 0, -N / n).round() - 1. For some n numpy's own rounding makes it n + 1 long, with a timestep -1 at
 * the end that the library then takes from the wrong end of its tables; it is left out here. */
static double trailing_at(int n_train, int n_steps, int i) {
    double first = n_train, step = (first - (double)n_train / n_steps) - first;
    return rint(first + i * step) - 1;
}

void df_spacing_fill(const df_scheduler *s, int n_steps, bool fractional, double *out) {
    int n_train = s->n_train_timesteps;
    for (int i = 0; i < n_steps; i++) {
        int up = n_steps - 1 - i;
        switch (s->spacing) {
        case DF_SPACING_LEADING: out[i] = (double)up * (n_train / n_steps) + s->steps_offset; break;
        case DF_SPACING_TRAILING: out[i] = trailing_at(n_train, n_steps, i); break;
        case DF_SPACING_LINSPACE: {
            double t = df_linspace_at(0, n_train - 1, n_steps, up);
            out[i] = fractional ? t : rint(t);
            break;
        }
        }
    }
}

void df_spacing_fill_multistep(const df_scheduler *s, int n_steps, double *out) {
    int n_train = s->n_train_timesteps;
    for (int i = 0; i < n_steps; i++) {
        int up = n_steps - i;
        switch (s->spacing) {
        case DF_SPACING_LEADING: out[i] = (double)up * (n_train / (n_steps + 1)) + s->steps_offset; break;
        case DF_SPACING_TRAILING: out[i] = trailing_at(n_train, n_steps, i); break;
        case DF_SPACING_LINSPACE: out[i] = rint(df_linspace_at(0, n_train - 1, n_steps + 1, up)); break;
        }
    }
}

void df_spacing_fill_distilled(const df_scheduler *s, int n_steps, double *out) {
    int n = s->original_steps, ratio = s->n_train_timesteps / n;
    for (int i = 0; i < n_steps; i++) {
        int down = (int)floor(i * ((double)n / n_steps));
        out[i] = (double)(n - down) * ratio - 1;
    }
}
