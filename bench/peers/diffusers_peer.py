"""diffusers_peer.py MODEL MANIFEST OUT f32|bf16 STEPS BATCH THREADS: all prompts of a manifest, BATCH at a time, as PNG
files: the script that a user of diffusers would write. Each turn renders them all; loading is not timed."""
import json
import os
import sys

import diffusers
import torch

import turns

folder, manifest, out, dtype, steps, batch, threads = sys.argv[1:8]
torch.set_num_threads(int(threads))
kind = torch.bfloat16 if dtype == "bf16" else torch.float32
pipe = diffusers.StableDiffusionPipeline.from_pretrained(folder, torch_dtype=kind, safety_checker=None)
pipe.set_progress_bar_config(disable=True)
pipe.unet.to(memory_format=torch.channels_last)
pipe.vae.to(memory_format=torch.channels_last)
with open(manifest, encoding="utf-8") as f:
    rows = [json.loads(line) for line in f]
os.makedirs(out, exist_ok=True)


def render():
    size = int(batch)
    for first in range(0, len(rows), size):
        part = rows[first:first + size]
        generators = [torch.Generator("cpu").manual_seed(row["seed"]) for row in part]
        pictures = pipe([row["prompt"] for row in part], num_inference_steps=int(steps), generator=generators).images
        for i, picture in enumerate(pictures):
            picture.save(f"{out}/{first + i:04d}.png")


turns.serve(render, diffusers=diffusers.__version__, torch=torch.__version__)
