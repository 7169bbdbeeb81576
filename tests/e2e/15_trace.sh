#!/usr/bin/env bash
# The timeline of a run: of `render`, and of a worker that drains.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

# check FILE RANKS: it parses, spans of a rank never overlap, every pass of the U-Net has its compute on every rank
check() {
    python3 - "$1" "$2" <<'PY'
import json, sys
trace, ranks = json.load(open(sys.argv[1])), int(sys.argv[2])
shares = trace["diffarm"]["ranks"]
assert len(shares) == ranks, shares
for s in shares:
    total = sum(s[k] for k in ("compute", "sample", "send", "receive", "load", "wait", "other"))
    assert abs(total - 1) < 1e-4, s
    assert s["compute"] > 0.05 and s["dropped"] == 0, s
    for ahead, trip in zip(s["clock_ahead_ns"], s["clock_round_trip_ns"]):  # one machine, one clock
        assert abs(ahead) <= trip / 2 + 1 and trip < 1e9, s
computed = {}
for rank in range(ranks):
    free = 0
    for e in trace["traceEvents"]:
        if e["pid"] != rank or e["ph"] != "X":
            continue
        assert e["ts"] >= free - 2e-3, (free, e)  # both are rounded to nanoseconds
        free = e["ts"] + e["dur"]
        if e["cat"] == "compute" and e["name"].startswith("unet"):
            assert 0 <= e["args"]["steps"][0] <= e["args"]["steps"][1] < 4, e
            computed.setdefault(e["args"]["command"], set()).add(rank)
assert len(computed) >= 4
assert all(c == set(range(ranks)) for c in computed.values()), computed
PY
}

manifest m.jsonl 6 4
"$DIFFARM" render m.jsonl -m "$MODEL" -o out --threads 1 --pipeline 2 --micro-batch 1 --output quiet \
    --trace trace.json 2>err.txt
says err.txt "trace: steady state"
check trace.json 2
"$DIFFARM" render m.jsonl -m "$MODEL" -o two --threads 1 --workers 2 --output quiet --trace both.json 2>err.txt
python3 -m json.tool both.json >/dev/null && python3 -m json.tool both-2.json >/dev/null
same_out out two

start_coordinator state
start_worker alone --trace alone.json
JOB=$("$DIFFARM" submit m.jsonl -m "$MODEL" -o alone --connect "$ENDPOINT")
wait_for 60 test -s alone.json # an empty one, from the start
expect 0 timeout 200 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
kill -TERM "$WORKER"
wait_for 60 is_gone "$WORKER"
check alone.json 1

expect 2 "$DIFFARM" worker --connect "$ENDPOINT" --trace /nowhere/trace.json
says err.txt "--trace /nowhere/trace.json"
