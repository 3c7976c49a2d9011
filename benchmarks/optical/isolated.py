"""Faint stars that stand alone: what a network finds of them, and a matched filter.

Stars of one S/N and one known PSF on a grid, on blank noise; the share that is found at
ten false maxima per Mpix of as much pure noise. Here nothing can beat the filter, and
what a network lacks is what it does not know of the PSF.

python benchmarks/optical/isolated.py [--model optical] [--out FILE]
"""

import argparse
import json
from pathlib import Path

import numpy as np
from cache import RESULTS
from denoiser import Denoiser
from recipes import maxima
from scipy.spatial import cKDTree
from score import MATCH

from bgrem_core.centres import evidence
from bgrem_core.simulate import draw_noise

SEED = 5772
SIDE, STEP = 1024, 48
FRAMES = 4
WIDTHS = (2.5, 4.3, 6.0, 8.0)  # FWHM, pixels
SNR = {0.0: 4.6, 0.3: 6.2}  # by correlation; about two thirds are found
SIGMA_E = 50.0
CAP = 10.0  # false per Mpix
HALF = 24


def stars(
    fwhm: float, snr: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw Gaussian stars of one white-noise S/N; return light and places."""
    grid = np.arange(STEP, SIDE - STEP, STEP)
    places = np.stack([a.ravel() for a in np.meshgrid(grid, grid)], 1).astype(float)
    places += rng.uniform(-0.5, 0.5, places.shape)
    light = np.zeros((SIDE, SIDE), np.float32)
    for x, y in places:
        row, col = round(y), round(x)
        rows, cols = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1]
        far = (cols + col - x) ** 2 + (rows + row - y) ** 2
        star = np.exp(-far / (2 * (fwhm / 2.3548) ** 2))
        star *= snr / np.sqrt((star**2).sum())
        light[row - HALF : row + HALF + 1, col - HALF : col + HALF + 1] += star
    return light, places


def maps(
    denoise: Denoiser, image: np.ndarray, fwhm: float, rho: float
) -> dict[str, np.ndarray]:
    """Return what is searched."""
    odds, filtered = denoise.both(image, image, fwhm=fwhm, rho=rho, sigma_e=SIGMA_E)
    return {"matched": filtered, "network": odds, "sum": evidence(odds, filtered)}


def peaks(image: np.ndarray) -> np.ndarray:
    """Return the maxima; they may be negative."""
    low = image.min() - 1
    found = maxima(image - low)
    found[2] += low
    return found


def share(denoise: Denoiser, fwhm: float, rho: float) -> dict[str, float]:
    """Return the share of stars that each map finds."""
    rng = np.random.default_rng([SEED, round(10 * fwhm), round(100 * rho)])
    false: dict[str, list[np.ndarray]] = {}
    heights: dict[str, list[np.ndarray]] = {}
    for _ in range(FRAMES):
        blank = draw_noise(rng, np.zeros((SIDE, SIDE), np.float32), rho=rho)
        for name, image in maps(denoise, blank, fwhm, rho).items():
            false.setdefault(name, []).append(peaks(image)[2])
        light, places = stars(fwhm, SNR[rho], rng)
        image = light + draw_noise(rng, np.zeros_like(light), rho=rho)
        for name, searched in maps(denoise, image, fwhm, rho).items():
            found = peaks(searched)
            gap, nearest = cKDTree(found[:2].T).query(places)
            near = gap < MATCH * fwhm
            height = np.where(near, found[2][nearest], -np.inf)
            heights.setdefault(name, []).append(height)
    rank = round(CAP * FRAMES * SIDE**2 / 1e6)
    out = {}
    for name, values in false.items():
        threshold = np.sort(np.concatenate(values))[-rank]
        out[name] = round(float(np.mean(np.concatenate(heights[name]) > threshold)), 4)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="optical")
    parser.add_argument("--out", type=Path, default=RESULTS / "isolated.json")
    args = parser.parse_args()
    denoise = Denoiser(args.model)
    rows = []
    for rho in SNR:
        for fwhm in WIDTHS:
            row = {"rho": rho, "fwhm": fwhm, **share(denoise, fwhm, rho)}
            rows.append(row)
            print(json.dumps(row), flush=True)
    stars_each = FRAMES * len(np.arange(STEP, SIDE - STEP, STEP)) ** 2
    result = {
        "weights": denoise.digest, "seed": SEED, "snr": SNR, "stars": stars_each,
        "error": round(0.5 / stars_each**0.5, 4), "rows": rows,
    }  # fmt: skip
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
