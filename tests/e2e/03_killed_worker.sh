#!/usr/bin/env bash
# A worker killed half-way: its pictures go to the other one, nothing is lost, nothing is done twice.
. "$(dirname "$0")/lib.sh"

manifest m.jsonl 12 12
render m.jsonl base
start_coordinator state
start_worker first --micro-batch 1
victim=$WORKER
JOB=$("$DIFFARM" submit m.jsonl -m "$MODEL" -o out --connect "$ENDPOINT")
wait_for 60 done_at_least "$JOB" 2
start_worker second --micro-batch 1
kill -9 "$victim"
expect 0 timeout 200 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
same_out base out
[ "$(wc -l <out/runs.jsonl)" -eq 12 ] || fail "runs.jsonl has not a line for each picture"
