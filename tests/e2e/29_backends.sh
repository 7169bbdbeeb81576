#!/usr/bin/env bash
# Which backend computes: a farm mixes no pictures of two; where a device is wanted that is not there, one line says so.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi
manifest m.jsonl 2 2

# A job waits for a worker of its backend, also over a restart of the coordinator, and its lists say which it was.
render m.jsonl on_cpu
start_coordinator state
"$DIFFARM" submit m.jsonl -m "$MODEL" -o on_reference --connect "$ENDPOINT" --backend reference >job.txt
JOB=$(cat job.txt)
start_worker cpu
wait_for 60 said cpu 1 welcome
kill -9 "$COORDINATOR"
start_coordinator state
expect 0 "$DIFFARM" explain "$JOB" --connect "$ENDPOINT"
wait_for 60 sh -c "'$DIFFARM' explain $JOB --connect '$ENDPOINT' | grep -q 'computes on cpu, not on reference'"
expect 0 "$DIFFARM" explain "$JOB" --connect "$ENDPOINT"
says out.txt "waits for a worker on reference"
[ ! -e on_reference/images ] || fail "the cpu has made pictures of the reference"
start_worker reference --backend reference
wait_for 100 test -s on_reference/job.json
says on_reference/metadata.jsonl '"backend":"reference"'
says on_reference/job.json '"backend":"reference"'
grep -aqF '"backend": "reference"' on_reference/images/000000/00000000.png || fail "the PNG's text names another backend"
grep -q backend on_cpu/metadata.jsonl && fail "the lists of a job on the cpu have changed"
"$DIFFARM" submit m.jsonl -m "$MODEL" -o on_any --connect "$ENDPOINT" --backend any --wait --output quiet
says on_any/metadata.jsonl '"backend":"any"'
expect 2 "$DIFFARM" submit m.jsonl -m "$MODEL" -o never --connect "$ENDPOINT" --backend abacus

# What was made is made again by the backend that made it.
expect 0 "$DIFFARM" replay on_reference/images/000000/00000001.png -m "$MODEL" --threads 1
says out.txt "the same bytes"
expect 0 "$DIFFARM" verify on_reference --sample 1 -m "$MODEL" --threads 1

# A half-made OUT is not filled up by another.
expect 2 "$DIFFARM" render m.jsonl -m "$MODEL" -o on_cpu --threads 1 --backend reference
says err.txt "on_cpu"

# No device: one line, nothing left behind. Where there is one, its own tests say more.
"$DIFFARM" doctor --gpu --output json --bind "tcp://127.0.0.1:*" >doctor.json || true
if ! grep -q '"name":"gpu 0"' doctor.json; then
    refused() { # refused COMMAND...
        expect 3 timeout 60 "$@"
        [ "$(grep -c "" err.txt)" -eq 1 ] || { cat err.txt >&2; fail "more than a line"; }
        says err.txt "diffarm: error: "
        grep -q "cuda" err.txt || fail "the backend is not named"
    }
    refused "$DIFFARM" render m.jsonl -m "$MODEL" -o none --backend cuda
    refused "$DIFFARM" worker --connect "$ENDPOINT" --backend cuda
    refused "$DIFFARM" worker --connect "$ENDPOINT" --backend cuda --pipeline 2
    refused "$DIFFARM" bench gpu -o none --parts step
    [ -z "$(ls -d none* 2>/dev/null)" ] || fail "something was left behind"
    if command -v mpirun >/dev/null && grep -q '"name":"cuda backend","level":"ok"' doctor.json; then
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
        code=0
        timeout 60 mpirun --oversubscribe -np 2 "$DIFFARM" worker --connect "$ENDPOINT" --backend cuda >ranks.txt 2>&1 || code=$?
        [ "$code" -eq 3 ] || fail "ranks without a device ended with $code"
        [ "$(grep -c "no GPU" ranks.txt)" -eq 1 ] || { cat ranks.txt >&2; fail "said more than once"; }
    fi
fi

# On doubles of CUDA's libraries: a rank, two over pinned memory of the host (the NCCL beside them is too old), and again.
if [ -e "${DOUBLES:-none}/libdiffarm_cuda.so" ] && command -v mpirun >/dev/null; then
    export LD_LIBRARY_PATH=$DOUBLES
    echo '{"prompt": "ghost", "seed": 3, "steps": 2, "guidance": 4, "size": "32x32"}' >small.jsonl
    render small.jsonl cuda_1 --backend cuda
    says cuda_1/metadata.jsonl '"backend":"cuda"'
    start_worker cuda_2 --backend cuda --pipeline 2
    "$DIFFARM" submit small.jsonl -m "$MODEL" -o cuda_2 --connect "$ENDPOINT" --backend cuda --wait --output quiet
    same_out cuda_1 cuda_2
    says cuda_2.log "rank 0 of 2 on"
    says cuda_2.log "GPU 1 of 8"
    says cuda_2.log "transport=staged"
    says cuda_2.log "NCCL 2.10.0 is too old"
    expect 0 "$DIFFARM" replay cuda_1/images/000000/00000000.png -m "$MODEL" --threads 1
    says out.txt "the same bytes"
    unset LD_LIBRARY_PATH
    expect 2 "$DIFFARM" replay cuda_1/images/000000/00000000.png -m "$MODEL" --threads 1
    says err.txt "cuda"
fi
