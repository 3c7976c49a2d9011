"""Speed of the arms in one and the same run, as a ratio to the primary one.

Times on shared machines scatter: the ratio is the result, and nothing is kept from
earlier runs.
"""

import dataclasses
import time
from typing import Any

import recipes
from arms import BOUNDS, PRIMARY, Arm
from frames import Frame

SIDE = 1024
REPEATS = 3


def run(
    frame: Frame, chosen: dict[str, Arm], best: dict[str, tuple[str, float]]
) -> dict[str, Any]:
    """Return Mpix/s and the ratio, searching once at the threshold of the cap."""
    cut = (slice(0, SIDE), slice(0, SIDE))
    background = frame.background
    small = dataclasses.replace(
        frame, image=frame.image[cut], source=frame.source[cut],
        background=None if background is None else background[cut],
    )  # fmt: skip
    rate: dict[str, float] = {}
    for name, (recipe, threshold) in best.items():
        if name in BOUNDS:
            continue
        print(f"speed: {name}", flush=True)
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            searched = chosen[name].prepare(small)
            recipes.finder(searched, recipe)(threshold)
            times.append(time.perf_counter() - start)
        rate[name] = small.image.size / 1e6 / min(times)
    base = rate.get(PRIMARY)
    return {
        name: {
            "mpix_per_s": round(v, 3),
            "ratio": round(v / base, 3) if base else None,
            "recipe": best[name][0],
        }
        for name, v in rate.items()
    }
