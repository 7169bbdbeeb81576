#!/usr/bin/env bash
# Tasks, pictures, sizes, samplers, step counts, LoRAs and embeddings mixed in one manifest: each row equals the same row rendered
# alone, over pipelines too. An input that changes after the job was checked fails its rows only. Models without text
# need no prompt.
. "$(dirname "$0")/lib.sh"

# put_lora FILE SIZE: of rank 1, for one weight of the starter
put_lora() {
    python3 - "$1" "$2" <<'EOF'
import array, json, struct, sys
factor = array.array("f", [float(sys.argv[2]) * (i % 5 - 2) for i in range(192)]).tobytes()
key = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_v.lora_%s.weight"
head = json.dumps({key % side: {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(factor)]}
                   for side, shape, at in (("A", [1, 192], 0), ("B", [192, 1], len(factor)))}).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(head)) + head + factor + factor)
EOF
}

# put_embedding FILE: two vectors for the starter's text encoder
put_embedding() {
    python3 - "$1" <<'EOF'
import array, json, struct, sys
vectors = array.array("f", [0.05 * (i % 7 - 3) for i in range(256)]).tobytes()
head = json.dumps({"emb_params": {"dtype": "F32", "shape": [2, 128], "data_offsets": [0, len(vectors)]}}).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(head)) + head + vectors)
EOF
}

echo '{"prompt": "red apple", "seed": 3, "steps": 4, "name": "apple"}' >first.jsonl
echo '{"prompt": "frog", "seed": 4, "steps": 4, "size": "96x64", "name": "wide"}' >>first.jsonl
render first.jsonl in
put_lora in/style.safetensors 0.1
put_lora in/light.safetensors 0.2
put_embedding in/zqtoy.safetensors
cat >mixed.jsonl <<'EOF'
{"prompt": "red apple", "seed": 1, "steps": 5}
{"prompt": "green apple", "seed": 2, "steps": 6, "image": "in/apple.png", "strength": 0.5}
{"prompt": "ghost", "seed": 3, "steps": 4, "image": "in/wide.png", "scheduler": "euler_a"}
{"prompt": "ghost", "seed": 4, "steps": 4, "image": "in/wide.png", "size": "64x64", "scheduler": "ddim", "eta": 0.5}
{"prompt": "tiger face", "seed": 5, "steps": 5, "image": "in/apple.png", "mask": "in/wide.png", "negative": "red"}
{"prompt": "frog", "seed": 6, "steps": 3, "size": "64x32", "guidance": 1, "scheduler": "heun"}
{"prompt": "frog", "seed": 7, "steps": 4, "guidance_rescale": 0.7, "scheduler": "dpmpp_sde"}
{"prompt": "red apple", "seed": 1, "steps": 5, "lora": "in/style.safetensors:0.8"}
{"prompt": "ghost", "seed": 3, "steps": 4, "image": "in/wide.png", "lora": ["in/style.safetensors", "in/light.safetensors:-1"]}
{"prompt": "red apple", "seed": 1, "steps": 5, "lora": {"file": "in/style.safetensors", "weight": 0.8}}
{"prompt": "red zqtoy", "seed": 1, "steps": 5}
{"prompt": "red zqtoy", "seed": 1, "steps": 5, "embedding": "in/zqtoy.safetensors"}
{"prompt": "red <x>", "seed": 1, "steps": 5, "embedding": {"file": "in/zqtoy.safetensors", "name": "<x>"}, "lora": "in/style.safetensors:0"}
EOF
render mixed.jsonl all --micro-batch 4
[ "$(wc -l <all/metadata.jsonl)" -eq 13 ] || fail "metadata has not 13 lines"
says all/metadata.jsonl '"task":"inpaint"'
says all/metadata.jsonl '"input_image":"wide.png"'
says all/metadata.jsonl '"strength":0.5'
says all/metadata.jsonl '"lora":[{"file":"style.safetensors","sha256":'
says all/metadata.jsonl '"embedding":[{"file":"zqtoy.safetensors","sha256":'
picture() { printf 'all/images/000000/%08d.png' "$1"; }
row=0
while read -r line; do
    echo "$line" >one.jsonl
    render one.jsonl one
    same_pixels one/images/000000/00000000.png "$(picture $row)" || fail "row $row differs alone"
    rm -rf one
    row=$((row + 1))
done <mixed.jsonl
same_pixels "$(picture 7)" "$(picture 9)" || fail "a LoRA written in two ways draws two pictures"
same_pixels "$(picture 7)" "$(picture 0)" && fail "a LoRA changes nothing"
same_pixels "$(picture 10)" "$(picture 11)" && fail "an embedding changes nothing"
same_pixels "$(picture 11)" "$(picture 12)" || fail "an embedding's name counts"
render mixed.jsonl piped --pipeline 3 --micro-batch 2
same_out all piped

render mixed.jsonl cuda --noise torch-cuda
same_pixels cuda/images/000000/00000000.png all/images/000000/00000000.png && fail "both generators draw the same"

cp -r in kept
sed 's#in/apple#kept/apple#' mixed.jsonl >changed.jsonl
start_coordinator state
expect 0 "$DIFFARM" submit changed.jsonl --connect "$ENDPOINT" -m "$MODEL" -o out --no-upload
cp in/wide.png kept/apple.png
start_worker worker -m "$MODEL"
expect 1 "$DIFFARM" watch "$(tail -n 1 out.txt)" --connect "$ENDPOINT"
[ "$(wc -l <out/failures.jsonl)" -eq 2 ] || fail "not two failures"
says out/failures.jsonl "has changed since the job was submitted"
[ "$(wc -l <out/metadata.jsonl)" -eq 11 ] || fail "the other rows are not there"

mkdir elsewhere
echo '{"prompt": "green apple", "seed": 2, "steps": 6}' >elsewhere/m.jsonl
render elsewhere/m.jsonl by_option --image in/apple.png --strength 0.5
same_pixels by_option/images/000000/00000000.png "$(picture 1)" || fail "options name other files than lines do"

# A manifest's files stay below its folder, or the one that is given; options may name others.
sed 's#in/#../in/#g' mixed.jsonl | head -n 2 | tail -n 1 >elsewhere/out.jsonl
expect 2 "$DIFFARM" render elsewhere/out.jsonl -m "$MODEL" -o bad
says err.txt "out.jsonl:1: field 'image': ../in/apple.png: leads out of the folder"
head -n 2 mixed.jsonl | tail -n 1 >elsewhere/out.jsonl
render elsewhere/out.jsonl by_inputs --inputs .
same_pixels by_inputs/images/000000/00000000.png "$(picture 1)" || fail "--inputs names another file"
ln -s apple.png in/link.png
echo '{"prompt": "x", "image": "in/link.png"}' >link.jsonl
expect 2 "$DIFFARM" render link.jsonl -m "$MODEL" -o bad
says err.txt "link.jsonl:1: field 'image': in/link.png: a link or a file is in the way"

echo '{"seed": 1, "steps": 2, "count": 2}' >bare.jsonl
MODEL=$SOURCE/tests/golden/ddpm render bare.jsonl uncond
says uncond/metadata.jsonl '"task":"uncond"'
echo '{"class": 3, "steps": 2}' >bare.jsonl
MODEL=$SOURCE/tests/golden/dit render bare.jsonl class
says class/metadata.jsonl '"task":"class"'
says class/metadata.jsonl '"class":3'

expect 2 "$DIFFARM" render -p x -m "$MODEL" -o bad --embedding apple=in/zqtoy.safetensors
says err.txt "'apple' is a word of the vocabulary"
expect 2 "$DIFFARM" render -p x -m "$MODEL" -o bad --embedding in/zqtoy.safetensors --embedding ZQTOY=in/zqtoy.safetensors
says err.txt "both called"
expect 2 "$DIFFARM" render mixed.jsonl -m "$MODEL" -o bad --class 3
expect 2 "$DIFFARM" render -p x -m "$MODEL" -o bad --image in/apple.png --strength 2
says err.txt "field 'strength' must be a number from 0 to 1, not \"2\""
[ ! -e bad ] || fail "something was started"
