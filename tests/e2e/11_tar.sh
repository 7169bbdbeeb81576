#!/usr/bin/env bash
# Shards: the same pictures as loose ones, samples as WebDataset readers want them; killed half-way, the same bytes.
. "$(dirname "$0")/lib.sh"

manifest m.jsonl 8 8
echo '{"prompt": "fr\u00f6g", "seed": 1, "steps": 4, "name": "v1.5/a.b"}' >>m.jsonl
render m.jsonl pictures --contact-sheet loose.png
render m.jsonl base --format tar --contact-sheet packed.png
cmp loose.png packed.png || fail "the contact sheet of shards is another one"

python3 - base pictures <<'EOF' || fail "the shard is not as promised"
import hashlib, json, sys, tarfile
shards, loose = sys.argv[1:]
read = lambda *path: open("/".join(path), "rb").read()
with tarfile.open(shards + "/shard-000000.tar", "r|") as tar:  # as a stream, like the readers
    members = [(m, tar.extractfile(m).read()) for m in tar]
keys = ["%08d" % row for row in range(9)]
assert [m.name for m, _ in members] == [key + end for key in keys for end in (".png", ".json", ".txt")]
for m, _ in members:
    assert (m.isreg(), m.mode, m.uid, m.gid, m.uname, m.gname, m.mtime) == (True, 0o644, 0, 0, "", "", 0), m.name
data = {m.name: content for m, content in members}
lines = read(shards, "metadata.jsonl").splitlines(keepends=True)
originals = [json.loads(line) for line in read(loose, "metadata.jsonl").splitlines()]
for key, line, original in zip(keys, lines, originals, strict=True):
    sample = json.loads(data[key + ".json"])
    assert data[key + ".json"] == line
    assert sample["file_name"] == "shard-000000.tar/%s.png" % key
    assert data[key + ".png"] == read(loose, original["file_name"])
    assert data[key + ".txt"].decode() == original["prompt"]
assert json.loads(lines[8])["name"] == "v1.5/a.b" and data["00000008.txt"].decode() == "fr\u00f6g"
stats, shard = json.loads(read(shards, "shard-000000_stats.json")), read(shards, "shard-000000.tar")
assert (stats["bytes"], stats["sha256"]) == (len(shard), hashlib.sha256(shard).hexdigest())
assert (stats["n_rows"], stats["n_done"], stats["n_failed"]) == (9, 9, 0)
EOF

pictures() { find out/.diffarm/shard-000000 -name '*.png' 2>/dev/null | wc -l; }
some_pictures() { [ "$(pictures)" -ge 2 ]; }
start render "$DIFFARM" render m.jsonl -m "$MODEL" -o out --threads 1 --micro-batch 1 --format tar
wait_for 60 some_pictures
children=$(family "$!")
kill -9 "$!"
for pid in $children; do wait_for 60 is_gone "$pid"; done
[ -z "$(ls out)" ] || fail "half a shard can be seen: $(ls out)"
expect 2 timeout 200 "$DIFFARM" render m.jsonl -m "$MODEL" -o out
says err.txt "begun and not finished" # loose pictures are another job
expect 0 timeout 200 "$DIFFARM" render m.jsonl -m "$MODEL" -o out --threads 1 --format tar
same_out base out
expect 0 timeout 200 "$DIFFARM" render m.jsonl -m "$MODEL" -o out --format tar
says out.txt "already complete"
expect 2 "$DIFFARM" render m.jsonl -m "$MODEL" -o other --format gif
says err.txt "--format must be png or tar"

start_coordinator state
start_worker worker
expect 0 timeout 200 "$DIFFARM" submit m.jsonl -m "$MODEL" -o submitted --format tar --connect "$ENDPOINT" --wait
same_out base submitted
