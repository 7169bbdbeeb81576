#!/usr/bin/env python3
"""Loads OUT with other people's readers, and holds what they give against metadata.jsonl.

  pip install datasets webdataset pillow
  diffarm render m.jsonl -m MODEL -o loose; diffarm render m.jsonl -m MODEL -o packed --format tar
  bench/readers/check_readers.py loose packed

A folder of pictures goes through `datasets`' imagefolder, a folder of shards through `webdataset` and through
`datasets`' own webdataset loader. Every sample must be there once, in order, with its prompt, its fields, and a picture
of its size that decodes.
"""
import argparse
import json
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterable

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets
import webdataset


class Differs(Exception):
    """What a reader gave, and what OUT says."""


def lines_of(out: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Differs(f"{what} is {found!r}, metadata.jsonl has {wanted!r}")


def check_picture(line: dict, picture: object) -> None:
    picture.load()
    expect(f"row {line['row']}: size", f"{picture.width}x{picture.height}", line["size"])


def compare(lines: list[dict], samples: Iterable[tuple[dict, str, object]]) -> None:
    """samples: fields, prompt, picture."""
    n = 0
    for n, (fields, prompt, picture) in enumerate(samples, 1):
        if n > len(lines):
            continue
        line = lines[n - 1]
        expect(f"row {line['row']}: prompt", prompt, line["prompt"])
        for name in fields.keys() & line.keys():
            expect(f"row {line['row']}: {name}", fields[name], line[name])
        check_picture(line, picture)
    expect("number of samples", n, len(lines))


def load(kind: str, cache: str, **where: object) -> datasets.Dataset:
    return datasets.load_dataset(kind, split="train", cache_dir=cache, **where)


def as_imagefolder(out: pathlib.Path, cache: str) -> None:
    rows = load("imagefolder", cache, data_dir=str(out))
    compare(lines_of(out), ((row, row["prompt"], row["image"]) for row in rows))


def shards_of(out: pathlib.Path) -> list[str]:
    return sorted(str(path) for path in out.glob("shard-*.tar"))


def as_webdataset(out: pathlib.Path, _cache: str) -> None:
    pipe = webdataset.WebDataset(shards_of(out), shardshuffle=False).decode("pil").to_tuple("json", "txt", "png")
    compare(lines_of(out), pipe)


def as_datasets_webdataset(out: pathlib.Path, cache: str) -> None:
    rows = load("webdataset", cache, data_files=shards_of(out))
    compare(lines_of(out), ((row["json"], row["txt"], row["png"]) for row in rows))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, nargs="+")
    failed = 0
    for out in parser.parse_args().out:
        for reader in (as_webdataset, as_datasets_webdataset) if shards_of(out) else (as_imagefolder,):
            with tempfile.TemporaryDirectory() as cache:
                try:
                    reader(out, cache)
                    said = f"{len(lines_of(out))} samples"
                except Exception as why:  # whatever a reader throws at us is what we came for
                    failed, said = 1, f"FAILED: {type(why).__name__}: {why}"
            print(f"{out}: {reader.__name__}: {said}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
