#!/usr/bin/env bash
# SIGTERM to every process of a pipeline at once, as a batch system sends it: what is begun is finished, what is not is
# handed back, no row is rendered twice, and no process stays behind.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

manifest m.jsonl 24 10
render m.jsonl base
start_coordinator state
start_worker first --pipeline 2 --micro-batch 1 --drain-seconds 120
wait_for 60 said first 1 event=welcome
JOB=$("$DIFFARM" submit m.jsonl -m "$MODEL" -o out --connect "$ENDPOINT")
wait_for 120 done_at_least "$JOB" 1
everybody="$WORKER $(family "$WORKER")"
kill -TERM $everybody
code=0
wait "$WORKER" || code=$?
[ "$code" -eq 0 ] || fail "the worker ended with $code"
for pid in $everybody; do is_gone "$pid" || fail "process $pid has stayed behind"; done
said first 1 event=drain || fail "no word of draining"
[ "$(field "$JOB" done)" -lt 24 ] || fail "nothing was left: the signal came too late to tell anything"

start_worker second
expect 0 timeout 200 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
same_out base out
python3 - <<'PY' || fail "rows were rendered again"
import json
rows = [json.loads(line) for line in open("out/runs.jsonl")]
again = [r["row"] for r in rows if r["workers_lost"] or r["attempts"] != 1]
print("redone:", again)
raise SystemExit(bool(again))
PY
