"""Starlight: stars under a PSF with wings, halo and spikes that varies over a field.

Every star is evaluated at its true place, not shifted from a grid, out to where its
light is far below the noise.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.simulate.star_settings import StarFieldSettings

    Floats = NDArray[np.float64]

__all__ = ["StarPsf", "add_stars", "field_shape"]

FAINT = 0.05
"""Light per pixel, e-, below which a star's wings are cut off."""
_MOST_VALUES = 2_000_000
_STEP = 1.4


@dataclass(frozen=True, slots=True, kw_only=True)
class StarPsf:
    """Light of a star of unit flux in one channel.

    Attributes
    ----------
    fwhm, beta : float
        Of the core, a Moffat profile; pixels.
    halo, halo_fwhm, halo_beta : float
        Share of the light in a second one, and its shape.
    spikes, spike_length, spike_angle : float
        Share of the light in four spikes, their 1/e length in pixels, and the direction
        of one of them in radians.
    """

    fwhm: float
    beta: float
    halo: float = 0.0
    halo_fwhm: float = 12.0
    halo_beta: float = 2.0
    spikes: float = 0.0
    spike_length: float = 20.0
    spike_angle: float = 0.3

    def density(
        self,
        dx: "Floats",
        dy: "Floats",
        e1: "Floats | float" = 0.0,
        e2: "Floats | float" = 0.0,
    ) -> "Floats":
        """Return light per pixel at offsets from the centre.

        Parameters
        ----------
        dx, dy : ndarray
            Offsets, pixels.
        e1, e2 : ndarray or float, optional
            Ellipticity of the core along x and along the diagonal.

        Returns
        -------
        ndarray
            Of the shape of the offsets; where the core is narrow, the mean over the
            pixel.
        """
        if self.fwhm >= 2.5:
            return self._at(dx, dy, e1, e2)
        at, weight = np.polynomial.legendre.leggauss(4)
        total = np.zeros(np.broadcast_shapes(np.shape(dx), np.shape(dy)))
        for a, wa in zip(at / 2, weight / 2, strict=True):
            for b, wb in zip(at / 2, weight / 2, strict=True):
                total += wa * wb * self._at(dx + a, dy + b, e1, e2)
        return total

    def _at(
        self, dx: "Floats", dy: "Floats", e1: "Floats | float", e2: "Floats | float"
    ) -> "Floats":
        r2 = dx * dx + dy * dy
        stretched = r2 - e1 * (dx * dx - dy * dy) - 2 * e2 * dx * dy
        core = _moffat(stretched, self.fwhm, self.beta)
        out = (1 - self.halo - self.spikes) * core
        if self.halo:
            out = out + self.halo * _moffat(r2, self.halo_fwhm, self.halo_beta)
        if self.spikes:
            out = out + self.spikes * self._spikes(dx, dy)
        return np.asarray(out)

    def _spikes(self, dx: "Floats", dy: "Floats") -> "Floats":
        """Two crossed lines of the width of the core."""
        c, s = math.cos(self.spike_angle), math.sin(self.spike_angle)
        along, across = c * dx + s * dy, c * dy - s * dx
        width, length = 0.5 * self.fwhm, self.spike_length
        norm = 4 * length * math.sqrt(2 * math.pi) * width
        total = np.zeros(np.shape(along))
        for a, b in ((along, across), (across, along)):
            total += np.exp(-np.abs(a) / length - 0.5 * (b / width) ** 2)
        return total / norm

    def radius(self, flux: float, most: int) -> int:
        """Return where a star of this flux has faded, pixels."""
        r = np.arange(3, most + 1, dtype=np.float64)
        c, s = math.cos(self.spike_angle), math.sin(self.spike_angle)
        light = flux * self._at(r * c, r * s, 0.0, 0.0)
        seen = np.flatnonzero(light > FAINT)
        return int(r[seen[-1]]) + 1 if seen.size else 3


def field_shape(
    x: "Floats", y: "Floats", shape: tuple[int, int], settings: "StarFieldSettings"
) -> tuple["Floats", "Floats"]:
    """Return the ellipticity of the core at places of the frame.

    It grows with the distance from the middle, along the radius: coma and tilt in
    their simplest form.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Pixels, 0-based.
    shape : tuple of int
        (ny, nx).
    settings : StarFieldSettings
        For the ellipticity at the corners.

    Returns
    -------
    tuple of ndarray
        Ellipticity along x and along the diagonal.
    """
    ny, nx = shape
    u, v = 2 * x / max(nx - 1, 1) - 1, 2 * y / max(ny - 1, 1) - 1
    r = np.hypot(u, v)
    angle = np.arctan2(v, u)
    e = settings.ellipticity * np.minimum(r / math.sqrt(2), 1.2)
    return e * np.cos(2 * angle), e * np.sin(2 * angle)


def add_stars(
    image: "Floats",
    psf: StarPsf,
    x: "Floats",
    y: "Floats",
    flux: "Floats",
    ellipticity: tuple["Floats", "Floats"],
) -> None:
    """Add stars to an image, in place.

    Parameters
    ----------
    image : ndarray of float64, shape (ny, nx)
        E- per pixel.
    psf : StarPsf
        Their shape.
    x, y, flux : ndarray, shape (n,)
        Places in pixels, 0-based, also outside the frame; total flux.
    ellipticity : tuple of ndarray
        Of each star's core.
    """
    order = np.argsort(flux)
    start = 0
    while start < len(order):
        radius = psf.radius(float(flux[order[start]]), max(image.shape))
        wide = max(int(radius * _STEP), radius + 2)
        stop = start + 1
        limit = start + max(1, _MOST_VALUES // (2 * wide + 1) ** 2)
        while stop < min(len(order), limit):
            if psf.radius(float(flux[order[stop]]), max(image.shape)) > wide:
                break
            stop += 1
        some = order[start:stop]
        e1, e2 = (e[some][:, None, None] for e in ellipticity)
        _add_stamps(image, psf, x[some], y[some], flux[some], e1, e2, wide)
        start = stop


def _add_stamps(
    image: "Floats",
    psf: StarPsf,
    x: "Floats",
    y: "Floats",
    flux: "Floats",
    e1: "Floats",
    e2: "Floats",
    half: int,
) -> None:
    ny, nx = image.shape
    step = np.arange(-half, half + 1)
    col = np.rint(x).astype(int)[:, None, None] + step[None, None, :]
    row = np.rint(y).astype(int)[:, None, None] + step[None, :, None]
    dx, dy = col - x[:, None, None], row - y[:, None, None]
    light = flux[:, None, None] * psf.density(dx, dy, e1, e2)
    light[light < FAINT] = 0
    inside = (col >= 0) & (col < nx) & (row >= 0) & (row < ny)
    place = (row * nx + col)[inside]
    image += np.bincount(place, light[inside], minlength=image.size).reshape(ny, nx)


def _moffat(r2: "Floats", fwhm: float, beta: float) -> "Floats":
    core2 = fwhm**2 / (4 * (2 ** (1 / beta) - 1))
    return np.asarray((beta - 1) / (math.pi * core2) * (1 + r2 / core2) ** -beta)
