#!/usr/bin/env bash
# The doctor beside MPIs, Slurms, drivers and folders in every state: what it says, what it advises, how it ends.
. "$(dirname "$0")/lib.sh"
: "${FAKES:?folder of the fake libraries}"
for name in $(compgen -e SLURM_); do unset "$name"; done # of a job that this test may run in
unset LD_LIBRARY_PATH

# A fake Open MPI, and what it does when it is to start ranks.
fake_mpirun() {
    fake mpirun '[ "$1" != --version ] || { echo "mpirun (Open MPI) 4.1.4"; exit; }; '"$1"
}
fake() { # fake NAME SCRIPT: a program that goes before the system's
    mkdir -p bin
    printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"
    chmod +x "bin/$1"
}
level_of() { # level_of NAME: of the last run with --output json
    python3 -c 'import json, sys
print([c["level"] for c in json.load(open("out.txt"))["checks"] if c["name"] == sys.argv[1]])' "$1"
}
finds() { # finds NAME LEVEL TEXT
    [ "$(level_of "$1")" = "['$2']" ] || { cat out.txt >&2; fail "$1 is $(level_of "$1"), not $2"; }
    says out.txt "$3"
}
doctor=("$DIFFARM" doctor --output json --bind "tcp://127.0.0.1:*" --workers 10)

# As a user sees it. No problem on the machine that runs these tests, whatever else it lacks.
fake sinfo 'exit 127'
SYSTEM_PATH=$PATH
fake_mpirun 'echo "ranks 2, a hop takes 1 us"'
export PATH=$WORK/bin:$SYSTEM_PATH
expect 0 "$DIFFARM" doctor --bind "tcp://127.0.0.1:*" --workers 10 -m "$MODEL"
says out.txt "0 problems"
says out.txt "every tensor is there"
expect 0 "$DIFFARM" doctor --bind "tcp://127.0.0.1:*" --workers 10 --output quiet
[ ! -s out.txt ] || fail "quiet said something"
expect 2 "$DIFFARM" doctor --sate here
expect 2 "$DIFFARM" doctor --keys here
expect 2 "$DIFFARM" doctor --probe teeth
[ -z "$(find . -name '.diffarm-doctor*')" ] || fail "something was left behind"

# MPI
expect 0 "${doctor[@]}"
finds mpi ok "Open MPI"
finds mpirun ok "a hop takes 1 us"
finds pipelines ok "started by mpirun"
fake_mpirun 'echo "no slots" >&2; exit 1'
expect 1 "${doctor[@]}"
finds mpirun note "no slots"
finds pipelines problem "will not work"
fake_mpirun 'echo "ranks 1"; echo "ranks 1"'
expect 1 "${doctor[@]}"
finds mpirun note "each rank is alone"
fake mpirun 'echo "HYDRA build details: Version 4.0"'
expect 1 "${doctor[@]}"
finds mpi problem "HYDRA"
fake_mpirun 'exec sleep 600'
expect 1 "${doctor[@]}" --limit 1
finds mpirun note "did not end in its time"
rm bin/mpirun
if command -v mpirun >/dev/null; then # the real one
    expect 0 "${doctor[@]}"
    finds pipelines ok "ranks 2, a hop takes"
fi
fake_mpirun 'echo "ranks 2, a hop takes 1 us"'

# Slurm
expect 0 "${doctor[@]}"
finds slurm note "does not answer"
SLURM_CONF=$WORK/none expect 1 "${doctor[@]}"
finds slurm problem "does not answer"
fake sinfo 'echo "debug* up 3"; echo "gpu up 2"'
fake srun 'case "$*" in
--mpi=list) echo "MPI plugin types are..."; echo none; echo pmix; echo pmi2;;
*--jobid=7*--mpi=pmi2*) echo "ranks 1"; echo "ranks 1";;
*--jobid=7*--mpi=pmix*) echo "ranks 2, a hop takes 2 us";; esac'
expect 0 "${doctor[@]}"
finds slurm ok "2 partitions; srun knows pmix: yes, pmi2: yes"
finds allocation note "not in one"
fake_mpirun 'exit 1'
SLURM_JOB_ID=7 expect 0 "${doctor[@]}"
finds "srun --mpi=pmi2" note "each rank is alone"
finds "srun --mpi=pmix" ok "a hop takes 2 us"
finds pipelines ok "started by srun --mpi=pmix"
fake_mpirun 'echo "ranks 2, a hop takes 1 us"'
SLURM_JOB_ID=7 expect 0 "${doctor[@]}"
finds pipelines ok "takes mpirun for ranks on one node, srun --mpi=pmix for ranks on several"

# GPU and NCCL: without libraries, then with ones that pretend.
if ! ldconfig -p | grep -q libcuda.so.1; then
    expect 0 "${doctor[@]}"
    finds gpu note "no NVIDIA driver"
    expect 1 "${doctor[@]}" --gpu
    finds gpu problem "install the NVIDIA driver"
fi
mkdir -p alone/bin # no ../lib beside it: as where it was built without CUDA
cp "$DIFFARM" alone/bin/
expect 0 alone/bin/diffarm doctor --output json --bind "tcp://127.0.0.1:*" --workers 10
finds "cuda backend" note "the cuda backend is not there"
says out.txt "build with the CUDA toolkit"
expect 1 alone/bin/diffarm doctor --output json --bind "tcp://127.0.0.1:*" --workers 10 --gpu
finds "cuda backend" problem "the cuda backend is not there"
LD_LIBRARY_PATH=$FAKES/../fake_backend expect 1 "${doctor[@]}" --gpu
finds "cuda backend" problem "a library of CUDA is missing: libcudart_absent.so"
says out.txt "add its folder to LD_LIBRARY_PATH"
LD_LIBRARY_PATH=$FAKES/../fake_backend:$FAKES FAKE_CUDA=fine expect 0 "${doctor[@]}" # a GPU that nothing can use
finds "cuda backend" warning "a library of CUDA is missing"
rm -r alone
export LD_LIBRARY_PATH=$FAKES
if [ -e "$FAKES/../../lib/libdiffarm_cuda.so" ]; then
    FAKE_CUDA=old expect 1 "${doctor[@]}"
    finds gpu problem "the driver is too old"
fi
FAKE_CUDA=fine expect 0 "${doctor[@]}"
finds gpu ok "2 devices"
finds "gpu 0" ok "sm_90, 16.0 GiB"
finds "gpu 1" warning "sm_70"
finds nccl ok "2.99.1"
FAKE_CUDA=nodevice expect 0 "${doctor[@]}"
finds gpu note "but no device"
FAKE_CUDA=nodevice expect 1 "${doctor[@]}" --gpu
FAKE_CUDA=broken expect 1 "${doctor[@]}"
finds gpu problem "error 803, system has unsupported"
FAKE_CUDA=crash expect 1 "${doctor[@]}"
finds gpu problem "signal 6"
FAKE_CUDA=hang expect 1 "${doctor[@]}" --limit 2
finds gpu problem "did not end in its time"
unset LD_LIBRARY_PATH

# Limits, folders, the network, a model
(ulimit -n 200 && expect 1 "${doctor[@]}" --workers 1000) || fail "few open files"
finds "open files" problem "1000 workers need"
(ulimit -n 200 && expect 0 "${doctor[@]}" --workers 50) || fail "few workers need few files"
expect 1 "${doctor[@]}" --state /proc/nowhere
finds "state folder" problem "/proc"
expect 0 "${doctor[@]}" --state not/yet/there
finds "state folder" ok "writes, syncs and locks"
[ ! -e not ] || fail "a folder was made"
python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
open("port", "w").write(str(s.getsockname()[1])); time.sleep(600)' &
PIDS+=($!)
wait_for 60 test -s port
expect 0 "$DIFFARM" doctor --output json --workers 10 --bind "tcp://127.0.0.1:$(cat port)"
finds endpoint warning "is in use"
expect 1 "$DIFFARM" doctor --output json --bind "http://here"
finds endpoint problem "http://here"
expect 1 "${doctor[@]}" --connect "tcp://127.0.0.1:$(cat port)" --timeout 1
finds coordinator problem "is it running"
mkdir empty
expect 1 "${doctor[@]}" -m empty
finds model problem "model_index.json"
"$DIFFARM" coordinator --state state --bind "tcp://127.0.0.1:*" >coordinator.log 2>&1 &
PIDS+=($!)
wait_for 60 test -s state/endpoint
expect 0 "${doctor[@]}" --connect "file://$WORK/state/endpoint"
finds coordinator ok "answers in"
