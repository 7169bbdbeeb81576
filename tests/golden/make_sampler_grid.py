"""Makes tests/golden/sampler_grid: diffusers' schedulers over many configurations, without a model.

    python3 tests/golden/make_sampler_grid.py OUT_DIR      (torch, diffusers, safetensors)

A "model output" is a smooth function of what the scheduler would give the model. Every draw is stored. The noise floor
is the difference to the same walk in float64 (the library's tables stay float32). Left out are walks whose floor is
above a tenth of the tolerance, unless they begin at a terminal SNR of zero, and those whose whole timesteps hang on the
last bit of a float32 logarithm.
"""
import importlib
import json
import pathlib
import pkgutil
import random
import sys

import diffusers
import numpy as np
import torch
from diffusers import schedulers
from safetensors.torch import save_file

CLASSES = [
    "DDPM", "DDIM", "PNDM", "LMSDiscrete", "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete",
    "DPMSolverMultistep", "DPMSolverSinglestep", "UniPCMultistep", "LCM", "TCD", "DEISMultistep", "KDPM2Discrete",
    "KDPM2AncestralDiscrete",
]
SPACED = ["", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]
draws, replayed = [], []


def record_draws():
    def randn_tensor(shape, generator=None, device=None, dtype=None, layout=None):
        if replayed:
            return replayed.pop(0).double()
        draws.append(torch.randn(shape))
        return draws[-1]

    for module in pkgutil.iter_modules(schedulers.__path__):
        loaded = importlib.import_module("diffusers.schedulers." + module.name)
        if hasattr(loaded, "randn_tensor"):
            loaded.randn_tensor = randn_tensor


def config_of(name, r):
    c = {
        "beta_schedule": r.choice(["linear", "scaled_linear", "squaredcos_cap_v2"]),
        "beta_start": r.choice([0.00085, 0.0001, 0.001]),
        "beta_end": r.choice([0.012, 0.02]),
        "prediction_type": r.choice(["epsilon", "v_prediction", "sample"]),
    }
    spacing = {"timestep_spacing": r.choice(["leading", "trailing", "linspace"]), "steps_offset": r.choice([0, 1])}
    chance = lambda p: r.random() < p
    if name in ("DDPM", "DDIM"):
        c |= spacing | {"clip_sample": chance(0.3), "thresholding": chance(0.2), "rescale_betas_zero_snr": chance(0.25)}
    if name == "DDPM":
        c |= {"variance_type": r.choice(["fixed_small", "fixed_large"])}
    if name == "DDIM":
        c |= {"set_alpha_to_one": chance(0.5)}
    if name == "PNDM":
        c |= spacing | {"skip_prk_steps": chance(0.7), "set_alpha_to_one": chance(0.5)}
        c["prediction_type"] = r.choice(["epsilon", "v_prediction"])
    if name in ("LMSDiscrete", "EulerDiscrete", "HeunDiscrete", "DPMSolverMultistep", "DPMSolverSinglestep",
                "UniPCMultistep", "DEISMultistep", "KDPM2Discrete"):
        if name != "DPMSolverSinglestep":
            c |= spacing
        how = r.choice(SPACED)
        if how:
            c[how] = True
    if name in ("EulerAncestralDiscrete", "KDPM2AncestralDiscrete"):
        c |= spacing
    if name in ("EulerDiscrete", "EulerAncestralDiscrete"):
        c |= {"rescale_betas_zero_snr": chance(0.25)}
    if name == "EulerDiscrete":
        c |= {"final_sigmas_type": r.choice(["zero", "sigma_min"])}
    if name == "HeunDiscrete":
        c |= {"clip_sample": chance(0.3)}
    if name == "DPMSolverMultistep":
        c |= {"algorithm_type": r.choice(["dpmsolver++", "sde-dpmsolver++"]), "euler_at_final": chance(0.3),
              "final_sigmas_type": r.choice(["zero", "zero", "sigma_min"])}
    if name in ("DPMSolverMultistep", "DPMSolverSinglestep"):
        c |= {"solver_type": r.choice(["midpoint", "heun"])}
    if name == "UniPCMultistep":
        c |= {"solver_type": r.choice(["bh1", "bh2"])}
    if name in ("DPMSolverMultistep", "UniPCMultistep", "DPMSolverSinglestep", "DEISMultistep"):
        c |= {"solver_order": r.choice([1, 2, 3]), "thresholding": chance(0.2)}
        c |= {"lower_order_final": name == "DPMSolverSinglestep" or chance(0.6)}
    if name in ("LCM", "TCD"):
        c |= {"clip_sample": chance(0.3), "original_inference_steps": r.choice([50, 100]),
              "rescale_betas_zero_snr": c["prediction_type"] != "epsilon" and chance(0.3)}
    if c.get("rescale_betas_zero_snr"):
        c["prediction_type"] = "v_prediction"
    return c


def model(x, t):
    return 0.4 * x + 0.3 * torch.sin(3 * x.flip(-1)) + 0.1 * torch.cos(x.roll(1, -1) + float(t) / 200)


def walk(name, config, steps, eta, start):
    """Tensors of one run, in the names of the golden files."""
    scheduler = getattr(diffusers, name + "Scheduler")(**config)
    scheduler.set_timesteps(steps)
    x = start * scheduler.init_noise_sigma
    out = {"init": x, "timesteps": scheduler.timesteps.float().clone()}
    if hasattr(scheduler, "sigmas"):
        out["sigmas"] = scheduler.sigmas.float().clone()
    latents, outputs = [], []
    for t in scheduler.timesteps:
        outputs.append(model(scheduler.scale_model_input(x, t), t))
        extra = {"eta": eta} if name in ("DDIM", "TCD") else {}
        x = scheduler.step(outputs[-1], t, x, **extra).prev_sample
        latents.append(x)
    return scheduler, out | {"latents": torch.stack(latents), "model_output": torch.stack(outputs)}


def hangs_on_a_bit(scheduler, name):
    """Cut timesteps of spaced sigmas that the exact logarithm would cut elsewhere, middles that cancel."""
    c = scheduler.config
    if name == "KDPM2AncestralDiscrete":  # a difference of nearly equal numbers
        tables = scheduler.sigmas[0:-3:2], scheduler.sigmas[1:-2:2], scheduler.sigmas_down[0:-3:2]
        start, to, down = (t.double() for t in tables)
        return bool(((down - to**2 / start).abs() > 1e-5 * down).any())
    if not (c.get("use_exponential_sigmas") or c.get("use_beta_sigmas")) or scheduler.timesteps.is_floating_point():
        return False
    table = np.log(((1 - scheduler.alphas_cumprod.double()) / scheduler.alphas_cumprod.double()).numpy()) / 2
    exact = np.interp(np.log(scheduler.sigmas.double().numpy().clip(1e-10)), table, np.arange(len(table)))
    n = len(scheduler.timesteps)
    return bool(np.any(np.abs(exact[:n] - np.round(exact[:n])) < 1e-3))


def main(out_dir):
    torch.set_grad_enabled(False)
    diffusers.logging.set_verbosity_error()
    record_draws()
    tensors, runs, floors = {}, {}, {}
    for seed in range(420):
        r = random.Random(seed)
        name = CLASSES[seed % len(CLASSES)]
        config, steps = config_of(name, r), r.choice([1, 2, 3, 5, 7, 10, 16])
        eta = r.choice([0.0, 0.3, 1.0]) if name in ("DDIM", "TCD") else 0.0
        start = torch.randn((1, 2, 2, 3), generator=torch.Generator().manual_seed(seed))
        draws.clear()
        try:
            torch.manual_seed(seed)
            scheduler, run = walk(name, config, steps, eta, start)
            noise, replayed[:] = list(draws), list(draws)
            exact = walk(name, config, steps, eta, start.double())[1]["latents"]
        except (IndexError, ValueError, AssertionError, NotImplementedError, ZeroDivisionError, RuntimeError):
            continue  # the library itself cannot
        latents = run["latents"]
        if not torch.isfinite(latents).all() or hangs_on_a_bit(scheduler, name):
            continue
        floor = ((latents - exact).abs().max() / exact.abs().max()).item()
        if not floor < (1e-4 if config.get("rescale_betas_zero_snr") else 1e-5):
            continue
        key = f"run.{seed:03d}_{name}"
        tensors |= {f"{key}.{k}": v.contiguous() for k, v in run.items()}
        tensors |= {f"{key}.noise.{i}": v for i, v in enumerate(noise)}
        floors[f"{key}.latents"] = {"max_rel": floor}
        full = {k: list(v) if isinstance(v, tuple) else v for k, v in scheduler.config.items() if k[0] != "_"}
        runs[key] = {"scheduler": name + "Scheduler", "scheduler_config": full,
                     "call": {"num_inference_steps": steps, "eta": eta}, "noise_draws": ["scheduling_.step"] * len(noise)}
    out = pathlib.Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / "golden.safetensors")
    about = {"case": "sampler_grid", "about": "schedulers over many configurations, without a model",
             "versions": {"torch": torch.__version__, "diffusers": diffusers.__version__}, "runs": runs,
             "noise_floor_fp32_vs_fp64": floors}
    (out / "golden.json").write_text(json.dumps(about, indent=1, default=str) + "\n", encoding="utf-8")
    print(len(runs), "runs")


if __name__ == "__main__":
    main(sys.argv[1])
