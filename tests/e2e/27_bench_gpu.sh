#!/usr/bin/env bash
# `bench gpu`: its report, over a backend that is there; what it has it does not measure again; no device is told.
. "$(dirname "$0")/lib.sh"

# Configs alone, no weights and no tokenizer, as the standard models have.
mkdir -p configs/sd15
(cd "$MODEL" && cp --parents model_index.json scheduler/*.json text_encoder/config.json unet/config.json vae/config.json "$WORK/configs/sd15")
bench() { # bench CODE ARGS...
    local code=$1
    shift
    expect "$code" timeout 200 "$DIFFARM" bench gpu --configs configs --backend cpu --dtype f32 --threads 1 --size 32x32 \
        --steps 2 --micro-batch 2 "$@"
}
entries() { # entries REPORT PART
    python3 -c 'import json, sys
print(sum(e["part"] == sys.argv[2] for e in json.load(open(sys.argv[1]))["measured"]))' "$1" "$2"
}

# What cannot be
expect 2 "$DIFFARM" bench gpu
says err.txt "-o REPORT"
expect 2 "$DIFFARM" bench gpu -o r --parts pictures,words
says err.txt "pictures, step, ops"
expect 2 "$DIFFARM" bench gpu -o r --peak 1,2
expect 2 "$DIFFARM" bench gpu -o r --dtype f8
expect 2 "$DIFFARM" bench gpu -o r --backend abacus
says err.txt "abacus"
expect 2 "$DIFFARM" bench gpu -o r --backend cpu --dtype f32 sd16
bench 2 -o r --size 33x32 sd15
says err.txt "multiples of"
bench 2 -o no/such/folder/r sd15
[ ! -e r.json ] || fail "something was written"

# What is expected of GPUs is told without any, of the standard settings.
expect 0 "$DIFFARM" bench gpu --dry-run --configs "$SOURCE/bench/models"
says out.txt "| sdxl | 1024x1024, 20 steps | 4 | H100 SXM |"
says out.txt "| 2.26 |"
says err.txt "3 models"

# Part by part into one report; what is there stays as it is.
bench 0 -o r.json --parts pictures,step sd15
says out.txt "sd15 (random weights) | 32x32, 2 steps"
says out.txt "r.md"
[ "$(entries r.json pictures)$(entries r.json step)$(entries r.json ops)" = 110 ] || fail "not a picture and a step"
cp r.json before.json
bench 0 -o r sd15 --parts pictures,step --output json
says err.txt "2 of 2 measurements are in r.json already"
cmp r.json before.json || fail "it was measured again"
python3 -c 'import json; assert json.load(open("out.txt"))["measured"][0]["seconds"] > 0'

# Interrupted it leaves what is done, and goes on with the rest.
"$DIFFARM" bench gpu --configs configs --backend cpu --dtype f32 --threads 1 --size 32x32 --steps 2 --micro-batch 2 -o r sd15 \
    2>run.log >run.out &
PIDS+=($!)
some_ops() { [ "$(entries r.json ops)" -ge 3 ]; }
wait_for 100 some_ops
kill -INT "${PIDS[-1]}"
code=0
wait "${PIDS[-1]}" || code=$?
[ "$code" -eq 1 ] || fail "exit code $code of an interrupted run"
says run.log "interrupted; the same command goes on"
done_ops=$(entries r.json ops)
bench 0 -o r sd15
says err.txt "$((done_ops + 2)) of "
[ "$(entries r.json ops)" -gt "$done_ops" ] || fail "nothing was added"
says r.md "### sd15 unet, 32x32, 4 rows"
says r.md "### sd15 vae_decoder, 32x32, 2 rows"
says r.md "group_norm"
says r.md "attention"

# A model with weights, and a device whose peak is told, in a report of its own.
bench 2 -o r --peak 1,1,100 sd15
says err.txt "another peak"
bench 0 -o mine --peak 1,1,100 --parts step "$MODEL"
says mine.md "| starter unet | 32x32 | 4 |"
grep -q '| [0-9]* % |$' mine.md || fail "no share of the roofline"
[ -z "$(find . -name '*.tmp*')" ] || fail "something was left behind"
