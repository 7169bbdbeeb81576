#!/usr/bin/env bash
# Pictures tell how they came to be, are rendered again to the same bytes, and OUT is held against its lists.
. "$(dirname "$0")/lib.sh"

cp "$SOURCE/tests/golden/starter_reference/pictures/v000.png" in.png
manifest m.jsonl 3 3
echo '{"prompt": "frog", "task": "img2img", "image": "in.png", "steps": 4, "strength": 0.6, "name": "edits/frog"}' >>m.jsonl
render m.jsonl out

expect 0 "$DIFFARM" explain out/images/000000/00000001.png
says out.txt "ghost"
expect 0 "$DIFFARM" explain out/edits/frog.png --output json
says out.txt '"strength":0.6'
expect 2 "$DIFFARM" explain in.png
says err.txt 'it has no text "diffarm"'
expect 2 "$DIFFARM" explain out/job.json

expect 0 "$DIFFARM" replay out/images/000000/00000001.png -m "$MODEL" --threads 1 -o again.png
says out.txt "the same bytes"
cmp again.png out/images/000000/00000001.png
expect 2 "$DIFFARM" replay out/edits/frog.png -m "$MODEL" --threads 1
says err.txt "give it with --file"
expect 0 "$DIFFARM" replay out/edits/frog.png -m "$MODEL" --threads 1 --file in.png --output json
says out.txt '"same_bytes":true'

# The text of one picture around the pixels of another: it is found out.
python3 - out/images/000000/00000001.png out/images/000000/00000002.png >mixed.png <<'PY'
import struct, sys
def chunks(path):
    data, at = open(path, "rb").read(), 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind, data[at:at + size + 12]
        at += size + 12
text = [c for k, c in chunks(sys.argv[1]) if k in (b"tEXt", b"iTXt")]
rest = [(k, c) for k, c in chunks(sys.argv[2]) if k not in (b"tEXt", b"iTXt")]
sys.stdout.buffer.write(b"\x89PNG\r\n\x1a\n" + rest[0][1] + b"".join(text) + b"".join(c for _, c in rest[1:]))
PY
expect 1 "$DIFFARM" replay mixed.png -m "$MODEL" --threads 1
says out.txt "differs"

expect 0 "$DIFFARM" verify out
says out.txt "good: 4 pictures, 0 bad; hash chain intact"
expect 0 "$DIFFARM" verify out --sample 3 -m "$MODEL" --threads 1 --file in.png --output json
says out.txt '"rendered_again":3,"differ":0'

spoiled() { # spoiled TEXT: verify says it
    expect 1 "$DIFFARM" verify spoiled
    cat out.txt >>err.txt
    says err.txt "$1"
    rm -rf spoiled
    cp -r out spoiled
}
cp -r out spoiled
echo x >>spoiled/images/000000/00000000.png
spoiled "has other bytes"
rm spoiled/edits/frog.png
spoiled "1 bad"
sed -i '2s/ghost/toast/' spoiled/metadata.jsonl
spoiled "hash chain broken"
sed -i 3d spoiled/metadata.jsonl
spoiled "hash chain broken"
sed -i '1s|images/000000/00000000.png|../out/images/000000/00000000.png|' spoiled/metadata.jsonl
spoiled "no name of a picture in OUT"
rm spoiled/job.json
expect 2 "$DIFFARM" verify spoiled

# Pictures in tar shards: the same, sample by sample.
manifest t.jsonl 3 3
render t.jsonl out.tar --format tar
rm -rf out spoiled
mv out.tar out
expect 0 "$DIFFARM" verify out
says out.txt "good: 3 pictures, 0 bad; hash chain intact"
expect 0 "$DIFFARM" verify out --sample 2 -m "$MODEL" --threads 1 --output json
says out.txt '"rendered_again":2,"differ":0'
remake() { # remake PYTHON: the shard again from its members, after a change to the list m of (name, bytes)
    python3 - "$1" <<'PY'
import io, sys, tarfile
path = "spoiled/shard-000000.tar"
with tarfile.open(path) as t:
    m = [(i.name, t.extractfile(i).read()) for i in t]
exec(sys.argv[1])
with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as t:
    for name, data in m:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
PY
}
cp -r out spoiled
remake 'pass' # every sample is right, but it is not the archive that was written
spoiled "has other bytes than its stats say"
remake 'm[0] = (m[0][0], m[0][1] + b"x")'
spoiled "shard-000000.tar/00000000.png: has other bytes than metadata.jsonl says"
remake 'm[4] = (m[4][0], m[4][1].replace(b"ghost", b"toast"))'
spoiled "00000001.json is not what metadata.jsonl says"
remake 'm[2] = (m[2][0], b"another prompt")'
spoiled "00000000.txt is not what metadata.jsonl says"
remake 'm[3], m[6] = m[6], m[3]'
spoiled "holds 00000002.png where 00000001.png should be"
remake 'm.append(("00000003.png", b""))'
spoiled "holds 00000003.png, which metadata.jsonl does not"
truncate -s 9000 spoiled/shard-000000.tar
spoiled "is cut or damaged at"
rm spoiled/shard-000000.tar
spoiled "shard-000000.tar: No such file"
rm spoiled/shard-000000_stats.json
spoiled "shard-000000_stats.json"
sed -i 's/"n_done":3/"n_done":2/' spoiled/shard-000000_stats.json
spoiled "its stats count other rows"
