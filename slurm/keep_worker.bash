#!/usr/bin/env bash
# keep_worker.bash COMMAND...: a worker that is started again when it dies. Runs as a task of srun.
# With TRACES set it leaves its trace there.
# Exit codes 0 (drained), 2 (usage) and 3 (refused) are final. Slurm sends its signals to every process of a step, so the
# worker hears them by itself; here they only end the loop.
set -euo pipefail
[ -z "${TRACES:-}" ] || set -- "$@" --trace "$TRACES/$SLURM_JOB_ID-$SLURM_PROCID.json"
told=
trap 'told=1' USR1 TERM
while :; do
    code=0
    "$@" || code=$?
    case $code in 0 | 2 | 3) exit "$code" ;; esac
    [ -z "$told" ] || exit 0
    echo "worker on $(hostname) ended with $code; once more in 2 s" >&2
    sleep 2
done
