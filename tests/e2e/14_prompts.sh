#!/usr/bin/env bash
# Long prompts and weights in prompts: off, brackets are text; on, each row equals itself alone, over pipelines too, and
# rows whose text has other lengths share a job.
. "$(dirname "$0")/lib.sh"
allow_leaks_of_mpi

# words WORD N: N times the same word
words() { yes "$1" | head -n "$2" | tr '\n' ' '; }

cat >m.jsonl <<EOF
{"prompt": "a (red:1.4) apple", "seed": 1, "steps": 3}
{"prompt": "$(words apple 90)", "seed": 2, "steps": 3}
{"prompt": "red apple BREAK ghost", "negative": "$(words blue 160)", "seed": 3, "steps": 4}
{"prompt": "frog", "seed": 4, "steps": 3}
{"prompt": "$(words frog 80)", "seed": 5, "steps": 2, "guidance": 1}
EOF
flags=(--long-prompts --prompt-weights)
render m.jsonl both "${flags[@]}"
says both/metadata.jsonl '"long_prompts":true,"prompt_weights":true'
for variant in "1 1 1" "2 1 4" "1 2 2" "1 3 4"; do
    read -r workers ranks batch <<<"$variant"
    render m.jsonl out "${flags[@]}" --workers "$workers" --pipeline "$ranks" --micro-batch "$batch"
    same_out both out
    rm -rf out
done
picture() { echo "$1/images/000000/0000000$2.png"; }
row=0
while read -r line; do
    echo "$line" >one.jsonl
    render one.jsonl one "${flags[@]}"
    same_pixels one/images/000000/00000000.png "$(picture both $row)" || fail "row $row differs alone"
    rm -rf one
    row=$((row + 1))
done <m.jsonl

render m.jsonl plain 2>plain.txt
says plain.txt "warning: line 2: the prompt has 92 tokens, the model takes 77"
says plain/metadata.jsonl '"prompt_cut"'
for row in 0 1 2 4; do
    same_pixels "$(picture plain $row)" "$(picture both $row)" && fail "row $row: the flags change nothing"
done
same_pixels "$(picture plain 3)" "$(picture both 3)" || fail "a plain prompt is drawn otherwise with the flags"

echo '{"prompt": "a (red:500) apple"}' >bad.jsonl
expect 2 "$DIFFARM" render bad.jsonl -m "$MODEL" -o bad --prompt-weights
says err.txt "bad.jsonl:1: field 'prompt': 'red' has the weight 500; weights are at most 100"
expect 2 "$DIFFARM" render -p "" -m "$SOURCE/tests/golden/ddpm" -o bad --long-prompts
says err.txt "a DDPMPipeline takes neither long prompts nor weights in them"
[ ! -e bad ] || fail "something was started"
