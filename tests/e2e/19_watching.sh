#!/usr/bin/env bash
# Why a job waits, what failed, and the web page of a running farm.
. "$(dirname "$0")/lib.sh"

get() { # get PATH [HEADER]: the body to page.txt; prints the status
    python3 - "$URL" "$@" <<'PY'
import sys, urllib.error, urllib.request
url, path, headers = sys.argv[1], sys.argv[2], dict(h.split(": ", 1) for h in sys.argv[3:])
try:
    answer = urllib.request.urlopen(urllib.request.Request(url.rstrip("/") + path, headers=headers), timeout=10)
except urllib.error.HTTPError as error:
    answer = error
open("page.txt", "wb").write(answer.read())
print(answer.status)
PY
}

expect_page() { # expect_page STATUS PATH [HEADER]
    local wanted=$1 got
    shift
    got=$(get "$@")
    [ "$got" = "$wanted" ] || fail "$1 gave $got, not $wanted"
}

expect 2 "$DIFFARM" coordinator --state s --bind 'tcp://127.0.0.1:*' --http 0.0.0.0:0
says err.txt "--http-token"
expect 2 "$DIFFARM" coordinator --state s --bind 'tcp://127.0.0.1:*' --http nonsense

start coordinator "$DIFFARM" coordinator --state state --bind 'tcp://127.0.0.1:*' --http 127.0.0.1:0
wait_for 60 grep -q event=listening coordinator.log
ENDPOINT=$(head -n 1 state/endpoint)
URL=$(grep -o 'http://[0-9.:]*/' coordinator.log | head -n 1)

is_healthy() { [ "$(get /healthz)" = 200 ]; }
expect_page 200 /
expect_page 404 /farm.db
expect_page 403 /state "Host: example.org"
wait_for 60 is_healthy

manifest m.jsonl 3 2
echo '{"prompt": "frog", "task": "img2img", "image": "in.png", "steps": 4}' >>m.jsonl
cp "$SOURCE/tests/golden/starter_reference/pictures/v000.png" in.png
JOB=$("$DIFFARM" submit m.jsonl -m "$MODEL" -o out --no-upload --connect "$ENDPOINT")
expect 0 "$DIFFARM" explain "$JOB" --connect "$ENDPOINT"
says out.txt "none is connected"
expect 2 "$DIFFARM" explain 0123456789abcdef --connect "$ENDPOINT"
echo "other bytes" >in.png

start_worker worker -m "$MODEL"
expect 1 timeout 200 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT" --output json
says out.txt '"failed":1'
expect 1 "$DIFFARM" failures "$JOB" --connect "$ENDPOINT"
says out.txt "line 4 (picture 3"
expect 1 "$DIFFARM" failures "$JOB" --connect "$ENDPOINT" --output json
says out.txt '"prompt":"frog"'
expect 0 "$DIFFARM" explain "$JOB" --connect "$ENDPOINT" --output json
says out.txt '"state":"done"'

shows() { # shows PATH TEXT
    get "$1" >/dev/null && grep -qF -- "$2" page.txt
}
wait_for 60 shows /state "\"id\":\"$JOB\""
wait_for 60 shows /metrics "diffarm_images_committed_total 3"
expect_page 200 "/thumb/$JOB/0"
head -c 8 page.txt | grep -q PNG || fail "the thumbnail is no PNG"
expect_page 404 "/thumb/$JOB/3"
