#!/usr/bin/env bash
# A full disk: one clear error, exit code 1, nothing half-written; with room the same command goes on.
. "$(dirname "$0")/lib.sh"

mkdir disk
mount -t tmpfs -o size=1m tmpfs disk 2>/dev/null || {
    echo "needs to mount a tmpfs: skipped"
    exit 77
}
MOUNTS+=("$WORK/disk")
manifest m.jsonl 4 3
cat m.jsonl m.jsonl m.jsonl m.jsonl >>big.jsonl
render big.jsonl base
render m.jsonl disk/warm-up # how much room the farm itself takes
rm -rf disk/warm-up
dd if=/dev/zero of=disk/ballast bs=1k count=$((1024 - 200)) status=none
mkdir disk/out
expect 1 timeout 200 "$DIFFARM" render big.jsonl -m "$MODEL" -o disk/out --threads 1
cp err.txt first.txt
says first.txt "No space left on device"
says first.txt "the same command goes on"
[ "$(grep -c 'diffarm: error' first.txt)" -eq 1 ] || fail "more than one line of error"
find disk/out -name '*.png' | while read -r f; do cmp -s "$f" "base/${f#disk/out/}" || fail "$f is half-written"; done
rm disk/ballast
mount -o remount,size=16m disk
expect 0 timeout 200 "$DIFFARM" render big.jsonl -m "$MODEL" -o disk/out --threads 1
same_out base disk/out
