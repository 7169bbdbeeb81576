#!/usr/bin/env bash
# Guidance in two halves: the bytes of one rank, for mixed guidance and steps, f32 and bf16; both halves compute; the plan
# chooses them for latency alone. A half that is killed ends its own pipeline: another worker goes on, nothing is lost.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

guidances=(4 1 7.5 4 1 1 2 4)
for i in {0..7}; do
    echo "{\"prompt\": \"ghost $((i % 3))\", \"seed\": $i, \"steps\": $((2 + i % 3)), \"guidance\": ${guidances[i]}}"
done >m.jsonl

render m.jsonl base
for variant in "1 2 1" "1 2 3" "2 4 2"; do
    read -r workers ranks batch <<<"$variant"
    render m.jsonl out --workers "$workers" --pipeline "$ranks" --split cfg --micro-batch "$batch"
    same_out base out
    rm -rf out
done
if "$DIFFARM" render m.jsonl -m "$MODEL" -o bf16 --threads 1 --output quiet --dtype bf16 2>err.txt; then
    render m.jsonl bf16-halves --split cfg --dtype bf16 # of two ranks, as nothing is said
    same_out bf16 bf16-halves
else
    says err.txt bf16 # this machine cannot
fi

expect 2 "$DIFFARM" worker --pipeline 3 --split cfg
says err.txt "--pipeline 3 is odd"
expect 2 "$DIFFARM" render m.jsonl -m "$MODEL" -o none --pipeline 2 --split rows
says err.txt "--split must be layers or cfg"
expect 0 "$DIFFARM" inspect "$MODEL" --pipeline 2 --split cfg --optimize latency
says out.txt "choice   1 pair that shares guidance"
grep -q '^warning' out.txt && fail "what is best is said to be slow"
expect 0 "$DIFFARM" inspect "$MODEL" --pipeline 2 --optimize latency
says out.txt "of the speed of 1 pair that shares guidance"

start_coordinator state
start_worker quick --pipeline 2 --optimize latency --trace quick.json
quick=$WORKER
"$DIFFARM" submit m.jsonl -m "$MODEL" -o out --connect "$ENDPOINT" --output quiet --wait
same_out base out
said quick 1 halves=2 || fail "the plan has not chosen halves for latency"
kill -TERM "$quick"
wait_for 60 is_gone "$quick"
python3 - <<'PY' || fail "not both halves have computed each guided step"
import json
passes = {}
for e in json.load(open("quick.json"))["traceEvents"]:
    if e["ph"] == "X" and e["cat"] == "compute" and e["name"].startswith("unet"):
        passes.setdefault(e["args"]["command"], {})[e["pid"]] = e["args"]["rows"]
assert passes
for rows in passes.values():  # by rank; a lone row is the first half's
    assert 0 <= rows[0] - rows.get(1, 0) <= 1, rows
assert any(len(rows) == 2 for rows in passes.values())
PY

manifest long.jsonl 24 10
render long.jsonl long
start_worker plain --pipeline 2
other=$WORKER
start_worker halves --pipeline 4 --split cfg --micro-batch 1
wait_for 60 said plain 1 event=welcome
wait_for 60 said halves 1 event=welcome
untouched=$(family "$other")
JOB=$("$DIFFARM" submit long.jsonl -m "$MODEL" -o long-out --connect "$ENDPOINT")
wait_for 60 done_at_least "$JOB" 1
wait_for 60 said halves 1 halves=2
mpirun=$(pgrep -P "$WORKER" mpirun)
rank_of() { tr '\0' '\n' <"/proc/$1/environ" | sed -n 's/^OMPI_COMM_WORLD_RANK=//p'; }
for pid in $(pgrep -P "$mpirun" diffarm); do [ "$(rank_of "$pid")" = 3 ] && kill -9 "$pid"; done
wait_for 60 is_gone "$mpirun"
expect 0 timeout 200 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
same_out long long-out
grep -Eq 'event=rank_died rank=3 of=4 where="(stage 1 of the second half of [^"]*command [0-9]+|idle)"' halves.log ||
    fail "no word of the rank that died"
[ "$(family "$other")" = "$untouched" ] || fail "the other pipeline was started again"
