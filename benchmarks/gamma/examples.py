"""Maps of three patches, for the pictures."""

from pathlib import Path

import infinite
import numpy as np
import sextractor
from arms import PAPER, Arm, maps
from bench import Bench
from draws import PIXEL, draw

from bgrem_core.gamma.psf import PointSpread
from bgrem_core.gamma.search import find_points

KIND, LATITUDES = "infinite", (0.0, 8.0, 45.0)


def write(bench: Bench, path: Path) -> None:
    """Keep maps and detections of the patches nearest to some latitudes."""
    truths = bench.each("truth", KIND)
    heights = np.array([abs(t["b"]) for t in truths])
    chosen = [int(np.argmin(abs(heights - b))) for b in LATITUDES]
    drawn = [draw(KIND, bench.seed, k) for k in chosen]
    out: dict[str, np.ndarray] = {
        "b": np.array([d.patch.footprint.b for d in drawn]),
        "counts": np.stack([d.counts for d in drawn]),
        "background": np.stack([d.patch.background for d in drawn]),
        "source": np.stack([d.patch.source for d in drawn]),
    }
    seen, source = maps(bench.network, drawn)
    out |= {"network background": seen, "network source": source}
    for words, expected in infinite.INPUTS.items():
        if PAPER in bench.papers:
            best = infinite.tuned(bench, PAPER)["best"]
            arm = infinite.paper(bench, PAPER, best, expected)
            out[f"paper, {words}"] = maps(arm, drawn)[0]
    psf = PointSpread(PIXEL)
    for k, d in enumerate(drawn):
        c = d.patch.catalogue
        out[f"truth {k}"] = np.stack([c.x, c.y, c.ts])
        found = find_points(d.counts, seen[k], psf, least=25.0)
        out[f"network found {k}"] = np.stack([found.x, found.y])
        for words, expected in infinite.INPUTS.items():
            image = Arm(name="", expected=expected).seen(d)
            out[f"raw found, {words} {k}"] = _found(image)
            if PAPER in bench.papers:
                left = image - out[f"paper, {words}"][k]
                out[f"paper found, {words} {k}"] = _found(left)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **out)


def _found(image: np.ndarray) -> np.ndarray:
    return np.stack(sextractor.Image(image).find(3.0))
