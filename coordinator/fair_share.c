#include "coordinator/fair_share.h"

#include <math.h>

double df_fair_start(const df_fair_share *share, const df_fair_turn *turn) {
    return turn->next > share->now ? turn->next : share->now;
}

void df_fair_charge(df_fair_share *share, df_fair_turn *turn, double cost, double weight) {
    share->now = df_fair_start(share, turn);
    turn->next = share->now + cost / weight;
}

void df_fair_correct(df_fair_turn *turn, double cost, double weight) {
    turn->next += cost / weight;
}

double df_fair_weight(int priority) {
    return ldexp(1, priority);
}
