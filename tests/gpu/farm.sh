#!/usr/bin/env bash
# Farms and pipelines on GPUs: real processes, the same bytes for every depth, micro-batch and number of workers.
. "$(dirname "$0")/../e2e/lib.sh"
allow_leaks_of_mpi
manifest m.jsonl 6 4
for dtype in f32 bf16 f16; do
    render m.jsonl "one-$dtype" --backend cuda --dtype "$dtype"
    render m.jsonl "batches-$dtype" --backend cuda --dtype "$dtype" --micro-batch 3 --workers 2
    same_out "one-$dtype" "batches-$dtype"
done
says one-f32/metadata.jsonl '"backend":"cuda"'
for depth in 2 3 4; do
    render m.jsonl "depth-$depth" --backend cuda --pipeline "$depth"
    same_out one-f32 "depth-$depth"
done
expect 0 "$DIFFARM" replay one-bf16/images/000000/00000003.png -m "$MODEL"
says out.txt "the same bytes"

# The CPU's pictures but for rounding.
render m.jsonl cpu
python3 - one-f32 cpu <<'PY'
import struct, sys, zlib
def pixels(path):
    data, at, idat = open(path, "rb").read(), 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IDAT": idat += data[at + 8:at + 8 + size]
        if kind == b"IHDR": w, h = struct.unpack(">II", data[at + 8:at + 16])
        at += size + 12
    raw, stride, rows, last = zlib.decompress(idat), 3 * w, [], bytes(3 * w)
    for y in range(h):
        f, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            a, b, c = line[i - 3] if i >= 3 else 0, last[i], last[i - 3] if i >= 3 else 0
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line[i] = (line[i] + (0, a, b, (a + b) // 2, paeth)[f]) & 255
        rows.append(bytes(line))
        last = rows[-1]
    return b"".join(rows)
for i in range(6):
    a, b = (pixels(f"{out}/images/000000/{i:08d}.png") for out in sys.argv[1:3])
    far = sum(abs(x - y) > 2 for x, y in zip(a, b))
    if len(a) != len(b) or far > len(a) // 100: sys.exit(f"picture {i}: {far} of {len(a)} values are more than two levels off")
PY

# A rank that is killed ends its pipeline; the farm goes on with another.
start_coordinator state
start_worker pipeline --backend cuda --pipeline 2
"$DIFFARM" submit m.jsonl -m "$MODEL" -o killed --connect "$ENDPOINT" --backend cuda --output quiet
wait_for 100 said pipeline 1 "event=gpu"
kill -9 "$(pgrep -P "$(pgrep -P "$WORKER" mpirun | head -n 1)" | tail -n 1)"
wait_for 200 test -s killed/job.json
same_out one-f32 killed

expect 0 "$DIFFARM" bench gpu "$MODEL" -o report --steps 4 --size 64x64
says report.md "## Pictures a second"
expect 0 "$DIFFARM" doctor --gpu --bind "tcp://127.0.0.1:*" --workers 10
