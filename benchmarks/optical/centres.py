"""The scale of the centres: evidence that is as rare on noise as a matched filter's.

On pure noise the maxima of the evidence (see `bgrem_core.centres`) for PSFs of several
widths, and those of a matched filter, are counted; equal numbers give its table. As in
the product, the matched filter of the evidence sees the noise less the light that the
network takes for wide.

python benchmarks/optical/centres.py [--mpix 42] [--model optical] [--out FILE]
"""

import argparse
import json
from pathlib import Path

import numpy as np
from cache import RESULTS
from scipy import ndimage

from bgrem_core.centres import FWHM, evidence, log_odds, pedestal
from bgrem_core.matched import matched_filter
from bgrem_core.models import load_model
from bgrem_core.simulate import draw_noise

SEED = 244949
RHOS = (0.0, 0.1, 0.2, 0.3, 0.45)
WIDTHS = (2.0, 3.0, 4.5, 6.5, 9.0)  # FWHM, pixels
TOP = 4000  # maxima of each frame that are kept, four times what the table needs
SIGMAS = np.arange(2.5, 6.01, 0.25)
SIDE = 1024
FEWEST = 5  # maxima behind a row of the table
POINTS = {"catalogue": 1.0, "deep": 10.0}  # maxima per Mpix
AREA = 200  # Mpix, for the thresholds at these


def heights(image: np.ndarray) -> np.ndarray:
    """Return the values of the maxima of 3 x 3 pixels."""
    inner = image[2:-2, 2:-2]
    return inner[inner == ndimage.maximum_filter(image, 3)[2:-2, 2:-2]]


def thresholds() -> dict[str, float]:
    """Return the sigma above which the filter has so many maxima on white noise."""
    found = []
    for frame in range(AREA):
        rng = np.random.default_rng([SEED, 99, frame])
        white = rng.standard_normal((1000, 1000), dtype=np.float32)
        found.append(heights(matched_filter(white, fwhm=FWHM, rho_xy=(0.0, 0.0))))
    falling = np.sort(np.concatenate(found))[::-1]
    return {
        name: round(float(falling[round(wanted * AREA) - 1]), 3)
        for name, wanted in POINTS.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mpix", type=float, default=42)
    parser.add_argument("--model", default="optical")
    parser.add_argument("--out", type=Path, default=RESULTS / "centres.json")
    args = parser.parse_args()
    model = load_model(args.model, device="cpu")
    frames = int(np.ceil(args.mpix * 1e6 / SIDE**2))
    blank = np.zeros((SIDE, SIDE), np.float32)
    filtered: list[np.ndarray] = []
    found: dict[tuple[float, float], list[np.ndarray]] = {}
    for k, rho in enumerate(RHOS):
        for frame in range(frames):
            rng = np.random.default_rng([SEED, k, frame])
            # Half of the frames with a known gain, half without.
            noise = draw_noise(rng, blank, rho=rho)
            known = 20.0 if frame % 2 else None
            said = model.appraise(noise, 1.0, rho=rho, sigma_e=known)
            odds, light = log_odds(said["centre"]), noise - said["noise"]
            for fwhm in WIDTHS:
                compact = noise - pedestal(light, fwhm)
                peaks = matched_filter(compact, fwhm=fwhm, rho_xy=(rho, rho))
                top = np.sort(heights(evidence(odds, peaks)))[-TOP:]
                found.setdefault((rho, fwhm), []).append(top)
            if rho == 0:
                peaks = matched_filter(noise, fwhm=FWHM, rho_xy=(0.0, 0.0))
                filtered.append(heights(peaks))
        print(rho, [found[rho, f][0][-1] for f in WIDTHS], flush=True)
    base = np.sort(np.concatenate(filtered))
    number = base.size - np.searchsorted(base, SIGMAS)
    keep = (number >= FEWEST) & (number <= frames * TOP / 2)
    ranked = {key: np.sort(np.concatenate(tops)) for key, tops in found.items()}
    level = [
        [[float(round(ranked[rho, f][-n], 4)) for n in number[keep]] for f in WIDTHS]
        for rho in RHOS
    ]
    sigma = SIGMAS[keep].tolist()
    table = {"rho": RHOS, "fwhm": WIDTHS, "sigma": sigma, "level": level}
    result = {
        "weights": model.card.training["tensors"],
        "seed": SEED,
        "mpix": frames * SIDE**2 / 1e6,
        "maxima_of_the_filter": number[keep].tolist(),
        "thresholds_of_the_filter": thresholds(),
        "calibration": {"centre": table},
    }
    print(json.dumps(result))
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
