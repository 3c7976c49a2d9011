"""Optical fields in plain numpy: stars, galaxies, faint discs, sky and noise.

Everything is in units of sigma, the sky noise of one pixel, so that one field serves
any exposure. Sources are put on a grid three times finer than the pixels and seen
through a Moffat PSF by one FFT. The PSF is the *effective* one (pixel included): the
image is sampled, not integrated.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.simulate.ranges import TINY, check_crowd, check_ranges, log_uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float32]

KINDS = (
    "star",
    "exponential",
    "devaucouleurs",
    "disc",
    # Drawn by `bgrem_core.simulate.survey` alone.
    "sersic",
    "real",
    "nebula",
)
"""Names of the integer codes in `Truth.kind`."""

FINE = 3
"""Fine cells per pixel side."""
PSF_RADIUS = 128
"""Pixels at which the PSF has faded to zero."""
BORDER = 48
"""Pixels outside the field that still receive sources, so that light leaks in."""
SCENE_LIMITS = {
    "fwhm": (0.5, 64),
    "beta": (1.1, 100),
    "ellipticity": (0, 0.9),
    "density": (TINY, 1e6),
    "slope": (0.01, 10),
    "snr": (1e-3, 1e9),
    "galaxies": (0, 1),
    "discs": (0, 1e4),
    "disc_scale": (0.1, 1e3),
    "disc_peak": (TINY, 1e6),
}
"""Least and greatest number of each field that both optical simulators have."""
_LIBRARY = 48
_TABLE_SIDE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSettings:
    """Ranges from which fields are drawn.

    Attributes
    ----------
    fwhm : tuple of float
        Full width at half maximum of the PSF, pixels; drawn log-uniformly.
    beta : tuple of float
        Moffat exponent.
    ellipticity : tuple of float
        1 - b/a of the PSF.
    density : tuple of float
        Sources per Mpix above S/N 5; drawn log-uniformly.
    slope : tuple of float
        Falling dex of the cumulative counts per dex of S/N.
    snr : tuple of float
        Faintest and brightest S/N that are drawn.
    galaxies : tuple of float
        Share of galaxies at the lowest and at the highest density.
    discs : float
        Mean number of large faint discs per Mpix.
    disc_scale : tuple of float
        Scale length of those discs, pixels; log-uniform.
    disc_peak : tuple of float
        Their central surface brightness, sigma per pixel; log-uniform.
    """

    fwhm: tuple[float, float] = (2.5, 8.0)
    beta: tuple[float, float] = (2.3, 4.5)
    ellipticity: tuple[float, float] = (0.0, 0.12)
    density: tuple[float, float] = (30.0, 4000.0)
    slope: tuple[float, float] = (0.6, 0.9)
    snr: tuple[float, float] = (0.4, 2e4)
    galaxies: tuple[float, float] = (0.75, 0.15)
    discs: float = 2.0
    disc_scale: tuple[float, float] = (8.0, 60.0)
    disc_peak: tuple[float, float] = (0.05, 1.5)

    def __post_init__(self) -> None:
        check_ranges(self, SCENE_LIMITS, unordered=("galaxies",))
        faintest = (5 / self.snr[0]) ** self.slope[1]
        check_crowd(self.density[1] * faintest, "density, slope and snr per Mpix")


@dataclass(frozen=True, slots=True, kw_only=True)
class Psf:
    """An elliptical Moffat profile.

    Attributes
    ----------
    fwhm : float
        Geometric mean of the two full widths at half maximum, pixels.
    beta : float
        Exponent.
    ellipticity : float
        1 - b/a.
    angle : float
        Of the major axis, radians anticlockwise from +x.
    """

    fwhm: float
    beta: float
    ellipticity: float
    angle: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What was put into a field; one row per source whose centre lies in it.

    Attributes
    ----------
    x : ndarray
        0-based column of the centre, pixels.
    y : ndarray
        0-based row of the centre, pixels.
    flux : ndarray
        Total flux, sigma x pixel.
    snr : ndarray
        Best S/N that a linear filter of the source's own seen shape can reach in
        white noise of sigma 1.
    kind : ndarray of int8
        Index into `KINDS`.
    size : ndarray
        Half-light radius before the PSF, pixels; 0 for stars.
    """

    x: "NDArray[np.float64]"
    y: "NDArray[np.float64]"
    flux: "NDArray[np.float64]"
    snr: "NDArray[np.float64]"
    kind: "NDArray[np.int8]"
    size: "NDArray[np.float64]"

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self.x)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A field without noise and without sky.

    Attributes
    ----------
    source : ndarray
        (ny, nx) float32, sigma per pixel.
    truth : Truth
        The sources in it.
    psf : Psf
        How they were blurred.
    density : float
        Expected sources per Mpix above S/N 5.
    """

    source: "Float"
    truth: Truth
    psf: Psf
    density: float


def draw_scene(
    rng: np.random.Generator,
    *,
    shape: tuple[int, int] = (1024, 1024),
    settings: SceneSettings | None = None,
) -> Scene:
    """Draw one field of sources.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance: an equal state gives an equal field.
    shape : tuple of int, optional
        (ny, nx) of the field, pixels.
    settings : SceneSettings, optional
        Ranges to draw from.

    Returns
    -------
    Scene
        Noise-free sources in units of the sky noise, with their truth.
    """
    s = settings or SceneSettings()
    psf = Psf(
        fwhm=log_uniform(rng, s.fwhm),
        beta=float(rng.uniform(*s.beta)),
        ellipticity=float(rng.uniform(*s.ellipticity)),
        angle=float(rng.uniform(0, np.pi)),
    )
    density = log_uniform(rng, s.density)
    # The pad behind the border takes up what the FFT wraps round.
    side = [n + BORDER + PSF_RADIUS for n in shape]
    fine = np.zeros((FINE * side[0], FINE * side[1]), np.float32)
    kernel = _psf_grid(psf, fine.shape)
    rows = [
        _put_stars(rng, fine, kernel, s, density, shape),
        _put_galaxies(rng, fine, kernel, s, density, shape, psf),
    ]
    spectrum = np.fft.rfft2(fine)
    spectrum *= np.fft.rfft2(kernel)
    seen = np.fft.irfft2(spectrum, s=fine.shape, axes=(0, 1))
    start = FINE * BORDER + FINE // 2
    source = FINE**2 * seen[
        start : start + FINE * shape[0] : FINE, start : start + FINE * shape[1] : FINE
    ].astype(np.float32)
    np.maximum(source, 0, out=source)  # rounding of the FFT, some 1e-5
    rows.append(_put_discs(rng, source, s))
    table = np.concatenate(rows, axis=1)
    inside = (
        (table[0] >= -0.5)
        & (table[0] < shape[1] - 0.5)
        & (table[1] >= -0.5)
        & (table[1] < shape[0] - 0.5)
    )
    x, y, flux, snr, kind, size = table[:, inside]
    truth = Truth(x=x, y=y, flux=flux, snr=snr, kind=kind.astype(np.int8), size=size)
    return Scene(source=source, truth=truth, psf=psf, density=density)


def draw_sky(
    rng: np.random.Generator,
    *,
    shape: tuple[int, int],
    level: float,
    gradient: float = 0.15,
    vignette: float = 0.06,
    blob: float = 0.12,
    channels: float = 0.15,
) -> "Float":
    """Draw a structured sky: gradient, vignette, one broad blob, amplifier steps.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    shape : tuple of int
        (ny, nx).
    level : float
        Mean sky, sigma per pixel.
    gradient : float, optional
        Rise across the frame, share of the level.
    vignette : float, optional
        Loss in the corners, share of the level.
    blob : float, optional
        Height of the blob, share of the level.
    channels : float, optional
        Scatter of the offsets of 2 x 2 amplifiers, sigma per pixel.

    Returns
    -------
    ndarray
        (ny, nx) float32, sigma per pixel.
    """
    ny, nx = shape
    y = np.linspace(-1, 1, ny)[:, None]
    x = np.linspace(-1, 1, nx)[None, :]
    angle = rng.uniform(0, 2 * np.pi)
    sky = 1 + 0.5 * gradient * (x * np.cos(angle) + y * np.sin(angle))
    sky = sky * (1 - vignette * (x**2 + y**2) / 2)
    cx, cy = rng.uniform(-0.6, 0.6, 2)
    width = rng.uniform(0.2, 0.4)
    sky = sky + blob * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * width**2))
    steps = rng.normal(0, channels, (2, 2))
    offset = np.kron(steps, np.ones(((ny + 1) // 2, (nx + 1) // 2)))[:ny, :nx]
    out: Float = (level * sky + offset).astype(np.float32)
    return out


def correlation_kernel(rho: float) -> "Float":
    """Return the three taps that give white noise a neighbour correlation.

    Parameters
    ----------
    rho : float
        Wanted correlation of direct neighbours along each axis, 0 to 0.7.

    Returns
    -------
    ndarray
        (3,) float32 proportional to [a, 1, a] with rho = 2a / (1 + 2a^2); the sum of
        its squares is 1, so that the variance is kept.
    """
    a = 0.0 if rho <= 0 else (1 - np.sqrt(1 - 2 * min(rho, 0.7) ** 2)) / (2 * rho)
    taps: Float = (np.array([a, 1, a]) / np.sqrt(1 + 2 * a * a)).astype(np.float32)
    return taps


def correlate(white: "Float", rho: float) -> "Float":
    """Give white noise a neighbour correlation, at equal variance.

    Parameters
    ----------
    white : ndarray
        (ny + 2, nx + 2) float32 noise.
    rho : float
        Correlation of direct neighbours along each axis.

    Returns
    -------
    ndarray
        (ny, nx) float32.
    """
    a, c, _ = correlation_kernel(rho)
    rows = a * (white[:-2] + white[2:]) + c * white[1:-1]
    out: Float = a * (rows[:, :-2] + rows[:, 2:]) + c * rows[:, 1:-1]
    return out


def draw_noise(
    rng: np.random.Generator,
    source: "Float",
    *,
    sigma_e: float = float("inf"),
    rho: float = 0.0,
) -> "Float":
    """Draw zero-mean noise for a field.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chance.
    source : ndarray
        (ny, nx) float32 source light, sigma per pixel; it brings its photon noise.
    sigma_e : float, optional
        Sky noise of one pixel in electrons. Below a sky of 30 electrons the photons
        are drawn one by one (Poisson, no read noise), above it the noise is normal.
    rho : float, optional
        Correlation of direct neighbours.

    Returns
    -------
    ndarray
        (ny, nx) float32 with standard deviation 1 on blank sky.
    """
    ny, nx = source.shape
    light = np.maximum(source, 0)
    if sigma_e**2 < 30:
        mean = np.pad(sigma_e**2 + light * sigma_e, 1, mode="edge")
        raw = ((rng.poisson(mean) - mean) / sigma_e).astype(np.float32)
        return correlate(raw, rho) if rho > 0 else raw[1:-1, 1:-1]
    white = rng.standard_normal((ny + 2, nx + 2), dtype=np.float32)
    noise = correlate(white, rho) if rho > 0 else white[1:-1, 1:-1]
    return noise * np.sqrt(1 + light / np.float32(sigma_e))


def _psf_grid(psf: Psf, shape: tuple[int, ...]) -> "Float":
    """Return the PSF on the fine grid, centred on cell (0, 0), of unit sum."""
    y = (np.fft.fftfreq(shape[0], 1 / shape[0]) / FINE).astype(np.float32)[:, None]
    x = (np.fft.fftfreq(shape[1], 1 / shape[1]) / FINE).astype(np.float32)[None, :]
    c, s = np.float32(np.cos(psf.angle)), np.float32(np.sin(psf.angle))
    q = np.float32(1 - psf.ellipticity)
    along = (c * x + s * y) ** 2 * q + (c * y - s * x) ** 2 / q
    core = psf.fwhm / 2 / np.sqrt(2 ** (1 / psf.beta) - 1)
    out = (1 + along / np.float32(core**2)) ** np.float32(-psf.beta)
    # Faded, not cut: an edge in the wing of a bright star would look like a ring.
    radius2 = np.minimum((x**2 + y**2) / np.float32(PSF_RADIUS**2), 1)
    out *= (1 - radius2) ** 2
    grid: Float = (out / out.sum(dtype=np.float64)).astype(np.float32)
    return grid


def _draw_snr(
    rng: np.random.Generator, s: SceneSettings, density: float, slope: float, area: int
) -> "NDArray[np.float64]":
    """Draw S/N from the power law, faint end included."""
    low, high = s.snr
    top = (high / low) ** -slope
    count = rng.poisson(density * area / 1e6 * (low / 5) ** -slope * (1 - top))
    u = rng.uniform(0, 1, count) * (1 - top) + top
    snr: NDArray[np.float64] = low * u ** (-1 / slope)
    return snr


def _galaxy_share(s: SceneSettings, density: float) -> float:
    low, high = np.log(s.density)
    place = 0.5 if high <= low else (np.log(density) - low) / (high - low)
    return float(s.galaxies[0] + place * (s.galaxies[1] - s.galaxies[0]))


def _put_stars(
    rng: np.random.Generator,
    fine: "Float",
    kernel: "Float",
    s: SceneSettings,
    density: float,
    shape: tuple[int, int],
) -> "NDArray[np.float64]":
    ny, nx = (n + 2 * BORDER for n in shape)
    share = 1 - _galaxy_share(s, density)
    snr = _draw_snr(rng, s, share * density, rng.uniform(*s.slope), ny * nx)
    x = rng.uniform(1, FINE * nx - 2, len(snr))
    y = rng.uniform(1, FINE * ny - 2, len(snr))
    flux = snr / np.sqrt(FINE**2 * np.sum(kernel.astype(np.float64) ** 2))
    ix, iy = x.astype(int), y.astype(int)
    fx, fy = x - ix, y - iy
    for dy, wy in ((0, 1 - fy), (1, fy)):
        for dx, wx in ((0, 1 - fx), (1, fx)):
            np.add.at(fine, (iy + dy, ix + dx), (flux * wx * wy).astype(np.float32))
    zero = np.zeros(len(snr))
    return np.stack([_to_pixel(x), _to_pixel(y), flux, snr, zero, zero])


def _put_galaxies(
    rng: np.random.Generator,
    fine: "Float",
    kernel: "Float",
    s: SceneSettings,
    density: float,
    shape: tuple[int, int],
    psf: Psf,
) -> "NDArray[np.float64]":
    ny, nx = (n + 2 * BORDER for n in shape)
    share = _galaxy_share(s, density)
    snr = _draw_snr(rng, s, share * density, rng.uniform(*s.slope), ny * nx)
    size = np.sort(
        np.clip(psf.fwhm * np.exp(rng.normal(-0.9, 0.6, _LIBRARY)), 0.3, 12.0)
    )
    kind = 1 + (rng.uniform(0, 1, _LIBRARY) < 0.35)
    stamps = [
        _galaxy_stamp(rng, r, exponential=k == 1)
        for r, k in zip(size, kind, strict=True)
    ]
    response = _shape_response(kernel, stamps)
    # Bright galaxies tend to be large: the pick leans towards the end of the library.
    lean = 1 / (1 + np.log10(np.maximum(snr / 5, 1)))
    pick = (_LIBRARY * rng.uniform(0, 1, len(snr)) ** lean).astype(int)
    flux = snr / response[pick]
    x = rng.integers(0, FINE * nx, len(snr))
    y = rng.integers(0, FINE * ny, len(snr))
    for k in range(len(snr)):
        _add_stamp(fine, stamps[pick[k]], flux[k], x[k], y[k])
    return np.stack([_to_pixel(x), _to_pixel(y), flux, snr, kind[pick], size[pick]])


def _to_pixel(cell: "NDArray[Any]") -> "NDArray[np.float64]":
    """Turn a fine coordinate into one of the field, centre of pixel 0 = 0."""
    return (cell - FINE // 2) / FINE - BORDER


def _galaxy_stamp(
    rng: np.random.Generator, size: float, *, exponential: bool
) -> "Float":
    """Return a galaxy of unit flux on the fine grid; half-light radius in pixels."""
    re = FINE * size
    half = min(int(np.ceil(4.5 * re)), _TABLE_SIDE // 2 - 2)
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    q, angle = rng.uniform(0.25, 1), rng.uniform(0, np.pi)
    c, d = np.cos(angle), np.sin(angle)
    r2 = (c * x + d * y) ** 2 * q + (c * y - d * x) ** 2 / q
    if exponential:
        light = np.exp(-1.678 * np.sqrt(r2) / re)
    else:
        soft = (0.08 * re) ** 2 + 0.25
        light = np.exp(-7.669 * ((r2 + soft) / re**2) ** 0.125)
    light = light * (1 - np.minimum((x**2 + y**2) / (half + 1) ** 2, 1)) ** 2
    stamp: Float = (light / light.sum(dtype=np.float64)).astype(np.float32)
    return stamp


def _shape_response(kernel: "Float", stamps: list["Float"]) -> "NDArray[np.float64]":
    """Return the S/N per unit flux of each shape seen through the PSF (Parseval)."""
    half = _TABLE_SIDE // 2
    index = np.r_[0:half, -half:0]
    rows = index[np.abs(index) < kernel.shape[0] // 2]
    cols = index[np.abs(index) < kernel.shape[1] // 2]
    small = np.zeros((_TABLE_SIDE, _TABLE_SIDE), np.float32)
    small[np.ix_(rows, cols)] = kernel[np.ix_(rows, cols)]
    power = np.abs(np.fft.rfft2(small)) ** 2
    weight = np.full(power.shape[1], 2.0)
    weight[[0, -1]] = 1  # the half spectrum holds the two edge columns once
    out = []
    for stamp in stamps:
        seen = np.abs(np.fft.rfft2(stamp, s=(_TABLE_SIDE, _TABLE_SIDE))) ** 2 * power
        out.append(FINE**2 * float(np.sum(seen * weight)) / _TABLE_SIDE**2)
    response: NDArray[np.float64] = np.sqrt(np.array(out))
    return response


def _add_stamp(fine: "Float", stamp: "Float", flux: float, x: int, y: int) -> None:
    half = stamp.shape[0] // 2
    y0, y1 = max(y - half, 0), min(y + half + 1, fine.shape[0])
    x0, x1 = max(x - half, 0), min(x + half + 1, fine.shape[1])
    part = stamp[y0 - y + half : y1 - y + half, x0 - x + half : x1 - x + half]
    fine[y0:y1, x0:x1] += np.float32(flux) * part


def _put_discs(
    rng: np.random.Generator, source: "Float", s: SceneSettings
) -> "NDArray[np.float64]":
    """Add large faint discs; the PSF does not matter for them."""
    ny, nx = source.shape
    rows = []
    for _ in range(rng.poisson(s.discs * ny * nx / 1e6)):
        scale, peak = log_uniform(rng, s.disc_scale), log_uniform(rng, s.disc_peak)
        q, angle = rng.uniform(0.3, 1), rng.uniform(0, np.pi)
        cx, cy = rng.uniform(0, nx), rng.uniform(0, ny)
        y = (np.arange(ny, dtype=np.float32) - np.float32(cy))[:, None]
        x = (np.arange(nx, dtype=np.float32) - np.float32(cx))[None, :]
        c, d = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        r2 = (c * x + d * y) ** 2 * np.float32(q) + (c * y - d * x) ** 2 / np.float32(q)
        source += np.float32(peak) * np.exp(-np.sqrt(r2) / np.float32(scale))
        flux = 2 * np.pi * scale**2 * peak
        snr = peak * scale * np.sqrt(np.pi / 2)
        rows.append((cx, cy, flux, snr, 3.0, 1.678 * scale))
    return np.array(rows, float).reshape(-1, 6).T
