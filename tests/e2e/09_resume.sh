#!/usr/bin/env bash
# A render killed or interrupted half-way leaves no process behind and goes on where it stopped.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

manifest m.jsonl 12 12
render m.jsonl base
pictures() { find out/images -name '*.png' 2>/dev/null | wc -l; }
written() { find out/images -name '*.png' -printf '%p %T@\n'; }
# Pictures of the rows in the store, with their times. One in place whose row was not yet committed is rendered again.
committed() {
    cp -r out/.diffarm-render killed
    written | python3 -c '
import sqlite3, sys
store = sqlite3.connect("killed/farm.db")
assert store.execute("pragma integrity_check").fetchone() == ("ok",)
done = {row for row, in store.execute("select row from progress where png_sha256 is not null")}
for line in sys.stdin:
    if int(line.split("/")[-1].split(".")[0]) in done: print(line, end="")'
}
some_pictures() { [ "$(pictures)" -ge "$1" ]; }

start render "$DIFFARM" render m.jsonl -m "$MODEL" -o out --pipeline 2 --threads 1 --micro-batch 1
wait_for 60 some_pictures 3
children=$(family "$!")
[ "$(wc -w <<<"$children")" -ge 5 ] || fail "coordinator, supervisor, mpirun and two ranks were expected: $children"
kill -9 "$!"
for pid in $children; do wait_for 60 is_gone "$pid"; done
[ ! -e out/job.json ] || fail "it was done before it was killed"
kept=$(committed)
[ -n "$kept" ] || fail "three pictures were in place and no row was committed"

start render2 "$DIFFARM" render m.jsonl -m "$MODEL" -o out --threads 1 --micro-batch 1
wait_for 60 some_pictures $(($(pictures) + 2))
kill -INT "$!"
code=0
wait "$!" || code=$?
[ "$code" -eq 1 ] || fail "interrupted, it ended with $code"
says render2.log "the same command goes on"

echo '{"prompt": "another job"}' >other.jsonl
expect 2 "$DIFFARM" render other.jsonl -m "$MODEL" -o out
says err.txt "begun and not finished"

expect 0 timeout 200 "$DIFFARM" render m.jsonl -m "$MODEL" -o out --threads 1 --contact-sheet sheet.png
same_out base out
[ -s sheet.png ] || fail "no contact sheet"
while read -r line; do
    grep -qF "$line" <(written) || fail "${line% *} was rendered again"
done <<<"$kept"

expect 0 timeout 200 "$DIFFARM" render m.jsonl -m "$MODEL" -o out
says out.txt "already complete"
expect 2 timeout 200 "$DIFFARM" render other.jsonl -m "$MODEL" -o out
says err.txt "another job"
