#!/usr/bin/env bash
# A rank that hangs (SIGSTOP): its pipeline ends in the stated time, with a message, and is started again; another worker
# goes on meanwhile, and the data set is the same to the byte. Rank 0 that hangs is found by its supervisor.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

manifest m.jsonl 24 10
render m.jsonl base
start_coordinator state
start_worker pipeline --pipeline 2 --micro-batch 1 --stall-timeout 3
supervisor=$WORKER
JOB=$("$DIFFARM" submit m.jsonl -m "$MODEL" -o out --connect "$ENDPOINT")
wait_for 60 done_at_least "$JOB" 1
start_worker alone --threads 1
mpirun=$(pgrep -P "$supervisor" mpirun)
mapfile -t ranks < <(pgrep -P "$mpirun" diffarm)
rank_of() { tr '\0' '\n' <"/proc/$1/environ" | sed -n 's/^OMPI_COMM_WORLD_RANK=//p'; }
for pid in "${ranks[@]}"; do [ "$(rank_of "$pid")" = 1 ] && kill -STOP "$pid"; done
wait_for 60 is_gone "$mpirun"
grep -Eq 'rank 1 hangs: silent for [0-9.]+ s in stage 1 of .*, command [0-9]+' pipeline.log || fail "no word of the rank that hangs"
expect 0 timeout 200 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
same_out base out
grep -q child_ended pipeline.log || fail "the supervisor has not noticed"

wait_for 60 said pipeline 2 event=welcome
JOB=$("$DIFFARM" submit m.jsonl -m "$MODEL" -o again --connect "$ENDPOINT")
wait_for 60 done_at_least "$JOB" 1
mpirun=$(pgrep -P "$supervisor" mpirun)
ranks=$(pgrep -P "$mpirun" diffarm)
for pid in $ranks; do [ "$(rank_of "$pid")" = 0 ] && kill -STOP "$pid"; done
for pid in $mpirun $ranks; do wait_for 60 is_gone "$pid"; done
grep -Eq 'event=rank_hangs rank=0 silent_ms=[0-9]+' pipeline.log || fail "the supervisor has not noticed"
expect 0 timeout 200 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
same_out base again
