"""openvino_export.py MODEL unet|vae|text BATCH LATENT OUT.xml: a component as OpenVINO's own files, shapes fixed.

The U-Net and the decoder are traced on small latents (tracing runs the model several times) and then given their true
shape; OpenVINO works out every other shape from it."""
import os
import sys

import openvino
import torch

import components

TRACED_LATENT = 16

folder, component, batch, latent, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
torch.set_grad_enabled(False)
module = components.load(folder, component)
shapes = [list(x.shape) for x in module.inputs(batch, latent)]
model = openvino.convert_model(module, example_input=module.inputs(batch, TRACED_LATENT), input=shapes)
os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
openvino.save_model(model, out)
