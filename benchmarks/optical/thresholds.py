"""False detections on pure noise against threshold: the table of the model card.

python benchmarks/optical/thresholds.py [--mpix 42] [--model optical] [--out FILE]
       [--steps 1 3]

More steps than one cost more and are measured on half the area.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from cache import RESULTS
from denoiser import Denoiser
from images import flatten

from bgrem_core.detect import detect
from bgrem_core.simulate import draw_noise

SEED = 16180
RHOS = (0.0, 0.1, 0.2, 0.3, 0.45)
SIDE = 1024
POINTS = {"catalogue": 1.0, "deep": 10.0}
MINAREA = 3


def density_curve(flat: list[np.ndarray]) -> list[tuple[float, float]]:
    """Return (threshold, detections per Mpix), falling thresholds, to above 14."""
    area = sum(f.size for f in flat) / 1e6
    threshold = max(float(f.max()) for f in flat)
    curve = []
    while True:
        found = sum(
            len(detect(f, threshold=threshold, minarea=MINAREA))
            for f in flat
            if f.max() >= threshold
        )
        curve.append((threshold, found / area))
        if found / area > 14 or threshold < 0.02:
            return curve
        threshold *= 0.96


def read_off(curve: list[tuple[float, float]], wanted: float) -> float:
    """Return the threshold at a density; straight in log density."""
    rows = [(t, d) for t, d in curve if d > 0]
    density = np.maximum.accumulate([d for _, d in rows])
    keep = np.r_[True, np.diff(density) > 0]
    thresholds = np.array([t for t, _ in rows])
    return float(np.interp(np.log(wanted), np.log(density[keep]), thresholds[keep]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mpix", type=float, default=42)
    parser.add_argument("--model", default="optical")
    parser.add_argument("--out", type=Path, default=RESULTS / "thresholds.json")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 3])
    args = parser.parse_args()
    denoise = Denoiser(args.model)
    count = int(np.ceil(args.mpix * 1e6 / SIDE**2))
    table: dict[str, list[list[float]]] = {name: [] for name in POINTS}
    rows, start = [], time.monotonic()
    blank = np.zeros((SIDE, SIDE), np.float32)
    for k, rho in enumerate(RHOS):
        for steps in args.steps:
            flat = []
            frames = count if steps == 1 else (count + 1) // 2
            for frame in range(frames):
                rng = np.random.default_rng([SEED, k, frame])
                noise = draw_noise(rng, blank, rho=rho)
                # Half of the frames with a known gain, half without.
                clean = denoise(
                    noise, rho=rho, sigma_e=20.0 if frame % 2 else None, steps=steps
                )
                flat.append(flatten(clean, blur=0, least=0.3))
            curve = density_curve(flat)
            for name, wanted in POINTS.items():
                value = round(read_off(curve, wanted), 4)
                table[name].append([rho, steps, value])
            rms = float(np.sqrt(np.mean([np.mean(f**2) for f in flat])))
            rows.append(
                {
                    "rho": rho,
                    "steps": steps,
                    "mpix": round(frames * SIDE**2 / 1e6, 2),
                    "blank_rms": round(rms, 5),
                    "curve": [[round(t, 4), round(d, 3)] for t, d in curve if d > 0],
                }
            )
            print(
                rho,
                steps,
                {n: table[n][-1][2] for n in POINTS},
                f"rms {rms:.4f}",
                flush=True,
            )
    result = {
        "weights": denoise.digest,
        "seed": SEED,
        "minarea": MINAREA,
        "mesh": 64,
        "thresholds": table,
        "rows": rows,
        "minutes": round((time.monotonic() - start) / 60, 1),
    }
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(args.out.name)


if __name__ == "__main__":
    main()
