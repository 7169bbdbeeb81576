#!/usr/bin/env bash
# Pipelines that stay on a node, started by srun: as a step inside a worker's own step, and of `render` in a batch job. Outside
# of an allocation srun is refused. keep_worker.bash hands a SIGTERM on that it alone has got.
. "$(dirname "$0")/lib.sh"

cp "$SOURCE/examples/emoji.jsonl" .
render emoji.jsonl base
expect 2 "$DIFFARM" worker --connect tcp://127.0.0.1:9 --pipeline 2 --launcher srun
says err.txt "in none: take --launcher mpirun"
expect 2 render emoji.jsonl no --pipeline 2 --launcher srun
says err.txt "no node of an allocation"
[ ! -e no ] || fail "a refused render left something"

start_coordinator state
manifest m.jsonl 40 12
JOB=$("$DIFFARM" submit m.jsonl -m "$MODEL" -o drained --connect "$ENDPOINT")
start kept bash "$SOURCE/slurm/keep_worker.bash" "$DIFFARM" worker --connect "$ENDPOINT" --threads 1 --micro-batch 1 --drain-seconds 60
KEPT=$!
wait_for 120 done_at_least "$JOB" 1
worker=$(pgrep -P "$KEPT" diffarm)
kill -TERM "$KEPT"
wait_for 60 is_gone "$worker"
code=0
wait "$KEPT" || code=$?
[ "$code" -eq 0 ] || fail "the worker's keeper ended with $code"
said kept 1 event=drain || fail "no word of draining"
[ "$(field "$JOB" done)" -lt 40 ] || fail "nothing was left: the signal came too late to tell anything"
kill "$COORDINATOR"

PROCTRACK=pgid
site_conf
echo LAUNCHER=srun >>site.conf
slurm_up 2 2
expect 0 timeout 200 "$DIFFARM" slurm submit emoji.jsonl -m "$MODEL" -o out --nodes 2 --pipeline 2 --time 5 --site site.conf --wait
same_out base out
says out.farm/workers.log 'launcher=srun mpi=pmix ranks=2 why="asked for"'
for node in n1 n2; do says out.farm/workers.log "event=binding rank=1 of=2 host=\"$node\""; done

cat >job.sh <<EOF
#!/bin/bash
"$DIFFARM" render emoji.jsonl -m "$MODEL" -o alone --threads 1 --pipeline 2 --launcher srun >render.log 2>&1
echo \$? >render.rc
EOF
sbatch --nodes=2 --ntasks-per-node=2 --time=5 job.sh >submitted.log
both_are_there() {
    grep -h event=binding alone/.diffarm-render/worker-1.log >bindings.txt && [ "$(wc -l <bindings.txt)" -eq 2 ]
}
wait_for 120 both_are_there
says bindings.txt 'rank=1 of=2 host="n1"' # where the coordinator is, not on the other node
wait_for 120 test -s render.rc
says render.rc 0
same_out base alone
[ -z "$(pgrep -f -- "$WORK/.*--pulse")" ] || fail "ranks are left"
