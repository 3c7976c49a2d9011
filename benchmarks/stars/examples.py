"""Parts of two scenes before and after, for the pictures."""

from pathlib import Path

import numpy as np
from arms import ARMS, COHEN, MASK, PSF
from bench import Bench
from star_scenes import draw

SETS, WIDE = ("C", "D"), 160
OPENING = ARMS[2]
SHOWN = (PSF, MASK, OPENING, COHEN)
MOST = 2
"""Arms of a picture, the first that are here."""


def write(bench: Bench, path: Path) -> None:
    """Keep the middle of a scene of each set, with its truth."""
    here = [a for a in SHOWN if any(a.name == b.name for b in bench.arms)]
    chosen = [here[0], *([here[-1]] if len(here) > 1 else [])][:MOST]
    out: dict[str, np.ndarray] = {}
    for name in (n for n in SETS if n in bench.sets):
        s = draw(name, bench.kind, bench.seed, 0, bench.side)
        low = max(0, (bench.side - WIDE) // 2)
        cut = (slice(low, low + WIDE), slice(low, low + WIDE))
        out[f"{name}|image"] = s.image[cut]
        out[f"{name}|starless truth"] = s.starless[cut]
        for arm in chosen:
            made = arm.run(s.image).starless
            out[f"{name}|{arm.name}"] = np.asarray(made[cut], np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **out)
