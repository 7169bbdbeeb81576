#!/usr/bin/env python3
"""How long a step of a guided picture takes when nothing else is on the ranks: on one, on two that share the layers, on two
that share guidance (two halves).

    bench/pipeline/latency.py models/starter --dtype bf16
    bench/pipeline/latency.py sd15 --dtype bf16 --passes 6

One thread a rank, one picture, one micro-batch in flight; all in turns, so that each meets the same machine; medians of the
rounds count. A line of bench/results/latency.jsonl holds every round, and what share of the cores other programs took
meanwhile: above 0.03 two ranks were held up more than one.
"""
import argparse
import datetime
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DIFFARM = os.path.join(os.environ.get("DF_BUILD_DIR", os.path.join(ROOT, "build")), "bin", "diffarm")
RESULTS = os.path.join(ROOT, "bench/results/latency.jsonl")
WAYS = {
    "one rank": ["--pipeline", "1"],
    "two stages": ["--pipeline", "2"],
    "two halves": ["--pipeline", "2", "--split", "cfg"],
}


def busy_seconds():
    """Of all cores, by anybody, and by this program's children."""
    with open("/proc/stat", encoding="utf-8") as file:
        ticks = [int(t) for t in file.readline().split()[1:9]]
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK"), own.ru_utime + own.ru_stime


def step_seconds(o, way, folder):
    command = [DIFFARM, "bench", "pipeline", "-m", o.model, "--dtype", o.dtype, "--micro-batch", "1", "--slots", "1", *WAYS[way],
               "--runs", "1", "--passes", str(o.passes), "--trace", os.path.join(folder, "trace.json"), "--output", "json"]
    done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"bench/pipeline/latency.py: {' '.join(command)}: {done.stderr.strip()}")
    return 1 / json.loads(done.stdout)["pipeline"]


def measure(o):
    seconds, others = {way: [] for way in WAYS}, []
    with tempfile.TemporaryDirectory() as folder:
        step_seconds(o, "two stages", folder)  # costs are measured, and the files read, before the first round
        for _ in range(o.rounds):
            (busy, own), since = busy_seconds(), os.times().elapsed
            for way in WAYS:
                seconds[way].append(step_seconds(o, way, folder))
            (busy_now, own_now), took = busy_seconds(), os.times().elapsed - since
            others.append((busy_now - busy - (own_now - own)) / took / os.cpu_count())
    return seconds, others


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model folder")
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--passes", type=int, default=100, help="steps a rank in one turn (100)")
    parser.add_argument("--rounds", type=int, default=5)
    o = parser.parse_args()
    seconds, others = measure(o)
    one = seconds["one rank"]
    for way, s in seconds.items():
        gains = [a / b for a, b in zip(one, s)]
        print(f"| {os.path.basename(os.path.normpath(o.model))}, {o.dtype} | {way} | {1e3 * statistics.median(s):.4g} ms | "
              f"{statistics.median(gains):.2f} ({min(gains):.2f} to {max(gains):.2f}) |")
    print(f"others had {100 * min(others):.0f} to {100 * max(others):.0f} % of the cores", file=sys.stderr)
    line = {"what": "latency", "at": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ"),
            "model": os.path.basename(os.path.normpath(o.model)), "dtype": o.dtype, "passes": o.passes,
            "step_seconds": {way: [round(x, 6) for x in s] for way, s in seconds.items()},
            "others_share": [round(max(0, x), 3) for x in others]}
    with open(RESULTS, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
