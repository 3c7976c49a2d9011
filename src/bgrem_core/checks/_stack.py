"""Stack: the residual at isolated sources, laid over each other."""

from dataclasses import dataclass
from math import ceil, nan
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

from bgrem_core.checks._sources import DISTURBED
from bgrem_core.matched import circle_noise
from bgrem_core.photometry import APERTURE, WIDE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bgrem_core.checks._patches import Looks
    from bgrem_core.planes import Plane

    Floats = NDArray[np.float64]
    Float32 = NDArray[np.float32]

HALF = 4.0
"""Half width of the cut-outs, and least distance of isolated sources, FWHM."""
RING = 3.0
"""Inner radius of the ring where the local level is taken; it ends at `HALF`, FWHM."""
SNR = 20.0
"""Least S/N: below it noise that lifts a source into the list would count as light."""
CAP = 100.0
"""S/N beyond which a source weighs no more."""
MOST = 300
_NEIGHBOUR = 5.0
_FEW = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """Mean residual at sources.

    Attributes
    ----------
    n : int
        Sources.
    origin : str
        "catalogue" or "image".
    cutout : ndarray of float64, shape (m, m)
        Share of the flux in the small aperture, per pixel.
    core, wide : tuple of float
        Share of the flux in the small and in the wide aperture, and its error.
    radii : tuple of float
        Of both apertures, pixels.
    """

    n: int
    origin: str
    cutout: "Floats"
    core: tuple[float, float]
    wide: tuple[float, float]
    radii: tuple[float, float]


def stack(looks: "Looks", plane: "Plane") -> Stack:
    """Stack a plane at isolated bright sources.

    Parameters
    ----------
    looks : Looks
        The separation, and its sources if they are known.
    plane : Plane
        What is stacked, image unit.

    Returns
    -------
    Stack
        NaN where no source can be used.
    """
    fwhm = looks.fwhm
    half = ceil(HALF * fwhm)
    radii = (APERTURE * fwhm, WIDE * fwhm)
    origin, found = "catalogue", list(_cuts(looks, plane, _listed(looks), half, radii))
    if not found:
        origin = "image"
        found = list(_cuts(looks, plane, _maxima(looks), half, radii))
    if not found:
        empty = np.full((2 * half + 1, 2 * half + 1), nan)
        return Stack(
            n=0, origin=origin, cutout=empty, core=(nan, nan), wide=(nan, nan),
            radii=radii,
        )  # fmt: skip
    snr = np.array([cut.snr for cut in found])
    weight = np.minimum(snr[:, 0], CAP) ** 2
    share = np.array([cut.share for cut in found])
    light = np.array([cut.light / cut.flux for cut in found])
    return Stack(
        n=len(found),
        origin=origin,
        cutout=np.average(light, axis=0, weights=weight),
        core=_mean(share[:, 0], weight, snr[:, 0]),
        wide=_mean(share[:, 1], weight, snr[:, 1]),
        radii=radii,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cut:
    """One source: its flux, S/N and share in the residual, in both apertures."""

    light: "Float32"
    flux: float
    snr: tuple[float, float]
    share: tuple[float, float]


def _listed(looks: "Looks") -> "Floats":
    """Return positions of isolated, undisturbed sources of the list, best first."""
    known = looks.sources
    if known is None or not len(known):
        return np.zeros((0, 2))
    places = np.stack([known.x, known.y], axis=1)
    placed = np.isfinite(places).all(axis=1)
    with np.errstate(invalid="ignore"):
        bright = (known.snr >= SNR) & ((known.flags & int(DISTURBED)) == 0)
    chosen = np.flatnonzero(bright & placed & _alone(places, HALF * looks.fwhm))
    best = chosen[np.argsort(-known.snr[chosen], kind="stable")]
    return places[best[:MOST]]


def _maxima(looks: "Looks") -> "Floats":
    """Return positions of bright isolated maxima of the input less its sky."""
    from scipy.ndimage import maximum_filter

    whole = looks.separation.photometric
    found = []
    for patch in looks.patches():
        value = looks.significance(patch, whole)
        top = (value == maximum_filter(value, 3)) & (value > _NEIGHBOUR)
        row, col = np.nonzero(top)
        places = np.stack([col, row], axis=1).astype(np.float64)
        height = value[row, col]
        rows, cols = patch.inner
        own = (row >= rows.start) & (row < rows.stop)
        own &= (col >= cols.start) & (col < cols.stop)
        own &= (height >= SNR) & _alone(places, HALF * looks.fwhm)
        at = places[own] + (patch.wide[1].start, patch.wide[0].start)
        found.append(np.column_stack([at, height[own]]))
    every = np.concatenate(found) if found else np.zeros((0, 3))
    best = np.argsort(-every[:, 2], kind="stable")
    return np.asarray(every[best[:MOST], :2])


def _alone(places: "Floats", distance: float) -> "NDArray[np.bool_]":
    """Return which places have no other one within a distance."""
    if len(places) < 2:
        return np.ones(len(places), bool)
    known = np.where(np.isfinite(places), places, -1e9)
    return np.asarray(KDTree(known).query(known, k=2)[0][:, 1] > distance)


def _cuts(
    looks: "Looks",
    plane: "Plane",
    places: "Floats",
    half: int,
    radii: tuple[float, float],
) -> "Iterator[_Cut]":
    """Yield the cut-outs of sources that lie wholly on good pixels."""
    import sep

    separation = looks.separation
    rho_xy = separation.scale.rho_xy
    step = np.arange(-half, half + 1)
    distance = np.hypot(step[:, None], step[None, :])
    ring = (distance >= RING * looks.fwhm) & (distance <= HALF * looks.fwhm)
    for x, y in places:
        col, row = round(float(x)), round(float(y))
        block = slice(row - half, row + half + 1), slice(col - half, col + half + 1)
        if not _inside(block, separation.shape):
            continue
        sigma = float(np.median(np.asarray(separation.scale.sigma[block])))
        whole = np.asarray(separation.photometric[block], np.float32)
        taken = np.asarray(plane[block], np.float32)
        good = np.asarray(separation.flags[block]) == 0
        good &= np.isfinite(whole) & np.isfinite(taken)
        usable = good[ring].mean() > 0.5 and good[distance <= radii[1] + 1].all()
        if not usable or not sigma > 0:
            continue
        at = np.array([x - col + half]), np.array([y - row + half])
        planes = [_level_off(values, good, ring) for values in (whole, taken)]
        flux, left = (
            [float(sep.sum_circle(v, *at, r, subpix=0)[0][0]) for r in radii]
            for v in planes
        )
        noise = [sigma * circle_noise(r, rho_xy) for r in radii]
        snr = flux[0] / noise[0], flux[1] / noise[1]
        # The plane itself must show the source, whatever a list says of it.
        if min(snr[0], 2 * snr[1]) < SNR / 2:
            continue
        yield _Cut(
            light=_centred(planes[1], x - col, y - row),
            flux=flux[0],
            snr=snr,
            share=(left[0] / flux[0], left[1] / flux[1]),
        )


def _inside(block: tuple[slice, slice], shape: tuple[int, int]) -> bool:
    return all(s.start >= 0 and s.stop <= n for s, n in zip(block, shape, strict=True))


def _level_off(
    values: "Float32", good: "NDArray[np.bool_]", ring: "NDArray[np.bool_]"
) -> "Float32":
    """Return values less the median of a ring, 0 where they are not good."""
    level = np.median(values[ring & good])
    return np.where(good, values - level, 0).astype(np.float32)


def _centred(values: "Float32", dx: float, dy: float) -> "Float32":
    """Shift a cut-out by a part of a pixel, so that the source is in the middle."""
    from scipy.ndimage import shift

    return np.asarray(shift(values, (-dy, -dx), order=1, mode="nearest"), np.float32)


def _mean(share: "Floats", weight: "Floats", snr: "Floats") -> tuple[float, float]:
    """Return a weighted mean and its standard error, of few sources by their noise."""
    weight = weight / weight.sum()
    mean = float(np.sum(weight * share))
    by_noise = float(np.sum((weight / snr) ** 2)) ** 0.5
    if len(share) < _FEW:
        return mean, by_noise
    number = 1 / float(np.sum(weight**2))
    scatter = float(np.sum((weight * (share - mean)) ** 2)) ** 0.5
    return mean, scatter * (number / max(number - 1, 0.5)) ** 0.5
