"""Gamma-ray point sources: fluxes and places as the counts of 4FGL-DR4 have them.

Two populations. The *isotropic* one (mostly active galaxies) is fitted to |b| > 20 deg
above 1e-10 ph / (cm2 s); the *Galactic* one, a thin disc and a thick bulge, is what
lies over it at |b| < 30 deg above 5e-10. Both fits are made by
``scripts/make_gamma_sky.py``; fainter fluxes follow the fitted slopes, which is an
extrapolation.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.simulate.gamma_psf import SUBPIXELS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from bgrem_core.simulate.gamma_sky import Footprint

    Double = NDArray[np.float64]

__all__ = [
    "CLASSES",
    "GALACTIC",
    "ISOTROPIC_SOURCES",
    "Component",
    "Fluxes",
    "place_sources",
]

CLASSES = ("isotropic", "Galactic")
"""Names of the integer codes of a source's class."""
BRIGHTEST = 1e-6
"""ph / (cm2 s): about the Vela pulsar, the brightest source of the sky."""
MARGIN = 12
"""Pixels beyond the patch that still receive sources, whose wings reach in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fluxes:
    """Number counts as a broken power law, N(> S) ~ S**-slope on either side.

    Attributes
    ----------
    density : float
        Sources per steradian brighter than ``above``.
    above : float
        ph / (cm2 s), 1 to 2 GeV; below ``knee``.
    faint_slope : float
        Below the knee.
    knee : float
        ph / (cm2 s).
    bright_slope : float
        Above the knee.
    """

    density: float
    above: float
    faint_slope: float
    knee: float
    bright_slope: float

    def number(self, flux: float, faint_slope: float | None = None) -> float:
        """Return how many sources per steradian are brighter than a flux.

        Parameters
        ----------
        flux : float
            Photons / (cm2 s).
        faint_slope : float, optional
            Slope below ``above`` instead of the fitted one.

        Returns
        -------
        float
            Per steradian.
        """
        if flux >= self.above:
            return self.density * self._tail(flux) / self._tail(self.above)
        slope = self.faint_slope if faint_slope is None else faint_slope
        more = self._share() * (float((flux / self.above) ** -slope) - 1) / slope
        return self.density * (1 + more)

    def draw(
        self,
        rng: np.random.Generator,
        number: int,
        *,
        faintest: float,
        faint_slope: float | None = None,
    ) -> "Double":
        """Draw fluxes.

        Parameters
        ----------
        rng : numpy.random.Generator
            Chance.
        number : int
            How many.
        faintest : float
            Photons / (cm2 s).
        faint_slope : float, optional
            Slope below ``above`` instead of the fitted one.

        Returns
        -------
        ndarray
            Photons / (cm2 s), at most `BRIGHTEST`.
        """
        slope = self.faint_slope if faint_slope is None else faint_slope
        # Numbers above S, in units of the number above the faintest.
        left = rng.uniform(0, 1, number) * self.number(faintest, slope) / self.density
        rest = np.maximum(left - 1, 0) * slope / self._share()
        faint = self.above * (1 + rest) ** (-1 / slope)
        tail = np.minimum(left, 1) * self._tail(self.above)
        mid = self.knee * np.maximum(
            1 + self.faint_slope * (tail - 1 / self.bright_slope), 1
        ) ** (-1 / self.faint_slope)
        high = self.knee * np.maximum(tail * self.bright_slope, 1e-12) ** (
            -1 / self.bright_slope
        )
        over = np.where(tail > 1 / self.bright_slope, mid, high)
        out: Double = np.minimum(np.where(left > 1, faint, over), BRIGHTEST)
        return out

    def _share(self) -> float:
        """Return dN/dlnS over N(> S) at ``above``."""
        rise = (self.above / self.knee) ** -self.faint_slope
        return float(rise / self._tail(self.above))

    def _tail(self, flux: float) -> float:
        """Return N(> flux) in units of dN/dlnS at the knee."""
        s = flux / self.knee
        if s >= 1:
            return float(s**-self.bright_slope / self.bright_slope)
        return float((s**-self.faint_slope - 1) / self.faint_slope) + (
            1 / self.bright_slope
        )


ISOTROPIC_SOURCES = Fluxes(
    density=257.4, above=1e-10, faint_slope=0.920, knee=3.20e-9, bright_slope=1.421
)
"""4FGL-DR4 at |b| > 20 deg, all classes, extended sources left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A population about the Galactic plane.

    Attributes
    ----------
    fluxes : Fluxes
        Number counts at the Galactic centre.
    height : float
        Latitude over which the density falls by e, degrees.
    reach : float
        Longitude at which it has fallen by half, degrees.
    power : float
        How fast it falls further out.
    """

    fluxes: Fluxes
    height: float
    reach: float
    power: float

    def density(self, l: "ArrayLike", b: "ArrayLike") -> "Double":  # noqa: E741
        """Return the surface density of its sources, 1 at the Galactic centre.

        Parameters
        ----------
        l, b : ndarray
            Galactic coordinates, degrees.

        Returns
        -------
        ndarray
            As exp(-|b| / height) / (1 + (|l| / reach)**power); 0 beyond 30 deg of |b|.
        """
        lon = np.abs((np.asarray(l, float) + 180) % 360 - 180)
        lat = np.abs(np.asarray(b, float))
        shape = np.exp(-lat / self.height) / (1 + (lon / self.reach) ** self.power)
        return np.where(lat < _EDGE, shape, 0.0)


GALACTIC = (
    Component(
        fluxes=Fluxes(
            density=8562, above=5e-10, faint_slope=0.321, knee=2.44e-9,
            bright_slope=1.185,
        ),
        height=0.535, reach=66.8, power=4.77,
    ),
    Component(
        fluxes=Fluxes(
            density=3154, above=5e-10, faint_slope=0.704, knee=6.61e-10,
            bright_slope=2.278,
        ),
        height=4.303, reach=6.9, power=1.34,
    ),
)  # fmt: skip
"""What 4FGL-DR4 has over that at |b| < 30 deg: a thin disc, and a thick bulge."""
GALACTIC_FAINTEST = 2e-10
"""ph / (cm2 s): fainter ones are part of the emission model, which was fitted so."""
_EDGE = 30.0


def place_sources(
    rng: np.random.Generator,
    footprint: "Footprint",
    *,
    side: int,
    density: float = 1.0,
    faintest: float = 2e-11,
    faint_slope: float | None = None,
) -> "tuple[Double, Double, Double, NDArray[np.int8]]":
    """Draw the sources of a patch and of its margin.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    footprint : Footprint
        Where the patch lies.
    side : int
        Of the patch, pixels.
    density : float, optional
        Factor on the number of sources of either class.
    faintest : float, optional
        Flux from which isotropic sources are drawn, ph / (cm2 s).
    faint_slope : float, optional
        Slope of the isotropic counts below 1e-10.

    Returns
    -------
    tuple of ndarray
        Columns x and y (0-based pixels, on a grid of an eighth of a pixel), flux
        (ph / (cm2 s)) and class (index into `CLASSES`).
    """
    whole = side + 2 * MARGIN
    solid = (whole * np.radians(footprint.pixel)) ** 2
    wide = int(
        rng.poisson(density * solid * ISOTROPIC_SOURCES.number(faintest, faint_slope))
    )
    x, y = _places(rng, wide, side)
    flux = ISOTROPIC_SOURCES.draw(rng, wide, faintest=faintest, faint_slope=faint_slope)
    columns = [(x, y, flux)]
    for part in GALACTIC:
        gx, gy = _galactic_places(rng, part, footprint, side, density * solid)
        own = part.fluxes.draw(rng, len(gx), faintest=GALACTIC_FAINTEST)
        columns.append((gx, gy, own))
    x, y, flux = (np.concatenate(c) for c in zip(*columns, strict=True))
    kind = (np.arange(len(x)) >= wide).astype(np.int8)
    return x, y, flux, kind


def _places(
    rng: np.random.Generator, number: int, side: int
) -> "tuple[Double, Double]":
    """Return places on the grid of stamps, margin included."""
    place = rng.integers(-MARGIN * SUBPIXELS, (side + MARGIN) * SUBPIXELS, (2, number))
    x, y = (place - (SUBPIXELS - 1) / 2) / SUBPIXELS
    return x, y


def _galactic_places(
    rng: np.random.Generator,
    part: Component,
    footprint: "Footprint",
    side: int,
    solid: float,
) -> "tuple[Double, Double]":
    # Candidates at the highest density in the circle about the patch, then thinned.
    corner = (side / 2 + MARGIN) * np.sqrt(2) * footprint.pixel * 1.01
    low = max(abs(footprint.b) - corner, 0.0)
    if low >= _EDGE:
        return np.zeros(0), np.zeros(0)
    width = np.sin(np.radians(corner)) / max(np.cos(np.radians(footprint.b)), 1e-6)
    half = np.degrees(np.arcsin(width)) if width < 1 else 180.0
    lon = max(abs((footprint.l + 180) % 360 - 180) - half, 0.0)
    most = float(part.density(lon, low))
    number = int(rng.poisson(solid * part.fluxes.number(GALACTIC_FAINTEST) * most))
    x, y = _places(rng, number, side)
    middle = (side - 1) / 2
    kept = rng.uniform(0, most, number) < part.density(
        *footprint.coordinates(x - middle, y - middle)
    )
    return x[kept], y[kept]
