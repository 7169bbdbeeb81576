"""torch_peer.py MODEL unet|vae|text BATCH LATENT f32|bf16 THREADS [compile]: PyTorch, channels last."""
import sys

import torch

import components
import turns

folder, component, batch, latent, dtype, threads = sys.argv[1:7]
torch.set_grad_enabled(False)
torch.set_num_threads(int(threads))
kind = torch.bfloat16 if dtype == "bf16" else torch.float32
module = components.load(folder, component)
inputs = [x if x.dtype == torch.int64 else x.to(kind) for x in module.inputs(int(batch), int(latent))]
module = module.to(kind).to(memory_format=torch.channels_last)
inputs = [x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x for x in inputs]
run = torch.compile(module) if sys.argv[7:] == ["compile"] else module
turns.serve(lambda: run(*inputs), torch=torch.__version__)
