"""Whether the network may run in bfloat16: what that changes, and what it saves.

The gate: the denoised image differs by less than 1 % of the sky's noise where there is
no light, and by less than 0.2 % of the flux of stars. Both on a simulated frame of the
fast simulator, in one thread. What it saves depends on the processor, and on little but
the rate at which that multiplies matrices of bfloat16 (`bgrem doctor` says it): each
processor and model has an entry of its own in the results.

python benchmarks/speed/bf16.py [--model optical] [--out FILE]
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from bgrem_core.doctor import half_rate
from bgrem_core.models import load_model
from bgrem_core.photometry import aperture_sums
from bgrem_core.simulate import SceneSettings, draw_noise, draw_scene

SEED = 662607
SIDE = 1536
SIGMA_E = 16.0
SKY, STARS = 0.01, 0.002  # the gate
BLANK = 0.02  # sigma of light below which a pixel is sky
BRIGHT = 50.0  # S/N of the stars
REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="optical")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "bf16.json"
    )
    args = parser.parse_args()
    rng = np.random.default_rng(SEED)
    settings = SceneSettings(
        fwhm=(4.3, 4.3), density=(300, 300), galaxies=(0, 0), discs=0
    )
    scene = draw_scene(rng, shape=(SIDE, SIDE), settings=settings)
    image = scene.source + draw_noise(rng, scene.source, sigma_e=SIGMA_E)
    models = [
        load_model(args.model, device="cpu", threads=1, precision=p)
        for p in ("single", "half")
    ]
    best, light = [np.inf, np.inf], [image, image]
    for _ in range(REPEATS):
        for k, model in enumerate(models):  # in turn: the machine has other work
            start = time.process_time()
            noise = model.denoise(image, 1.0, rho=0.0, sigma_e=SIGMA_E)
            best[k] = min(best[k], time.process_time() - start)
            light[k] = image - noise
    whole, half = light
    change = (half - whole)[8:-8, 8:-8]
    blank = scene.source[8:-8, 8:-8] < BLANK
    t = scene.truth
    star = t.snr > BRIGHT
    flags = np.zeros(image.shape, np.uint8)
    sums = [
        np.asarray(aperture_sums(a, t.x[star], t.y[star], 5.0, flags=flags))
        for a in (whole, half)
    ]
    off = np.abs(sums[1] - sums[0]) / sums[0]
    result = {
        "model": models[0].card.name,
        "weights": models[0].card.training["tensors"],
        "seed": SEED,
        "processor": _processor(),
        "matrices_times_as_fast": round(half_rate(), 2),
        "sky_rms_sigma": round(float(change[blank].std()), 5),
        "stars": int(star.sum()),
        "flux_off_median": round(float(np.median(off)), 5),
        "flux_off_95": round(float(np.percentile(off, 95)), 5),
        "times_as_fast": round(best[0] / best[1], 2),
        "gate": {"sky": SKY, "stars": STARS},
    }
    passed = result["sky_rms_sigma"] < SKY and result["flux_off_95"] < STARS
    result["passed"] = bool(passed)
    print(json.dumps(result))
    known = json.loads(args.out.read_text()) if args.out.exists() else []
    kept = [r for r in known if _which(r) != _which(result)]
    args.out.write_text(json.dumps([*kept, result], indent=1) + "\n")


def _processor() -> str:
    able = torch.cpu.get_capabilities()
    flags = [k for k in ("avx512_bf16", "amx_bf16") if able.get(k)]
    name = able.get("cpu_name", able.get("architecture", "unknown"))
    return f"{name}, {' and '.join(flags) or 'no bfloat16'}"


def _which(result: dict) -> tuple[str, str]:
    return result["model"], result["processor"]


if __name__ == "__main__":
    main()
