"""Galaxies: faint small ones from a library, bright or resolved ones one by one."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, special

from bgrem_core.simulate.survey._galsim import galsim
from bgrem_core.simulate.survey.counts import (
    draw_places,
    draw_snr,
    expected,
    galaxy_share,
    to_rows,
    wide_area,
)
from bgrem_core.simulate.survey.grid import BORDER, FINE, add_stamp, spread, taper
from bgrem_core.simulate.survey.psf import draw_profile
from bgrem_core.simulate.survey.real import real_galaxy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.simulate.survey.grid import Grid
    from bgrem_core.simulate.survey.psf import SurveyPsf
    from bgrem_core.simulate.survey_settings import SurveySettings

    Float = NDArray[np.float32]
    Float64 = NDArray[np.float64]

__all__ = ["REAL_KIND", "SERSIC_KIND", "draw_galaxies"]

SERSIC_KIND, REAL_KIND = 4.0, 5.0
"""Codes in `bgrem_core.simulate.KINDS`."""
BRIGHT = 60.0
"""S/N above which a galaxy is drawn one by one."""
LARGE = 1.2
"""Half-light radius above which it is, whatever its S/N, over the FWHM."""
SIZES = (0.3, 60.0)
"""Least and greatest half-light radius, pixels."""
_LIBRARY = 60
_TABLE = 512  # cells a side, for the S/N of the library
_FAINTEST = 0.03  # sigma per pixel at which a galaxy is cut
_FAR = 200  # pixels, greatest radius of a galaxy drawn one by one


def draw_galaxies(
    rng: np.random.Generator,
    grid: "Grid",
    image: "Float",
    psf: "SurveyPsf",
    s: "SurveySettings",
    density: float,
) -> "Float64":
    """Draw the galaxies of a field.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    grid : Grid
        Receives the faint small ones, before the PSF.
    image : ndarray
        (ny, nx) float32; receives the others, as seen.
    psf : SurveyPsf
        Of the field.
    s : SurveySettings
        Ranges.
    density : float
        Sources per Mpix above S/N 5, stars included.

    Returns
    -------
    ndarray
        Rows of the truth, (6, n).
    """
    slope = float(rng.uniform(*s.slope))
    mean = expected(s, density, slope, wide_area(psf.shape))
    snr = draw_snr(rng, s.snr, slope, galaxy_share(s, density) * mean)
    x, y = draw_places(rng, len(snr), psf.shape)
    # Bright galaxies are near and thus large.
    size = 0.4 * psf.fwhm * (np.maximum(snr, 3) / 10) ** 0.25
    size = np.clip(size * np.exp(rng.normal(0, 0.55, len(snr))), *SIZES)
    alone = (snr > BRIGHT) | (size > LARGE * psf.fwhm)
    near = ~alone
    faint = _deposit(rng, grid, psf, s, (x[near], y[near], snr[near], size[near]))
    rows = [
        _paint(rng, image, psf, s, *row)
        for row in zip(x[alone], y[alone], snr[alone], size[alone], strict=True)
    ]
    return np.concatenate([faint, np.array(rows, float).reshape(-1, 6).T], axis=1)


def _deposit(
    rng: np.random.Generator,
    grid: "Grid",
    psf: "SurveyPsf",
    s: "SurveySettings",
    table: tuple["Float64", "Float64", "Float64", "Float64"],
) -> "Float64":
    """Put faint galaxies on the fine grid, each with a shape of the library."""
    x, y, snr, size = table
    radius = np.geomspace(SIZES[0], LARGE * psf.fwhm, _LIBRARY)
    shapes = [_shape(rng, r, float(rng.uniform(*s.sersic))) for r in radius]
    gram = _gram(psf.basis, shapes)
    step = np.log(radius[1] / radius[0])
    pick = np.log(size / radius[0]) / step + rng.normal(0, 1.5, len(size))
    pick = np.clip(np.rint(pick), 0, _LIBRARY - 1).astype(int)
    # A shape sits on a cell: a quarter of a pixel at most from what was drawn.
    cx, cy = (np.rint(FINE * (a + BORDER)).astype(int) for a in (x, y))
    x, y = cx / FINE - BORDER, cy / FINE - BORDER
    weight = psf.weights(x, y)
    norm = np.sqrt(np.einsum("kn,nkl,ln->n", weight, gram[pick], weight))
    flux = snr / norm
    ready = [spread(shape) for shape in shapes]
    share = (flux * weight).astype(np.float32).T
    for k in range(len(snr)):
        grid.add_shape(ready[pick[k]], (int(cx[k]), int(cy[k])), share[k])
    return to_rows(x, y, flux, snr, SERSIC_KIND, radius[pick])


def _paint(
    rng: np.random.Generator,
    image: "Float",
    psf: "SurveyPsf",
    s: "SurveySettings",
    x: float,
    y: float,
    snr: float,
    size: float,
) -> tuple[float, ...]:
    """Add one galaxy, convolved with the PSF at its place; return its row."""
    gs = galsim()
    width = psf.fwhm / 2.355
    flux = snr * 2 * np.sqrt(np.pi) * np.hypot(width, 0.7 * size)  # a first guess
    if rng.uniform() < s.real:
        profile, size, reach = real_galaxy(rng, size, psf.fwhm)
        kind = REAL_KIND
    else:
        # Few indices: GalSim keeps a table for each.
        index = round(4 * float(rng.uniform(*s.sersic))) / 4
        q, angle = float(rng.uniform(0.2, 1)), float(rng.uniform(0, np.pi))
        profile = gs.Sersic(n=index, half_light_radius=size)
        profile = profile.shear(q=q, beta=angle * gs.radians)
        kind, reach = SERSIC_KIND, _reach(index, size, flux) / np.sqrt(q)
    radius = int(np.clip(reach + 4 * psf.fwhm, 16, _FAR))
    ix, iy = round(x), round(y)
    seen = gs.Convolve(
        profile, psf.at(x, y), gsparams=gs.GSParams(maxk_threshold=0.002)
    )
    stamp = draw_profile(seen, radius, offset=(x - ix, y - iy))
    np.maximum(stamp, 0, out=stamp)  # ringing of the transform
    norm = float(np.sqrt(np.sum(stamp.astype(np.float64) ** 2)))
    flux = snr / norm
    add_stamp(image, np.float32(flux) * stamp, ix, iy)
    return x, y, flux, snr, kind, size


def _bn(index: float) -> float:
    return float(special.gammaincinv(2 * index, 0.5))


def _reach(index: float, size: float, flux: float) -> float:
    """Return the radius at which a Sersic profile fades to `_FAINTEST`, pixels."""
    b = _bn(index)
    area = 2 * np.pi * index * size**2 * np.exp(b) * b ** (-2 * index)
    level = flux / (area * special.gamma(2 * index))
    steps = max(1 + np.log(level / _FAINTEST) / b, 1.0)
    return float(size * max(steps**index, 3.0))


def _shape(rng: np.random.Generator, size: float, index: float) -> "Float":
    """Return a Sersic profile of unit flux on cells, before the PSF."""
    re, part = FINE * size, 4
    half = int(np.ceil((3 + 1.2 * index) * re)) + 1
    way = (np.arange((2 * half + 1) * part) + 0.5) / part - half - 0.5
    q, angle = rng.uniform(0.2, 1), rng.uniform(0, np.pi)
    c, d = np.cos(angle), np.sin(angle)
    y, x = way[:, None], way[None, :]
    r2 = (c * x + d * y) ** 2 * q + (c * y - d * x) ** 2 / q
    light = np.exp(-_bn(index) * (r2 / re**2) ** (0.5 / index))
    light *= taper(np.hypot(x, y), half + 0.5)
    side = 2 * half + 1
    cells = light.reshape(side, part, side, part).sum((1, 3))
    stamp: Float = (cells / cells.sum()).astype(np.float32)
    return stamp


def _gram(basis: "Float", shapes: list["Float"]) -> "Float64":
    """Return, for each shape, the products of the basis images that have seen it."""
    half = min(_TABLE // 2 - 1, basis.shape[1] // 2)
    middle = basis.shape[1] // 2
    cut = slice(middle - half, middle + half + 1)
    images = fft.rfft2(basis[:, cut, cut], s=(_TABLE, _TABLE))
    weight = np.full(images.shape[2], 2.0, np.float32)
    weight[[0, -1]] = 1  # the half spectrum holds the two edge columns once
    count = len(basis)
    # Only the real part counts: the sum over both half spectra.
    pairs = np.stack(
        [
            ((images[k] * images[m].conj()).real * weight).ravel()
            for k in range(count)
            for m in range(count)
        ]
    )
    power = np.stack(
        [np.abs(fft.rfft2(shape, s=(_TABLE, _TABLE))) ** 2 for shape in shapes]
    )
    flat = power.reshape(len(shapes), -1)
    products: Float64 = (flat @ pairs.T).astype(np.float64) * FINE**2 / _TABLE**2
    return products.reshape(len(shapes), count, count)
