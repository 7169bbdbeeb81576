#!/usr/bin/env bash
# A scaling test: its runs, its files; it goes on where it was broken off, and a point that fails stops no other.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

scale() { # scale CODE ARGS... [-- RENDER OPTIONS]
    local code=$1
    shift
    expect "$code" timeout 120 "$DIFFARM" bench scale -m "$MODEL" -o out --pictures 8 --repeats 1 --threads 1 "$@"
}

expect 2 "$DIFFARM" bench scale -m "$MODEL"
says err.txt "give a folder"
expect 2 "$DIFFARM" bench scale -m "$MODEL" -o out --workers 1,x
says err.txt "--workers must be whole numbers from 1"
expect 2 "$DIFFARM" bench scale -m "$MODEL" -o out --strong --weak
expect 2 "$DIFFARM" bench scale -m "$MODEL" -o out -- --steps 0
expect 2 "$DIFFARM" bench scale -m "$MODEL" -o out -- --workers 3
says err.txt "go before --"
scale 0 --workers 1,2 --pipeline 1,2 --dry-run -- --steps 1
says out.txt "4 runs"
says out.txt "render MANIFEST"
[ ! -e out ] || fail "a dry run has written"

# One rank by itself goes; two need an mpirun, and this one refuses.
mkdir bin
printf '#!/bin/sh\necho "no ranks today" >&2\nexit 3\n' >bin/mpirun
chmod +x bin/mpirun
PATH=$PWD/bin:$PATH scale 1 --workers 1 --pipeline 1,2 -- --steps 1
says err.txt "1 x 2 failed: worker-1: no ranks today"
says out.txt "not measured: worker-1: no ranks today"
[ ! -e out/work ] || fail "the pictures are left"

# The point that failed, and new ones; what is measured stays as it is.
first=$(python3 -c 'import json; print(json.load(open("out/scale.json"))["points"][0]["runs"][0]["seconds"])')
scale 0 --workers 1,2,3 --pipeline 1 -- --steps 1
says err.txt "run 2 of 2: 3 workers of 1 rank"
scale 0 --workers 1 --pipeline 2 --output json -- --steps 1
says err.txt "run 1 of 1: 1 worker of 2 ranks"
cp out.txt printed.json
scale 0 --workers 1,2,3 -- --steps 1
[ ! -s err.txt ] || fail "something was run again: $(cat err.txt)"
says out.txt "held back"
says out.txt "extrapolated, not measured"
python3 - "$first" <<'PY'
import json, sys, xml.etree.ElementTree as tree
for text in open("out/scale.json"), open("printed.json"):
    r = json.load(text)
    assert r["format"] == "diffarm scale" and r["setting"]["scaling"] == "strong", r
    points = {(p["workers"], p["pipeline"]): p for p in r["points"]}
    assert sorted(points) == [(1, 1), (1, 2), (2, 1), (3, 1)], points.keys()
    assert abs(points[1, 1]["runs"][0]["seconds"] - float(sys.argv[1])) < 1e-6
    for p in points.values():
        assert "failure" not in p and p["pictures"] == 8 and len(p["runs"]) == 1, p
        assert 0 <= p["runs"][0]["others_share"] <= 1, p
        assert p["runs"][0]["seconds"] > 0 and abs(sum(p["runs"][0]["shares"].values()) - 1) < 1e-4, p
    a = r["analysis"]
    assert a["held_back"]["workers"] == 3 and "Amdahl" in a["held_back"]["relative_errors"], a
    assert {p["kind"] for p in a["points"]} == {"measured"} and {p["kind"] for p in a["extrapolated"]} == {"extrapolated"}
    assert [p["model"]["kind"] for p in a["points"] if p["pipeline"] == 2] == ["simulated"], a
for plot in "throughput", "efficiency", "overhead", "shares":
    assert tree.parse(f"out/{plot}.svg").getroot().tag.endswith("svg")
assert "/" not in json.dumps({k: v for k, v in r.items() if k != "analysis"}).replace("diffarm/", ""), r
PY

# Runs of another kind do not get into one record.
scale 2 --workers 1 -- --steps 2
says err.txt "choose another folder"
scale 2 --workers 1 --weak -- --steps 1
echo "{" >out/scale.json
scale 2 --workers 1 -- --steps 1
says err.txt "scale.json: line"

# Interrupted, it ends its farm, and the same command makes the runs that are missing.
start broken_off "$DIFFARM" bench scale -m "$MODEL" -o again --pictures 400 --repeats 2 --workers 1 --weak
PID=$!
wait_for 60 test -s again/logs/1x1-1.log -o -d again/work
kill -INT "$PID"
wait_for 60 is_gone "$PID"
says broken_off.log "goes on with the 2 runs that are missing"
[ ! -e again/work ] || fail "the pictures are left"
