"""Real galaxies: HST/ACS stamps that ship with the package."""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.simulate.survey._galsim import galsim

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]

__all__ = ["half_light", "real_galaxy", "stamps"]

HST_FWHM = 3.5
"""FWHM of the PSF in the stamps, their pixels."""


@cache
def stamps() -> tuple["Float", ...]:
    """Return the stamps, odd-sided and of unit sum."""
    path = files("bgrem_core.simulate").joinpath("data", "cosmos.npz")
    with path.open("rb") as file, np.load(file) as data:
        shape, pixels = data["shape"].astype(int), data["pixels"]
    parts = np.split(pixels, np.cumsum(shape.prod(axis=1))[:-1])
    return tuple(
        (p / p.sum(dtype=np.float64)).astype(np.float32).reshape(side)
        for p, side in zip(parts, shape, strict=True)
    )


@cache
def half_light(index: int) -> float:
    """Return the radius of half the light of a stamp, its pixels."""
    stamp = stamps()[index].astype(np.float64)
    y, x = np.indices(stamp.shape)
    radius = np.hypot(y - np.sum(y * stamp), x - np.sum(x * stamp)).ravel()
    order = np.argsort(radius)
    within = np.cumsum(stamp.ravel()[order])
    return float(radius[order][np.searchsorted(within, 0.5)])


def real_galaxy(
    rng: np.random.Generator, size: float, fwhm: float
) -> tuple[Any, float, float]:
    """Draw a real galaxy as a GalSim profile of unit flux.

    The PSF of the stamps is neglected: no galaxy is enlarged so far that it exceeds a
    third of the FWHM of the field, which widens what is seen by less than 6 %. Their
    noise does not show: the faint parts were smoothed and the blank ones blackened
    when the stamps were made.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    size : float
        Wanted half-light radius, pixels.
    fwhm : float
        Of the PSF, pixels.

    Returns
    -------
    tuple
        The profile, its half-light radius and its half-width, pixels. The radius is
        that of the stamp which comes nearest among six.
    """
    choice = rng.choice(len(stamps()), 6, replace=False)
    most = fwhm / 3 / HST_FWHM
    size_of = np.array([half_light(int(k)) for k in choice])
    scale = np.minimum(size / size_of, most)
    best = int(np.argmin(np.abs(np.log(scale * size_of / size))))
    gs = galsim()
    stamp = stamps()[int(choice[best])]
    image = gs.Image(np.ascontiguousarray(stamp), scale=float(scale[best]))
    profile = gs.InterpolatedImage(image, x_interpolant="linear", flux=1.0)
    profile = profile.shift(-profile.centroid)
    if rng.uniform() < 0.5:
        profile = profile.transform(-1, 0, 0, 1)
    profile = profile.rotate(float(rng.uniform(0, 360)) * gs.degrees)
    width = float(scale[best]) * float(np.hypot(*stamp.shape)) / 2
    return profile, float(scale[best] * size_of[best]), width
