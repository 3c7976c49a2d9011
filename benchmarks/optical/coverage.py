"""Does UNCERT cover? A table made on some frames, coverage counted on others.

The whole product runs on frames of the full simulator: noise, PSF and sky are what it
measures. The width that the network says is turned into the half-width that holds 68 %
of the errors of the denoised image by a table, made on the frames of calibration. The
share of errors within it, and within twice it, is counted on test frames: on blank sky
and in the footprints of sources by their true S/N. Beside it the share for the cleaned
image, which has the error of the sky too.

python benchmarks/optical/coverage.py [--frames 24] [--side 1024] [--model optical]
       [--out FILE]
"""

import argparse
import json
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from _draws import CALIBRATION, TEST, draw
from cache import RESULTS

import bgrem_core
from bgrem_core.models import find_card
from bgrem_core.train.export import from_weights, write

WEIGHTS = Path(bgrem_core.__file__).parent / "weights"
IDENTITY = [[1e-4, 1e-4], [1e4, 1e4]]
BINS = 24
EDGES = (2.0, 5.0, 10.0, 30.0, 100.0, 1e9)  # of the true S/N
BLANK = 0.02  # light below which a pixel is blank sky, sigma
SAMPLE = 40_000  # pixels of each class and frame


def uncalibrated(model: str, folder: Path) -> str:
    """Write the weights with a table that changes nothing."""
    path = Path(model) if Path(model).suffix else WEIGHTS / f"{model}.safetensors"
    fields, arrays = from_weights(path)
    fields["calibration"] = {"uncertainty": IDENTITY}
    return str(write(fields, arrays, folder, overwrite=True))


def classes(drawn) -> np.ndarray:
    """Return 0 on blank sky, 1.. in footprints by S/N, -1 elsewhere."""
    light = drawn.light
    out = np.where((light < BLANK) & (drawn.field.labels == 0), 0, -1)
    truth, fwhm = drawn.field.truth, drawn.field.psf.fwhm
    kind = np.digitize(truth.snr, EDGES)
    for k in np.argsort(truth.snr):  # the brightest source owns a pixel
        if kind[k] == 0 or truth.snr[k] > EDGES[-1]:
            continue
        reach = fwhm + truth.size[k]
        low = [max(int(c - reach), 0) for c in (truth.y[k], truth.x[k])]
        high = [int(c + reach) + 1 for c in (truth.y[k], truth.x[k])]
        part = out[low[0] : high[0], low[1] : high[1]]
        y, x = np.ogrid[: part.shape[0], : part.shape[1]]
        radius = np.hypot(y + low[0] - truth.y[k], x + low[1] - truth.x[k])
        part[radius <= reach] = kind[k]
    out[drawn.field.labels != 0] = -1
    return out


def names() -> list[str]:
    middle = [f"S/N {a:g}-{b:g}" for a, b in pairwise(EDGES[:-1])]
    return ["blank", *middle, f"S/N > {EDGES[-2]:g}"]


def measure(model: str, root: int, frames: int, side: int) -> list[list[np.ndarray]]:
    """Return, per frame and class, (3, n): width said, error without and with sky."""
    out = []
    for k in range(frames):
        drawn = draw(root, k, side=side)
        result = bgrem_core.clean(drawn.image, model=model, gain=drawn.sigma_e)
        width = np.asarray(result.uncertainty)
        whole = result.cleaned - drawn.light
        errors = (np.abs(whole + result.sky - drawn.sky), np.abs(whole))
        kind = classes(drawn)
        rng = np.random.default_rng([root, k, 1])
        rows = []
        for c in range(len(names())):
            at = np.flatnonzero((kind == c).ravel() & np.isfinite(width.ravel()))
            at = rng.permutation(at)[:SAMPLE]
            rows.append(np.stack([a.ravel()[at] for a in (width, *errors)]))
        out.append(rows)
        print(root, k, result.provenance.sky, [r.shape[1] for r in rows], flush=True)
    return out


def table(rows: list[list[np.ndarray]]) -> list[list[float]]:
    """Return rising rows of (width said, half-width that holds 68 %)."""
    width, error, _ = np.concatenate([c for frame in rows for c in frame], axis=1)
    edges = np.quantile(width, np.linspace(0, 1, BINS + 1))
    # Bright light is rare and its widths are wide: the ends get bins of their own.
    edges = np.unique(np.r_[edges[:-1], np.quantile(width, [0.98, 0.995, 1])])
    out = []
    for a, b in pairwise(edges):
        inside = (width >= a) & (width <= b)
        if inside.sum() < 500:
            continue
        middle = float(np.median(width[inside]))
        ratio = float(np.quantile(error[inside] / width[inside], 0.683))
        out.append([middle, middle * ratio])
    rising = [out[0]]
    for row in out[1:]:
        if row[0] > rising[-1][0]:
            rising.append([row[0], max(row[1], rising[-1][1] * (1 + 1e-6))])
    return [[float(f"{v:.6g}") for v in row] for row in rising]


def count(rows: list[list[np.ndarray]], steps: list[list[float]]) -> list[dict]:
    """Return coverage per class, with the scatter from frame to frame."""
    at, true = np.log(np.array(steps)).T
    out = []
    for c, name in enumerate(names()):
        shares = []
        for frame in rows:
            width, error, whole = frame[c]
            if len(width) < 200:
                continue
            log = np.log(np.maximum(width, 1e-6))
            half = np.exp(log + np.interp(log, at, true - at))
            inside = [error < half, error < 2 * half, whole < half]
            shares.append([*(np.mean(i) for i in inside), len(width)])
        part = np.array(shares)
        weight = part[:, 3] / part[:, 3].sum()
        mean = weight @ part[:, :3]
        scatter = np.sqrt(weight**2 @ (part[:, :3] - mean) ** 2)
        out.append(
            {
                "class": name,
                "frames": len(part),
                **{
                    word: [round(100 * float(v), 1) for v in (mean[k], scatter[k])]
                    for k, word in enumerate(("within_1", "within_2", "with_sky"))
                },
            }
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--model", default="optical")
    parser.add_argument("--out", type=Path, default=RESULTS / "coverage.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = uncalibrated(args.model, Path(folder))
        steps = table(measure(model, CALIBRATION, args.frames, args.side))
        rows = count(measure(model, TEST, args.frames, args.side), steps)
        weights = find_card(model).training["tensors"]
    for row in rows:
        print(json.dumps(row))
    result = {
        "weights": weights,
        "seeds": [CALIBRATION, TEST],
        "mpix": args.frames * args.side**2 / 1e6,
        "calibration": {"uncertainty": steps},
        "rows": rows,
    }
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
