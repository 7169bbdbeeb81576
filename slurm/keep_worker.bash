#!/usr/bin/env bash
# keep_worker.bash COMMAND...: a worker that is started again when it dies. Runs as a task of srun, or beside the batch
# script. With TRACES set it leaves its trace there.
# Exit codes 0 (drained), 2 (usage) and 3 (refused) are final. USR1 and TERM drain the worker and end the loop: some sites
# send signals to every process of a step, others to this one alone (proctrack/cgroup), so it hands them on, as USR1, which
# does no harm when it comes twice.
set -euo pipefail
[ -z "${TRACES:-}" ] || set -- "$@" --trace "$TRACES/$SLURM_JOB_ID-${WORKER_NUMBER:-$SLURM_PROCID}.json"
told='' worker=''
trap 'told=1; [ -z "$worker" ] || kill -s USR1 "$worker" 2>/dev/null || true' USR1 TERM
while [ -z "$told" ]; do
    "$@" &
    worker=$!
    while :; do # a signal ends `wait`, not the worker
        code=0
        wait "$worker" || code=$?
        kill -0 "$worker" 2>/dev/null || break
    done
    case $code in 0 | 2 | 3) exit "$code" ;; esac
    [ -n "$told" ] || echo "worker on $(hostname) ended with $code; once more in 2 s" >&2
    [ -n "$told" ] || sleep 2
done
