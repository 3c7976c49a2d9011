"""What the heads of a network find: the denoised light, and the map of centres.

True positives at ten false per Mpix on the frames of `first_weights.py`, over those of
the best recipe on the matched filter; one frame of 4 Mpix has an error of 0.015. A
quick look at new weights; claims come from `run.py`.

python benchmarks/optical/heads.py [--model optical] [--frames dark crowded ...]
"""

import argparse
import json

import numpy as np
import sep
from _frames import KINDS, RESULTS, Scorer, flatten, make_frame, psf_filtered
from first_weights import RECIPES, finder, read_off, sweep
from scipy import ndimage

from bgrem_core.models import load_model

SMOOTH = (0.0, 0.7, 1.0)  # sigma of the Gaussian on the map of centres, pixels


def true(image: np.ndarray, recipe: str, fwhm: float, score: Scorer, start: float):
    return read_off(sweep(finder(image, recipe, fwhm), score, start), score.area)[0]


def run_frame(name: str, model) -> dict[str, float]:
    frame, kind = make_frame(name), KINDS[name]
    score = Scorer(frame)
    raw = flatten(frame.image, blur=kind.fwhm / 2.35, least=1.0)
    matched = psf_filtered(raw, kind.fwhm)
    wide = 1.41 * kind.fwhm
    base = max(true(matched, recipe, wide, score, 7.0) for recipe in RECIPES)
    offset = sep.Background(np.ascontiguousarray(frame.image), bw=256, bh=256).back()
    z = (frame.image - offset).astype(np.float32)
    said = model.appraise(z, 1.0, rho=kind.rho, sigma_e=kind.sigma_e)
    clean = (frame.image - said["noise"]).astype(np.float32)
    flat = flatten(clean, blur=0, least=0.3)
    out = {f"light, {r}": true(flat, r, kind.fwhm, score, 1.4) for r in RECIPES}
    for sigma in SMOOTH if "centre" in said else ():
        told = said["centre"]
        if sigma:
            told = ndimage.gaussian_filter(told, sigma)
        # A root: thresholds fall by a factor, and maxima do not care.
        root = np.ascontiguousarray(told**0.25, np.float32)
        out[f"centres, {sigma:g}"] = true(root, "maxima", kind.fwhm, score, 1.0)
    return {key: round(float(value / base), 4) for key, value in out.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="optical")
    parser.add_argument("--frames", nargs="+", default=list(KINDS), choices=list(KINDS))
    args = parser.parse_args()
    sep.set_extract_pixstack(3_000_000)
    sep.set_sub_object_limit(8192)
    model = load_model(args.model, device="cpu")
    result = {"weights": model.card.training["tensors"], "frames": {}}
    for name in args.frames:
        result["frames"][name] = run_frame(name, model)
        print(name, json.dumps(result["frames"][name]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "heads.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
