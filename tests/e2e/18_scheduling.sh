#!/usr/bin/env bash
# Jobs beside each other: shares, pause and resume over a killed coordinator, failed pictures tried again.
. "$(dirname "$0")/lib.sh"

start_coordinator state
manifest long.jsonl 400 12
manifest small.jsonl 3 2
LONG=$("$DIFFARM" submit long.jsonl -m "$MODEL" -o long --connect "$ENDPOINT" --priority -1)
expect 2 "$DIFFARM" submit small.jsonl -m "$MODEL" -o small --connect "$ENDPOINT" --priority 99
expect 0 "$DIFFARM" pause "$LONG" --connect "$ENDPOINT"
says out.txt "is paused"
start_worker worker -m "$MODEL"
SMALL=$("$DIFFARM" submit small.jsonl -m "$MODEL" -o small --connect "$ENDPOINT")
expect 0 timeout 200 "$DIFFARM" watch "$SMALL" --connect "$ENDPOINT"
[ "$(field "$LONG" done)" -eq 0 ] || fail "a paused job was worked on"

kill -9 "$COORDINATOR"
start coordinator "$DIFFARM" coordinator --state state --bind 'tcp://127.0.0.1:*' --lease-timeout-ms 2000 --heartbeat-ms 500 \
    --lease-seconds 2
wait_for 60 "$DIFFARM" status "$LONG" --connect "$ENDPOINT" --timeout 1
expect 0 "$DIFFARM" status "$LONG" --connect "$ENDPOINT" --output json
says out.txt '"state":"paused"'
says out.txt '"priority":-1'
expect 0 "$DIFFARM" resume "$LONG" --connect "$ENDPOINT"
wait_for 60 done_at_least "$LONG" 1

# A small job that comes later is through before the long one.
SECOND=$("$DIFFARM" submit small.jsonl -m "$MODEL" -o second --connect "$ENDPOINT" --priority 3)
expect 0 timeout 200 "$DIFFARM" watch "$SECOND" --connect "$ENDPOINT"
done_at_least "$LONG" 400 && fail "the small job was held up"
expect 0 "$DIFFARM" cancel "$LONG" --connect "$ENDPOINT"

# A picture to start from is gone: its row fails for good. When it is back, retry makes OUT as if nothing had happened.
cp "$SOURCE/tests/golden/starter_reference/pictures/v003.png" in.png
{
    cat small.jsonl
    echo '{"prompt": "ghost", "seed": 3, "steps": 4, "image": "in.png", "strength": 0.5}'
} >four.jsonl
render four.jsonl undisturbed
expect 0 "$DIFFARM" pause "$("$DIFFARM" submit long.jsonl -m "$MODEL" -o other --connect "$ENDPOINT")" --connect "$ENDPOINT"
kill -TERM "$WORKER"
wait_for 60 is_gone "$WORKER"
JOB=$("$DIFFARM" submit four.jsonl -m "$MODEL" -o four --no-upload --connect "$ENDPOINT")
mv in.png away.png
start_worker next -m "$MODEL"
expect 1 timeout 200 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
[ "$(wc -l <four/failures.jsonl)" -eq 1 ] || fail "no failure is listed"
mv away.png in.png
expect 0 "$DIFFARM" retry "$JOB" --connect "$ENDPOINT"
expect 0 timeout 200 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
same_out undisturbed four
