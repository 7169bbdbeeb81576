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
