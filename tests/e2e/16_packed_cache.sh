#!/usr/bin/env bash
# Packed weights on disk: the same bytes while they are made, from then on, for workers that make them at once, and after
# damage, which is mended.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

manifest m.jsonl 3 3
render m.jsonl base
for variant in "2 1" "1 1" "1 2" "1 2"; do # the first: both workers find nothing and write
    read -r workers ranks <<<"$variant"
    render m.jsonl out --workers "$workers" --pipeline "$ranks" --packed-cache kept
    same_out base out
    rm -rf out
done
[ "$(find kept -name '*.safetensors' | wc -l)" -ge 6 ] || fail "not every component of every rank was kept"
[ -z "$(find kept -name '*.tmp-*')" ] || fail "a file was left half written"

before=$(sha256sum kept/* | sort)
for file in kept/*; do
    printf 'damage' | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") / 2)) conv=notrunc status=none
done
for ranks in 1 2; do
    render m.jsonl out --pipeline "$ranks" --packed-cache kept
    same_out base out
    rm -rf out
done
[ "$(sha256sum kept/* | sort)" = "$before" ] || fail "damaged files were not made anew"

# A folder that cannot be made is no reason not to render.
render m.jsonl out --packed-cache m.jsonl/kept
same_out base out
