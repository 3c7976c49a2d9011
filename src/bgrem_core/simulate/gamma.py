"""Patches of the gamma-ray sky, Fermi-LAT FRONT events at 1 to 2 GeV, in plain numpy.

A patch is an expectation, background and sources apart, in counts per pixel; photons
are drawn from it afterwards and as often as wanted. The diffuse emission is the real
one (`gamma_diffuse`), the sources are drawn (`gamma_sources`), both seen through the
PSF of `gamma_psf`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.simulate.gamma_diffuse import (
    DiffusePatch,
    draw_distortion,
    view_diffuse,
)
from bgrem_core.simulate.gamma_psf import RADIUS, SUBPIXELS, stamps
from bgrem_core.simulate.gamma_sky import ISOTROPIC, Footprint, draw_footprint
from bgrem_core.simulate.gamma_sources import ISOTROPIC_SOURCES, place_sources
from bgrem_core.simulate.ranges import TINY, check_crowd, check_ranges, log_uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Double = NDArray[np.float64]

__all__ = [
    "DiffusePatch",
    "GammaCatalogue",
    "GammaPatch",
    "GammaSettings",
    "asimov_ts",
    "draw_counts",
    "draw_diffuse",
    "draw_patch",
    "view_diffuse",
]

_POSITIVE = (TINY, 1e30)
_LIMITS = {
    "pixel": (0.01, 2),
    "side": (8, 1024),
    "exposure": (1, 1e15),
    "emission": _POSITIVE,
    "isotropic": _POSITIVE,
    "psf": (0, 0.9),
    "distorted": (0, 1),
    "distortion": (0, 2),
    "density": (TINY, 1e3),
    "faintest": (1e-13, 1e-6),
    "faint_share": (0, 1),
    "faint_slope": (0.01, 3),
}
_SCALES = 9  # widths of the PSF between the two extremes: stamps are cached


@dataclass(frozen=True, slots=True, kw_only=True)
class GammaSettings:
    """Ranges from which patches are drawn.

    Attributes
    ----------
    pixel : float
        Side of a pixel, degrees; 0.2, or 10 / 63 as in Panes et al. 2021.
    side : int
        Of a patch, pixels.
    exposure : tuple of float
        Mean exposure over the sky, cm2 s; log-uniform. 1.9e11 is ten years.
    emission : tuple of float
        Factor on the interstellar emission; log-uniform.
    isotropic : tuple of float
        Factor on the isotropic emission; log-uniform.
    psf : float
        Largest relative error of the width of the PSF.
    distorted : float
        Share of patches whose emission model is wrong by a smooth field.
    distortion : float
        Largest rms of the natural log of that field.
    density : tuple of float
        Factor on the number of sources; log-uniform.
    faintest : float
        Faintest isotropic source, ph / (cm2 s).
    faint_share : float
        Share of patches whose counts below 1e-10 follow ``faint_slope`` instead of the
        fitted 0.92.
    faint_slope : tuple of float
        Slopes of N(> S) for those; uniform.
    """

    pixel: float = 0.2
    side: int = 64
    exposure: tuple[float, float] = (1.9e11, 1.9e11)
    emission: tuple[float, float] = (0.8, 1.25)
    isotropic: tuple[float, float] = (0.8, 1.25)
    psf: float = 0.1
    distorted: float = 0.5
    distortion: float = 0.12
    density: tuple[float, float] = (0.7, 1.4)
    faintest: float = 2e-11
    faint_share: float = 0.4
    faint_slope: tuple[float, float] = (0.6, 1.2)

    def __post_init__(self) -> None:
        check_ranges(self, _LIMITS)
        faintest = self.density[1] * ISOTROPIC_SOURCES.number(
            self.faintest, self.faint_slope[1]
        )
        check_crowd(faintest, "density, faintest and faint_slope per steradian")


@dataclass(frozen=True, slots=True, kw_only=True)
class GammaCatalogue:
    """Sources whose place is within the patch.

    Attributes
    ----------
    x, y : ndarray
        0-based pixels.
    counts : ndarray
        Expected counts of the whole source, also those outside the patch.
    flux : ndarray
        ph / (cm2 s), 1 to 2 GeV.
    kind : ndarray of int8
        Index into `gamma_sources.CLASSES`.
    ts : ndarray
        Test statistic of the expectation (`asimov_ts`) where the background and all
        other sources are known exactly; NaN if it was not asked for.
    """

    x: "Double"
    y: "Double"
    counts: "Double"
    flux: "Double"
    kind: "NDArray[np.int8]"
    ts: "Double"

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self.x)


@dataclass(frozen=True, slots=True, kw_only=True)
class GammaPatch:
    """Expected counts of one patch.

    Attributes
    ----------
    background : ndarray
        (ny, nx) float32, interstellar and isotropic emission, counts per pixel.
    source : ndarray
        (ny, nx) float32, point sources, counts per pixel.
    catalogue : GammaCatalogue
        Its sources.
    footprint : Footprint
        Where on the sky.
    exposure : float
        At the centre, cm2 s.
    scale : float
        Factor on the width of the PSF.
    """

    background: "Float"
    source: "Float"
    catalogue: GammaCatalogue
    footprint: Footprint
    exposure: float
    scale: float


def draw_diffuse(
    rng: np.random.Generator,
    settings: GammaSettings,
    *,
    held_out: bool = False,
    fine: str = "model",
) -> DiffusePatch:
    """Draw a place on the sky and a width of the PSF.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance.
    settings : GammaSettings
        Ranges.
    held_out : bool, optional
        From the held-out caps, which are otherwise not touched.
    fine : str, optional
        Fine structure of the emission, as in `gamma_sky.intensity`.

    Returns
    -------
    DiffusePatch
        The real sky there.
    """
    side = settings.side + 2 * RADIUS
    footprint = draw_footprint(rng, pixel=settings.pixel, side=side, held_out=held_out)
    step = int(rng.integers(_SCALES))
    return view_diffuse(
        footprint, settings.side, scale=_scale(settings.psf, step), fine=fine
    )


def draw_patch(
    rng: np.random.Generator,
    settings: GammaSettings | None = None,
    *,
    diffuse: DiffusePatch | None = None,
    held_out: bool = False,
    sources: bool = True,
    ts: bool = True,
) -> GammaPatch:
    """Draw a patch: factors on the diffuse sky, and sources.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance: an equal state gives an equal patch.
    settings : GammaSettings, optional
        Ranges.
    diffuse : DiffusePatch, optional
        The sky to use; by default one is drawn.
    held_out : bool, optional
        Where that one is drawn.
    sources : bool, optional
        False leaves the sources out, for null tests.
    ts : bool, optional
        Work out the test statistics of the catalogue; a third of the time.

    Returns
    -------
    GammaPatch
        Expectations; `draw_counts` draws photons from them.
    """
    s = settings or GammaSettings()
    sky = diffuse or draw_diffuse(rng, s, held_out=held_out)
    exposure = log_uniform(rng, s.exposure)
    emission = sky.emission * np.float32(log_uniform(rng, s.emission))
    if rng.uniform() < s.distorted:
        emission *= draw_distortion(rng, s.side, float(rng.uniform(0, s.distortion)))
    place = np.arange(s.side, dtype=float)
    even = sky.relative(place[None, :], place[:, None]).astype(np.float32)
    even *= np.float32(ISOTROPIC * log_uniform(rng, s.isotropic))
    solid = np.radians(s.pixel) ** 2
    background = (emission + even) * np.float32(exposure * solid)
    source = np.zeros_like(background)
    catalogue = GammaCatalogue(
        **{k: np.zeros(0) for k in ("x", "y", "counts", "flux", "ts")},
        kind=np.zeros(0, np.int8),
    )
    if sources:
        source, catalogue = _draw_sources(
            rng, s, sky, exposure, background if ts else None
        )
    return GammaPatch(
        background=background,
        source=source,
        catalogue=catalogue,
        footprint=sky.footprint,
        exposure=exposure * sky.exposure[0],
        scale=sky.scale,
    )


def draw_counts(rng: np.random.Generator, patch: GammaPatch) -> "Float":
    """Draw photons.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    patch : GammaPatch
        What is expected.

    Returns
    -------
    ndarray
        (ny, nx) float32 whole numbers.
    """
    return rng.poisson(patch.background + patch.source).astype(np.float32)


def asimov_ts(source: "Float", rest: "Float") -> "Float":
    """Return the test statistic of a source in its own expectation, pixel by pixel.

    Parameters
    ----------
    source : ndarray
        Expected counts of the source.
    rest : ndarray
        Expected counts of everything else, above 0.

    Returns
    -------
    ndarray
        2 [(s + b) ln(1 + s / b) - s]; its sum over pixels is the median TS of a fit
        with a known background (Cowan et al. 2011, Eur. Phys. J. C 71, 1554).
    """
    out: Float = 2 * ((source + rest) * np.log1p(source / rest) - source)
    return out


def _draw_sources(
    rng: np.random.Generator,
    s: GammaSettings,
    sky: DiffusePatch,
    exposure: float,
    background: "Float | None",
) -> "tuple[Float, GammaCatalogue]":
    density = log_uniform(rng, s.density)
    steep = rng.uniform() < s.faint_share
    slope = float(rng.uniform(*s.faint_slope)) if steep else None
    x, y, flux, kind = place_sources(
        rng, sky.footprint, side=s.side, density=density, faintest=s.faintest,
        faint_slope=slope,
    )  # fmt: skip
    counts = flux * exposure * sky.relative(x, y)
    # Stamps lie on a frame that is wider by their radius and by the margin of places.
    pad = 2 * RADIUS
    wide = np.zeros((s.side + 2 * pad,) * 2, np.float32)
    ix, iy = np.round(x).astype(int), np.round(y).astype(int)
    kx = np.round((x - ix) * SUBPIXELS + (SUBPIXELS - 1) / 2).astype(int)
    ky = np.round((y - iy) * SUBPIXELS + (SUBPIXELS - 1) / 2).astype(int)
    table = stamps(s.pixel, sky.scale)
    left, low = ix + pad - RADIUS, iy + pad - RADIUS
    size = 2 * RADIUS + 1
    amplitude = counts.astype(np.float32)
    for j, i, v, u, c in zip(low, left, ky, kx, amplitude, strict=True):
        wide[j : j + size, i : i + size] += c * table[v, u]
    inner = slice(pad, pad + s.side)
    source = wide[inner, inner].copy()
    own = (ix >= 0) & (ix < s.side) & (iy >= 0) & (iy < s.side)
    ts = np.full(int(own.sum()), np.nan)
    if background is not None:
        for n, k in enumerate(np.flatnonzero(own)):
            # The part of the stamp that lies on the patch.
            rows = slice(max(iy[k] - RADIUS, 0), min(iy[k] + RADIUS + 1, s.side))
            cols = slice(max(ix[k] - RADIUS, 0), min(ix[k] + RADIUS + 1, s.side))
            stamp = amplitude[k] * table[
                ky[k], kx[k],
                rows.start - iy[k] + RADIUS : rows.stop - iy[k] + RADIUS,
                cols.start - ix[k] + RADIUS : cols.stop - ix[k] + RADIUS,
            ]  # fmt: skip
            other = np.maximum(source[rows, cols] - stamp, 0)
            ts[n] = asimov_ts(stamp, background[rows, cols] + other).sum()
    return source, GammaCatalogue(
        x=x[own], y=y[own], counts=counts[own], flux=flux[own], kind=kind[own], ts=ts
    )


def _scale(reach: float, step: int) -> float:
    return round(1 + reach * (2 * step / (_SCALES - 1) - 1), 6)
