/* exp, erf and the activations on vectors. Polynomials are minimax fits (weighted least squares, Lawson's iteration) in
 * f64, rounded to f32; docs/numerics.md gives the measured errors. NaN gives NaN. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_VEC_MATH_H
#define DF_ENGINE_BACKEND_CPU_SIMD_VEC_MATH_H

#include "engine/backend/cpu/simd/vec.h"
#include "engine/graph/graph.h"

/* exp(x) = 2^n exp(r), |r| <= ln(2)/2, exp(r) = 1 + r (1 + r q(r)), for x <= 90. Underflows through the subnormals to
 * 0: a masked score of -inf weighs exactly nothing. */
INLINE vf v_exp_low(vf x) {
    x = v_max(v_set1(-110.0f), x);
    vf n = v_round(x * v_set1(1.44269504f));
    vf r = v_fma(n, v_set1(-0.693359375f), x); /* exact: the constant has 9 bits */
    r = v_fma(n, v_set1(2.12194440e-4f), r);
    vf q = v_set1(0.00138146023f);
    q = v_fma(q, r, v_set1(0.00836871564f));
    q = v_fma(q, r, v_set1(0.041668389f));
    q = v_fma(q, r, v_set1(0.166665211f));
    q = v_fma(q, r, v_set1(0.49999994f));
    vf e = v_fma(v_fma(q, r, v_set1(1.0f)), r, v_set1(1.0f));
    return v_scale2(e, n);
}

INLINE vf v_exp(vf x) { /* overflows to inf */
    return v_exp_low(v_min(v_set1(90.0f), x));
}

/* |x| < 0.93: x + x R(x^2), else 1 - exp(-x Q(x)). */
INLINE vf v_erf(vf x) {
    vf t = (vf)((vi)x & 0x7fffffff), s = x * x;
    vf r = v_set1(-0.000595373916f);
    r = v_fma(r, s, v_set1(0.00498594018f));
    r = v_fma(r, s, v_set1(-0.02676172f));
    r = v_fma(r, s, v_set1(0.112816826f));
    r = v_fma(r, s, v_set1(-0.376124799f));
    r = v_fma(r, s, v_set1(0.128379151f));
    vf small = v_fma(r, x, x);

    vf u = v_min(v_set1(4.0f), t); /* erf(4) rounds to 1 */
    vf q = v_set1(-0.00021364502f);
    q = v_fma(q, u, v_set1(0.00321214483f));
    q = v_fma(q, u, v_set1(-0.0228809193f));
    q = v_fma(q, u, v_set1(0.105247676f));
    q = v_fma(q, u, v_set1(0.635729134f));
    q = v_fma(q, u, v_set1(1.12851119f));
    vf big = v_set1(1.0f) - v_exp(-(u * q));
    big = (vf)((vi)big | ((vi)x & (int32_t)0x80000000));
    return v_select_lt(t, v_set1(0.93f), small, big);
}

/* |x| <= 127 as a whole number, which is *n in a form for v_raise, and what is left, at most 1/2. */
INLINE vf v_split(vf x, vf *n) {
    vf magic = v_set1(12582912.0f); /* 1.5 * 2^23: a sum with it has no room for a fraction, n is in its low bits */
    *n = x + magic;
    return x - (*n - magic);
}

/* p * 2^n, n of v_split; 0 for p = 1, n = -127. */
INLINE vf v_raise(vf p, vf n) {
    return (vf)((vu)p + ((vu)n << 23));
}

#ifdef DF_SIMD_BF16

/* What is stored in 8 bits needs no more than these give: relative errors of 7e-5 of the sigmoid, absolute ones of
 * 1.2e-5 of the gelu, a fiftieth of the rounding behind them. */
INLINE vf v_x_sigmoid(vf x, vf u) { /* x / (1 + 2^(-u log2 e)) */
    vf n, r = v_split(v_max(v_set1(-127.0f), v_min(v_set1(127.0f), u * v_set1(-1.44269504f))), &n);
    vf p = v_fma(v_set1(0.00958286f), r, v_set1(0.05590643f));
    p = v_fma(v_fma(p, r, v_set1(0.24024099f)), r, v_set1(0.69312419f));
    return x * v_about_1_over(v_set1(1.0f) + v_raise(v_fma(p, r, v_set1(1.0f)), n));
}

/* x Phi(x) = max(x, 0) - t (1 - Phi(t)), t = |x|, and 1 - Phi(t) = 1 / (2 p(t)^16): the form of Abramowitz and Stegun
 * 7.1.28, fitted anew. */
INLINE vf v_gelu(vf x) {
    vf t = (vf)((vi)x & 0x7fffffff);
    vf p = v_fma(v_set1(9.28527712e-5f), t, v_set1(-9.362639e-5f));
    p = v_fma(v_fma(p, t, v_set1(3.45558546e-3f)), t, v_set1(2.10345823e-2f));
    p = v_fma(v_fma(p, t, v_set1(4.98891966e-2f)), t, v_set1(1.0f));
    p = p * p;
    p = p * p;
    p = p * p;
    return v_max(v_set1(0.0f), x) - t * v_about_1_over(v_set1(2.0f) * p * p);
}

#else

INLINE vf v_x_sigmoid(vf x, vf u) { /* x / (1 + exp(-u)) */
    return x / (v_set1(1.0f) + v_exp(-u));
}

INLINE vf v_gelu(vf x) {
    return v_set1(0.5f) * x * (v_set1(1.0f) + v_erf(x * v_set1(0.707106781f)));
}

#endif

INLINE vf v_act(vf x, df_act act) {
    switch (act) {
    case DF_ACT_NONE: return x;
    case DF_ACT_SILU: return v_x_sigmoid(x, x);
    case DF_ACT_GELU: return v_gelu(x);
    case DF_ACT_GELU_TANH: /* 0.5 (1 + tanh(u)) = sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3) */
        return v_x_sigmoid(x, v_set1(1.59576912f) * v_fma(v_set1(0.044715f) * x * x, x, x));
    case DF_ACT_QUICK_GELU: return v_x_sigmoid(x, v_set1(1.702f) * x);
    case DF_ACT_RELU: return v_max(v_set1(0.0f), x);
    }
    return x;
}

#endif
