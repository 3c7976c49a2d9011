"""False detections of the whole product on frames of noise alone."""

from typing import Any

import numpy as np
from cache import Cache

import bgrem_core
from bgrem_core.simulate import correlate

SIDE = 2048
MPIX = 100.0  # at least, for each correlation
RHOS = (0.0, 0.1, 0.2, 0.3)
SEED = 161803  # of nothing else
FWHM = 4.0


def detections(
    rho: float, number: int, side: int, method: str, model: str
) -> dict[str, int]:
    """Count what both operating points find in one frame."""
    rng = np.random.default_rng([SEED, round(1000 * rho), number])
    white = rng.standard_normal((side + 2, side + 2), dtype=np.float32)
    noise = correlate(white, rho) if rho else white[1:-1, 1:-1]
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
    for rho in RHOS[:1] if toy else RHOS:
        for method, (model, digest) in methods.items():
            print(f"noise, correlation {rho:g}: {method}", flush=True)
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
