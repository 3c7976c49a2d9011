"""Fluxes and places of all stars at once, with a level of its own under each.

One step of Gauss and Newton: what is left of the image is explained by small changes
of flux and place of each star, and by a constant under it, all stars together. The
normal equations are solved by conjugate gradients, preconditioned by the block of each
star; what two stars have in common is summed before that.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.stars.overlaps import Stamps, normal_matrix
from bgrem_core.stars.starlist import Stars, places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy import sparse

    from bgrem_core.stars.spline_psf import SplinePsf

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Index = NDArray[np.intp]

__all__ = ["Solved", "solve"]

_STEPS = 40
_ENOUGH = 1e-4
_BLOCK = 256
"""Stars whose stamps are looked up at a time: few enough for the cache."""
#: Largest change of a place in one step, and what is expected of it, pixels.
_FAR, _EXPECTED = 0.6, 0.25


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solved:
    """Stars after a step.

    Attributes
    ----------
    stars : Stars
        With new fluxes and places.
    snr : ndarray of float64, shape (n,)
        Flux over its error by the weights of the pixels, the level known.
    """

    stars: Stars
    snr: "Floats"


def solve(
    left: "Floats",
    weight: "Floats",
    psf: "SplinePsf",
    stars: Stars,
    *,
    radius: float,
    move: bool = True,
    level_sigma: float = 3.0,
) -> Solved:
    """Improve fluxes and places by one joint step.

    Parameters
    ----------
    left : ndarray of float64, shape (ny, nx)
        Image without its sky and without the light of `stars`.
    weight : ndarray of float64, shape (ny, nx)
        Inverse variance; 0 = pixel is not used.
    psf : SplinePsf
        Light of a unit star.
    stars : Stars
        As they are now.
    radius : float
        Of the disc of pixels used for each, beyond its saturated core; pixels.
    move : bool, optional
        Places are improved, too.
    level_sigma : float, optional
        What is expected of the constant under a star, in sigma of its pixels.

    Returns
    -------
    Solved
        In the order of `stars`.
    """
    n = len(stars)
    size = 4 if move else 2
    blocks, rhs = np.zeros((n, size, size)), np.zeros((n, size))
    root = np.sqrt(weight).ravel()
    data = left.ravel() * root
    stamps = list(_stamps(root, data, psf, stars, radius, blocks, rhs))
    power = blocks[:, 0, 0].copy()
    prior = _prior(blocks, level_sigma)
    unit = np.arange(size)
    blocks[:, unit, unit] += prior
    row, col = np.rint(stars.y).astype(np.intp), np.rint(stars.x).astype(np.intp)
    found = _gradients(normal_matrix(stamps, row, col, blocks), blocks, rhs)
    flux = stars.flux + found[:, 0]
    x, y = stars.x, stars.y
    if move:
        x = x + np.clip(found[:, 2], -_FAR, _FAR)
        y = y + np.clip(found[:, 3], -_FAR, _FAR)
    return Solved(stars=replace(stars, x=x, y=y, flux=flux), snr=flux * np.sqrt(power))


def _stamps(
    root: "Floats",
    data: "Floats",
    psf: "SplinePsf",
    stars: Stars,
    radius: float,
    blocks: "Floats",
    rhs: "Floats",
) -> "Iterator[Stamps]":
    """Yield weighted templates; enter their products with each other and the pixels."""
    size = rhs.shape[1]
    orders = ((0, 0), (0, 1), (1, 0)) if size > 2 else ((0, 0),)
    reach = np.minimum(np.ceil(stars.hole + radius).astype(np.intp), psf.half)
    for half in np.unique(reach):
        own = np.flatnonzero(reach == half)
        step = np.arange(-half, half + 1)
        far = np.hypot(step[:, None], step[None, :]).ravel()
        disc = far <= stars.hole[own].max() + radius
        templates = np.zeros((len(own), size, int(disc.sum()) + 1))
        for a in range(0, len(own), _BLOCK):
            some, t = own[a : a + _BLOCK], templates[a : a + _BLOCK, :, :-1]
            x, y, flux = stars.x[some], stars.y[some], stars.flux[some, None]
            place, used = places(x, y, int(half), psf.shape, disc)
            used &= far[disc] <= stars.hole[some, None] + radius
            scale = np.where(used, root.take(place), 0.0)
            light = psf.placed(x, y, int(half), orders=orders, disc=disc).stamps(psf)
            np.multiply(light[:, 0], scale, out=t[:, 0])
            t[:, 1] = scale
            if size > 2:
                np.multiply(light[:, 1:], (scale * flux)[:, None], out=t[:, 2:])
            blocks[some] = np.einsum("nip,njp->nij", t, t)
            rhs[some] = np.einsum("nip,np->ni", t, data.take(place))
        yield Stamps(own, disc, templates)


def _prior(blocks: "Floats", level_sigma: float) -> "Floats":
    """Return the inverse variances that are expected of each number."""
    n, size = blocks.shape[:2]
    prior = np.zeros((n, size))
    power = blocks[:, 0, 0]
    # So little that only stars without any pixel feel it.
    prior[:, 0] = 1e-9 * np.maximum(power, power.max(initial=0.0) * 1e-6) + 1e-300
    weights = blocks[:, 1, 1]
    # The weights of all pixels of a disc sum to this; a typical one is a hundredth.
    prior[:, 1] = weights / 100 / level_sigma**2 + 1e-300
    if size > 2:
        # Faint stars do not wander: their places are known from the maximum.
        prior[:, 2:] = 1 / _EXPECTED**2
    return prior


def _gradients(normal: "sparse.bsr_array", blocks: "Floats", rhs: "Floats") -> "Floats":
    inverse = np.linalg.inv(blocks)
    x = np.zeros_like(rhs)
    r = rhs.copy()
    z = np.einsum("nij,nj->ni", inverse, r)
    p = z.copy()
    rz = float(np.sum(r * z))
    first = rz
    for _ in range(_STEPS):
        if rz <= _ENOUGH**2 * first or rz <= 0:
            break
        q = (normal @ p.ravel()).reshape(p.shape)
        alpha = rz / float(np.sum(p * q))
        x += alpha * p
        r -= alpha * q
        z = np.einsum("nij,nj->ni", inverse, r)
        after = float(np.sum(r * z))
        p = z + (after / rz) * p
        rz = after
    return x
