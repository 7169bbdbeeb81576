#!/usr/bin/env bash
# A farm that other machines could reach: keys from keygen, peers in their roles, strangers outside.
. "$(dirname "$0")/lib.sh"

expect 0 "$DIFFARM" keygen --help
expect 2 "$DIFFARM" coordinator --state open --bind 'tcp://*:*'
says err.txt "diffarm keygen"
expect 0 "$DIFFARM" keygen keys
[ "$(stat -c %a keys/coordinator.key)" = 600 ] || fail "the secret can be read by others"
expect 2 "$DIFFARM" keygen keys
says err.txt "none is written over"
expect 0 "$DIFFARM" keygen keys --add alice --role watch
expect 0 "$DIFFARM" keygen strange

start coordinator "$DIFFARM" coordinator --state state --bind 'tcp://*:*' --keys keys
wait_for 60 test -s state/endpoint
ENDPOINT=tcp://127.0.0.1:$(sed 's/.*://' state/endpoint)
wait_for 60 "$DIFFARM" jobs --connect "$ENDPOINT" --keys keys --timeout 1
expect 0 "$DIFFARM" jobs --connect "$ENDPOINT" --keys keys/alice
expect 3 "$DIFFARM" jobs --connect "$ENDPOINT" --timeout 0.5
says err.txt "--keys"
cp keys/coordinator.pub strange/
expect 3 "$DIFFARM" jobs --connect "$ENDPOINT" --keys strange --timeout 0.5
chmod 644 strange/submit.key
expect 2 "$DIFFARM" jobs --connect "$ENDPOINT" --keys strange
says err.txt "chmod 600"

manifest m.jsonl 4 2
start_worker worker --keys keys -m "$MODEL"
expect 0 timeout 200 "$DIFFARM" submit m.jsonl -m "$MODEL" -o out --connect "$ENDPOINT" --keys keys --wait --output json
says out.txt '"state":"done"'
JOB=$(grep -o '"job_id":"[0-9a-f]*"' out.txt | head -n 1 | cut -d'"' -f4)
expect 0 "$DIFFARM" status "$JOB" --connect "$ENDPOINT" --keys keys/alice
code=0
"$DIFFARM" cancel "$JOB" --connect "$ENDPOINT" --keys keys/alice 2>err.txt || code=$?
[ "$code" -ne 0 ] || fail "one who may only watch could cancel"
says err.txt "role watch"
render m.jsonl undisturbed
same_out undisturbed out
