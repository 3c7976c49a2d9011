"""One frame with its maps, for the pictures."""

from pathlib import Path

import numpy as np
from arms import PRODUCT, separate, taken
from bench import Bench
from draws import draw

KIND, NUMBER = "search", 8


def write(bench: Bench, path: Path) -> None:
    """Keep maps of the frame with the longest light in trails of a few."""
    some = [draw(KIND, bench.seed, k, bench.side) for k in range(NUMBER)]
    d = sorted(some, key=lambda v: float(v.systematics.std()))[NUMBER // 2]
    out = {"frame": d.injected, "true": d.systematics, "x": d.x, "y": d.y}
    for name, arm in (("network", bench.network), ("classical", PRODUCT)):
        out[name] = taken(separate(arm, d, d.injected)).astype(np.float32)
    out["white"] = np.array(d.white)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **out)
