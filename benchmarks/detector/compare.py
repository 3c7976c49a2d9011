"""Compare detectors on the same filtered images, at equal false detections.

Recipes, declared beforehand: sep 32/0.005 and sep 64/0.0001 (SExtractor's segmentation
and deblending), plain local maxima (5 x 5, sub-pixel parabola), and ours. All see the
matched filter of the same frame, flattened on a 64-px mesh. True positives are read off
at 10 and 50 false per Mpix, by interpolation along the sweep of the threshold (* = the
sweep ends or begins there). Matching as in
the rules: within 0.6 FWHM, S/N within a factor of three, truth down to S/N 0.5 makes a
detection not false, truth from S/N 2 counts; shreds and duplicates apart.

    python benchmarks/detector/compare.py --galaxies FOLDER
"""

import argparse
import json
from pathlib import Path

import numpy as np
import sep
from scipy import ndimage
from scipy.spatial import KDTree

from bgrem_core.detect import detect
from bgrem_core.matched import matched_filter
from bgrem_core.simulate.optical import (
    SceneSettings,
    draw_noise,
    draw_scene,
    draw_sky,
)

FLOOR, COUNTED, RADIUS, FACTOR = 0.5, 2.0, 0.6, 3.0
RATES = (10.0, 50.0)
THRESHOLDS = (9, 7.5, 6.5, 6, 5.5, 5, 4.75, 4.5, 4.25, 4, 3.75, 3.5, 3.25)
SQRT2 = 2**0.5


def flatten(image):
    background = sep.Background(np.ascontiguousarray(image), bw=64, bh=64)
    return image - background.back(), background.rms()


def sep_recipe(levels, contrast):
    def find(snr, _fwhm, threshold):
        sep.set_extract_pixstack(3_000_000)
        sep.set_sub_object_limit(8192)
        objects = sep.extract(
            snr, threshold, filter_kernel=None, minarea=3,
            deblend_nthresh=levels, deblend_cont=contrast,
        )  # fmt: skip
        return objects["x"], objects["y"]

    return find


def maxima(snr, _fwhm, threshold):
    top = (snr == ndimage.maximum_filter(snr, 5)) & (snr >= threshold)
    y, x = np.nonzero(top)
    return x.astype(float), y.astype(float)


def ours(**options):
    def find(snr, fwhm, threshold):
        found = detect(snr, threshold=threshold, fwhm=SQRT2 * fwhm, **options)
        return found.x, found.y

    return find


RECIPES = {
    "sep 32/0.005": sep_recipe(32, 0.005),
    "sep 64/0.0001": sep_recipe(64, 0.0001),
    "maxima 5x5": maxima,
    "ours": ours(),
}


def score(x, y, snr_image, truth, fwhm):
    """Count true, false and duplicate detections (rules of the science)."""
    if not len(x):
        return {"tp": 0, "fp": 0, "dup": 0, "neutral": 0}
    tx, ty, tsnr, alone = truth
    reach = RADIUS * fwhm
    value = ndimage.map_coordinates(snr_image, [y, x], order=1, mode="nearest")
    tree = KDTree(np.stack([tx, ty], 1))
    near = tree.query_ball_point(np.stack([x, y], 1), reach)
    pairs, known = [], np.zeros(len(x), bool)
    for i, candidates in enumerate(near):
        for j in candidates:
            if max(value[i] / alone[j], alone[j] / max(value[i], 1e-9)) <= FACTOR:
                known[i] = True
                pairs.append((np.hypot(x[i] - tx[j], y[i] - ty[j]), i, j))
    used_i, used_j = set(), set()
    tp = neutral = 0
    # Bright truths first among equal claims: nearest pair wins.
    for _, i, j in sorted(pairs):
        if i in used_i or j in used_j:
            continue
        used_i.add(i)
        used_j.add(j)
        tp += tsnr[j] >= COUNTED
        neutral += tsnr[j] < COUNTED
    return {
        "tp": int(tp),
        "neutral": int(neutral),
        "fp": int(np.count_nonzero(~known)),
        "dup": int(np.count_nonzero(known)) - len(used_i),
    }


def simulated(seed, density, fwhm, galaxies, side=1024):
    rng = np.random.default_rng(seed)
    settings = SceneSettings(
        fwhm=(fwhm, fwhm * 1.001),
        density=(density, density * 1.001),
        galaxies=(galaxies, galaxies),
    )
    scene = draw_scene(rng, shape=(side, side), settings=settings)
    image = scene.source + draw_noise(rng, scene.source, sigma_e=16.0)
    image += draw_sky(rng, shape=image.shape, level=10.0)
    keep = scene.truth.snr >= FLOOR
    t = scene.truth
    truth = tuple(a[keep] for a in (t.x, t.y, t.snr, t.kind))
    return image.astype(np.float32), scene.source, truth, scene.psf.fwhm


def real_galaxies(folder, seed, side=1500, fwhm=3.0, zoom=0.8):
    """Real HST galaxies with their arms and knots, seen from the ground, with stars."""
    from astropy.io import fits

    rng = np.random.default_rng(seed)
    clean = np.zeros((side, side))
    truth = []
    width = fwhm / 2.3548
    power = 1 / (2 * width * np.sqrt(np.pi))
    with fits.open(folder / "real_galaxy_images_extension.fits") as hdus:
        stamps = [np.asarray(h.data, float) for h in hdus if h.data is not None]
    cells = [(i, j) for i in range(side // 100) for j in range(side // 100)]
    for i, j in cells:
        stamp = ndimage.zoom(stamps[rng.integers(len(stamps))], zoom, order=1)
        stamp = ndimage.gaussian_filter(np.rot90(stamp, rng.integers(4)), width)
        # The galaxy alone: its neighbours in the stamp would count as false.
        parts, _ = ndimage.label(stamp > 0.04 * stamp.max())
        stamp *= parts == parts.ravel()[np.argmax(stamp)]
        half = min(45, stamp.shape[0] // 2, stamp.shape[1] // 2)
        cy, cx = (n // 2 for n in stamp.shape)
        stamp = stamp[cy - half : cy + half, cx - half : cx + half]
        snr = 10 ** rng.uniform(0.8, 2.8)
        stamp *= snr / np.sqrt(np.sum(stamp**2))
        top = ndimage.gaussian_filter(stamp, width)
        y, x = np.unravel_index(np.argmax(top), top.shape)
        y0, x0 = 100 * i + 50 - half, 100 * j + 50 - half
        clean[y0 : y0 + 2 * half, x0 : x0 + 2 * half] += stamp
        truth.append((x0 + x, y0 + y, snr, 1))
    for snr in 3 * rng.uniform(0, 1, 900) ** (-1 / 0.8):
        x, y = rng.uniform(10, side - 10, 2)
        yy, xx = np.mgrid[int(y) - 9 : int(y) + 10, int(x) - 9 : int(x) + 10]
        psf = np.exp(-0.5 * ((yy - y) ** 2 + (xx - x) ** 2) / width**2)
        clean[yy, xx] += snr * power * psf / (power**2 * 2 * np.pi * width**2)
        truth.append((x, y, snr, 0))
    image = clean + rng.standard_normal(clean.shape) * np.sqrt(
        1 + np.maximum(clean, 0) / 16
    )
    return image.astype(np.float32), clean, tuple(np.array(truth).T), fwhm


def at_equal_false(rows, area, rate):
    """True positives where the sweep crosses `rate` false per Mpix."""
    fp = np.array([r["fp"] + r["dup"] for r in rows]) / area
    tp = np.array([r["tp"] for r in rows], float)
    if fp.max() < rate:
        return float(tp.max()), True
    k = int(np.argmax(fp >= rate))
    if k == 0:
        return float(tp[0]), True
    w = (rate - fp[k - 1]) / max(fp[k] - fp[k - 1], 1e-9)
    return float(tp[k - 1] + w * (tp[k] - tp[k - 1])), False


def run(name, frames, recipes):
    """Sweep all recipes over the frames of one kind."""
    prepared = []
    for image, clean, truth, fwhm in frames:
        flat, rms = flatten(image)
        snr = np.nan_to_num(matched_filter(flat, sigma=rms, fwhm=fwhm))
        x, y, best, kind = truth
        seen = matched_filter(np.asarray(clean, np.float32), fwhm=fwhm)
        seen = ndimage.map_coordinates(seen, [y, x], order=1, mode="nearest")
        # A point filter sees less of a galaxy than the galaxy's own filter would.
        alone = np.where(kind > 0, np.minimum(best, np.maximum(seen, FLOOR)), best)
        prepared.append((snr, (x, y, best, alone), fwhm))
    area = sum(p[0].size for p in prepared) / 1e6
    out = {}
    for recipe, find in recipes.items():
        rows = []
        for threshold in THRESHOLDS:
            total = {"tp": 0, "fp": 0, "dup": 0, "neutral": 0}
            for snr, truth, fwhm in prepared:
                counts = score(*find(snr, fwhm, threshold), snr, truth, fwhm)
                for key in total:
                    total[key] += counts[key]
            rows.append({"threshold": threshold, **total})
            if (total["fp"] + total["dup"]) / area > 1.5 * RATES[-1]:
                break
        out[recipe] = {"rows": rows}
        said = []
        for rate in RATES:
            tp, end = at_equal_false(rows, area, rate)
            out[recipe][f"tp_at_{rate:g}"] = tp
            out[recipe][f"end_of_sweep_{rate:g}"] = end
            said.append(f"{tp:7.0f}{'*' if end else ' '}")
        out[recipe]["fixed"] = [r for r in rows if r["threshold"] in {9, 5}]
        fixed = [(r["tp"], r["fp"]) for r in out[recipe]["fixed"]]
        print(
            f"{name:16s} {recipe:16s} TP at {RATES} false per Mpix: {' '.join(said)}"
            f"  TP, false at 9 and 5 sigma: {fixed}",
            flush=True,
        )
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--galaxies", type=Path, help="folder of real galaxies")
    parser.add_argument("--fields", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    seeds = range(args.fields)
    kinds = {
        "crowded": [simulated(10 + s, 4000, 5.0, 0.15) for s in seeds],
        "mixed": [simulated(20 + s, 400, 4.3, 0.7) for s in seeds],
        "galaxies sharp": [simulated(30 + s, 800, 2.8, 0.9) for s in seeds],
    }
    if args.galaxies:
        frames = [real_galaxies(args.galaxies, 40 + s) for s in seeds]
        kinds["real galaxies"] = frames
    result = {name: run(name, frames, RECIPES) for name, frames in kinds.items()}
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
