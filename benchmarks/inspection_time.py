"""Time of one click: `inspect` on a 4 Mpix result, milliseconds.

python benchmarks/inspection_time.py
"""

import time

import numpy as np

from bgrem_core.image import Image
from bgrem_core.inspection import inspect
from bgrem_core.io.provenance import Provenance
from bgrem_core.normalize import Scale
from bgrem_core.planes import constant
from bgrem_core.separation import Separation

SIDE, CLICKS = 2048, 200


def main():
    rng = np.random.default_rng(1)
    shape = (SIDE, SIDE)
    data = rng.normal(100, 1, shape).astype(np.float32)
    scale = Scale(
        offset=constant(100, shape), sigma=constant(1, shape), median_sigma=1, fwhm=4.0
    )
    separation = Separation(
        image=Image(data=data, flags=np.zeros(shape, np.uint8)),
        parts={"sky": constant(100, shape)},
        flags=np.zeros(shape, np.uint8),
        scale=scale,
        provenance=Provenance(version="0", method="mesh"),
        photometric=data - 100,
    )
    inspect(separation, 5, 5)
    times = []
    for x, y in rng.uniform(0, SIDE - 1, (CLICKS, 2)):
        start = time.perf_counter()
        inspect(separation, x, y)
        times.append(1000 * (time.perf_counter() - start))
    low, middle, high = np.percentile(times, [0, 50, 95])
    print(f"inspect: best {low:.1f}, median {middle:.1f}, 95 % {high:.1f} ms")


if __name__ == "__main__":
    main()
