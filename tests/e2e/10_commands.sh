#!/usr/bin/env bash
# The commands and their output, on a farm of its own.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

expect 0 "$DIFFARM" --help
says out.txt "render"
expect 0 "$DIFFARM" --version
expect 2 "$DIFFARM"
for command in render forward submit status watch cancel pause resume retry jobs workers readmit keygen coordinator worker; do
    expect 0 "$DIFFARM" "$command" --help
    says out.txt "Usage: diffarm $command"
done
expect 3 "$DIFFARM" jobs --connect tcp://127.0.0.1:9 --timeout 0.3
says err.txt "is it running there?"

printf 'prompt,seed,count,name\n"red apple, big",3,2,apples/a\nghost,,,\n' >m.csv
expect 0 "$DIFFARM" render m.csv -m "$MODEL" -o nothing --dry-run --pipeline 2 --output json
says out.txt '"images":3'
[ ! -e nothing ] || fail "--dry-run wrote something"
expect 0 "$DIFFARM" render m.csv -m "$MODEL" -o nothing --dry-run

expect 0 "$DIFFARM" forward "$SOURCE/tests/golden/starter_reference/pictures/v003.png" -m "$MODEL" -o strip.png --steps 3 \
    --threads 1 --output json
says out.txt '"timesteps":[null,499,999]'
says err.txt "decoding 3 noise levels"
[ -s strip.png ] || fail "no strip"

# Weights are reordered when they are packed, and nothing is in a pass: four more passes, not one reorder more.
reorders() { # reorders RUNS
    ONEDNN_VERBOSE=1 "$DIFFARM" bench unet -m "$MODEL" --batch 3 --threads 2 --runs "$1" >verbose.txt
    grep -c ',exec,.*,reorder,' verbose.txt
}
if [ "$(reorders 1)" != "$(reorders 5)" ] || ! grep -q ',exec,.*,matmul,' verbose.txt; then
    fail "reorders in a pass, or no word of oneDNN"
fi

expect 0 timeout 200 "$DIFFARM" bench pipeline -m "$MODEL" --runs 2 --passes 2 --output json
says out.txt '"median_ratio":'
expect 0 timeout 200 "$DIFFARM" bench pipeline -m "$MODEL" --runs 1 --passes 2 --trace trace.json
python3 -c 'import json; assert json.load(open("trace.json"))["traceEvents"]' || fail "no trace of a pipeline"

start_coordinator state
expect 0 "$DIFFARM" jobs --connect "$ENDPOINT"
says out.txt "no jobs"
expect 2 "$DIFFARM" status 0123456789abcdef --connect "$ENDPOINT"
expect 0 "$DIFFARM" submit - -m "$MODEL" -o cancelled --steps 2 --connect "$ENDPOINT" <m.csv
JOB=$(cat out.txt)
expect 0 "$DIFFARM" cancel "$JOB" --connect "$ENDPOINT"
expect 1 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
says err.txt "cancelled"

start_worker worker -m "$MODEL"
expect 0 timeout 200 "$DIFFARM" submit m.csv -m "$MODEL" -o out --steps 2 --connect "$ENDPOINT" --wait --output json
says out.txt '"state":"done"'
[ -s out/apples/a-0000.png ] && [ -s out/apples/a-0001.png ] || fail "counted names are missing"
says out/metadata.jsonl '"prompt":"red apple, big"'
JOB=$(grep -o '"job_id":"[0-9a-f]*"' out.txt | head -n 1 | cut -d'"' -f4)
expect 0 "$DIFFARM" status "$JOB" --connect "$ENDPOINT"
says out.txt "3 of 3 done"
expect 0 "$DIFFARM" jobs --connect "$ENDPOINT"
says out.txt "$JOB"
expect 0 "$DIFFARM" workers --connect "$ENDPOINT" --output json
says out.txt '"done":3'
expect 2 "$DIFFARM" submit m.csv -m "$MODEL" -o out --connect "$ENDPOINT"
kill -TERM "$WORKER"
wait_for 60 is_gone "$WORKER"
grep -q 'event=drain' worker.log || fail "the worker has not drained"

# An id of one's own: a submit that was killed is given again, and is the same job.
expect 2 "$DIFFARM" submit m.csv -m "$MODEL" -o own --connect "$ENDPOINT" --job-id 123
says err.txt "16 digits"
for _ in 1 2; do
    expect 0 "$DIFFARM" submit m.csv -m "$MODEL" -o own --steps 2 --connect "$ENDPOINT" --job-id 00000000c0ffee00
    says out.txt 00000000c0ffee00
done
expect 2 "$DIFFARM" submit m.csv -m "$MODEL" -o own --steps 3 --connect "$ENDPOINT" --job-id 00000000c0ffee00
says err.txt "another manifest"
expect 0 "$DIFFARM" cancel 00000000c0ffee00 --connect "$ENDPOINT"

# A pipeline drains as well: what is begun is finished, the rest handed back, all ranks end in order.
manifest m.jsonl 40 6
start_worker pipeline --pipeline 2 --micro-batch 1
JOB=$("$DIFFARM" submit m.jsonl -m "$MODEL" -o drained --connect "$ENDPOINT")
wait_for 60 done_at_least "$JOB" 1
kill -TERM "$WORKER"
code=0
wait "$WORKER" || code=$?
[ "$code" -eq 0 ] || fail "the pipeline drained with exit code $code"
done_at_least "$JOB" 40 && fail "it was done before it was drained"
none_leased() { [ "$(field "$JOB" leased)" -eq 0 ]; }
wait_for 60 none_leased
start_worker last --pipeline 1
expect 0 timeout 200 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"

# A pipeline told to drain while its ranks come up ends as well: mpirun drops signals until they are there.
for moment in 0.05 0.15 0.25 0.35 0.45; do
    start_worker early --pipeline 2
    sleep "$moment"
    kill -TERM "$WORKER"
    wait_for 20 is_gone "$WORKER"
done
