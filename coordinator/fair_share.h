/* Fair shares: which of several takers is served next, so that over time each gets what its weight says.
 *
 *   t = the taker with the smallest df_fair_start(&share, &turn);
 *   df_fair_charge(&share, &turn, cost, weight);       it was served, for so long
 *   df_fair_correct(&turn, cost, weight);              the cost turned out to be so much more (or less, if negative)
 *
 * Start-time fair queueing: every taker has a tag on a common scale of service per weight. The one with the lowest is
 * served and its tag rises by cost / weight. A taker that is new, or wanted nothing for a while, begins where the
 * others are: it owes nothing and has saved nothing, so that it is served at once, and takes no more than its share. A
 * zeroed share and a zeroed turn are fresh. Source: Goyal, Vin and Cheng 1996, "Start-time Fair Queuing", SIGCOMM. */
#ifndef DF_COORDINATOR_FAIR_SHARE_H
#define DF_COORDINATOR_FAIR_SHARE_H

typedef struct df_fair_share {
    double now; /* the tag of who was served last */
} df_fair_share;

typedef struct df_fair_turn {
    double next;
} df_fair_turn;

double df_fair_start(const df_fair_share *share, const df_fair_turn *turn);
void df_fair_charge(df_fair_share *share, df_fair_turn *turn, double cost, double weight);
void df_fair_correct(df_fair_turn *turn, double cost, double weight);
/* 2^priority. */
double df_fair_weight(int priority);

#endif
