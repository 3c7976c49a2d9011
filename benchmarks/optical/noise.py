"""False detections of the whole product on frames of noise alone."""

from typing import Any

import numpy as np
from cache import Cache
from resampled import HALF, draw_kernel, through

import bgrem_core
from bgrem_core.simulate import correlate

SIDE = 2048
MPIX = 100.0  # at least, for each correlation
RHOS = (0.0, 0.1, 0.2, 0.3)
RESAMPLED = "resampled"
"""In place of a correlation: another interpolation along each axis of each frame."""
SEED = 161803  # of nothing else
FWHM = 4.0


def draw(rho: float | str, number: int, side: int) -> np.ndarray:
    """Draw a frame of noise of sigma 1."""
    if rho == RESAMPLED:
        rng = np.random.default_rng([SEED, 1000, number])
        kernels = draw_kernel(rng), draw_kernel(rng)
        shape = (side + 2 * HALF, side + 2 * HALF)
        return through(rng.standard_normal(shape, dtype=np.float32), *kernels)
    rng = np.random.default_rng([SEED, round(1000 * rho), number])
    white = rng.standard_normal((side + 2, side + 2), dtype=np.float32)
    return correlate(white, rho) if rho else white[1:-1, 1:-1]


def detections(
    rho: float | str, number: int, side: int, method: str, model: str
) -> dict[str, int]:
    """Count what both operating points find in one frame."""
    noise = draw(rho, number, side)
    image = bgrem_core.open_image((100 + 5 * noise).astype("f4"), fwhm=FWHM)
    more = {"model": model} if method == "bgrem" else {}
    result = bgrem_core.clean(image, method=method, sky_scale=256, **more)
    return {
        point: len(bgrem_core.find_sources(result, deep=point == "deep"))
        for point in ("catalogue", "deep")
    }


def run(
    methods: dict[str, tuple[str, str]], cache: Cache, *, toy: bool = False
) -> list[dict[str, Any]]:
    """Return one row for each correlation and method."""
    side = 512 if toy else SIDE
    count = 1 if toy else int(np.ceil(MPIX * 1e6 / SIDE**2))
    mpix = count * side**2 / 1e6
    out = []
    for rho in (RHOS[0], RESAMPLED) if toy else (*RHOS, RESAMPLED):
        for method, (model, digest) in methods.items():
            print(f"noise, correlation {rho}: {method}", flush=True)
            got = [
                cache.get(
                    ["noise", SEED, rho, k, side, method, digest],
                    lambda r=rho, k=k, m=method, w=model: detections(r, k, side, m, w),
                )
                for k in range(count)
            ]
            row: dict[str, Any] = {
                "rho": rho, "method": method, "mpix": round(mpix, 2)
            }  # fmt: skip
            for point in ("catalogue", "deep"):
                total = sum(g[point] for g in got)
                # A count of none still has an upper bound.
                row[point] = [
                    round(total / mpix, 3), round(max(total, 1) ** 0.5 / mpix, 3)
                ]  # fmt: skip
            out.append(row)
    return out
