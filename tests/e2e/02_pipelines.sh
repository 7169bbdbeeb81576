#!/usr/bin/env bash
# The bytes of pictures and lists do not depend on how many ranks share the model.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

manifest m.jsonl 4 4
render m.jsonl base
for variant in "1 2" "4 2" "2 3" "1 4" "1 8"; do
    read -r workers ranks <<<"$variant"
    render m.jsonl out --workers "$workers" --pipeline "$ranks" --micro-batch 2
    same_out base out
    rm -rf out
done

# Costs of nodes are measured once, and used by those who plan later; a file that is damaged is measured anew with one
# warning. Whatever they say, pictures are the same.
costs=("$XDG_CACHE_HOME"/diffarm/costs-*.json)
[ -s "${costs[0]}" ] || fail "no measured costs are kept"
expect 0 "$DIFFARM" inspect "$MODEL" --pipeline 2 --threads 1 --micro-batch 2
says out.txt "costs: measured on this machine"
expect 0 "$DIFFARM" inspect "$MODEL" --pipeline 2 --threads 1 --micro-batch 2 --plan-costs modelled
says out.txt "costs: modelled from shapes"

kept=$(ls "$XDG_CACHE_HOME/diffarm")
for file in "${costs[@]}"; do
    printf 'damage' | dd of="$file" conv=notrunc status=none # the middle may be a name, which would only be another one
done
start_coordinator state
start_worker worker --pipeline 2
"$DIFFARM" submit m.jsonl -m "$MODEL" -o out --connect "$ENDPOINT" --micro-batch 2 --output quiet --wait
same_out base out
[ "$(grep -c 'event=costs' worker.log)" -eq 1 ] || fail "not one warning of damaged costs"
[ "$(ls "$XDG_CACHE_HOME/diffarm")" = "$kept" ] || fail "costs went elsewhere, or left something behind"
python3 -m json.tool "${costs[0]}" >/dev/null || fail "damaged costs were not measured anew"
