#include <math.h>

#include "engine/backend/reference/reference.h"

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

double df_ref_act(df_act act, double x) {
    switch (act) {
    case DF_ACT_NONE: return x;
    case DF_ACT_SILU: return x * sigmoid(x);
    case DF_ACT_GELU: return 0.5 * x * (1 + erf(x * M_SQRT1_2));
    case DF_ACT_GELU_TANH: return 0.5 * x * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x)));
    case DF_ACT_QUICK_GELU: return x * sigmoid(1.702 * x);
    case DF_ACT_RELU: return x > 0 ? x : 0;
    }
    return x;
}
