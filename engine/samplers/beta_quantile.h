/* The Beta distribution's quantile: the x in 0..1 with I_x(a, b) = p. Source: DLMF 8.17.22 (continued fraction of the
 * regularised incomplete beta function), inverted by bisection. Reference: scipy.stats.beta.ppf. */
#ifndef DF_ENGINE_SAMPLERS_BETA_QUANTILE_H
#define DF_ENGINE_SAMPLERS_BETA_QUANTILE_H

double df_beta_quantile(double p, double a, double b); /* p in 0..1; a, b > 0 */

#endif
