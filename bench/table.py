#!/usr/bin/env python3
"""The last result of each bar in bench/results, as the table of docs/performance.md."""
import glob
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))


def last_results():
    """Of each workload, dtype, flags and peer, in the order in which they were first measured."""
    last = {}
    for path in sorted(glob.glob(os.path.join(HERE, "results/*.jsonl"))):
        with open(path, encoding="utf-8") as f:
            for r in map(json.loads, f):
                if "ratio" in r:
                    last[(r["workload"], r["dtype"], tuple(r["flags"]), r["peer"])] = r
    return last.values()


print("| workload | peer | ours s | theirs s | ratio | of least | spread | ours, theirs GiB | others | diffarm |\n"
      "|---|---|---|---|---|---|---|---|---|---|")
for r in last_results():
    ours, theirs = r["ours"], r["theirs"]
    print(f"| {' '.join([r['workload'], r['dtype'], *r['flags']])} | {r['peer']} {r['peer_dtype']} "
          f"| {ours['median_s']:.4g} | {theirs['median_s']:.4g} | **{r['ratio']:.2f}** | {r['ratio_of_least']:.2f} "
          f"| {ours['spread']:.2f}, {theirs['spread']:.2f} | {ours['peak_gib']:.2f}, {theirs['peak_gib']:.2f} "
          f"| {r['machine']['others_share']:.2f} | {r['versions']['diffarm']} |")
