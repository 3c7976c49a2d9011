"""Artefacts: how many pixels are flagged, and how many stars by mistake.

Cosmic rays, hot pixels and trails of the full simulator on frames of FWHM 2 to 9. The
threshold is the lowest probability at which at most 0.1 % of the stars (S/N above 10,
not saturated, no artefact within their FWHM) have a flagged pixel within their FWHM, on
frames of calibration; what it does is counted on test frames.

python benchmarks/optical/artefacts.py [--frames 24] [--side 1024] [--model optical]
       [--out FILE]
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
from _draws import CALIBRATION, TEST, draw
from cache import RESULTS

from bgrem_core.models import load_model
from bgrem_core.simulate.survey import LABELS

GRID = 1 - np.geomspace(0.9, 1e-4, 60)  # probabilities, rising
ALLOWED = 0.001
FAINTEST = 3.0  # sigma by which an artefact's pixel must be raised to count
WIDTHS = (2.0, 3.0, 5.0, 9.01)  # classes of FWHM
SORTS = ("cosmic ray", "hot pixel", "streak")


def highest(probability: np.ndarray, truth, fwhm: float) -> np.ndarray:
    """Return the highest probability within the FWHM of each star."""
    out = np.zeros(len(truth))
    for k in range(len(truth)):
        x, y = truth.x[k], truth.y[k]
        rows = slice(max(int(y - fwhm), 0), int(y + fwhm) + 2)
        cols = slice(max(int(x - fwhm), 0), int(x + fwhm) + 2)
        part = probability[rows, cols]
        iy, ix = np.ogrid[: part.shape[0], : part.shape[1]]
        near = np.hypot(iy + rows.start - y, ix + cols.start - x) <= fwhm
        out[k] = part[near].max() if near.any() else 0
    return out


def look(model, root: int, frames: int, side: int) -> list[dict]:
    """Return, per frame, probabilities on artefacts, on blank sky and of stars."""
    out = []
    for k in range(frames):
        drawn = draw(root, k, side=side, cosmic_rays=(30, 300), hot_pixels=(30, 300))
        said = model.appraise(
            drawn.image - drawn.sky, 1.0, rho=drawn.rho, sigma_e=drawn.sigma_e
        )["artefact"]
        field = drawn.field
        raised = field.artefact > FAINTEST
        sorts = {
            sort: said[raised & ((field.labels & LABELS[sort]) != 0)] for sort in SORTS
        }
        t = field.truth
        near = highest((field.artefact > 0.1).astype(np.float32), t, field.psf.fwhm)
        bad = LABELS["saturated"] | LABELS["bleed"]
        full = highest((field.labels & bad != 0).astype(np.float32), t, field.psf.fwhm)
        star = (t.kind == 0) & (t.snr > 10) & (near == 0) & (full == 0)
        probability = highest(said, t, field.psf.fwhm)
        out.append(
            {
                "fwhm": field.psf.fwhm,
                "stars": probability[star],
                "galaxies": probability[(t.kind > 0) & (t.snr > 10) & (near == 0)],
                "blank": float((said[field.artefact == 0] > 0.5).mean()),
                **sorts,
            }
        )
        print(root, k, round(field.psf.fwhm, 1), int(star.sum()), flush=True)
    return out


def pooled(rows: list[dict], key: str) -> np.ndarray:
    return np.concatenate([row[key] for row in rows])


def share(values: np.ndarray, least: float) -> list[float]:
    """Return the percentage at or above, its binomial error, and the number."""
    if not len(values):
        return [float("nan"), float("nan"), 0]
    p = float(np.mean(values >= least))
    # The error of a share of none: as of one.
    error = np.sqrt(max(p, 1 / len(values)) / len(values))
    return [round(100 * p, 3), round(100 * float(error), 3), len(values)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--model", default="optical")
    parser.add_argument("--out", type=Path, default=RESULTS / "artefacts.json")
    args = parser.parse_args()
    model = load_model(args.model, device="cpu")
    rows = look(model, CALIBRATION, args.frames, args.side)
    stars = pooled(rows, "stars")
    allowed = [p for p in GRID if np.mean(stars >= p) <= ALLOWED]
    least = float(allowed[0]) if allowed else float(GRID[-1])
    test = look(model, TEST, args.frames, args.side)
    table = {sort: share(pooled(test, sort), least) for sort in SORTS}
    for a, b in pairwise(WIDTHS):
        inside = [row for row in test if a <= row["fwhm"] < b]
        if inside:
            found = share(pooled(inside, "stars"), least)
            table[f"stars, FWHM {a:g}-{b:.0f}"] = found
    table["stars"] = share(pooled(test, "stars"), least)
    table["galaxies"] = share(pooled(test, "galaxies"), least)
    for name, row in table.items():
        print(name, row)
    result = {
        "weights": model.card.training["tensors"],
        "seeds": [CALIBRATION, TEST],
        "mpix": args.frames * args.side**2 / 1e6,
        "calibration": {"artefact": round(least, 5)},
        "percent_flagged_error_number": table,
    }
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
