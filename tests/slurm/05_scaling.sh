#!/usr/bin/env bash
# A scaling test whose runs are batch jobs: one worker a node, traces of each, and an interrupted run leaves no job behind.
. "$(dirname "$0")/lib.sh"

site_conf
scale=("$DIFFARM" bench scale -m "$MODEL" --slurm --time 5 --site site.conf --machine "two nodes" --repeats 1)

expect 2 "$DIFFARM" bench scale -m "$MODEL" -o out --slurm
says err.txt "--time T"
expect 2 "${scale[@]}" -o out --threads 2
expect 0 "${scale[@]}" -o out --workers 1,2 --dry-run
says out.txt "slurm submit MANIFEST"

slurm_up 2 2
expect 0 timeout 120 "${scale[@]}" -o out --workers 1,2 --pictures 16 -- --steps 1
says out.txt "under Slurm"
python3 - <<'PY'
import json
r = json.load(open("out/scale.json"))
assert r["setting"]["launcher"] == "slurm" and r["machine"]["name"] == "two nodes" and r["machine"]["cores"] == 0, r
assert [(p["workers"], len(p["runs"])) for p in r["points"]] == [(1, 1), (2, 1)], r["points"]
for p in r["points"]:
    assert abs(sum(p["runs"][0]["shares"].values()) - 1) < 1e-4, p
    assert p["runs"][0]["shares"]["compute"] > 0.05, p
PY
[ ! -e out/work ] || fail "the farms' folders are left"
[ -z "$(squeue -h)" ] || fail "jobs are left"

start broken_off "${scale[@]}" -o again --workers 2 --pictures 2000
PID=$!
wait_for 60 test -s again/logs/2x1-1.log # the ids of its jobs
kill -INT "$PID"
wait_for 60 is_gone "$PID"
says broken_off.log "goes on with the 1 run that is missing"
[ -z "$(squeue -h)" ] || fail "jobs are left"
[ ! -e again/work ] || fail "the farms' folders are left"
