#!/usr/bin/env bash
# The doctor inside an allocation of a real Slurm: it starts two ranks on two nodes in each way and says which works.
. "$(dirname "$0")/lib.sh"

slurm_up 2 2
cat >job.sh <<EOF
#!/bin/bash
"$DIFFARM" doctor --output json --bind "tcp://127.0.0.1:*" --limit 60 >doctor.json 2>doctor.log
echo \$? >doctor.rc
EOF
sbatch --nodes=2 --ntasks-per-node=1 --time=5 job.sh >submitted.log
wait_for 240 test -s doctor.rc
python3 - <<'EOF' || { cat doctor.json doctor.log >&2; fail "the doctor found something else"; }
import json, sys
found = {c["name"]: (c["level"], c["text"]) for c in json.load(open("doctor.json"))["checks"]}
print(found)
level, text = found["slurm"]
assert level == "ok" and "srun knows" in text, text
for way in ("mpirun", "srun --mpi=pmix"): # Debian's Open MPI speaks PMIx
    level, text = found[way]
    assert level == "ok" and "ranks 2" in text, (way, level, text)
level, text = found["srun --mpi=pmi2"] # and no PMI-2
assert level == "note" and "not built with Slurm's PMI support" in text, text
assert found["pipelines"][0] == "ok"
EOF
says doctor.rc 0
