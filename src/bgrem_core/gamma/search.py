"""Point sources in counts, on a background that is taken as known.

The place with the highest score test is fitted by its Poisson likelihood, flux and
place, added to the model, and so on; then all are fitted again with the others in the
model, the brightest first. Places that do not see each other are taken at once.

TS = 2 (ln L1 - ln L0), the likelihoods of the counts in the window of a fit with the
source and without it, everything else kept.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bgrem_core.gamma.psf import REACH, WINGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.gamma.psf import PointSpread

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

__all__ = ["LEAST", "PointSources", "find_points", "fit_points"]

LEAST = 0.02
"""Counts per pixel: a background below it is taken as this."""
_APART = WINGS
"""Pixels between places that are fitted at once."""
_PASSES = 3
"""Times that is searched again after all sources were fitted again."""
_PER_PIXEL = 0.05
"""Most sources for each pixel; more come of a background that is far off."""
_SCORE = 0.6
"""Share of the wanted TS at which a place is fitted: the score is no likelihood."""
_CLOSE = 1.0
"""Pixels within which two sources are one."""
_ROAM = 1.5
"""Farthest way of a fit from the pixel where it began, along each axis."""
_GAIN = 0.01
"""TS that is not worth another step."""
_CHUNK = 64
_PIXELS = (2 * REACH + 1) ** 2
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSources:
    """Point sources; arrays of shape (n,).

    Attributes
    ----------
    x, y : ndarray of float64
        Pixels, 0-based.
    counts, counts_err : ndarray of float64
        Photons of the whole source, 0 or more, and the error that the likelihood
        allows (Cramer-Rao) where the place is known; with that of the background, if
        one was given.
    place_err : ndarray of float64
        Standard error of the place along one axis, pixels; NaN without any photons.
    ts : ndarray of float64
        Test statistic.
    seen : ndarray of float64
        Share of the window's photons that fall on good pixels.
    """

    x: "Floats"
    y: "Floats"
    counts: "Floats"
    counts_err: "Floats"
    place_err: "Floats"
    ts: "Floats"
    seen: "Floats"

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self.x)


def find_points(
    counts: "NDArray[np.floating]",
    background: "NDArray[np.floating]",
    psf: "PointSpread",
    *,
    good: "NDArray[np.bool_] | None" = None,
    doubt: "NDArray[np.floating] | None" = None,
    least: float = 9.0,
) -> PointSources:
    """Search counts for point sources.

    Parameters
    ----------
    counts : ndarray, shape (ny, nx)
        Photons in each pixel.
    background : ndarray, shape (ny, nx)
        Expected photons without point sources; finite.
    psf : PointSpread
        On these pixels.
    good : ndarray of bool, shape (ny, nx), optional
        Pixels that count; all by default.
    doubt : ndarray, shape (ny, nx), optional
        Relative error of the background, alike over a PSF; none by default. It widens
        the errors of the photons; the TS stays that on the background as it is.
    least : float, optional
        TS of the faintest source.

    Returns
    -------
    PointSources
        By TS, the highest first.
    """
    model = _Model(counts, background, psf, good, doubt)
    blocked = np.zeros(model.shape, bool)
    rows = np.zeros((0, 4))  # y, x, counts, TS
    most = max(8, int(_PER_PIXEL * counts.size))
    for _ in range(_PASSES):
        fresh = _add_all(model, blocked, least, most - len(rows))
        if not len(fresh):
            break
        rows = np.concatenate([rows, fresh])
        rows = _again(model, rows, least)
        rows = _again(model, rows, least)
    rows = rows[np.argsort(-rows[:, 3], kind="stable")]
    return _measured(model, rows)


def fit_points(
    counts: "NDArray[np.floating]",
    background: "NDArray[np.floating]",
    psf: "PointSpread",
    x: "Floats",
    y: "Floats",
    *,
    good: "NDArray[np.bool_] | None" = None,
    doubt: "NDArray[np.floating] | None" = None,
    others: "tuple[Floats, Floats, Floats] | None" = None,
) -> PointSources:
    """Fit the photons of sources at given places, each by itself.

    Parameters
    ----------
    counts, background, psf
        As for `find_points`.
    x, y : ndarray, shape (n,)
        Pixels, 0-based, within the image.
    good, doubt : ndarray, optional
        As for `find_points`.
    others : tuple of ndarray, optional
        Known sources, x, y and counts of each, which belong to the background; one
        within a pixel of a place is the source itself and does not.

    Returns
    -------
    PointSources
        In the order of the places.
    """
    model = _Model(counts, background, psf, good, doubt)
    known = np.zeros((0, 4))
    if others is not None:
        known = np.stack([others[1], others[0], others[2], 0 * others[0]], axis=1)
    for row in known:
        model.add(row, 1)
    out = np.zeros((len(x), 4))
    parts = []
    for k, (at_x, at_y) in enumerate(zip(x, y, strict=True)):
        near = np.hypot(known[:, 0] - at_y, known[:, 1] - at_x) < _CLOSE
        for row in known[near]:
            model.add(row, -1)
        place = np.array([[at_y, at_x]])
        amount, ts = model.fit_flux(place)
        out[k] = (at_y, at_x, amount[0], ts[0])
        parts.append(_measured(model, out[k : k + 1], inside=False))
        for row in known[near]:
            model.add(row, 1)
    if not parts:
        return _measured(model, out)
    names = PointSources.__slots__
    return PointSources(
        **{n: np.concatenate([getattr(p, n) for p in parts]) for n in names}
    )


class _Model:
    """Counts, and what is expected of them: background and sources found so far."""

    def __init__(
        self,
        counts: "NDArray[np.floating]",
        background: "NDArray[np.floating]",
        psf: "PointSpread",
        good: "NDArray[np.bool_] | None",
        doubt: "NDArray[np.floating] | None",
    ) -> None:
        self.psf, self.shape = psf, counts.shape
        seen = np.isfinite(counts) if good is None else good & np.isfinite(counts)
        # Windows reach beyond the edges, where nothing is seen.
        self.pad = REACH + 2
        weight = np.pad(seen.astype(np.float64), self.pad)
        self.weight = weight
        self.counts = np.pad(np.where(seen, counts, 0).astype(np.float64), self.pad)
        level = np.maximum(np.asarray(background, np.float64), LEAST)
        self.expected = np.pad(level, self.pad, constant_values=1.0)
        self.doubt = None if doubt is None else np.pad(level * doubt, self.pad)
        steps = np.arange(-REACH, REACH + 1)
        self._rows, self._cols = steps[:, None], steps[None, :]

    def score(self) -> "Floats":
        """Return the score test of a source at the centre of each pixel."""
        inverse = self.weight / self.expected
        core = self.psf.core
        # The kernel is its own mirror image.
        slope = _correlate(self.counts * inverse - self.weight, core)
        curve = _correlate(inverse, core**2)
        ts = np.maximum(slope, 0) ** 2 / np.maximum(curve, _TINY)
        cut = slice(self.pad, -self.pad)
        out: Floats = ts[cut, cut]
        return out

    def add(self, row: "Floats", sign: int) -> None:
        """Add a source, (y, x, counts, ...), to what is expected, or take it off."""
        iy, ix = (round(float(c)) for c in row[:2])
        stamp = self.psf.stamp(row[0] - iy, row[1] - ix)
        ny, nx = self.expected.shape
        j, i = iy + self.pad - WINGS, ix + self.pad - WINGS
        if min(j, i) <= -len(stamp) or j >= ny or i >= nx:
            return
        rows = slice(max(j, 0), min(j + len(stamp), ny))
        cols = slice(max(i, 0), min(i + len(stamp), nx))
        part = stamp[rows.start - j : rows.stop - j, cols.start - i : cols.stop - i]
        changed = self.expected[rows, cols] + sign * row[2] * part
        self.expected[rows, cols] = np.maximum(changed, LEAST)

    def windows(self, iy: "Ints", ix: "Ints") -> "tuple[Floats, Floats, Floats]":
        """Return counts, expectation and weight in windows about pixels, (k, 225)."""
        at = np.stack([iy, ix], axis=1)
        n, m, w = (
            self._window(a, at) for a in (self.counts, self.expected, self.weight)
        )
        return n, m, w

    def _window(self, plane: "Floats", at: "Ints") -> "Floats":
        """Return a plane in windows about pixels (k, 2), shape (k, 225)."""
        rows = at[:, :1, None] + self.pad + self._rows
        cols = at[:, 1:, None] + self.pad + self._cols
        out: Floats = plane[rows, cols].reshape(len(at), _PIXELS)
        return out

    def stamps(
        self, place: "Floats", centre: "Floats"
    ) -> "tuple[Floats, Floats, Floats]":
        """Return stamps of places, and slopes, in windows about pixels, (k, 225)."""
        offset = place - centre
        parts = self.psf.windows(offset[:, 0], offset[:, 1])
        p, py, px = (part.reshape(len(place), _PIXELS) for part in parts)
        return p, py, px

    def begin(self, iy: "Ints", ix: "Ints") -> "Floats":
        """Fit sources within given pixels, at 64 places of each; rows as in search."""
        out = np.zeros((len(iy), 4))
        for k in range(0, len(iy), _CHUNK):
            part = slice(k, k + _CHUNK)
            n, m, w = (a[:, None, :] for a in self.windows(iy[part], ix[part]))
            p = self.psf.grid.reshape(1, len(self.psf.grid), -1) * w
            amount, ts = _newton(n, m, p)
            best = np.argmax(ts, axis=1)
            own = np.arange(len(best))
            place = np.stack([iy[part], ix[part]], 1) + self.psf.places[best]
            out[part] = np.column_stack([place, amount[own, best], ts[own, best]])
        return out

    def refine(self, rows: "Floats") -> "Floats":
        """Follow the likelihood to its maximum from rows (y, x, counts, TS)."""
        best, start = rows.copy(), np.round(rows[:, :2])
        step = np.ones(len(rows))
        # Each stops for itself, so that no source depends on how many there are.
        open_ = np.arange(len(rows))
        for _ in range(6):
            if not len(open_):
                break
            now, middle = best[open_], start[open_]
            move = self._step(now) * step[open_, None]
            place = np.clip(now[:, :2] + move, middle - _ROAM, middle + _ROAM)
            place = np.clip(place, -0.49, np.array(self.shape) - 0.51)
            amount, ts = self.fit_flux(place)
            gain = ts - now[:, 3]
            better = gain > 0
            best[open_[better]] = np.column_stack([place, amount, ts])[better]
            step[open_] = np.where(better, 1.0, step[open_] / 3)
            open_ = open_[np.abs(gain) >= _GAIN]
        return best

    def fit_flux(self, place: "Floats") -> "tuple[Floats, Floats]":
        """Fit the counts of sources at places (k, 2); return them and TS."""
        centre = np.round(place)
        at = centre.astype(np.intp)
        n, m, w = self.windows(at[:, 0], at[:, 1])
        p = self.stamps(place, centre)[0] * w
        return _newton(n, m, p, steps=8)

    def _step(self, rows: "Floats") -> "Floats":
        """Return the scoring step of the place, at most a quarter of a pixel."""
        n, _, w, total, p, along = self._local(rows)
        slope = w * (n / total - 1)
        gradient = np.stack([p, *along], -1)
        first = np.einsum("kp,kpa->ka", slope, gradient)
        second = np.einsum("kpa,kpb,kp->kab", gradient, gradient, w / total)
        second += _TINY * np.eye(3)
        move = np.linalg.solve(second, first[:, :, None])[:, 1:, 0]
        length = np.maximum(np.hypot(*move.T), _TINY)
        out: Floats = move * np.minimum(1, 0.25 / length)[:, None]
        return out

    def errors(
        self, rows: "Floats", *, inside: bool
    ) -> "tuple[Floats, Floats, Floats]":
        """Return errors of counts and of the place, and the share that is seen."""
        _, m, w, total, p, along = self._local(rows)
        total = m if inside else total
        information = (w * p**2 / total).sum(1)
        variance = 1 / np.maximum(information, _TINY**2)
        if self.doubt is not None:
            error = self._window(self.doubt, np.round(rows[:, :2]).astype(np.intp))
            variance += ((w * p * error / total).sum(1) * variance) ** 2
        # Each axis by itself: the PSF is round.
        place = sum((w * a**2 / total).sum(1) for a in along) / 2
        share = (w * p).sum(1) / p.sum(1)
        with np.errstate(divide="ignore"):
            place_err = place**-0.5
        place_err = np.where(np.isfinite(place_err), place_err, np.nan)
        counts_err = np.where(information > 0, np.sqrt(variance), np.nan)
        return counts_err, place_err, share

    def _local(
        self, rows: "Floats"
    ) -> "tuple[Floats, Floats, Floats, Floats, Floats, list[Floats]]":
        centre = np.round(rows[:, :2])
        at = centre.astype(np.intp)
        n, m, w = self.windows(at[:, 0], at[:, 1])
        p, py, px = self.stamps(rows[:, :2], centre)
        amount = rows[:, 2:3]
        return n, m, w, m + amount * p, p, [amount * py, amount * px]


def _newton(
    n: "Floats", m: "Floats", p: "Floats", *, steps: int = 4
) -> "tuple[Floats, Floats]":
    """Maximise the Poisson likelihood of m + S p over S >= 0; pixels lie last.

    Returns S and TS. The likelihood is concave in S: Newton steps, kept from leaping.
    """
    ratio = n / m
    slope, curve = ((ratio - 1) * p).sum(-1), (p * p / m).sum(-1)
    whole = p.sum(-1)
    s = np.maximum(slope / np.maximum(curve, _TINY), 0.1)
    for _ in range(steps):
        # Nothing but these sums takes any time.
        inverse = n / (m + s[..., None] * p)
        first = (p * inverse).sum(-1) - whole
        inverse *= inverse
        second = (p * p * inverse / np.maximum(n, _TINY)).sum(-1)
        s = np.clip(s + first / np.maximum(second, _TINY), 0.3 * s, 3 * s + 3)
    # Where the slope at none falls, there is none.
    s = np.where(slope > 0, s, 0.0)
    ts = 2 * ((n * np.log1p(s[..., None] * p / m)).sum(-1) - s * whole)
    return s, np.maximum(ts, 0.0)


def _add_all(
    model: _Model, blocked: "NDArray[np.bool_]", least: float, most: int
) -> "Floats":
    """Find sources until none is left; they are in the model afterwards."""
    found = [np.zeros((0, 4))]
    number = 0
    while number < most:
        ts = np.where(blocked, 0, model.score())
        top = ndimage.maximum_filter(ts, 2 * _APART + 1, mode="constant")
        iy, ix = np.nonzero((ts == top) & (ts >= _SCORE * least))
        if not len(iy):
            break
        rows = model.refine(model.begin(iy, ix))
        for j, i in np.concatenate([np.stack([iy, ix], 1), _pixels(rows)]):
            # Also after success: a second source on the place of the first is the
            # first one with the wrong PSF.
            blocked[max(j - 1, 0) : j + 2, max(i - 1, 0) : i + 2] = True
        rows = rows[rows[:, 3] >= least]
        for row in rows:
            model.add(row, 1)
        found.append(rows)
        number += len(rows)
    return np.concatenate(found)


def _again(model: _Model, rows: "Floats", least: float) -> "Floats":
    """Fit all sources again, the brightest first, and drop those that are none."""
    rows = rows[np.argsort(-rows[:, 2], kind="stable")]
    kept = np.zeros_like(rows)
    number = 0
    for row in rows:
        model.add(row, -1)
        # Where the others have changed, its old TS says nothing.
        amount, ts = model.fit_flux(row[None, :2])
        now = model.refine(np.array([[row[0], row[1], amount[0], ts[0]]]))[0]
        away = np.hypot(*(kept[:number, :2] - now[:2]).T)
        if now[3] >= least and not (away < _CLOSE).any():
            model.add(now, 1)
            kept[number] = now
            number += 1
    return kept[:number]


def _measured(model: _Model, rows: "Floats", *, inside: bool = True) -> PointSources:
    """Return rows (y, x, counts, TS) with errors; `inside`: they are in the model."""
    errors = model.errors(rows, inside=inside)
    return PointSources(
        x=rows[:, 1].copy(),
        y=rows[:, 0].copy(),
        counts=rows[:, 2].copy(),
        counts_err=errors[0],
        place_err=errors[1],
        ts=rows[:, 3].copy(),
        seen=errors[2],
    )


def _pixels(rows: "Floats") -> "Ints":
    return np.round(rows[:, :2]).astype(np.intp)


def _correlate(image: "Floats", core: "Floats") -> "Floats":
    from scipy.signal import oaconvolve

    out: Floats = oaconvolve(image, core, mode="same")
    return out
