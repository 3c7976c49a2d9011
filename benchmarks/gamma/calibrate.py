"""Calibrate the photons of sources on a network's background.

Bright sources of patches of their own are fitted at their true places, on the network's
background and on the exact one. From the difference come the relative error of the
background, by its counts per pixel, and the share of a source's photons that it leaves,
by photons over their error with that of the background. The PSF is that of the fit.

python benchmarks/gamma/calibrate.py --model FILE [--patches 600]
bgrem-train's export takes the JSON as --calibration.
"""

import argparse
import json
import os
import sys
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
sys.path.insert(1, str(Path(__file__).parents[1]))

import numpy as np
from arms import NETWORK, Arm, maps
from bench import SEED
from common.command import replace
from draws import draw
from jobs import alone, fit_at_truth
from scoring import inside

from bgrem_core.gamma.calibration import Calibration
from bgrem_core.models import find_file, load_model

LEAST_TS = 9.0
LEVELS = (0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, np.inf)  # counts per pixel
RATIOS = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0, np.inf)  # photons over their error
FEWEST = 25
RESULTS = Path(__file__).parent / "results" / "calibration.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="gamma", help="weights: name or file")
    parser.add_argument("--patches", type=int, default=600)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    model = load_model(args.model, device="cpu", threads=1)
    rows = measure(str(find_file(args.model)), args.patches)
    error = errors(rows)
    result = {
        "weights": model.card.training.get("tensors", ""),
        "patches": args.patches,
        "seed": SEED,
        "sources": len(rows["true"]),
        "calibration": {"photons": {"error": error, "kept": kept(rows, error)}},
    }
    replace(args.out, json.dumps(result, indent=1))
    print(json.dumps(result["calibration"], indent=1))


def measure(file: str, patches: int) -> dict[str, np.ndarray]:
    """Return true and fitted photons, their errors, and the background about them."""
    arm, rows = Arm(name=NETWORK, file=file), []
    for k in range(patches):
        d = draw("calibration", SEED, k)
        c = d.patch.catalogue
        wanted = (c.ts > LEAST_TS) & inside(c.x, c.y) & alone(d)
        if not wanted.any():
            continue
        own = maps(arm, [d])[0][0]
        exact = fit_at_truth(d, d.patch.background, wanted)
        plain = fit_at_truth(d, own, wanted)
        # The error of a background that is wholly off: what its error is multiplied by.
        wide = fit_at_truth(d, own, wanted, doubt=np.ones_like(own))
        at = np.round([c.y[wanted], c.x[wanted]]).astype(int)
        rows.append([
            c.counts[wanted], exact.counts, plain.counts, plain.counts_err,
            np.sqrt(wide.counts_err**2 - plain.counts_err**2), own[tuple(at)],
        ])  # fmt: skip
    names = ("true", "exact", "counts", "err", "reach", "level")
    return dict(zip(names, np.concatenate(rows, axis=1), strict=True))


def errors(rows: dict[str, np.ndarray]) -> list[list[float]]:
    """Return rows of counts per pixel and relative error."""
    off = (rows["counts"] - rows["exact"]) / rows["reach"]
    out = []
    for own in _bins(rows["level"], LEVELS):
        middle = np.exp(np.log(rows["level"][own]).mean())
        # Faint sources more than bright ones: those have errors of their own.
        low, high = np.percentile(off[own], [15.87, 84.13])
        out.append([round(float(middle), 3), round(float(high - low) / 2, 4)])
    return out


def kept(rows: dict[str, np.ndarray], error: list[list[float]]) -> list[list[float]]:
    """Return rows of photons over their error and share of photons kept."""
    doubt = Calibration(error=tuple(map(tuple, error))).doubt(rows["level"])
    ratio = rows["true"] / np.hypot(rows["err"], doubt * rows["reach"])
    share = 1 + (rows["counts"] - rows["exact"]) / rows["true"]
    found = [
        [float(ratio[own].mean()), float(share[own].mean())]
        for own in _bins(ratio, RATIOS)
    ]
    # The brighter a source, the less of it is taken for background.
    rising = np.minimum(np.maximum.accumulate([s for _, s in found]), 1)
    return [
        [round(r, 3), round(float(s), 4)]
        for (r, _), s in zip(found, rising, strict=True)
    ]


def _bins(values: np.ndarray, edges: tuple[float, ...]) -> list[np.ndarray]:
    each = [(values > a) & (values <= b) for a, b in pairwise(edges)]
    return [own for own in each if own.sum() >= FEWEST]


if __name__ == "__main__":
    main()
