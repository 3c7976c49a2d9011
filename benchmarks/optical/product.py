"""The product as a user runs it, on development frames: sky, noise and catalogues.

Nothing is told to it: PSF, noise, correlation and sky scale are what it measures.

    python benchmarks/optical/product.py [--side 2048] [--kinds dark crowded]
"""

import argparse
import json

import numpy as np
from _frames import COUNTS, KINDS, RESULTS, Scorer, make_frame
from scipy import ndimage

import bgrem_core


def sky_error(frame, result):
    """Give the rms and the mean of (sky - truth) far from sources, in sigma."""
    smooth = ndimage.gaussian_filter(frame.source, 2)
    blank = smooth < 0.1
    error = result.sky - frame.background
    return float(error[blank].std()), float(error[blank].mean())


def run(name, method, *, side, deep):
    frame = make_frame(name, side=side)
    gain = frame.sigma_e
    result = bgrem_core.clean(frame.image.astype("f4"), method=method, gain=gain)
    found = bgrem_core.find_sources(result, deep=deep)
    x, y = (np.asarray(found[c], float) for c in ("x", "y"))
    scorer = Scorer(frame)
    fates = scorer(x, y).sum(axis=1)
    counts = {k: int(n) for k, n in zip(COUNTS, fates, strict=True)}
    rms, mean = sky_error(frame, result)
    return {
        "kind": name,
        "method": method,
        "point": "deep" if deep else "catalogue",
        "sky": result.provenance.sky,
        "sky_error_rms": rms,
        "sky_error_mean": mean,
        "sigma": result.scale.median_sigma,
        "rho": result.scale.rho,
        "rho_true": frame.rho,
        "uncertain": result.scale.uncertain,
        "fwhm": result.scale.fwhm,
        "fwhm_true": frame.fwhm,
        "found": len(found),
        "negative": found.meta["negative_detections"],
        "expected_false": found.meta["expected_false"],
        "of": scorer.total,
        **counts,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    options = parser.parse_args()
    rows = []
    for name in options.kinds:
        for method in ("mesh", "bgrem"):
            for deep in (False, True):
                rows.append(run(name, method, side=options.side, deep=deep))
                print(json.dumps(rows[-1]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "product.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
