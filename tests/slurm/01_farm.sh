#!/usr/bin/env bash
# The demo's manifest through farm.sbatch, a pipeline of two ranks on each of two nodes: the same data set as on one machine. What is wrong is said before
# anything is submitted; a dry run submits nothing.
. "$(dirname "$0")/lib.sh"

cp "$SOURCE/examples/emoji.jsonl" .
site_conf
submit=("$DIFFARM" slurm submit emoji.jsonl -m "$MODEL" -o out --nodes 2 --pipeline 2 --time 5 --site site.conf)

expect 2 "$DIFFARM" slurm
expect 2 "$DIFFARM" slurm submit emoji.jsonl -m "$MODEL" -o out --nodes 2
says err.txt "--time T"
expect 2 "$DIFFARM" slurm submit emoji.jsonl -m "$MODEL" -o out --nodes 2 --time '1; rm'
expect 2 "${submit[@]}" -- --steps many
says err.txt "--steps"
echo '{"prompt": "ghost", "sead": 1}' >bad.jsonl
expect 2 "$DIFFARM" slurm submit bad.jsonl -m "$MODEL" -o out --nodes 2 --time 5
says err.txt "sead"
expect 0 "${submit[@]}" --dry-run -- --negative "it's; \$HOME"
says out.txt "sbatch --parsable"
says out.txt "srun --ntasks=2 --cpus-per-task=2"
expect 0 "${submit[@]}" --dry-run --elastic
says out.txt "--array 0-1"
[ ! -e out.farm ] || fail "a dry run left something"

slurm_up 2 2
expect 0 timeout 120 "${submit[@]}" --wait
[ "$(stat -c %a out.farm)" = 700 ] || fail "others can look into the farm's folder"
[ "$(stat -c %a out.farm/keys/work.key)" = 600 ] || fail "others can read the worker's key"
for node in n1 n2; do says out.farm/coordinator.log "name=\"$node:"; done
says out.farm/coordinator.log "ranks=2"
render emoji.jsonl base
same_out base out

expect 2 "$DIFFARM" slurm submit emoji.jsonl -m "$MODEL" -o out --nodes 1 --time 5 --site site.conf
says err.txt "another submission"
expect 0 timeout 60 "${submit[@]}" --wait # all of it is there
same_out base out
