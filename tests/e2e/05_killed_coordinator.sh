#!/usr/bin/env bash
# The coordinator killed half-way and started again on its state: worker and waiting client go on by themselves.
. "$(dirname "$0")/lib.sh"

manifest m.jsonl 12 12
render m.jsonl base
start_coordinator state
start_worker worker --micro-batch 1
start client "$DIFFARM" submit m.jsonl -m "$MODEL" -o out --connect "$ENDPOINT" --wait
client=$!
wait_for 60 test -s client.log
JOB=$(head -n 1 client.log)
wait_for 60 done_at_least "$JOB" 3
before=$ENDPOINT
kill -9 "$COORDINATOR"
wait_for 60 is_gone "$COORDINATOR"
sleep 1
start_coordinator state
[ "$ENDPOINT" = "$before" ] || fail "the coordinator listens at $ENDPOINT now, not at $before"
code=0
wait "$client" || code=$?
[ "$code" -eq 0 ] || fail "submit --wait ended with $code"
same_out base out
kill -TERM "$WORKER"
code=0
wait "$WORKER" || code=$?
[ "$code" -eq 0 ] || fail "the worker drained with exit code $code"
