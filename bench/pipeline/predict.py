#!/usr/bin/env python3
"""Holds `diffarm simulate pipeline` against real pipelines on this machine.

    bench/pipeline/predict.py models/starter --ranks 1 2 3 4
    bench/pipeline/predict.py sd15 --dtype bf16 --ranks 2 --calibrate 1 --targets 1:4 --passes 4 --runs 3

What a segment and the threads cost is measured with as many micro-batches in flight as there are ranks, or one where there
are more ranks than cores: nobody shares a core with one that computes. --calibrate has the sizes of these micro-batches (two give a fixed part
and a part for each row). The simulator gets these costs, and must tell what it has not seen: the targets B:S,
micro-batches of B pictures, S in flight (S 0: a worker's choice). Then it gets the costs of the target's own run: what is
still wrong is the schedule's, the rest is that segments took longer or less beside others. That is a round; medians of
the rounds count. Every rank has one thread; ranks beyond the cores share them, in the simulation as well (--cores). All are cut by
modelled costs, so that segments are the same whatever the micro-batch. A line of
bench/results/pipeline.jsonl holds what was measured and foretold.
"""
import argparse
import collections
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DIFFARM = os.path.join(os.environ.get("DF_BUILD_DIR", os.path.join(ROOT, "build")), "bin", "diffarm")
RESULTS = os.path.join(ROOT, "bench/results/pipeline.jsonl")
STEADY_STEPS = 200  # of each simulated picture: the middle 80 % of the time is what counts


def diffarm(*args):
    done = subprocess.run([DIFFARM, *map(str, args)], text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"bench/pipeline/predict.py: diffarm {' '.join(map(str, args))}: {done.stderr.strip()}")
    return done.stdout


def measure(o, ranks, batch, slots, folder):
    """Steps a second, and the trace, of one run of the real pipeline."""
    trace = os.path.join(folder, "trace.json")
    out = diffarm("bench", "pipeline", "-m", o.model, "--dtype", o.dtype, "--pipeline", ranks, "--micro-batch", batch,
                  "--slots", slots, "--runs", 1, "--passes", o.passes, "--trace", trace, "--plan-costs", "modelled", "--output",
                  "json")
    with open(trace, encoding="utf-8") as file:
        return json.loads(out)["pipeline"], json.load(file)


def steady(trace):
    """Spans of threads in the steady state, with their arguments."""
    begin, end = trace["diffarm"]["from_us"], trace["diffarm"]["to_us"]
    for e in trace["traceEvents"]:
        if e.get("ph") == "X" and e["ts"] >= begin and e["ts"] + e["dur"] <= end:
            yield e["cat"], e["dur"] * 1e-6, e.get("args", {})


def segment_seconds(trace):
    """Mean of each segment of the denoiser, and the rows it ran with."""
    seconds = collections.defaultdict(list)
    rows = 0
    for kind, took, args in steady(trace):
        if kind == "compute" and args["steps"][0] >= 0:
            seconds[args["segment"]].append(took)
            rows = args["rows"]
    return rows, {segment: statistics.fmean(s) for segment, s in seconds.items()}


def thread_costs(trace, unet):
    """What rank 0 spends on a row, and each rank on messages, beside segments."""
    spent, passes, rows = collections.Counter(), 0, 0
    for kind, took, args in steady(trace):
        spent[kind] += took
        if kind == "compute" and args["segment"] == 0:
            passes, rows = passes + 1, args["rows"]
    ranks = len(trace["diffarm"]["ranks"])
    seconds = (trace["diffarm"]["to_us"] - trace["diffarm"]["from_us"]) * 1e-6
    other = trace["diffarm"]["ranks"][0]["other"] * seconds
    messages = 2 * len(unet["edges"]) + 4 * (ranks - 1)  # each posted twice; commands and statuses as well
    row_bytes = sum(e["row_bytes"] for e in unet["edges"])
    return {"prepare_row_seconds": 0.5 * (spent["sample"] + other) / passes / rows,
            "finish_row_seconds": 0.5 * (spent["sample"] + other) / passes / rows,
            "message_seconds": spent["send"] / passes / messages if ranks > 1 else 0,
            "byte_seconds": spent["receive"] / passes / (row_bytes * rows) if ranks > 1 else 0}


def line_through(points):
    """Fixed part and part for each row, neither below 0, of {rows: seconds}."""
    (r0, s0), (r1, s1) = min(points.items()), max(points.items())
    slope = (s1 - s0) / (r1 - r0) if r1 > r0 else s0 / r0
    slope = min(max(slope, 0), s0 / r0)
    return s0 - slope * r0, slope


class Prediction:
    """The simulator with costs that were measured."""

    def __init__(self, o, ranks, folder):
        self.o, self.path = o, os.path.join(folder, f"costs{ranks}.json")
        diffarm("simulate", "pipeline", "-m", o.model, "--dtype", o.dtype, "--pipeline", ranks, "--save-costs", self.path,
                "--plan-costs", "modelled", "--rows", 1, "--output", "quiet")
        with open(self.path, encoding="utf-8") as file:
            self.costs = json.load(file)
        self.unet = next(p for p in self.costs["programs"] if p["component"] == "unet")

    def take(self, traces):
        """traces: {micro-batch: [trace, ...]}"""
        points = collections.defaultdict(dict)
        for of_a_size in traces.values():
            runs = [segment_seconds(t) for t in of_a_size]
            for segment in runs[0][1]:
                points[segment][runs[0][0]] = statistics.median(r[1][segment] for r in runs)
        for i, segment in enumerate(self.unet["segments"]):
            segment["seconds"], segment["row_seconds"] = line_through(points[i])
        every = [thread_costs(t, self.unet) for of_a_size in traces.values() for t in of_a_size]
        self.costs["thread"] = {key: statistics.median(c[key] for c in every) for key in every[0]}
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(self.costs, file)

    def tell(self, batch, slots, cores):
        told = json.loads(diffarm("simulate", "pipeline", "--costs", self.path, "--link", self.o.link, "--cores", cores,
                                  "--micro-batch", batch, "--slots", slots, "--rows", batch * slots, "--steps", STEADY_STEPS,
                                  "--output", "json"))
        return told["steady_steps_per_second"], [100 * r["wait"] for r in told["ranks"]]


def compare(o, ranks, folder):
    """A line for each target; a round of measurements is foretold from the costs of that same round."""
    targets = sorted({(b, s or (2 * ranks if ranks > 1 else 1)) for b, s in o.targets})
    prediction, rounds = Prediction(o, ranks, folder), collections.defaultdict(list)
    for _ in range(o.runs):
        in_flight = ranks if ranks <= o.cores else 1
        prediction.take({batch: [measure(o, ranks, batch, in_flight, folder)[1]] for batch in o.calibrate})
        told = {t: prediction.tell(*t, o.cores) for t in targets}
        for batch, slots in targets:
            rate, trace = measure(o, ranks, batch, slots, folder)
            prediction.take({batch: [trace]})
            own, _ = prediction.tell(batch, slots, ranks)  # shared cores are in its times already
            rounds[batch, slots].append({"measured": rate, "predicted": told[batch, slots][0],
                                         "error_percent": 100 * (told[batch, slots][0] / rate - 1),
                                         "schedule_error_percent": 100 * (own / rate - 1),
                                         "wait": [100 * r["wait"] for r in trace["diffarm"]["ranks"]],
                                         "predicted_wait": told[batch, slots][1], "thread": prediction.costs["thread"]})
    for (batch, slots), done in rounds.items():
        yield {"model": os.path.basename(os.path.normpath(o.model)), "dtype": o.dtype, "ranks": ranks, "micro_batch": batch,
               "slots": slots, "cores": o.cores, "calibrated_at": o.calibrate, "rounds": done,
               "date": datetime.date.today().isoformat()}


def median_of(line, key):
    """Of all rounds; for a list, of each of its places."""
    values = [r[key] for r in line["rounds"]]
    if isinstance(values[0], list):
        return [round(statistics.median(v), 1) for v in zip(*values)]
    return statistics.median(values)


def spread(line, key):
    values = [r[key] for r in line["rounds"] if key in r]
    if not values:
        return "-"
    return f"{statistics.median(values):+.1f} ({min(values):+.1f} to {max(values):+.1f})"


def row(line):
    return (f"| {line['model']}, {line['dtype']} | {line['ranks']} | {line['micro_batch']} | {line['slots']} | {median_of(line, 'measured'):.4g} | "
            f"{median_of(line, 'predicted'):.4g} | {spread(line, 'error_percent')} | {spread(line, 'schedule_error_percent')} | "
            f"{', '.join(map(str, median_of(line, 'wait')))} | {', '.join(map(str, median_of(line, 'predicted_wait')))} |")


HEAD = ("| model | ranks | B | in flight | measured steps/s | foretold | error, % (single rounds) | with its own costs | "
        "waiting, % of each rank | foretold |\n|---|---|---|---|---|---|---|---|---|---|")


def all_rounds(path):
    """The lines of a results file, one for each configuration with the rounds of all."""
    merged = {}
    with open(path, encoding="utf-8") as file:
        for line in map(json.loads, file):
            key = tuple(str(line[k]) for k in ("model", "dtype", "ranks", "micro_batch", "slots", "cores", "calibrated_at"))
            merged.setdefault(key, {**line, "rounds": []})["rounds"].extend(line["rounds"])
    return [merged[key] for key in sorted(merged)]


def target(text):
    batch, slots = text.split(":")
    return int(batch), int(slots)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", nargs="?", help="none: print the table of all rounds in --results")
    p.add_argument("--dtype", default="f32")
    p.add_argument("--ranks", type=int, nargs="+", default=[2])
    p.add_argument("--calibrate", type=int, nargs="+", default=[2, 8])
    p.add_argument("--targets", type=target, nargs="+", default=[(4, 1), (4, 0), (8, 0)], metavar="B:S")
    p.add_argument("--passes", type=int, default=20)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--cores", type=float, default=len(os.sched_getaffinity(0)))
    p.add_argument("--link", default="shm")
    p.add_argument("--results", default=RESULTS)
    o = p.parse_args()
    print(HEAD)
    if not o.model:
        print("\n".join(map(row, all_rounds(o.results))))
        return
    with tempfile.TemporaryDirectory() as folder, open(o.results, "a", encoding="utf-8") as results:
        for ranks in o.ranks:
            for line in compare(o, ranks, folder):
                print(row(line), flush=True)
                results.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
