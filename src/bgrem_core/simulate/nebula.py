"""Extended light of a star field: nebula with filaments, galaxies."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bgrem_core.simulate.star_settings import StarFieldSettings

    Floats = NDArray[np.float64]

__all__ = ["Galaxies", "blur", "draw_galaxies", "draw_nebula"]

_PAD = 32
#: Exponent of the spectrum of the nebula, and largest scale of it in pixels.
_SPECTRUM, _LARGEST = 3.2, 256.0
#: Smoothing of the field whose folds are filaments: how sharply they bend, pixels.
_BEND = 8.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Galaxies:
    """Truth of n galaxies.

    Attributes
    ----------
    x, y : ndarray of float64, shape (n,)
        Places in pixels, 0-based.
    flux : ndarray of float64, shape (n,)
        Total flux, e-.
    radius : ndarray of float64, shape (n,)
        Half-light radius along the major axis, pixels, before the PSF.
    index : ndarray of float64, shape (n,)
        Sersic index.
    axis_ratio, angle : ndarray of float64, shape (n,)
        Minor over major axis; direction in radians.
    """

    x: "Floats"
    y: "Floats"
    flux: "Floats"
    radius: "Floats"
    index: "Floats"
    axis_ratio: "Floats"
    angle: "Floats"

    def __len__(self) -> int:
        """Return the number of galaxies."""
        return len(self.x)


def draw_nebula(
    rng: np.random.Generator, shape: tuple[int, int], settings: "StarFieldSettings"
) -> "Floats":
    """Draw a nebula: clouds of all scales, and filaments along their folds.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    shape : tuple of int
        (ny, nx), pixels.
    settings : StarFieldSettings
        Brightness and the share of filaments.

    Returns
    -------
    ndarray of float64, shape (ny, nx)
        E- per pixel, not blurred, not below 0.
    """
    clouds = np.exp(0.9 * _field(rng, shape, _SPECTRUM))
    clouds -= clouds.min()
    # A thin shell around the zero of a smooth field is a line that bends and branches.
    folds = _field(rng, shape, 4.0, smooth=_BEND)
    lines = np.exp(-((folds / 0.05) ** 2)) * np.exp(0.8 * _field(rng, shape, _SPECTRUM))
    share = settings.filaments
    total = (1 - share) * clouds / max(float(np.quantile(clouds, 0.998)), 1e-300)
    total += share * lines / max(float(np.quantile(lines, 0.998)), 1e-300)
    out: Floats = (
        settings.nebula * total / max(float(np.quantile(total, 0.998)), 1e-300)
    )
    return out


def draw_galaxies(
    rng: np.random.Generator, shape: tuple[int, int], settings: "StarFieldSettings"
) -> tuple["Floats", Galaxies]:
    """Draw galaxies with Sersic profiles.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    shape : tuple of int
        (ny, nx), pixels.
    settings : StarFieldSettings
        Number, flux and size.

    Returns
    -------
    image : ndarray of float64, shape (ny, nx)
        E- per pixel, not blurred.
    galaxies : Galaxies
        Truth.
    """
    n = settings.galaxies
    (ny, nx), (small, large) = shape, settings.galaxy_radius
    low, high = settings.galaxy_flux
    radius = np.exp(rng.uniform(math.log(small), math.log(large), n))
    rank = rng.uniform(size=n)
    truth = Galaxies(
        x=rng.uniform(0, nx - 1, n),
        y=rng.uniform(0, ny - 1, n),
        # Large galaxies are bright ones: surface brightness varies less than flux.
        flux=low * (high / low) ** (0.5 * rank + 0.5 * np.log(radius / small)
                                    / max(math.log(large / small), 1e-9)),
        radius=radius,
        index=rng.uniform(0.8, 3.5, n),
        axis_ratio=rng.uniform(0.35, 1.0, n),
        angle=rng.uniform(0, math.pi, n),
    )  # fmt: skip
    image = np.zeros(shape)
    for k in range(n):
        _add_galaxy(image, truth, k)
    return image, truth


def blur(
    image: "Floats", density: "Callable[[Floats, Floats], Floats]", half: int = 48
) -> "Floats":
    """Convolve with a PSF; the frame goes on as its mirror image.

    Parameters
    ----------
    image : ndarray of float64, shape (ny, nx)
        Light.
    density : callable
        ``density(dx, dy)`` gives the PSF.
    half : int, optional
        Where the PSF is cut off, pixels.

    Returns
    -------
    ndarray of float64, shape (ny, nx)
        Of the same total on an even frame.
    """
    padded = np.pad(image, _PAD, mode="symmetric")
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    kernel = density(dx, dy)
    kernel /= kernel.sum()
    size = [fft.next_fast_len(n + 2 * half, real=True) for n in padded.shape]
    product = fft.rfft2(padded, size) * fft.rfft2(kernel, size)
    whole = fft.irfft2(product, size)
    ny, nx = image.shape
    start = half + _PAD
    return np.asarray(np.maximum(whole[start : start + ny, start : start + nx], 0))


def _field(
    rng: np.random.Generator,
    shape: tuple[int, int],
    exponent: float,
    *,
    smooth: float = 0.0,
) -> "Floats":
    """Gaussian random field with a falling power spectrum, mean 0, rms 1."""
    ky = np.fft.fftfreq(shape[0])[:, None]
    kx = np.fft.rfftfreq(shape[1])[None, :]
    k = np.hypot(np.hypot(ky, kx), 1 / _LARGEST)
    white = fft.rfft2(rng.standard_normal(shape))
    power = k**-exponent * np.exp(-((2 * np.pi * smooth * k) ** 2))
    out = fft.irfft2(white * np.sqrt(power), shape)
    out -= out.mean()
    spread = float(out.std())
    # A frame smaller than the smoothing has no structure left but rounding.
    return np.asarray(out / spread if spread > 1e-12 else np.zeros(shape))


def _add_galaxy(image: "Floats", truth: Galaxies, k: int) -> None:
    """Add one galaxy, out to ten half-light radii; its flux is that of the whole."""
    half = math.ceil(10 * truth.radius[k])
    x0, y0 = round(float(truth.x[k])), round(float(truth.y[k]))
    step = np.arange(-half, half + 1)
    # A steep centre needs finer steps than a pixel: the mean of 5 x 5.
    fine = (np.arange(5) - 2) / 5
    dx = (step[:, None] + fine[None, :]).ravel() + x0 - truth.x[k]
    dy = (step[:, None] + fine[None, :]).ravel() + y0 - truth.y[k]
    c, s = math.cos(truth.angle[k]), math.sin(truth.angle[k])
    along = c * dx[None, :] + s * dy[:, None]
    across = (c * dy[:, None] - s * dx[None, :]) / truth.axis_ratio[k]
    n = truth.index[k]
    b = 2 * n - 1 / 3 + 0.009876 / n
    profile = np.exp(-b * (np.hypot(along, across) / truth.radius[k]) ** (1 / n))
    side = 2 * half + 1
    stamp = profile.reshape(side, 5, side, 5).mean(axis=(1, 3))
    stamp *= truth.flux[k] / stamp.sum()
    ny, nx = image.shape
    a, e = max(y0 - half, 0), max(x0 - half, 0)
    d, f = min(y0 + half + 1, ny), min(x0 + half + 1, nx)
    image[a:d, e:f] += stamp[
        a - y0 + half : d - y0 + half, e - x0 + half : f - x0 + half
    ]
