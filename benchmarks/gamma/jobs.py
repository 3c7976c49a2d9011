"""What is measured of one patch on one background: small enough to be kept.

A task is a few patches, one arm and one thing to measure; it can run in any process.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sextractor
from arms import Arm, known, maps
from draws import PIXEL, SIDE, Drawn, draw
from scipy import ndimage
from scoring import BRIGHT, EDGE, inside

from bgrem_core.gamma.calibration import Calibration
from bgrem_core.gamma.psf import PointSpread
from bgrem_core.gamma.search import LEAST, PointSources, find_points, fit_points
from bgrem_core.simulate.gamma import asimov_ts

Row = dict[str, Any]
FAINTEST = 6.0
"""TS of what is searched; completeness is read off above it."""
NULL_FAINTEST = 9.0
"""TS of what is searched without sources: where a catalogue ends."""
TRIALS = 60
"""Random places on each patch without sources."""
ALONE = 1.0
"""Pixels within which `fit_points` takes two sources for one."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Some patches of a kind, an arm, and what is measured."""

    what: str
    kind: str
    seed: int
    patches: tuple[int, ...]
    arm: Arm | None = None

    @property
    def key(self) -> list[Any]:
        arm = self.arm.key if self.arm else None
        return [self.what, self.kind, self.seed, self.patches, arm]


def measure(task: Task) -> list[Row]:
    """Return a row for each patch."""
    drawn = [draw(task.kind, task.seed, k) for k in task.patches]
    if task.arm is None:
        return [ALONE_JOBS[task.what](d) for d in drawn]
    backgrounds, sources = maps(task.arm, drawn)
    if sources is None:
        sources = [None] * len(drawn)
    job = JOBS[task.what]
    return [
        job(d, b, s, task) for d, b, s in zip(drawn, backgrounds, sources, strict=True)
    ]


def truth(d: Drawn) -> Row:
    c = d.patch.catalogue
    return {
        "b": d.patch.footprint.b,
        "source": float(d.patch.source.sum()),
        **{k: _few(getattr(c, k)) for k in ("x", "y", "counts", "ts")},
    }


def segments(d: Drawn) -> Row:
    """Search the counts with SExtractor's defaults at all thresholds."""
    image = sextractor.Image(d.counts)
    return {"found": [_places(image, t) for t in sextractor.THRESHOLDS]}


def search(d: Drawn, background: np.ndarray, _source: Any, task: Task) -> Row:
    begun = time.process_time()
    errors = Calibration() if task.arm is None else known(task.arm)
    found = find_points(
        d.counts, background, _psf(), doubt=errors.doubt(background), least=FAINTEST
    )
    found = errors.corrected(found)
    names = ("x", "y", "ts", "counts", "counts_err")
    out = {k: _few(getattr(found, k)) for k in names}
    return {**out, "seconds": round(time.process_time() - begun, 4)}


def peaks(_d: Drawn, background: np.ndarray, source: np.ndarray, _task: Task) -> Row:
    """Take the maxima of a source map, by the Asimov TS of the one pixel."""
    ts = asimov_ts(source, np.maximum(background, LEAST))
    top = (source == ndimage.maximum_filter(source, 3)) & (ts > 1e-4)
    y, x = np.nonzero(top)
    order = np.argsort(-ts[y, x], kind="stable")
    y, x = y[order], x[order]
    return {"x": x.tolist(), "y": y.tolist(), "ts": _few(ts[y, x])}


def levels(d: Drawn, background: np.ndarray, source: Any, task: Task) -> Row:
    """Compare with the true background, and sum up what is left."""
    off = np.log(np.maximum(background, LEAST) / d.patch.background)
    left = task.arm.seen(d) - background
    return {
        "ln": float(off.mean()),
        "ln_square": float((off**2).mean()),
        "left": float(left.sum()),
        "source": None if source is None else float(source.sum()),
    }


def alone(d: Drawn) -> np.ndarray:
    """Return which sources have no other one that a fit would take them for."""
    c = d.patch.catalogue
    away = np.hypot(c.x[:, None] - c.x, c.y[:, None] - c.y)
    np.fill_diagonal(away, np.inf)
    return (away >= ALONE).all(axis=1)


def fit_at_truth(
    d: Drawn, background: np.ndarray, wanted: np.ndarray, **options: Any
) -> PointSources:
    """Fit some sources at their true places, all others known."""
    c = d.patch.catalogue
    return fit_points(
        d.counts, background + d.light_from_outside(), _psf(), c.x[wanted],
        c.y[wanted], others=(c.x, c.y, c.counts), **options,
    )  # fmt: skip


def forced(d: Drawn, background: np.ndarray, _source: Any, task: Task) -> Row:
    """Fit the bright sources at their true places, all others known.

    Those of the patch lie in the model with the PSF of the search; the light of those
    beyond its edges, which no catalogue has, is added to the background as it is.
    """
    c = d.patch.catalogue
    wanted = (c.ts > BRIGHT) & inside(c.x, c.y)
    kept = wanted & alone(d)
    errors = known(task.arm)
    fit = fit_at_truth(d, background, kept, doubt=errors.doubt(background))
    fit = errors.corrected(fit)
    return {
        "true": _few(c.counts[kept]),
        "asimov": _few(c.ts[kept]),
        "counts": _few(fit.counts),
        "err": _few(fit.counts_err),
        "left_out": int((wanted & ~kept).sum()),
    }


def null(d: Drawn, background: np.ndarray, _source: Any, task: Task) -> Row:
    """Fit random places of a patch without sources, and search it."""
    rng = np.random.default_rng([task.seed, d.number])
    x, y = rng.uniform(EDGE - 0.5, SIDE - 0.5 - EDGE, (2, TRIALS))
    at = fit_points(d.counts, background, _psf(), x, y)
    found = find_points(d.counts, background, _psf(), least=NULL_FAINTEST)
    kept = inside(found.x, found.y)
    return {"places": _few(at.ts), "blind": _few(found.ts[kept])}


def cleaned(d: Drawn, background: np.ndarray, source: Any, task: Task) -> Row:
    """Search what is left with SExtractor's defaults at 3 rms."""
    left = task.arm.seen(d) - background
    row = levels(d, background, source, task)
    return {**row, "found": _places(sextractor.Image(left), 3.0)}


def fingerprint(task: Task) -> list[Row]:
    """Return what tells whether patches and search are still the same."""
    out = []
    for k in task.patches:
        d = draw(task.kind, task.seed, k)
        found = search(d, d.patch.background, None, task)
        del found["seconds"]
        out.append({"counts": _few(d.counts[::7, ::7].ravel()), **found})
    return out


Job = Callable[[Drawn, np.ndarray, Any, Task], Row]
ALONE_JOBS: dict[str, Callable[[Drawn], Row]] = {"truth": truth, "segments": segments}
JOBS: dict[str, Job] = {
    "search": search, "peaks": peaks, "levels": levels, "forced": forced,
    "null": null, "cleaned": cleaned,
}  # fmt: skip


def _psf() -> PointSpread:
    return PointSpread(PIXEL)


def _places(image: sextractor.Image, threshold: float) -> list[list[float]]:
    return [_few(v) for v in image.find(threshold)]


def _few(values: np.ndarray) -> list[float]:
    """Return plain numbers of six digits."""
    return [float(f"{v:.6g}") for v in values]
