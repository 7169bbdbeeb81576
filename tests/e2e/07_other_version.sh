#!/usr/bin/env bash
# Peers of another protocol version: refused with a reason, exit code 3, no endless restarts.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi
: "${PEER:?path of the e2e_peer program}"

start_coordinator state
expect 0 timeout 200 "$PEER" old-worker "$ENDPOINT"
says out.txt "version 99"

start peer "$PEER" old-coordinator
wait_for 60 test -s peer.log
ENDPOINT=$(head -n 1 peer.log)
expect 3 timeout 200 "$DIFFARM" worker --connect "$ENDPOINT"
says err.txt "speaks protocol version 99, this side version"
expect 3 timeout 200 "$DIFFARM" worker --connect "$ENDPOINT" --pipeline 2
says err.txt "speaks protocol version 99, this side version"
[ "$(grep -c 'diffarm: error' err.txt)" -eq 1 ] || fail "more than one line of error"
expect 3 timeout 200 "$DIFFARM" jobs --connect "$ENDPOINT"
says err.txt "version 99"
expect 3 timeout 200 "$DIFFARM" worker --connect "$ENDPOINT" -m "$WORK/nowhere"
says err.txt "nowhere"
