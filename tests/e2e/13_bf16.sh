#!/usr/bin/env bash
# A job in bf16, and one with fast convolutions: the same bytes over workers, micro-batches and ranks, and others than in
# f32.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

manifest m.jsonl 4 4
render m.jsonl base --micro-batch 1 --dtype bf16 2>err.txt || {
    grep -qF "AVX-512" err.txt || fail "$(cat err.txt)"
    echo "skipped: this machine does not compute in bf16"
    exit 77
}
for variant in "1 1 4" "2 1 2" "1 2 2" "1 3 2" "1 4 1"; do
    read -r workers ranks batch <<<"$variant"
    render m.jsonl out --dtype bf16 --workers "$workers" --pipeline "$ranks" --micro-batch "$batch"
    same_out base out
    rm -rf out
done
says base/metadata.jsonl '"dtype":"bf16"'
render m.jsonl f32
cmp -s base/images/000000/00000000.png f32/images/000000/00000000.png && fail "bf16 draws what f32 draws"

render m.jsonl fast --micro-batch 1 --dtype bf16 --fast-conv
for variant in "2 1 2" "1 3 2"; do
    read -r workers ranks batch <<<"$variant"
    render m.jsonl out --dtype bf16 --fast-conv --workers "$workers" --pipeline "$ranks" --micro-batch "$batch"
    same_out fast out
    rm -rf out
done
says fast/metadata.jsonl '"fast_conv":true'
grep -aqF '"fast_conv": true' fast/images/000000/00000000.png || fail "the PNG's text does not say fast_conv"
cmp -s base/images/000000/00000000.png fast/images/000000/00000000.png && fail "--fast-conv changes nothing"

# Of a worker that says nothing of bf16 no job in bf16 is asked: it waits for another.
start_coordinator state
"$DIFFARM" submit m.jsonl -m "$MODEL" -o later --connect "$ENDPOINT" --dtype bf16 --backend any --output quiet >job.txt
start_worker reference --backend reference
sleep 1
[ ! -e later/images/000000/00000000.png ] || fail "the reference backend took a job in bf16"
start_worker cpu
wait_for 60 test -s later/job.json
diff -r base/images later/images >&2 || fail "the pictures differ"
says later/metadata.jsonl '"backend":"any"'
