#!/usr/bin/env python3
"""What the simulator foretells of many ranks: tables for docs/pipelines.md, and docs/images/efficiency.svg.

    bench/pipeline/efficiency.py            64 ranks as D pipelines of P, three models, three links

Costs are the plan's (shapes), for ranks SPEED times as fast as the core they are modelled for: 110 GFLOP/s become 110
TFLOP/s, about a third of what an A100 has in bf16. `host` adds what rank 0's thread was measured to spend on each row
(bench/pipeline/predict.py), as long as the sampler runs there. A line of bench/results/efficiency.jsonl is one
simulation; those it has are not made again."""
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RESULTS = os.path.join(ROOT, "bench/results/efficiency.jsonl")
RANKS, SPEED, MICRO_BATCH = 64, 1000, 4
DEPTHS = [1, 2, 4, 8, 16, 32, 64]
# "planned" is the plan for the link, which workers make; the others are made without regard to links.
LINES = [("NVLink", ""), ("NVLink", "host"), ("IB-HDR", ""), ("IB-HDR", "planned"), ("10GbE", ""), ("10GbE", "planned")]
DASHES = {"": "", "planned": ' stroke-dasharray="6 3"', "host": ' stroke-dasharray="2 3"'}
ROW_SECONDS, MESSAGE_SECONDS = 2e-4, 8e-6  # measured, with latents of 64x64
MODELS = [("SD 1.5, 512x512", "sd15", "512x512", 64), ("SDXL, 512x512", "sdxl", "512x512", 64),
          ("SDXL, 1024x1024", "sdxl", "1024x1024", 128)]
COLOURS = {"NVLink": "#4878a8", "IB-HDR": "#5f9e6e", "10GbE": "#e08a3c"}


def model_folder(name):
    """As bench/run makes it: the published shapes, random weights."""
    loader = importlib.machinery.SourceFileLoader("bench_run", os.path.join(ROOT, "bench/run"))
    run = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_run", loader))
    loader.exec_module(run)
    return run.program("diffarm"), run.model_folder(name)


def thread(side, variant):
    host = variant == "host"
    row = ROW_SECONDS * (side / 64) ** 2 if host else 0
    return {"prepare_row_seconds": row / 2, "finish_row_seconds": row / 2, "message_seconds": MESSAGE_SECONDS if host else 0,
            "byte_seconds": 0}


def plan(name, size, depth, link, folder):
    """What the plan's work costs, as a file; link: what it is made for, None: links do not count."""
    diffarm, model = model_folder(name)
    costs = os.path.join(folder, f"{name}-{size}-{depth}-{link}.json")
    if not os.path.exists(costs):
        for_link = ["--link", link, "--speed", str(SPEED)] if link else []
        subprocess.check_call([diffarm, "simulate", "pipeline", "-m", model, "--size", size, "--dtype", "bf16", "--plan-costs",
                               "modelled", "--pipeline", str(depth), "--rows", "1", "--steps", "1", "--save-costs", costs, "--output", "quiet", *for_link])
    return diffarm, costs


def simulate(name, size, side, depth, link, variant, folder):
    diffarm, planned = plan(name, size, depth, link if variant == "planned" else None, folder)
    costs = os.path.join(folder, "costs.json")
    with open(planned, encoding="utf-8") as file:
        c = json.load(file)
    c["thread"] = thread(side, variant)
    with open(costs, "w", encoding="utf-8") as file:
        json.dump(c, file)
    slots = 1 if depth == 1 else 2 * depth
    return json.loads(subprocess.check_output(
        [diffarm, "simulate", "pipeline", "--costs", costs, "--link", link, "--speed", str(SPEED), "--replicas",
         str(RANKS // depth), "--micro-batch", str(MICRO_BATCH), "--slots", str(slots), "--rows", str(2 * slots * MICRO_BATCH),
         "--output", "json"]))


def panel(out, title, rows, left):
    """One model: efficiency over depth, a line for each link."""
    width, top, height = 270, 34, 190
    x = [left + 34 + (width - 60) * i / (len(DEPTHS) - 1) for i in range(len(DEPTHS))]
    out.append(f'<text x="{left + 34}" y="20" font-size="13">{title}</text>')
    for percent in (0, 25, 50, 75, 100):
        y = top + height * (1 - percent / 100)
        out.append(f'<line x1="{x[0]}" x2="{x[-1]:.1f}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        out.append(f'<text x="{left + 28}" y="{y + 4}" text-anchor="end">{percent}</text>')
    for at, depth in zip(x, DEPTHS):
        out.append(f'<text x="{at:.1f}" y="{top + height + 16}" text-anchor="middle">{depth}</text>')
    for link, variant in LINES:
        of_line = [r for r in rows if (r["link"], r["variant"]) == (link, variant)]
        points = [(at, top + height * (1 - r["efficiency"])) for at, r in zip(x, of_line)]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{COLOURS[link]}" stroke-width="2"{DASHES[variant]}/>')
        out.extend(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{COLOURS[link]}"/>' for a, b in points)


def draw(results):
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 296" font-family="sans-serif" font-size="12">',
           '<rect width="860" height="296" fill="white"/>']
    for i, (title, *_) in enumerate(MODELS):
        panel(out, title, [r for r in results if r["model"] == title], 10 + 282 * i)
    for i, link in enumerate(COLOURS):
        out.append(f'<rect x="{44 + 84 * i}" y="266" width="18" height="4" fill="{COLOURS[link]}"/>')
        out.append(f'<text x="{66 + 84 * i}" y="272">{link}</text>')
    out.append('<text x="300" y="272">all simulated, of modelled costs and links; dashed: planned for the link; dotted: with the '
               'measured time of the</text>')
    out.append(f'<text x="300" y="286">sampler on the host. x: ranks of a pipeline, of {RANKS} in all; y: % of their time that '
               'computes</text></svg>')
    return "\n".join(out) + "\n"


def line_of(title, link, variant, depth, r):
    return {"model": title, "link": link, "variant": variant, "depth": depth, "replicas": RANKS // depth, "speed": SPEED,
            "efficiency": r["efficiency"], "pictures_per_second": r["steady_pictures_per_second"],
            "latency": r["latency_median_seconds"], "fullest_rank_gib": max(k["memory_bytes"] for k in r["ranks"]) / 2**30}


def key_of(line):
    return line["model"], line["link"], line["variant"], line["depth"]


def main():
    done = {}
    if os.path.exists(RESULTS):
        with open(RESULTS, encoding="utf-8") as file:
            done = {key_of(line): line for line in map(json.loads, file)}
    with tempfile.TemporaryDirectory() as folder, open(RESULTS, "a", encoding="utf-8") as file:
        for title, name, size, side in MODELS:
            for link, variant in LINES:
                for depth in DEPTHS:
                    key = title, link, variant, depth
                    if key not in done:
                        done[key] = line_of(*key, simulate(name, size, side, depth, link, variant, folder))
                        file.write(json.dumps(done[key]) + "\n")
                        file.flush()
                row = [f"{100 * done[title, link, variant, depth]['efficiency']:.1f}" for depth in DEPTHS]
                print(f"| {title} | {link}{', ' + variant if variant else ''} | " + " | ".join(row) + " |", flush=True)
    with open(os.path.join(ROOT, "docs/images/efficiency.svg"), "w", encoding="utf-8") as file:
        file.write(draw(done.values()))


if __name__ == "__main__":
    main()
