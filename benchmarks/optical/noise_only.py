"""False detections of the whole product on frames that hold nothing but noise.

python benchmarks/optical/noise_only.py [--frames 4] [--rho 0 0.3]
"""

import argparse
import json

import numpy as np
from _frames import RESULTS

import bgrem_core
from bgrem_core.simulate import correlate

SIDE = 2048
SEED = 161803  # of nothing else


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--rho", type=float, nargs="+", default=[0.0, 0.3])
    options = parser.parse_args()
    rows = []
    for rho in options.rho:
        for method in ("mesh", "bgrem"):
            counts = {"catalogue": 0, "deep": 0}
            for k in range(options.frames):
                rng = np.random.default_rng([SEED, k])
                noise = rng.normal(size=(SIDE, SIDE)).astype(np.float32)
                frame = 100 + 5 * (correlate(noise, rho) if rho else noise)
                image = bgrem_core.open_image(frame.astype("f4"), fwhm=4.0)
                result = bgrem_core.clean(image, method=method, sky_scale=256)
                for point in counts:
                    found = bgrem_core.find_sources(result, deep=point == "deep")
                    counts[point] += len(found)
            mpix = options.frames * SIDE**2 / 1e6
            per = {k: round(n / mpix, 2) for k, n in counts.items()}
            rows.append({"rho": rho, "method": method, "mpix": mpix, **per})
            rows[-1]["rho_measured"] = result.scale.rho
            print(json.dumps(rows[-1]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "noise_only.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
