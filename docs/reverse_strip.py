#!/usr/bin/env python3
"""Draws reverse diffusion: the latents of one run, decoded at several steps, side by side. Standard library only.

  python3 docs/reverse_strip.py build/bin/diffarm models/starter "tiger face" strip.png
"""
import argparse
import json
import pathlib
import random
import struct
import subprocess
import tempfile
import zlib

GAP = 2  # white pixels between pictures


def read_tensors(path):
    """name -> (shape, list of numbers); all are F32, I32 or U8 here."""
    data = pathlib.Path(path).read_bytes()
    (header_bytes,) = struct.unpack("<Q", data[:8])
    body = data[8 + header_bytes :]
    tensors = {}
    for name, t in json.loads(data[8 : 8 + header_bytes]).items():
        if name == "__metadata__":
            continue
        begin, end = t["data_offsets"]
        code, size = {"F32": ("f", 4), "I32": ("i", 4), "U8": ("B", 1)}[t["dtype"]]
        tensors[name] = (t["shape"], struct.unpack(f"<{(end - begin) // size}{code}", body[begin:end]))
    return tensors


def write_tensors(path, tensors):
    header, body = {}, b""
    for name, (shape, values) in tensors.items():
        whole = isinstance(values[0], int)
        packed = struct.pack(f"<{len(values)}{'i' if whole else 'f'}", *values)
        header[name] = {
            "dtype": "I32" if whole else "F32",
            "shape": shape,
            "data_offsets": [len(body), len(body) + len(packed)],
        }
        body += packed
    text = json.dumps(header).encode()
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + body)


class Eval:
    """`diffarm eval` with files in a folder of its own."""

    def __init__(self, diffarm, model, folder):
        self.words = [diffarm, "eval", "--model", model]
        self.folder = pathlib.Path(folder)

    def __call__(self, call, inputs, *more):
        given, result = self.folder / "in.safetensors", self.folder / "out.safetensors"
        write_tensors(given, inputs)
        subprocess.run([*self.words, "--call", call, "--in", given, "--out", result, *more], check=True)
        return read_tensors(result)

    def tokenize(self, prompts):
        listed, result = self.folder / "prompts.json", self.folder / "out.safetensors"
        listed.write_text(json.dumps(prompts))
        subprocess.run(
            [*self.words, "--call", "tokenize", "--prompts", listed, "--out", result],
            check=True,
        )
        return read_tensors(result)["ids"]


def denoise(run, args, config):
    """The first latents and those after each step, [n][C * h * w], and the shape of one."""
    shape, ids = run.tokenize([args.prompt, ""])
    (_, tokens, width), states = run("text_encode", {"ids": (shape, ids)})["last_hidden_state"]
    half = tokens * width
    side = config["unet"]["sample_size"]
    shape = [1, config["unet"]["in_channels"], side, side]
    draw = random.Random(args.seed)
    noise = [draw.gauss(0, 1) for _ in range(shape[1] * side * side)]
    settings = ["--set", "scheduler=ddim", f"steps={args.steps}", f"guidance={args.guidance}"]
    given = {
        "cond": ([1, tokens, width], states[:half]),
        "uncond": ([1, tokens, width], states[half:]),
        "latents": (shape, noise),
    }
    _, latents = run("sample", given, *settings)["latents"]
    n = len(noise)
    return [noise] + [latents[i * n : (i + 1) * n] for i in range(args.steps)], shape


def decode(run, rows, shape, scale):
    """rgb pictures as lists of lines of bytes."""
    z = [x / scale for row in rows for x in row]
    (n, _, height, width), image = run("vae_decode", {"z": ([len(rows), *shape[1:]], z)})["image"]
    plane = height * width
    levels = bytes(round(255 * min(max(x / 2 + 0.5, 0), 1)) for x in image)
    return [
        [
            bytes(levels[(3 * i + c) * plane + y * width + x] for x in range(width) for c in range(3))
            for y in range(height)
        ]
        for i in range(n)
    ]


def write_png(path, pictures):
    lines = [bytes([255] * 3 * GAP).join(parts) for parts in zip(*pictures)]

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", len(lines[0]) // 3, len(lines), 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + line for line in lines), 9)
    pathlib.Path(path).write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("diffarm")
    parser.add_argument("model", help="a Stable Diffusion 1.x folder, such as models/starter")
    parser.add_argument("prompt")
    parser.add_argument("out", help="the PNG to write")
    parser.add_argument("--steps", type=int, default=28)
    parser.add_argument("--show", type=int, default=8, help="pictures on the strip, the first is noise")
    parser.add_argument("--guidance", type=float, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if not 2 <= args.show <= args.steps + 1:
        parser.error(f"--show must be from 2 to {args.steps + 1}")
    model = pathlib.Path(args.model)
    config = {part: json.loads((model / part / "config.json").read_text()) for part in ("unet", "vae")}
    with tempfile.TemporaryDirectory() as folder:
        run = Eval(args.diffarm, args.model, folder)
        rows, shape = denoise(run, args, config)
        shown = [rows[round(i * args.steps / (args.show - 1))] for i in range(args.show)]
        write_png(args.out, decode(run, shown, shape, config["vae"].get("scaling_factor", 0.18215)))


if __name__ == "__main__":
    main()
