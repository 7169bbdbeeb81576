#!/usr/bin/env bash
# A rank killed half-way: mpirun ends, the supervisor starts it again, the job goes on. No process stays behind.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

manifest m.jsonl 10 10
render m.jsonl base
start_coordinator state
start_worker supervisor --pipeline 2 --micro-batch 1
JOB=$("$DIFFARM" submit m.jsonl -m "$MODEL" -o out --connect "$ENDPOINT")
wait_for 40 done_at_least "$JOB" 1
mpirun=$(pgrep -P "$WORKER" mpirun)
rank=$(pgrep -P "$mpirun" diffarm | tail -n 1)
kill -9 "$rank"
wait_for 20 is_gone "$mpirun"
expect 0 timeout 60 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
same_out base out
grep -q child_ended supervisor.log || fail "the supervisor has not noticed"

mpirun=$(pgrep -P "$WORKER" mpirun)
ranks=$(pgrep -P "$mpirun" diffarm)
kill -9 "$WORKER"
for pid in $mpirun $ranks; do wait_for 10 is_gone "$pid"; done
