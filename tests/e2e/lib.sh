# Shared by the end to end tests. Each runs in a private folder, starts its own processes on free ports, and ends only
# what it has started.
#   DIFFARM  the program        SOURCE  the source tree        PEER  tests/e2e/peer.c (optional)
set -euo pipefail

: "${DIFFARM:?path of the diffarm program}" "${SOURCE:?the source tree}"
MODEL=${MODEL:-$SOURCE/models/starter}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/diffarm-e2e-XXXXXX")
PIDS=()
MOUNTS=()
export OMP_NUM_THREADS=1 XDG_CACHE_HOME=$WORK/cache

clean_up() {
    local status=$? pid mount
    trap - EXIT
    for pid in ${PIDS[@]+"${PIDS[@]}"}; do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    [ -z "${HOST_PREFIX:-}" ] || "$SOURCE/tests/e2e/hosts.sh" down || true
    for mount in ${MOUNTS[@]+"${MOUNTS[@]}"}; do umount -l "$mount" 2>/dev/null || true; done
    if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
        echo "--- failed with $status; logs:" >&2
        tail -n 15 "$WORK"/*.log "$WORK"/*/.diffarm-render/*.log >&2 2>/dev/null || true
    fi
    rm -rf "$WORK"
    exit "$status"
}
trap clean_up EXIT
cd "$WORK"

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# same_pixels A B: the pixels alone, for a picture's text names its row
same_pixels() {
    python3 - "$1" "$2" <<'EOF'
import struct, sys, zlib
def pixels(path):
    data, at, out = open(path, "rb").read(), 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        out += data[at + 8:at + 8 + size] if kind in (b"IHDR", b"IDAT") else b""
        at += size + 12
    return out
sys.exit(pixels(sys.argv[1]) != pixels(sys.argv[2]))
EOF
}

# expect CODE COMMAND...: output goes to out.txt and err.txt
expect() {
    local wanted=$1 got=0
    shift
    "$@" >out.txt 2>err.txt || got=$?
    [ "$got" -eq "$wanted" ] || {
        cat out.txt err.txt >&2
        fail "exit code $got instead of $wanted: $*"
    }
}

says() { # says FILE TEXT
    grep -qF -- "$2" "$1" || {
        cat "$1" >&2
        fail "'$2' is not in $1"
    }
}

# wait_for SECONDS COMMAND...: long ones, for a slow machine on which other tests run; only a failure takes so long
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "waited in vain for: $*"
        sleep 0.05
    done
}

# Open MPI keeps memory to its end: where ranks run, a sanitized build must not fail for it.
allow_leaks_of_mpi() {
    export LSAN_OPTIONS="exitcode=0:log_path=$WORK/leaks"
}

start() { # start NAME COMMAND...: in the background, output to NAME.log; its pid is in $!
    local name=$1
    shift
    "$@" >>"$name.log" 2>&1 &
    PIDS+=($!)
}

# manifest FILE IMAGES STEPS
manifest() {
    local prompts=("red apple" "ghost" "tiger face" "rocket" "sunflower" "blue heart" "octopus" "pizza") i
    for ((i = 0; i < $2; i++)); do
        echo "{\"prompt\": \"${prompts[i % 8]}\", \"seed\": $((100 + i)), \"steps\": $3, \"guidance\": 4}"
    done >"$1"
}

start_coordinator() { # start_coordinator STATE: sets ENDPOINT and COORDINATOR
    start coordinator "$DIFFARM" coordinator --state "$1" --bind 'tcp://127.0.0.1:*' --lease-timeout-ms 2000 --heartbeat-ms 500 \
        --stall-retry-ms 300
    COORDINATOR=$!
    wait_for 60 test -s "$1/endpoint"
    ENDPOINT=$(head -n 1 "$1/endpoint")
    wait_for 60 "$DIFFARM" jobs --connect "$ENDPOINT" --timeout 1
}

start_worker() { # start_worker NAME ARGS...: sets WORKER
    local name=$1
    shift
    start "$name" "$DIFFARM" worker --connect "$ENDPOINT" --threads 1 "$@"
    WORKER=$!
}

field() { # field JOB NAME: a number of the job's status
    "$DIFFARM" status "$1" --connect "$ENDPOINT" --output json | grep -o "\"$2\":[0-9]*" | cut -d: -f2
}

done_at_least() { # done_at_least JOB N
    [ "$(field "$1" done)" -ge "$2" ]
}

# The same pictures and lists; what depends on when and where lies in runs.jsonl alone.
same_out() {
    diff -r --exclude=runs.jsonl --exclude='.diffarm*' "$1" "$2" >&2 || fail "$1 and $2 differ"
    local leftover
    leftover=$(find "$2" -name '.*' -mindepth 1 | head -n 3)
    [ -z "$leftover" ] || fail "$2 holds $leftover"
}

family() { # family PID: all processes below it
    local pid
    for pid in $(pgrep -P "$1"); do echo "$pid" && family "$pid"; done
}

said() { # said NAME N TEXT: NAME.log has the text at least N times
    [ "$(grep -cF -- "$3" "$1.log")" -ge "$2" ]
}

is_gone() { # is_gone PID
    ! kill -0 "$1" 2>/dev/null
}

render() { # render MANIFEST OUT ARGS...
    local manifest=$1 out=$2
    shift 2
    "$DIFFARM" render "$manifest" -m "$MODEL" -o "$out" --threads 1 --output quiet "$@"
}
