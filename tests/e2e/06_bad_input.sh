#!/usr/bin/env bash
# Bad input: one clear error each, exit code 2, nothing started, nothing written.
. "$(dirname "$0")/lib.sh"

refused() { # refused TEXT COMMAND...
    local text=$1
    shift
    expect 2 timeout 200 "$@"
    says err.txt "$text"
    [ ! -e out ] || fail "something was written"
}
try="$DIFFARM render m.jsonl -o out -m"

printf '{"prompt": "a"}\n{"prompt": "b", "stpes": 3}\n{"prompt": "c", "seed": "x"}\n' >m.jsonl
refused "m.jsonl:2: unknown field 'stpes'; did you mean 'steps'?" $try "$MODEL"
says err.txt "m.jsonl:3: field 'seed' must be a whole number"
says err.txt "nothing was started"
printf 'prompt,stpes\na,3\n' >m.csv
refused "m.csv:1: unknown column 'stpes'" "$DIFFARM" render m.csv -o out -m "$MODEL"
printf '{"prompt": "\xff"}\n' >m.jsonl
refused "m.jsonl:1: not valid JSON" $try "$MODEL"
echo '{"prompt": "a", "size": "30x64"}' >m.jsonl
refused "multiples of 4" $try "$MODEL"
for i in $(seq 30); do echo '{"prompt": 1}'; done >m.jsonl
refused "and 10 more like these" $try "$MODEL"
: >m.jsonl
refused "no pictures in it" $try "$MODEL"
refused "nowhere.jsonl" "$DIFFARM" render nowhere.jsonl -o out -m "$MODEL"

manifest m.jsonl 2 4
refused "nowhere" $try nowhere
cp -r "$MODEL" model
mv model/unet/diffusion_pytorch_model.safetensors whole
refused "unet" $try model
head -c 100000 whole >model/unet/diffusion_pytorch_model.safetensors
refused "unet/diffusion_pytorch_model.safetensors" $try model
printf 'PK\003\004 a zip archive, as torch.save writes' >model/unet/diffusion_pytorch_model.bin
rm model/unet/diffusion_pytorch_model.safetensors
refused "pickle" $try model
rm model/unet/diffusion_pytorch_model.bin
printf '\200\002}q\000.' >model/unet/diffusion_pytorch_model.safetensors
refused "pickle" $try model
cp whole model/unet/diffusion_pytorch_model.safetensors
sed -i 's/"cross_attention_dim": 128/"cross_attention_dim": 96/' model/unet/config.json
refused "96" $try model

refused "--size must be like" $try "$MODEL" --size 64
refused "unrecognized option" $try "$MODEL" --stpes 3
refused "did you mean 'euler'" $try "$MODEL" --scheduler eluer
refused "backend cpu computes in F32 or BF16, not in F16" $try "$MODEL" --dtype f16
refused "f32, bf16, f16 or int8" $try "$MODEL" --dtype int4
refused "--fast-conv is for" $try "$MODEL" --fast-conv
refused "BF16" $try "$MODEL" --dtype bf16 --backend reference
refused "--workers and --pipeline belong" "$DIFFARM" submit m.jsonl -o out -m "$MODEL" --workers 2
expect 2 "$DIFFARM" rendr
says err.txt "did you mean 'render'?"

mkdir no-mpirun
expect 3 env PATH="$WORK/no-mpirun" "$DIFFARM" render m.jsonl -o out -m "$MODEL" --pipeline 2
says err.txt "start mpirun: No such file or directory"
[ "$(grep -c error err.txt)" -eq 1 ] || fail "more than one line of error"
rm -rf out

mkdir holiday
touch holiday/beach.jpg
expect 2 "$DIFFARM" render m.jsonl -o holiday -m "$MODEL"
says err.txt "beach.jpg"
[ "$(ls -A holiday)" = beach.jpg ] || fail "something was written"

picture=$SOURCE/tests/golden/starter_reference/pictures/v003.png
forward="$DIFFARM forward -m $MODEL -o out"
refused "IMAGE.png is needed" $forward
refused "nowhere.png: No such file" $forward nowhere.png
refused "m.jsonl: not a PNG file" $forward m.jsonl
refused "--steps must be a whole number from 2 to 64, not '1'" $forward "$picture" --steps 1
refused "did you mean" $forward "$picture" --scheduler eulr

printf '{"prompt": "red apple", "steps": 2}\n{"prompt": 1}\n' >m.jsonl
expect 0 "$DIFFARM" render m.jsonl -o out -m "$MODEL" --lenient
says err.txt "skipped: m.jsonl:2: field 'prompt' must be a text"
[ "$(wc -l <out/metadata.jsonl)" -eq 1 ] || fail "not one picture"
