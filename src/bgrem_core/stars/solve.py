"""Fluxes and places of all stars at once, with a level of its own under each.

One step of Gauss and Newton: what is left of the image is explained by small changes
of flux and place of each star, and by a constant under it, all stars together. The
normal equations are solved by conjugate gradients, preconditioned by the block of each
star; nothing larger than the stamps is ever stored.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.stars.starlist import Stars, places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.stars.spline_psf import SplinePsf

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Index = NDArray[np.intp]

__all__ = ["Solved", "solve"]

_STEPS = 40
_ENOUGH = 1e-4
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


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Stars of one stamp size: their pixels and weighted templates."""

    some: "Index"
    place: "Index"
    templates: "Floats"


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
    root = np.sqrt(weight).ravel()
    groups = list(_groups(root, psf, stars, radius, move=move))
    size = 4 if move else 2
    blocks, rhs = np.zeros((n, size, size)), np.zeros((n, size))
    data = left.ravel() * root
    for g in groups:
        blocks[g.some] = np.einsum("nip,njp->nij", g.templates, g.templates)
        rhs[g.some] = np.einsum("nip,np->ni", g.templates, data[g.place])
    power = blocks[:, 0, 0].copy()
    prior = _prior(blocks, level_sigma)
    unit = np.arange(size)
    blocks[:, unit, unit] += prior
    found = _gradients(groups, blocks, prior, rhs, left.size)
    flux = stars.flux + found[:, 0]
    x, y = stars.x, stars.y
    if move:
        x = x + np.clip(found[:, 2], -_FAR, _FAR)
        y = y + np.clip(found[:, 3], -_FAR, _FAR)
    return Solved(stars=replace(stars, x=x, y=y, flux=flux), snr=flux * np.sqrt(power))


def _groups(
    root: "Floats", psf: "SplinePsf", stars: Stars, radius: float, *, move: bool
) -> "list[_Group]":
    out = []
    reach = np.minimum(np.ceil(stars.hole + radius).astype(np.intp), psf.half)
    for half in np.unique(reach):
        some = np.flatnonzero(reach == half)
        x, y, flux = stars.x[some], stars.y[some], stars.flux[some]
        step = np.arange(-half, half + 1)
        far = np.hypot(step[:, None], step[None, :]).ravel()
        edge = stars.hole[some] + radius
        disc = far <= edge.max()
        place, used = places(x, y, int(half), psf.shape, disc)
        if edge.min() < edge.max():
            used &= far[disc] <= edge[:, None]
        scale = root[place]
        if not used.all():
            scale[~used] = 0.0
        templates = np.empty((len(some), 4 if move else 2, scale.shape[1]))
        orders = ((0, 0), (0, 1), (1, 0)) if move else ((0, 0),)
        light = psf.placed(x, y, int(half), orders=orders, disc=disc).stamps(psf)
        np.multiply(light[:, 0], scale, out=templates[:, 0])
        templates[:, 1] = scale
        if move:
            scale *= flux[:, None]
            np.multiply(light[:, 1:], scale[:, None], out=templates[:, 2:])
        out.append(_Group(some, place, templates))
    return out


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


def _gradients(
    groups: "list[_Group]",
    blocks: "Floats",
    prior: "Floats",
    rhs: "Floats",
    pixels: int,
) -> "Floats":
    inverse = np.linalg.inv(blocks)
    x = np.zeros_like(rhs)
    r = rhs.copy()
    z = np.einsum("nij,nj->ni", inverse, r)
    p = z.copy()
    rz = float(np.sum(r * z))
    first = rz
    # All groups at once: a frame of pixels for each would take longer than its stars.
    place = np.concatenate([np.zeros(0, np.intp), *(g.place.ravel() for g in groups)])
    light = np.empty(len(place))
    ends = np.cumsum([0, *(g.place.size for g in groups)])
    parts = [
        light[a:b].reshape(g.place.shape)
        for g, a, b in zip(groups, ends[:-1], ends[1:], strict=True)
    ]
    for _ in range(_STEPS):
        if rz <= _ENOUGH**2 * first or rz <= 0:
            break
        for g, part in zip(groups, parts, strict=True):
            np.einsum("nip,ni->np", g.templates, p[g.some], out=part)
        image = np.bincount(place, light, minlength=pixels)
        q = prior * p
        for g in groups:
            q[g.some] += np.einsum("nip,np->ni", g.templates, image[g.place])
        alpha = rz / float(np.sum(p * q))
        x += alpha * p
        r -= alpha * q
        z = np.einsum("nij,nj->ni", inverse, r)
        after = float(np.sum(r * z))
        p = z + (after / rz) * p
        rz = after
    return x
