"""Calibrate the thresholds of the classical arm on pure noise.

White and correlated noise, filtered and searched as `find` does it; for each filter
width the threshold at which 1 and 10 detections per Mpix are left, the largest over
all correlations. The table in `bgrem_core.thresholds` comes from here.

    python benchmarks/detector/noise.py --mpix 32 --json results/noise.json
"""

import argparse
import json
from pathlib import Path

import numpy as np

from bgrem_core.detect import detect
from bgrem_core.matched import matched_filter
from bgrem_core.simulate.optical import correlate
from bgrem_core.thresholds import FALSE_PER_MPIX, FILTER_FWHM

RHO = (0.0, 0.15, 0.3, 0.45)
SIDE = 1500
LOWEST = 2.6


def peaks(fwhm, rho, mpix, seed):
    """Highest values of the sources in pure noise, and the area that was searched."""
    rng = np.random.default_rng(seed)
    found, area = [], 0
    while area < mpix * 1e6:
        white = rng.standard_normal((SIDE + 2, SIDE + 2), dtype=np.float32)
        noise = correlate(white, rho) if rho else white[1:-1, 1:-1]
        image = matched_filter(noise, fwhm=fwhm, rho_xy=(rho, rho)) if fwhm else noise
        # minarea counts at the threshold itself, so each threshold is searched anew.
        found.append(image)
        area += noise.size
    return found, area / 1e6


def threshold_for(images, mpix, fwhm, rate):
    """Bisect for the threshold that leaves `rate` detections per Mpix."""
    low, high = LOWEST, 7.0
    for _ in range(9):
        middle = (low + high) / 2
        count = sum(
            len(detect(i, threshold=middle, fwhm=max(fwhm, 1.0) * 2**0.5))
            for i in images
        )
        low, high = (middle, high) if count > rate * mpix else (low, middle)
    return high


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mpix", type=float, default=18.0, help="noise of each kind")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = []
    for fwhm in (0.0, *FILTER_FWHM):
        for k, rho in enumerate(RHO):
            images, mpix = peaks(fwhm, rho, args.mpix, 100 + k)
            row = {"fwhm": fwhm, "rho": rho, "mpix": mpix}
            for point, rate in FALSE_PER_MPIX.items():
                row[point] = round(threshold_for(images, mpix, fwhm, rate), 3)
            rows.append(row)
            print(row, flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
