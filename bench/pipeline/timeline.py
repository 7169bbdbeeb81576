#!/usr/bin/env python3
"""Draws a stretch of a trace (diffarm ... --trace FILE) as SVG: a track per rank, time to the right.

    bench/pipeline/timeline.py trace.json docs/images/timeline.svg [START_MS LENGTH_MS]

Without a stretch: 80 ms from the middle of the steady state.
"""
import json
import sys

COLOURS = ["#4878a8", "#e08a3c", "#5f9e6e", "#b65d60", "#857aab", "#8d7866", "#d09ec8", "#8c8c8c"]
WIDTH, LEFT, TRACK, GAP = 960, 70, 46, 14


def spans(trace, begin, end):
    for e in trace["traceEvents"]:
        if e.get("ph") == "X" and e["ts"] < end and e["ts"] + e["dur"] > begin:
            yield e["pid"], e["cat"], max(e["ts"], begin), min(e["ts"] + e["dur"], end), e.get("args", {})


def draw(trace, begin, end):
    ranks = len(trace["diffarm"]["ranks"])
    height = ranks * (TRACK + GAP) + 44
    scale = (WIDTH - LEFT - 10) / (end - begin)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
    for r in range(ranks):
        y = 10 + r * (TRACK + GAP)
        out.append(f'<text x="8" y="{y + TRACK / 2 + 4}">rank {r}</text>')
        out.append(f'<rect x="{LEFT}" y="{y}" width="{WIDTH - LEFT - 10}" height="{TRACK}" fill="#f2f2f2"/>')
    for rank, kind, start, stop, args in spans(trace, begin, end):
        x, w, y = LEFT + (start - begin) * scale, (stop - start) * scale, 10 + rank * (TRACK + GAP)
        if kind == "compute":
            slot = args["slot"]
            out.append(f'<rect x="{x:.2f}" y="{y}" width="{w:.2f}" height="{TRACK}" fill="{COLOURS[slot % len(COLOURS)]}"/>')
            if w > 34:
                out.append(f'<text x="{x + 3:.2f}" y="{y + TRACK / 2 + 4}" fill="white">{slot}: step {args["steps"][0]}</text>')
        elif kind in ("sample", "send", "receive"):
            out.append(f'<rect x="{x:.2f}" y="{y}" width="{max(w, 0.4):.2f}" height="{TRACK}" fill="#222"/>')
    y = 10 + ranks * (TRACK + GAP)
    for i in range(9):
        t = (end - begin) * i / 8
        out.append(f'<text x="{LEFT + t * scale:.1f}" y="{y + 12}" text-anchor="middle">{t / 1000:.0f} ms</text>')
    out.append(f'<text x="{LEFT}" y="{y + 28}">colour: micro-batch in flight; black: sampler and messages; grey: waiting</text></svg>')
    return "\n".join(out) + "\n"


def main():
    trace = json.load(open(sys.argv[1]))
    middle = (trace["diffarm"]["from_us"] + trace["diffarm"]["to_us"]) / 2
    begin, length = (float(x) * 1000 for x in sys.argv[3:5]) if len(sys.argv) == 5 else (middle, 80000.0)
    open(sys.argv[2], "w").write(draw(trace, begin, begin + length))


if __name__ == "__main__":
    main()
