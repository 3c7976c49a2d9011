"""What star removal does to galaxies: their light, their symmetry, their profile."""

import math

import numpy as np
from scipy import fft
from scipy.optimize import least_squares
from scoring import circle
from star_scenes import Scene, stamp

NEAR = 3.0
"""Half-light radii within which a star stands on a galaxy."""
FAINTEST, BRIGHT = 5.0, 30.0
"""Signal to noise of such a star, and least of a galaxy that is fitted."""
EDGE, RIVAL = 10.0, 0.1
"""Pixels from the edge within which no galaxy is fitted; share of its light from which
another one that overlaps spoils the fit."""
_FINE, _MOST, _LEAST = 3, 32, 12
_MARGIN = 12  # pixels around a fit from which light is blurred into it
_LOW = np.array([-5.0, -0.7, math.log(0.3), -0.9, -0.9, -2.0, -2.0])
_HIGH = np.array([5.0, 4.6, math.log(8.0), 0.9, 0.9, 2.0, 2.0])


def seen_radius(scene: Scene) -> np.ndarray:
    """Return half-light radii with the PSF in them, pixels."""
    return np.hypot(scene.galaxies.radius, scene.psf.fwhm / 2)


def changes(scene: Scene, out: np.ndarray) -> list[float]:
    """Return the change of each galaxy's light within 1.5 half-light radii.

    It is the difference of the image to the starless truth over the galaxy's own light
    there: noise, sky and neighbours cancel.
    """
    error = np.asarray(out - scene.starless, np.float64).ravel()
    light = scene.galaxy_light.astype(np.float64).ravel()
    g, radius = scene.galaxies, 1.5 * seen_radius(scene)
    found = []
    for k in range(len(g)):
        there = circle(scene.image.shape, g.x[k], g.y[k], radius[k])
        found.append(float(error[there].sum() / light[there].sum()))
    return found


def fitted(scene: Scene) -> list[int]:
    """Return the galaxies with a star on them: bright, off the edges, not blended."""
    g, ny = scene.galaxies, scene.image.shape[0]
    radius, seen = seen_radius(scene), scene.snr > FAINTEST
    light = scene.galaxy_light.astype(np.float64).ravel()
    noise = scene.sigma.astype(np.float64).ravel()
    out = []
    for k in range(len(g)):
        away = np.hypot(scene.x[seen] - g.x[k], scene.y[seen] - g.y[k])
        there = circle(scene.image.shape, g.x[k], g.y[k], 1.5 * radius[k])
        snr = light[there].sum() / math.sqrt(np.sum(noise[there] ** 2))
        inside = EDGE < g.x[k] < ny - 1 - EDGE and EDGE < g.y[k] < ny - 1 - EDGE
        apart = np.hypot(g.x - g.x[k], g.y - g.y[k]) > NEAR * (radius + radius[k]) / 2
        alone = apart | (g.flux < RIVAL * g.flux[k])
        alone[k] = True
        starred = (away < NEAR * radius[k]).any()
        if inside and snr > BRIGHT and starred and alone.all():
            out.append(k)
    return out


def asymmetry(scene: Scene, out: np.ndarray, k: int) -> float:
    """Return the rotational asymmetry of a galaxy, after Conselice (2000).

    Sum of absolute differences to the image turned by half a turn, over the sum of the
    image, within 3 half-light radii; sky and nebula are known and taken off. The centre
    is the true one, to half a pixel. What noise alone adds is taken off: its width is
    that of the differences to the noise-free truth, by their median.
    """
    g = scene.galaxies
    x2, y2 = round(2 * g.x[k]), round(2 * g.y[k])
    there = circle(out.shape, x2 / 2, y2 / 2, NEAR * seen_radius(scene)[k])
    rows, cols = np.unravel_index(there, out.shape)
    back = y2 - rows, x2 - cols
    ny, nx = out.shape
    inside = (back[0] >= 0) & (back[0] < ny) & (back[1] >= 0) & (back[1] < nx)
    rows, cols = rows[inside], cols[inside]
    back = back[0][inside], back[1][inside]
    light = np.asarray(out - scene.sky, np.float64)
    turned = np.abs(light[rows, cols] - light[back]).sum()
    rest = np.asarray(out - scene.clean, np.float64)[rows, cols]
    width = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
    # The mean absolute difference of two Gaussian numbers.
    turned -= len(rows) * 2 * width / math.sqrt(math.pi)
    return float(turned / np.abs(light[rows, cols]).sum())


def sersic(scene: Scene, out: np.ndarray, k: int) -> float:
    """Return the Sersic index of a galaxy, fitted with the PSF; NaN for no fit.

    Flux, radius, index, shape and place are free; sky and nebula are known.
    """
    g = scene.galaxies
    half = int(np.clip(math.ceil(NEAR * seen_radius(scene)[k]), _LEAST, _MOST))
    x0, y0 = round(float(g.x[k])), round(float(g.y[k]))
    ny, nx = out.shape
    use = (
        slice(max(y0 - half, 0), min(y0 + half + 1, ny)),
        slice(max(x0 - half, 0), min(x0 + half + 1, nx)),
    )
    wide = half + _MARGIN
    inside = (
        slice(use[0].start - y0 + wide, use[0].stop - y0 + wide),
        slice(use[1].start - x0 + wide, use[1].stop - x0 + wide),
    )
    data = np.asarray(out - scene.sky, np.float64)[use]
    weight = 1 / np.asarray(scene.sigma, np.float64)[use]
    model = Profile(wide, stamp(scene.psf, wide), g.flux[k])
    q = g.axis_ratio[k]
    size = (1 - q) / (1 + q)
    start = np.array([
        0.0, math.log(g.radius[k]), math.log(g.index[k]),
        size * math.cos(2 * g.angle[k]), size * math.sin(2 * g.angle[k]),
        g.x[k] - x0, g.y[k] - y0,
    ])  # fmt: skip

    def miss(p: np.ndarray) -> np.ndarray:
        return ((model(p)[inside] - data) * weight).ravel()

    done = least_squares(miss, start, bounds=(_LOW, _HIGH), max_nfev=40)
    return float(math.exp(done.x[2])) if np.isfinite(done.cost) else float("nan")


class Profile:
    """A Sersic profile under a PSF on a square of 2 ``half`` + 1 pixels.

    Parameters of a call: natural logarithms of flux over ``flux``, of the half-light
    radius along the major axis and of the index; (a - b) / (a + b) times cosine and
    sine of twice the angle; place off the middle, x and y.
    """

    def __init__(self, half: int, psf: np.ndarray, flux: float) -> None:
        self.side, self.flux = 2 * half + 1, flux
        self.size = fft.next_fast_len(3 * self.side, real=True)
        self.psf = fft.rfft2(psf / psf.sum(), (self.size, self.size))
        self.start = half
        fine = (np.arange(_FINE) - (_FINE - 1) / 2) / _FINE
        self.at = (np.arange(-half, half + 1)[:, None] + fine).ravel()

    def __call__(self, p: np.ndarray) -> np.ndarray:
        n, radius = math.exp(p[2]), math.exp(p[1])
        size = min(math.hypot(p[3], p[4]), 0.95)
        q, turn = (1 - size) / (1 + size), 0.5 * math.atan2(p[4], p[3])
        dx, dy = self.at[None, :] - p[5], self.at[:, None] - p[6]
        along = math.cos(turn) * dx + math.sin(turn) * dy
        across = (math.cos(turn) * dy - math.sin(turn) * dx) / q
        b = 2 * n - 1 / 3 + 0.009876 / n
        fine = np.exp(-b * (np.hypot(along, across) / radius) ** (1 / n))
        light = fine.reshape(self.side, _FINE, self.side, _FINE).mean(axis=(1, 3))
        # Of the whole plane, so that flux and size stay apart.
        norm = 2 * math.pi * n * q * radius**2 * b ** (-2 * n) * math.gamma(2 * n)
        light *= self.flux * math.exp(p[0]) / norm
        whole = fft.irfft2(
            fft.rfft2(light, (self.size, self.size)) * self.psf, (self.size, self.size)
        )
        part = slice(self.start, self.start + self.side)
        return np.asarray(whole[part, part])
