#!/usr/bin/env bash
# A rank killed half-way: its mpirun ends, the supervisor starts it again, the job goes on; the other pipeline is not touched.
# No process stays behind.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

manifest m.jsonl 16 10
render m.jsonl base
start_coordinator state
start_worker other --pipeline 2 --micro-batch 1
other=$WORKER
start_worker supervisor --pipeline 2 --micro-batch 1
wait_for 60 said other 1 event=welcome
wait_for 60 said supervisor 1 event=welcome
untouched=$(family "$other")
JOB=$("$DIFFARM" submit m.jsonl -m "$MODEL" -o out --connect "$ENDPOINT")
wait_for 60 done_at_least "$JOB" 1
mpirun=$(pgrep -P "$WORKER" mpirun)
rank_of() { tr '\0' '\n' <"/proc/$1/environ" | sed -n 's/^OMPI_COMM_WORLD_RANK=//p'; }
for pid in $(pgrep -P "$mpirun" diffarm); do [ "$(rank_of "$pid")" = 1 ] && kill -9 "$pid"; done
wait_for 60 is_gone "$mpirun"
expect 0 timeout 200 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
same_out base out
grep -q child_ended supervisor.log || fail "the supervisor has not noticed"
grep -Eq 'event=rank_died rank=1 of=2 where="(stage 1 of [^"]*command [0-9]+|idle)"' supervisor.log || fail "no word of the rank that died"
[ "$(grep -c 'event=rank_died' supervisor.log)" -eq 1 ] || fail "ranks that were ended are said to have died"
[ "$(family "$other")" = "$untouched" ] || fail "the other pipeline was started again"
grep -q child_ended other.log && fail "the other pipeline has ended"

wait_for 60 said supervisor 2 event=welcome
mpirun=$(pgrep -P "$WORKER" mpirun)
ranks=$(pgrep -P "$mpirun" diffarm)
kill -9 "$WORKER"
for pid in $mpirun $ranks; do wait_for 60 is_gone "$pid"; done
