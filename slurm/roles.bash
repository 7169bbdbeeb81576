# The parts that coordinator, workers and client play under Slurm. The batch scripts source this file:
#
#   . "$1/roles.bash" "$1"        $1 is the farm's folder, made by `diffarm slurm submit`:
#
#   farm.conf    what to render        keys/    made once, readable by the user alone
#   site.conf    where to run          state/   the coordinator's jobs, and where it listens (state/endpoint)
#   *.log        what each part says   exit_code  appears when the data set is whole: 0, or 1 if pictures failed
#
# Functions that play a part to its end, `workers` and `render`, become its command (exec): call them in the background, and
# their pid takes the signals. With DRY_RUN=1 commands are printed in place of being run; that needs no cluster.

. "$1/site.conf"
. "$1/farm.conf" # FARM DIFFARM START_DIR MANIFEST MODEL OUT NODES TIME PIPELINE ELASTIC RENDER_OPTIONS, maybe TRACES
# and, where they were given, LAUNCHER and RANKS_PER_NODE in place of the site's
export TRACES=${TRACES:-} # for keep_worker.bash, on the nodes
for module in ${MODULES[@]+"${MODULES[@]}"}; do module load "$module"; done

connect=(--connect "file://$FARM/state/endpoint" --keys "$FARM/keys")

run() {
    if [ -n "${DRY_RUN:-}" ]; then
        printf '%q ' "$@"
        echo
    else
        "$@"
    fi
}

# A pipeline of more ranks than a node holds lies on several nodes, with equally many ranks on each.
: "${RANKS_PER_NODE:=0}" "${LAUNCHER:=auto}" "${MPI_KIND:=}"
NODES_PER_PIPELINE=1
if [ "$RANKS_PER_NODE" -gt 0 ] && [ "$PIPELINE" -gt "$RANKS_PER_NODE" ]; then
    NODES_PER_PIPELINE=$((PIPELINE / RANKS_PER_NODE))
    if [ $((PIPELINE % RANKS_PER_NODE)) -ne 0 ] || [ $((NODES % NODES_PER_PIPELINE)) -ne 0 ]; then
        echo "$NODES nodes with $RANKS_PER_NODE ranks on each (RANKS_PER_NODE in site.conf, --ranks-per-node) make no whole" \
            "pipelines of $PIPELINE ranks: --pipeline must be a multiple of the ranks on a node, and --nodes one of the" \
            "nodes that a pipeline takes" >&2
        exit 2
    fi
fi

say() { echo "$(date -u +%FT%TZ) job=${SLURM_JOB_ID:-none} restarts=${SLURM_RESTART_COUNT:-0} $*"; }

farm_is_over() { [ -e "$FARM/exit_code" ]; }

# Slurm signals the script in order to end it: USR1 before the walltime ends, TERM for scancel and preemption. Bash runs
# a trap only between commands, so whatever lasts runs in the background and is waited for.
told=
listen_to_slurm() {
    trap 'told=USR1' USR1
    trap 'told=TERM' TERM
}

# stay PID...: until one of them ends, Slurm wants us to go, or the data set is whole.
stay() {
    local pid
    while [ -z "$told" ] && ! farm_is_over; do
        for pid; do kill -0 "$pid" 2>/dev/null || return 0; done
        sleep 1 &
        wait $! || true
    done
}

# finish SIGNAL PID: tells it, and waits for its end. `wait` returns early when a trap has run: hence the loop.
finish() {
    kill -s "$1" "$2" 2>/dev/null || true
    while kill -0 "$2" 2>/dev/null; do wait "$2" || true; done
}

# Peers know each other by keys that this farm alone has; `keygen` makes secrets readable by their owner only.
make_keys() {
    [ -e "$FARM/keys/coordinator.key" ] || run "$DIFFARM" keygen "$FARM/keys"
}

# Started again when it fails: after a node's death the old one's lock on the state can take a while to go.
coordinator() {
    local code child
    while :; do
        code=0
        "$DIFFARM" coordinator --state "$FARM/state" --bind 'tcp://*:*' --keys "$FARM/keys" &
        child=$!
        trap 'kill -s TERM "$child" 2>/dev/null' TERM
        wait "$child" || code=$?
        # 143: our own trap; 2: usage, which would come again.
        case $code in 0 | 2 | 143) exit "$code" ;; esac
        say "the coordinator ended with $code; once more in 5 s"
        sleep 5
    done
}

# The time at which Slurm ends this job: workers take only what they can finish before it.
end_time() {
    local text=${SLURM_JOB_END_TIME:-}
    if [ -z "$text" ] && [ -n "${SLURM_JOB_ID:-}" ]; then
        text=$(scontrol show job -o "$SLURM_JOB_ID" | sed -n 's/.* EndTime=\([0-9][^ ]*\).*/\1/p' | head -n 1)
        text=${text:+$(date -d "$text" +%s)}
    fi
    echo "$text"
}

# workers: as many as the nodes of this job hold, each one pipeline. No MPI between them: a dead one takes nobody along.
# USR1 drains them all.
workers() {
    local end
    end=$(end_time)
    [ -z "$TRACES" ] || run mkdir -p "$TRACES"
    worker=("$DIFFARM" worker "${connect[@]}" -m "$MODEL" --pipeline "$PIPELINE" --threads "$CPUS_PER_RANK"
        --launcher "$LAUNCHER" ${MPI_KIND:+--mpi "$MPI_KIND"} --drain-seconds "$DRAIN_SECONDS" ${end:+--end-time "$end"})
    local option
    for option in ${LAUNCH_OPTIONS[@]+"${LAUNCH_OPTIONS[@]}"}; do worker+=("--launch-option=$option"); done
    if [ "$NODES_PER_PIPELINE" -gt 1 ]; then wide_workers; else node_workers; fi
}

# One worker on each node, as a task of srun; it starts the ranks there.
node_workers() {
    local how=exec
    [ -z "${DRY_RUN:-}" ] || how=run
    $how srun --ntasks="${SLURM_JOB_NUM_NODES:-$JOB_NODES}" --cpus-per-task=$((PIPELINE * CPUS_PER_RANK)) --mpi=none --label \
        --kill-on-bad-exit=0 --wait=0 ${SRUN_OPTIONS[@]+"${SRUN_OPTIONS[@]}"} \
        bash "$FARM/keep_worker.bash" "${worker[@]}"
}

# nodes: those of this job, one a line
nodes() {
    if [ -n "${DRY_RUN:-}" ]; then
        seq -f NODE%g "$JOB_NODES"
    else
        scontrol show hostnames "$SLURM_JOB_NODELIST"
    fi
}

# Each worker has several nodes. It runs beside this script, and starts its ranks on its nodes.
wide_workers() {
    local i hosts over='' pids=()
    trap 'over=1; kill -s USR1 ${pids[@]+"${pids[@]}"} 2>/dev/null || true' USR1 TERM
    # One line a worker, like n1:2,n2:2
    mapfile -t hosts < <(nodes | sed "s/\$/:$RANKS_PER_NODE/" | xargs -n "$NODES_PER_PIPELINE" | tr ' ' ,)
    for ((i = 0; i < ${#hosts[@]}; i++)); do
        [ -z "$over" ] || break
        local worker_on=(bash "$FARM/keep_worker.bash" "${worker[@]}" --hosts "${hosts[i]}")
        if [ -n "${DRY_RUN:-}" ]; then
            run "${worker_on[@]}"
        else
            WORKER_NUMBER=$i "${worker_on[@]}" >>"$FARM/worker-${SLURM_ARRAY_TASK_ID:-$SLURM_JOB_ID}-$i.log" 2>&1 &
            pids+=($!)
        fi
    done
    for i in ${pids[@]+"${pids[@]}"}; do finish 0 "$i"; done
}

# The job until it is whole. A farm has one job, with an id made of its folder: sent again, after a turn, it is the same.
render() {
    local job
    job=$(printf '%s' "$FARM" | sha256sum | cut -c 1-16)
    exec "$DIFFARM" submit "$MANIFEST" -m "$MODEL" -o "$OUT" --job-id "$job" "${connect[@]}" --timeout 3600 --wait \
        ${RENDER_OPTIONS[@]+"${RENDER_OPTIONS[@]}"}
}

# end_farm CODE: tells all other jobs of the farm, and `diffarm slurm submit --wait`, that it is over.
end_farm() {
    say "the farm is over, exit code $1"
    echo "$1" >"$FARM/exit_code.new"
    mv "$FARM/exit_code.new" "$FARM/exit_code"
}

# Another turn after the walltime. (After TERM it is Slurm's own choice: a preempted job is requeued by Slurm.)
ask_for_another_turn() {
    [ "$told" = USR1 ] || return 0
    if [ "${SLURM_RESTART_COUNT:-0}" -ge "$MAX_RESTARTS" ]; then
        say "restarted $MAX_RESTARTS times and still not done: giving up; see MAX_RESTARTS in site.conf"
        exit 1
    fi
    say "the time is nearly up: requeue"
    scontrol requeue "$SLURM_JOB_ID"
}

[ -n "${DRY_RUN:-}" ] || cd "$START_DIR" || exit
