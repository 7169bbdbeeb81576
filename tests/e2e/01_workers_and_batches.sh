#!/usr/bin/env bash
# The bytes of pictures and lists do not depend on workers or micro-batches.
. "$(dirname "$0")/lib.sh"

manifest m.jsonl 5 4
echo '{"prompt": "frog", "seed": 1, "steps": 6, "guidance": 1, "scheduler": "euler_a", "size": "64x32"}' >>m.jsonl
echo '{"prompt": "frog", "seed": 1, "steps": 3, "guidance": 3, "negative": "green", "scheduler": "ddim", "name": "a/b"}' >>m.jsonl
render m.jsonl base --micro-batch 1
[ "$(wc -l <base/metadata.jsonl)" -eq 7 ] || fail "metadata has not 7 lines"
[ -s base/a/b.png ] && [ -s base/images/000000/00000005.png ] || fail "pictures are missing"
[ ! -s base/failures.jsonl ] || fail "there are failures"
for variant in "1 2" "1 3" "1 8" "2 1" "2 5"; do
    read -r workers batch <<<"$variant"
    render m.jsonl out --workers "$workers" --micro-batch "$batch"
    same_out base out
    rm -rf out
done
