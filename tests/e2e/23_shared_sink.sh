#!/usr/bin/env bash
# Workers write beside OUT: the data set is that of the message sink, with a worker and the coordinator killed on the way,
# in shards too; a worker that cannot write there says so and sends its pictures.
. "$(dirname "$0")/lib.sh"

manifest m.jsonl 10 10
render m.jsonl base
render m.jsonl base_tar --format tar

# submit_shared OUT ARGS...: sets JOB
submit_shared() {
    local out=$1
    shift
    expect 0 "$DIFFARM" submit m.jsonl -m "$MODEL" -o "$out" --connect "$ENDPOINT" --sink shared "$@"
    JOB=$(tail -n 1 out.txt)
}

start_coordinator state
start_worker first --micro-batch 1
first=$WORKER
start_worker second --micro-batch 1
submit_shared out
wait_for 60 done_at_least "$JOB" 2
kill -9 "$first"
kill -9 "$COORDINATOR"
wait_for 60 is_gone "$COORDINATOR"
mkdir -p out/.diffarm/beside
echo torn >out/.diffarm/beside/1-0123456789abcdef-77-3.png # of a worker that died while it wrote
start_coordinator state
[ ! -e out/.diffarm/beside/1-0123456789abcdef-77-3.png ] || fail "what nobody speaks for was not swept"
expect 0 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
same_out base out
grep -q sink_not_shared first.log second.log coordinator.log && fail "some pictures came by message"

submit_shared out_tar --format tar
expect 0 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
same_out base_tar out_tar

submit_shared out_message
wait_for 60 test -d out_message/.diffarm
rm -rf out_message/.diffarm/beside
touch out_message/.diffarm/beside # nobody can make files there now
expect 0 "$DIFFARM" watch "$JOB" --connect "$ENDPOINT"
same_out base out_message
says coordinator.log "sink_not_shared"
says second.log "sink_not_shared"

render m.jsonl rendered --sink shared --workers 2
same_out base rendered
expect 2 "$DIFFARM" render m.jsonl -m "$MODEL" -o bad --sink elsewhere
says err.txt "--sink must be message or shared"
