#!/usr/bin/env bash
# A farm in one allocation, preempted by requeue, then at the end of its walltime: each time it goes on where it was.
. "$(dirname "$0")/lib.sh"

site_conf
echo 'export SBATCH_SIGNAL=B:USR1@50' >>site.conf # 10 s into a walltime of a minute
manifest m.jsonl 120 12 # more than the fastest machine makes in the 10 s before the signal
slurm_up 2 2
expect 0 "$DIFFARM" slurm submit m.jsonl -m "$MODEL" -o out --nodes 2 --time 1 --site site.conf -- --micro-batch 1
job=$(cat out.txt)

wait_for 120 has_pictures out 3
held=$(in_flight out.farm)
scontrol requeue "$job"
log=out.farm/slurm-diffarm-$job.out
wait_for 120 grep -q 'restarts=1 farm of 2 workers' "$log"
wait_for 120 grep -q 'the time is nearly up: requeue' "$log"
wait_for 60 scontrol update "jobid=$job" timelimit=30 # the next turn is the last
echo "pictures when the time was up: $(pictures out)"

wait_for 240 test -s out.farm/exit_code
[ "$(cat out.farm/exit_code)" = 0 ] || fail "the farm ended with $(cat out.farm/exit_code)"
no_more_redone out "$held" # the walltime itself costs nothing: workers drain before it
render m.jsonl base --micro-batch 1
same_out base out
