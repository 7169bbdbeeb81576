#!/usr/bin/env bash
# Coordinator, client and an array of workers as jobs of their own: a worker cancelled half-way, then the coordinator sent
# to another node. Nothing that was committed is lost.
. "$(dirname "$0")/lib.sh"

no_jobs() {
    [ -z "$(timeout 5 squeue -h -t RUNNING,PENDING,COMPLETING -o %i)" ]
}

site_conf
manifest m.jsonl 60 12
slurm_up 3 3
expect 0 "$DIFFARM" slurm submit m.jsonl -m "$MODEL" -o out --nodes 3 --time 5 --elastic --site site.conf -- --micro-batch 1
mapfile -t jobs <out.txt
[ "${#jobs[@]}" -eq 3 ] || fail "three jobs were expected: ${jobs[*]}"
coordinator=${jobs[0]} workers=${jobs[2]}

wait_for 120 has_pictures out 4
held=$(in_flight out.farm)
scancel "${workers}_1"

wait_for 120 has_pictures out 8
before=$(cat out.farm/state/endpoint)
held=$((held + $(in_flight out.farm)))
committed=$(find out/images -name '*.png' -exec sha256sum {} + | sort)
node=$(squeue -h -j "$coordinator" -o %N)
scontrol update nodename="$node" state=drain reason="the coordinator must go elsewhere"
rm out.farm/state/endpoint # so that it takes another port: on this machine all nodes have one address
scontrol requeue "$coordinator"
wait_for 120 grep -q 'restarts=1 coordinator on' "out.farm/slurm-diffarm-coordinator-$coordinator.out"
grep -q "coordinator on $node" <(tail -n 1 "out.farm/slurm-diffarm-coordinator-$coordinator.out") &&
    fail "the coordinator is on $node again"
scontrol update nodename="$node" state=resume

wait_for 240 test -s out.farm/exit_code
[ "$(cat out.farm/exit_code)" = 0 ] || fail "the farm ended with $(cat out.farm/exit_code)"
after=$(cat out.farm/state/endpoint)
echo "the coordinator went from $before to $after"
[ "$before" != "$after" ] || fail "the coordinator listens at $before again"
sha256sum --quiet -c <<<"$committed" || fail "a committed picture was changed"
no_more_redone out "$held"
render m.jsonl base --micro-batch 1
same_out base out
wait_for 30 no_jobs # coordinator and workers end with the farm
