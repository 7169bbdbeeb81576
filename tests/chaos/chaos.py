#!/usr/bin/env python3
"""Runs farms of real processes that are killed and stopped at random, and compares what they leave with an undisturbed
rendering (docs/chaos.md).

  tests/chaos/chaos.py --diffarm build/bin/diffarm --seed 1 --runs 200

Run i has the seed S + i. A seed draws the job, the farm and its blows; when exactly they fall depends on the machine too.
"""
import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from run import Broken, Run
from world import Job, World, draw

SOURCE = pathlib.Path(__file__).resolve().parents[2]


class Undisturbed:
    """Each job once, as it should be."""

    def __init__(self, diffarm: str, model: str, folder: pathlib.Path) -> None:
        self.diffarm, self.model, self.folder = diffarm, model, folder

    def manifest(self, job: Job) -> pathlib.Path:
        path = self.folder / f"job-{job.number}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in job.lines()), encoding="utf-8")
        return path

    def out(self, job: Job) -> pathlib.Path:
        out = self.folder / f"expected-{job.number}-{job.format}"
        if not (out / "job.json").exists():
            subprocess.run([self.diffarm, "render", str(self.manifest(job)), "-m", self.model, "-o", str(out), "--format",
                            job.format, "--threads", "1", "--output", "quiet"], check=True, timeout=300)
        return out


def logs_of(folder: pathlib.Path) -> str:
    logs = [*folder.glob("*.log"), *folder.glob("out/.diffarm-render/*.log")]
    return "".join(f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-25:]) + "\n"
                   for log in sorted(logs))


def play(world: World, args: argparse.Namespace, folder: pathlib.Path, undisturbed: Undisturbed) -> collections.Counter:
    run = Run(world, args.diffarm, args.model, folder, undisturbed.out(world.job), undisturbed.manifest(world.job),
              undisturbed.folder / "keys")
    began = time.monotonic()
    try:
        run.play()
    except Broken as why:
        print(f"seed {world.seed}: FAILED: {why}\n{logs_of(folder)}", flush=True)
        run.counts["FAILED"] += 1
    what = ", ".join(f"{name} {n}" for name, n in sorted(run.counts.items()) if n)
    kind = f"{world.kind} {world.job.format}{', keys' if world.keys else ''}{', shared' if world.sink == 'shared' else ''}"
    print(f"seed {world.seed}: {kind}: "
          f"{time.monotonic() - began:.1f} s: {what}", flush=True)
    run.counts[f"runs: {kind}"] += 1
    return run.counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--diffarm", type=lambda path: str(pathlib.Path(path).resolve()), default="build/bin/diffarm")
    parser.add_argument("--model", default=str(SOURCE / "models" / "starter"))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--work", type=pathlib.Path, help="folder for the runs; the failed ones stay there")
    parser.add_argument("--counts", type=pathlib.Path, help="file to add the counts of this call to, as JSON")
    args = parser.parse_args()
    work = args.work or pathlib.Path(tempfile.mkdtemp(prefix="diffarm-chaos-"))
    work.mkdir(parents=True, exist_ok=True)
    undisturbed = Undisturbed(args.diffarm, args.model, work)
    if not (work / "keys").exists():
        subprocess.run([args.diffarm, "keygen", str(work / "keys")], check=True, stdout=subprocess.DEVNULL)
    print(f"chaos: seeds {args.seed} to {args.seed + args.runs - 1} in {work}", flush=True)
    total: collections.Counter[str] = collections.Counter()
    for seed in range(args.seed, args.seed + args.runs):
        folder = work / f"run-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        counts = play(draw(seed), args, folder, undisturbed)
        if not counts["FAILED"]:
            shutil.rmtree(folder)
        total += counts
    print(json.dumps(total, indent=1, sort_keys=True))
    if args.counts:
        before = json.loads(args.counts.read_text()) if args.counts.exists() else {}
        args.counts.write_text(json.dumps(collections.Counter(before) + total, sort_keys=True))
    if not args.work and not total["FAILED"]:
        shutil.rmtree(work)
    return 1 if total["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
