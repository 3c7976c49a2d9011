"""Scale of a frame: smooth offset, noise sigma and noise correlation."""

from collections.abc import Generator
from dataclasses import dataclass
from math import isfinite, nan
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bgrem_core.cells import Grid, Reader
from bgrem_core.errors import UsageError
from bgrem_core.image import Image
from bgrem_core.mesh import Mesh, fill_nodes, node_count
from bgrem_core.noise import Noise, first_look, measure_noise
from bgrem_core.planes import Plane, constant

T = TypeVar("T")

#: Cell of the offset's mesh in pixels; those of sigma's are a quarter of it.
_CELL = 128
#: Pixels from which the PSF is measured.
_PSF_PIXELS = 8_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scale:
    """Noise and offset of one frame, estimated over the whole of it.

    Attributes
    ----------
    offset : Plane
        Smooth level in image unit, shape (ny, nx).
    sigma : Plane
        Noise sigma per pixel in image unit, shape (ny, nx); 0 where there is no noise.
    median_sigma : float
        Median of `sigma` over good pixels.
    rho : float
        Mean correlation of the noise of neighbouring pixels (lag 1, both axes).
    rho_xy : tuple of float
        The same along x and along y.
    uncertain : bool
        The estimators of the correlation disagree, or the PSF is undersampled.
    fwhm : float
        FWHM of the PSF in pixels, measured or given; NaN if it could not be.
    source : str
        Where sigma came from: "mesh", "paper", "error map" or "-n".
    notices : tuple of str
        What the user should know.
    """

    offset: Plane
    sigma: Plane
    median_sigma: float
    rho: float = 0.0
    rho_xy: tuple[float, float] = (0.0, 0.0)
    uncertain: bool = False
    fwhm: float = float("nan")
    source: str = "mesh"
    notices: tuple[str, ...] = ()


def measure_scale(
    image: Image,
    *,
    norm: float = 0.0,
    estimator: str = "mesh",
    fwhm: float | None = None,
) -> Generator[tuple[int, int], None, Scale]:
    """Measure offset, noise and noise correlation of a frame, band by band.

    Parameters
    ----------
    image : Image
        ``data`` of shape (ny, nx), any linear unit; flagged pixels are not used.
    norm : float, optional
        The factor that brings the noise to one, in 1 / unit; 0 = measure it.
    estimator : {"mesh", "paper"}, optional
        "mesh": a map from high-frequency differences. "paper": one number, the
        standard deviation of the lowest 90 % of pixels above zero [1]_; it counts sky
        structure and sources as noise.
    fwhm : float, optional
        FWHM of the PSF in pixels; measured if neither this nor ``image.fwhm`` says.

    Returns
    -------
    Scale
        Sigma from `norm`; else the map ``image.rms``; else from the estimator.

    Yields
    ------
    tuple of int
        Steps done, and steps in all.

    Raises
    ------
    UsageError
        `estimator` is unknown or `norm` negative.

    References
    ----------
    .. [1] arXiv:2510.04718, section on normalisation, as in the published code.
    """
    if estimator not in ("mesh", "paper"):
        raise UsageError(f"estimator={estimator!r} is not known", "use mesh or paper")
    if not (isfinite(norm) and norm >= 0):
        raise UsageError(f"norm={norm!r} is not a number >= 0", "use 0 to measure it")
    reader = _reader(image)
    fine, ratio = _grids(image.shape)
    steps = 2 * fine.count[0] + 2
    level, variance = yield from _offset_by(first_look(reader, fine), 0, steps)
    given = fwhm if fwhm is not None else image.fwhm
    width = given if given is not None else _measure_fwhm(image, reader, variance)
    yield fine.count[0] + 1, steps
    noise = yield from _offset_by(
        measure_noise(reader, fine, level, variance, fwhm=width),
        fine.count[0] + 1,
        steps,
    )
    yield steps, steps
    return _scale(image, reader, noise, ratio, width, norm, estimator)


def _scale(
    image: Image,
    reader: Reader,
    noise: Noise,
    ratio: tuple[int, int],
    fwhm: float,
    norm: float,
    estimator: str,
) -> Scale:
    """Put the measured nodes together in the image's unit."""
    offset = Mesh(
        nodes=reader.zero + reader.unit * _coarse(noise.level, ratio),
        shape=image.shape,
        order=1,
    )
    notices: list[str] = []
    sigma: Plane
    if image.rms is not None and norm == 0:
        source, sigma = "error map", image.rms
        good = Reader(data=image.rms, flags=image.flags).sample()
        median = float(np.median(good)) if good.size else 0.0
    elif norm > 0 or estimator == "paper":
        median = 1 / norm if norm > 0 else _paper_sigma(reader)
        source = "-n" if norm > 0 else "paper"
        sigma = constant(median, image.shape)
    else:
        nodes = reader.unit * noise.sigma
        source, median = "mesh", 0.0
        sigma = Mesh(nodes=nodes, shape=image.shape, order=1)
        if nodes.max() > 0:
            median = float(np.median(nodes[nodes > 0]))
    if image.rms is not None and norm > 0:
        notices.append("the map of the noise is not used, as -n says what it is")
    if median == 0:
        notices.append("no noise found in this frame: nothing to remove as noise")
    rho_xy, uncertain, why = _judge(noise, fwhm)
    if why:
        notices.append(why)
    return Scale(
        offset=offset,
        sigma=sigma,
        median_sigma=median,
        rho=sum(rho_xy) / 2,
        rho_xy=rho_xy,
        uncertain=uncertain,
        fwhm=fwhm,
        source=source,
        notices=tuple(notices),
    )


def _judge(noise: Noise, fwhm: float) -> tuple[tuple[float, float], bool, str]:
    """Weigh the two estimates of the correlation; doubt takes the larger one."""
    pairs = list(zip(noise.rho_xy, noise.direct_xy, strict=True))
    apart = max(abs(a - b) for a, b in pairs)
    why = ""
    if fwhm < 2.5:
        why = f"PSF undersampled (FWHM {fwhm:.2g} px): noise correlation is uncertain"
    elif 0 < noise.pairs < 2500:
        why = "noise correlation is uncertain: too few pixels"
    elif apart > 0.06 or noise.excess > 1:
        why = (
            "noise correlation is uncertain: "
            f"{np.mean(noise.rho_xy):.2f} by differences, "
            f"{np.mean(noise.direct_xy):.2f} between pixels"
        )
    rho = (max(pairs[0]), max(pairs[1])) if why else noise.rho_xy
    low, high = (float(np.clip(r, -0.95, 0.95)) for r in rho)
    return (low, high), bool(why), why


def _reader(image: Image) -> Reader:
    """Return the image on a scale of order one."""
    sample = Reader(data=image.data, flags=image.flags).sample()
    if sample.size == 0:
        return Reader(data=image.data, flags=image.flags)
    zero = float(np.median(sample))
    away = np.abs(sample - zero)
    # The first measure of spread that is not zero: half of the frame may be constant.
    spreads = [*np.quantile(away, (0.5, 0.7, 0.9, 0.99)), away.mean()]
    unit = next((float(s) for s in spreads if s > 0), 1.0)
    gaps = np.diff(np.unique(sample)) / unit
    # Finer steps than a tenth of the spread are as good as none.
    step = float(gaps.min()) if gaps.size and gaps.min() > 0.1 else 0.0
    return Reader(data=image.data, flags=image.flags, zero=zero, unit=unit, step=step)


def _grids(shape: tuple[int, int]) -> tuple[Grid, tuple[int, int]]:
    """Cells of sigma's mesh, and how many of them, each way, make one of the offset."""
    coarse = [node_count(n, _CELL) for n in shape]
    ratio = [max(1, min(4, n // m // 24)) for n, m in zip(shape, coarse, strict=True)]
    count = (coarse[0] * ratio[0], coarse[1] * ratio[1])
    return Grid(shape=shape, count=count), (ratio[0], ratio[1])


def _coarse(level: NDArray[np.float64], ratio: tuple[int, int]) -> NDArray[np.float64]:
    """Medians of groups of cells."""
    my, mx = (n // r for n, r in zip(level.shape, ratio, strict=True))
    groups = level.reshape(my, ratio[0], mx, ratio[1])
    return fill_nodes(np.median(groups, axis=(1, 3)))


def _paper_sigma(reader: Reader) -> float:
    """Return the standard deviation of the lowest 90 % of pixels above zero."""
    sample = reader.sample(most=2**22)
    above = np.sort(sample[sample > 0])
    lowest = above[: max(1, round(0.9 * above.size))]
    return float(lowest.std()) if above.size else 0.0


def _measure_fwhm(image: Image, reader: Reader, variance: NDArray[np.float64]) -> float:
    """FWHM of the PSF in the middle of the frame, or NaN."""
    from bgrem_core.psf import measure_fwhm

    known = variance[np.isfinite(variance)]
    sigma = float(np.sqrt(np.median(known))) * reader.unit if known.size else 0.0
    if not sigma > 0:
        return nan
    ny, nx = image.shape
    shrink = min(1.0, (_PSF_PIXELS / (ny * nx)) ** 0.5)
    rows, cols = (
        slice(round(n * (1 - shrink) / 2), round(n * (1 + shrink) / 2))
        for n in (ny, nx)
    )
    psf = measure_fwhm(
        image.data[rows, cols],
        image.flags[rows, cols] != 0,
        sigma,
        saturation=image.saturation,
    )
    return psf.fwhm if psf else nan


def _offset_by(
    steps: Generator[tuple[int, int], None, T], first: int, total: int
) -> Generator[tuple[int, int], None, T]:
    """Report the steps of a part as steps of the whole."""
    while True:
        try:
            done, _ = next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
        yield first + done, total
