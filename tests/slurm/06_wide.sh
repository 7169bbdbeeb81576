#!/usr/bin/env bash
# Pipelines over several nodes, two in one allocation: the same data set as on one machine, started by srun or by mpirun. A
# rank that dies ends its pipeline alone; a warning before the walltime drains both. Then an elastic one.
. "$(dirname "$0")/lib.sh"

KILL_WAIT=120 # longer than the ranks that a dead one leaves behind may stay
PROCTRACK=pgid # signals come to Slurm's own children alone, as with proctrack/cgroup
cp "$SOURCE/examples/emoji.jsonl" .
site_conf
sed -i 's/^DRAIN_SECONDS=.*/DRAIN_SECONDS=60/' site.conf
manifest m.jsonl 110 12
submit() { # submit MANIFEST OUT OPTIONS...
    local manifest=$1 out=$2
    shift 2
    timeout 200 "$DIFFARM" slurm submit "$manifest" -m "$MODEL" -o "$out" --nodes 4 --pipeline 4 --ranks-per-node 2 --time 5 \
        --site site.conf "$@"
}

expect 2 submit emoji.jsonl out --pipeline 3
says err.txt "make no whole pipelines of 3 ranks"
expect 2 submit emoji.jsonl out --nodes 3
expect 2 submit emoji.jsonl out --launcher ssh
[ ! -e out.farm ] || fail "a farm that cannot be left something"
expect 0 submit emoji.jsonl out --dry-run
says out.txt "--hosts NODE3:2"
expect 0 submit emoji.jsonl out --dry-run --elastic
says out.txt "--array 0-1 --time 5 --ntasks-per-node 2 --cpus-per-task 1 --nodes 2 --ntasks 4"

# By srun, and disturbed.
slurm_up 4 3
expect 0 submit m.jsonl out -- --micro-batch 1
job=$(cat out.txt)
first=out.farm/worker-$job-0.log second=out.farm/worker-$job-1.log
wait_for 120 has_pictures out 6
says "$first" 'launcher=srun mpi=pmix ranks=4 why="ranks on several nodes; srun --mpi=pmix works'
for rank in 0:n1 1:n1 2:n2 3:n2; do says "$first" "event=binding rank=${rank%:*} of=4 host=\"${rank#*:}\" cores="; done
says "$second" 'event=binding rank=3 of=4 host="n4"'
wait_for 60 grep -q event=lease "$first"
held=$(in_flight out.farm)
kill -9 "$(rank_on n2 2)"
wait_for 60 grep -Eq 'event=rank_died rank=2 of=4 where="(stage 2 of [^"]*command [0-9]+|idle)"' "$first"
again() { [ "$(grep -c event=welcome "$first")" -ge 2 ]; }
wait_for 60 again
grep -q child_ended "$second" && fail "the other pipeline was started again"
wait_for 60 grep -q state=lost out.farm/coordinator.log # its rows have gone to others

before=$(pictures out)
scancel --signal=USR1 --batch "$job" # as SBATCH_SIGNAL does
wait_for 120 grep -q 'restarts=1 farm of 2 workers' "out.farm/slurm-diffarm-$job.out"
for log in "$first" "$second"; do says "$log" event=drain; done
wait_for 240 test -s out.farm/exit_code
[ "$(cat out.farm/exit_code)" = 0 ] || fail "the farm ended with $(cat out.farm/exit_code)"
[ "$before" -lt 110 ] || fail "nothing was left: the signal came too late to tell anything"
no_more_redone out "$held" # the drain itself costs nothing
render m.jsonl base --micro-batch 1 --workers 2
same_out base out
[ -z "$(pgrep -f -- "$WORK/.*--pulse")" ] || fail "ranks are left"

# By mpirun, whose daemons srun starts.
render emoji.jsonl little
expect 0 submit emoji.jsonl other --launcher mpirun --wait
grep -q 'launcher=mpirun ranks=4' other.farm/worker-*-0.log || fail "it was not mpirun"
grep -q 'event=binding rank=2 of=4 host="n2"' other.farm/worker-*-0.log || fail "the ranks are elsewhere"
same_out little other

# Workers as jobs of their own, each over two nodes.
expect 0 submit emoji.jsonl third --pipeline 2 --ranks-per-node 1 --elastic --wait
grep -hq 'event=binding rank=1 of=2' third.farm/worker-*.log || fail "no pipeline of two ranks"
same_out little third
