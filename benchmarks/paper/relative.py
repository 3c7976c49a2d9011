"""SExtractor as it comes, and true and false counted as the published script counts.

The program with its default.sex and default.conv: thresholds in units of the rms that
it measures itself, on whatever image it is given. The script that came with the paper
(for gamma rays; that of the optical figures is not published) calls every detection
within 5 pixels of any source true, however many there are.
"""

import shutil
import subprocess
from typing import Any

import numpy as np
from cache import Cache
from frames import Frame, digest, is_extended
from recipes import Searched, by_sextractor
from scipy.spatial import cKDTree

NEAR = 5.0  # pixels
THRESHOLDS = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0)
DEFAULT = 1.5
TOY = (1.5, 3.0)
PROGRAM = "source-extractor"
VERSION = 1


def is_here() -> bool:
    return shutil.which(PROGRAM) is not None


def naive(frame: Frame, found: np.ndarray) -> list[int]:
    """Return true and false ones, counted without a one-to-one match."""
    (ny, nx), edge = frame.image.shape, frame.edge
    x, y = found
    inside = (x >= edge) & (x < nx - edge) & (y >= edge) & (y < ny - edge)
    row, col = np.rint(y[inside]).astype(int), np.rint(x[inside]).astype(int)
    kept = ~frame.mask[row, col]
    x, y = x[inside][kept], y[inside][kept]
    t = frame.truth
    real = (t.snr >= frame.floor) & ~is_extended(t)
    tree = cKDTree(np.stack([t.x[real], t.y[real]], 1))
    near = tree.query(np.stack([x, y], 1))[0] <= NEAR if len(x) else np.zeros(0, bool)
    return [int(near.sum()), int((~near).sum())]


def sweep(
    frame: Frame,
    image: np.ndarray,
    cache: Cache,
    thresholds: tuple[float, ...] = THRESHOLDS,
) -> list[list[Any]]:
    """Return threshold, true and false; None where the program gave up."""
    image = np.ascontiguousarray(image, np.float32)
    find = by_sextractor(Searched(image=image, fwhm=frame.fwhm))

    def one(threshold: float) -> list[int | None]:
        try:
            return naive(frame, find(threshold))
        except (subprocess.CalledProcessError, ValueError):
            return [None, None]

    parts = ["paper relative", VERSION, frame.digest, digest(image)]
    return [[t, *cache.get([*parts, t], lambda t=t: one(t))] for t in thresholds]


def at(rows: list[list[Any]], threshold: float) -> list[int | None]:
    return next(r[1:] for r in rows if r[0] == threshold)
