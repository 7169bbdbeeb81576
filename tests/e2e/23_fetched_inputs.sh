#!/usr/bin/env bash
# Pictures, masks, LoRAs by content: the job's files are gone from where they were when workers start, and the pictures are
# the same; what was not uploaded fails its rows alone; nothing is left in STATE when the jobs have ended.
. "$(dirname "$0")/lib.sh"

put_lora() { # put_lora FILE
    python3 - "$1" <<'EOF'
import array, json, struct, sys
factor = array.array("f", [0.1 * (i % 5 - 2) for i in range(192)]).tobytes()
key = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_v.lora_%s.weight"
head = json.dumps({key % side: {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(factor)]}
                   for side, shape, at in (("A", [1, 192], 0), ("B", [192, 1], len(factor)))}).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(head)) + head + factor + factor)
EOF
}

echo '{"prompt": "red apple", "seed": 3, "steps": 3, "name": "apple"}' >first.jsonl
echo '{"prompt": "frog", "seed": 4, "steps": 3, "size": "96x64", "name": "wide"}' >>first.jsonl
render first.jsonl in
put_lora in/style.safetensors
cat >m.jsonl <<'EOF'
{"prompt": "green apple", "seed": 2, "steps": 4, "image": "in/apple.png", "strength": 0.5}
{"prompt": "tiger face", "seed": 5, "steps": 4, "image": "in/apple.png", "mask": "in/wide.png"}
{"prompt": "ghost", "seed": 3, "steps": 3, "image": "in/wide.png", "lora": "in/style.safetensors"}
{"prompt": "ghost", "seed": 4, "steps": 3}
EOF
render m.jsonl base
files() { # files N: so many lie in STATE
    [ "$(find state/files -type f 2>/dev/null | wc -l)" -eq "$1" ]
}

start_coordinator state
expect 0 "$DIFFARM" submit m.jsonl -m "$MODEL" -o out --connect "$ENDPOINT"
first=$(tail -n 1 out.txt)
files 3 || fail "not three files in STATE"
expect 0 "$DIFFARM" submit m.jsonl -m "$MODEL" -o other --connect "$ENDPOINT" --no-upload
other=$(tail -n 1 out.txt)
expect 0 "$DIFFARM" pause "$other" --connect "$ENDPOINT"
mv in away
kill -9 "$COORDINATOR"
wait_for 5 is_gone "$COORDINATOR"
start_coordinator state
start_worker worker --input-cache cache
expect 0 "$DIFFARM" watch "$first" --connect "$ENDPOINT"
same_out base out
wait_for 5 files 0
[ "$(find cache -type f | wc -l)" -eq 3 ] || fail "not three copies"

# The copies of this worker serve the other job as well; a worker without them cannot do it.
expect 0 "$DIFFARM" resume "$other" --connect "$ENDPOINT"
expect 0 "$DIFFARM" watch "$other" --connect "$ENDPOINT"
same_out base other
kill -9 "$WORKER"
cp -r away in
expect 0 "$DIFFARM" submit m.jsonl -m "$MODEL" -o third --connect "$ENDPOINT" --no-upload
third=$(tail -n 1 out.txt)
rm -r in
start_worker without
expect 1 "$DIFFARM" watch "$third" --connect "$ENDPOINT"
[ "$(wc -l <third/failures.jsonl)" -eq 3 ] || fail "not three failures"
says third/failures.jsonl "the coordinator has no copy"
