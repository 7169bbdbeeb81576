#!/usr/bin/env python3
"""roofline.py [OUT.svg]: the shapes measured last for each model, component and dtype, against what the machine can do.

Reads bench/results/shapes.jsonl (bench/run shapes). x is arithmetic intensity, FLOP a byte of activations and weights
that must move at least once; y is GFLOPS; the roofs are the peaks of the same run: bandwidth of reading times intensity,
and the cores. Area of a dot: its share of the pass. Williams, Waterman and Patterson 2009, doi:10.1145/1498765.1498785.
Standard library only."""
import argparse
import json
import math
import os

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 900, 560, 70, 50, 20, 55
X_FROM, X_TO, Y_FROM, Y_TO = 1, 10000, 1, 1000  # FLOP a byte; GFLOPS
COLOURS = {"conv2d": "#1b6ca8", "linear": "#d1701c", "attention": "#2f8f46"}


def x_of(intensity):
    share = math.log(intensity / X_FROM) / math.log(X_TO / X_FROM)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def y_of(gflops):
    share = math.log(gflops / Y_FROM) / math.log(Y_TO / Y_FROM)
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def line(x1, y1, x2, y2, style):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def text(x, y, words, style=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{words}</text>'


def axes():
    for power in range(int(math.log10(X_TO)) + 1):
        x = x_of(10**power)
        yield line(x, TOP, x, HEIGHT - BOTTOM, 'stroke="#ddd"')
        yield text(x, HEIGHT - BOTTOM + 18, f"{10**power}", 'text-anchor="middle"')
    for power in range(int(math.log10(Y_TO)) + 1):
        y = y_of(10**power)
        yield line(LEFT, y, WIDTH - RIGHT, y, 'stroke="#ddd"')
        yield text(LEFT - 8, y + 4, f"{10**power}", 'text-anchor="end"')
    yield text((LEFT + WIDTH) / 2, HEIGHT - 15, "FLOP a byte", 'text-anchor="middle"')
    yield text(20, HEIGHT / 2, "GFLOPS", f'text-anchor="middle" transform="rotate(-90 20 {HEIGHT / 2})"')


def roof(bandwidth, limit, name, dash):
    style = f'stroke="#333" stroke-width="1.5"{dash}'
    ridge, low = limit / bandwidth, max(X_FROM, Y_FROM / bandwidth)
    yield line(x_of(low), y_of(bandwidth * low), x_of(ridge), y_of(limit), style)
    yield line(x_of(ridge), y_of(limit), x_of(X_TO), y_of(limit), style)
    yield text(WIDTH - RIGHT - 4, y_of(limit) - 6, f"{name}: {limit:.0f} GFLOPS", 'text-anchor="end"')


def dots(run):
    total = sum(s["nodes"] * s["seconds"] for s in run["shapes"])
    for s in run["shapes"]:
        colour = COLOURS.get(s["shape"].split()[0], "#777")
        intensity = s["flops"] / s["bytes"]
        if intensity < X_FROM or s["gflops"] < Y_FROM:
            continue
        radius = 2.5 + 14 * math.sqrt(s["nodes"] * s["seconds"] / total)
        fill = colour if run["dtype"] != "f32" else "none"
        yield (f'<circle cx="{x_of(intensity):.1f}" cy="{y_of(s["gflops"]):.1f}" r="{radius:.1f}" fill="{fill}" '
               f'fill-opacity="0.45" stroke="{colour}"><title>{run["model"]} {run["component"]} {run["dtype"]}: '
               f'{s["shape"].replace(">", "&gt;")}, {s["gflops"]:.0f} GFLOPS</title></circle>')


def legend():
    for i, (op, colour) in enumerate(COLOURS.items()):
        yield f'<circle cx="{LEFT + 20 + 110 * i}" cy="25" r="6" fill="{colour}" fill-opacity="0.45" stroke="{colour}"/>'
        yield text(LEFT + 32 + 110 * i, 29, op)
    yield text(LEFT + 360, 29, "filled: bf16, hollow: f32; area: share of the pass")


def main(out):
    with open(os.path.join(HERE, "results/shapes.jsonl"), encoding="utf-8") as f:
        runs = [json.loads(row) for row in f]
    last = {(r["model"], r["component"], r["size"], r["dtype"]): r for r in runs}.values()
    peaks = [p for r in last for p in r["peak"]]
    bandwidth = max(p["read_gbs"] for p in peaks)
    parts = [*axes(), *legend()]
    for dtype, dash in (("bf16", ""), ("f32", ' stroke-dasharray="6 4"')):
        parts += roof(bandwidth, max(p[f"{dtype}_gflops"] for p in peaks), dtype, dash)
    for run in last:
        parts += dots(run)
    with open(out, "w", encoding="utf-8") as f:
        f.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
                f'font-size="13">\n<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n')
        f.write("\n".join(parts) + "\n</svg>\n")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("out", nargs="?", default=os.path.join(HERE, "../docs/images/roofline.svg"), help="the picture")
main(parser.parse_args().out)
