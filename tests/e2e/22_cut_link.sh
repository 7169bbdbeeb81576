#!/usr/bin/env bash
# Five hosts, keys on the wire: the coordinator, a pipeline over three, a worker alone. A cable is pulled between the ranks, then
# between the other worker and the coordinator: found in the stated time, the others go on, and with the cable back the data
# set is the same to the byte.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

export HOST_PREFIX=df$$h HOST_NAMES=$WORK/hosts
hosts=$SOURCE/tests/e2e/hosts.sh
{ "$hosts" up 5 && "$hosts" on 1 true; } >hosts.txt 2>&1 || {
    cat hosts.txt
    echo "SKIPPED: network namespaces (root, iproute2, util-linux) are needed"
    exit 77
}
program=$DIFFARM
ENDPOINT=tcp://10.77.0.1:7700
manifest m.jsonl 30 6
render m.jsonl base --workers 2
expect 0 "$program" keygen keys
export OMPI_MCA_plm_rsh_agent="$hosts agent" OMPI_MCA_btl_tcp_if_include=eth0 OMPI_MCA_oob_tcp_if_include=eth0
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# The client's commands, from the coordinator's host.
DIFFARM=$WORK/client
printf '#!/bin/sh\nexec "%s" on 1 "%s" "$@" --keys "%s/keys"\n' "$hosts" "$program" "$WORK" >"$DIFFARM"
chmod +x "$DIFFARM"

start coordinator "$hosts" on 1 "$program" coordinator --state state --bind "$ENDPOINT" --keys keys \
    --lease-timeout-ms 2000 --heartbeat-ms 500 --lease-seconds 1
wait_for 60 "$DIFFARM" jobs --connect "$ENDPOINT" --timeout 1
start pipeline "$hosts" on 2 "$program" worker --connect "$ENDPOINT" --keys keys --threads 1 --micro-batch 1 --pipeline 3 \
    --hosts "${HOST_PREFIX}2,${HOST_PREFIX}3,${HOST_PREFIX}4" --stall-timeout 3
head -n 4 m.jsonl >few.jsonl # what a pass takes is known from then on
expect 0 timeout 200 "$DIFFARM" submit few.jsonl -m "$MODEL" -o few --connect "$ENDPOINT" --wait
start alone "$hosts" on 5 "$program" worker --connect "$ENDPOINT" --keys keys --threads 1 --micro-batch 1
wait_for 60 grep -q event=welcome alone.log
n_leases() { grep -c event=lease "$1.log" || true; }
more_leases() { [ "$(n_leases "$1")" -gt "$2" ]; } # more_leases NAME N: it has got more than N

# Between the ranks: the other worker ends the job alone.
before=$(n_leases pipeline)
JOB=$("$DIFFARM" submit m.jsonl -m "$MODEL" -o out --connect "$ENDPOINT")
wait_for 60 more_leases pipeline "$before"
"$hosts" cut 3
expect 0 timeout 200 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
same_out base out
wait_for 60 grep -q 'child_ended child="mpirun"' pipeline.log
# Where passes are slow rank 0 is patient, and mpirun may miss the host first (its code 205).
grep -Eq 'rank 1 hangs: silent for [0-9.]+ s in stage 1 of |how="exit code 205"' pipeline.log ||
    fail "no word of the rank that was cut off"
"$hosts" heal 3

# Between the other worker and the coordinator: its rows go to the pipeline, which is back; what it sends later is dropped.
before=$(n_leases pipeline)
JOB=$("$DIFFARM" submit m.jsonl -m "$MODEL" -o again --connect "$ENDPOINT")
wait_for 60 more_leases alone "$(n_leases alone)"
"$hosts" cut 5
wait_for 60 grep -q state=lost coordinator.log
wait_for 60 more_leases pipeline "$before"
"$hosts" heal 5
expect 0 timeout 200 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
same_out base again
