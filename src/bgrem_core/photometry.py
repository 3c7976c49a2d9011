"""Photometry: fluxes and shapes at given positions, with honest errors.

Fluxes are total fluxes of point sources in the image's unit: aperture, less a local
sky, times the frame's own aperture correction; solved together with the PSF where
apertures overlap; Kron's ellipse where a source is extended. They are measured on a
plane that is not denoised, so that they are unbiased and their errors are known.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from bgrem_core.catalog import SourceFlag
from bgrem_core.errors import UsageError
from bgrem_core.growth import Correction, Profile, aperture_correction
from bgrem_core.image import MaskBit
from bgrem_core.matched import weighted_noise
from bgrem_core.psf_photometry import psf_fluxes, psf_sums
from bgrem_core.rings import INNER, OUTER, ring_sky
from bgrem_core.shapes import FWHM_PER_SIGMA, Shapes, measure_shapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.image import Image
    from bgrem_core.normalize import Scale
    from bgrem_core.planes import Plane
    from bgrem_core.psf import Psf
    from bgrem_core.separation import Separation

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

How = Literal["auto", "aperture", "kron", "psf"]
METHODS: tuple[How, ...] = ("auto", "aperture", "kron", "psf")

BROADER = 1.15
"""Least width of an extended source, FWHM."""
APERTURE = 0.75
"""Radius of the aperture, FWHM: near the best S/N of faint point sources."""
WIDE, FAR = 1.75, 3.0
"""Radii of the apertures that the correction is measured with, FWHM."""
SHADOW = 1.25
"""Pixels this near to a given position, in FWHM, are not blank sky."""
SPILL = 12.0
"""Distance at which bright neighbours are still counted, FWHM."""
ALIGNED = 200
"""Isolated bright stars of a block that are also fitted, to bring PSF fluxes and
corrected apertures to one scale."""
OVERLAP = 2.0
"""Sources nearer than this many FWHM are solved together with the PSF."""
KRON, KRON_LEAST, KRON_REACH = 2.5, 3.5, 6.0
"""Kron factor, least radius and reach of the first moment, as SExtractor's AUTO."""
KRON_AREA = 5.0
"""Largest ellipse, in pixels of the source above the threshold."""
KRON_WIDEST = 150.0
"""Longest semi-axis of Kron's ellipse, pixels; what is larger is no single source."""
DEFAULT_FWHM = 3.0
"""Where no PSF is known."""
BLOCK, MARGIN = 2048, 160
PSF_SIDE = 2048
"""Side of the middle of the frame that the PSF is measured on, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is the same for all sources of a frame.

    Attributes
    ----------
    profile : Profile
        PSF.
    radii : tuple of float
        Radii of the aperture and of two wider ones, pixels.
    rho_xy : tuple of float
        Correlation of the noise of neighbours.
    gain : float or None
        Electrons per image unit.
    saturation : float or None
        Level in the unit of the image.
    """

    profile: Profile
    radii: tuple[float, float, float]
    rho_xy: tuple[float, float]
    gain: float | None
    saturation: float | None

    @property
    def fwhm(self) -> float:
        """FWHM of the PSF, pixels."""
        return self.profile.fwhm

    @property
    def radius(self) -> float:
        """Radius of the aperture, pixels."""
        return self.radii[0]

    @property
    def wide(self) -> float:
        """Radius of the wider aperture, pixels."""
        return self.radii[1]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """What was measured at n positions; arrays of shape (n,), NaN = unknown.

    Attributes
    ----------
    flux, flux_err : ndarray of float64
        Total flux and its error, image unit.
    snr : ndarray of float64
        Flux over its error, that of the aperture correction left out: it is common to
        all sources and says nothing of whether one is there.
    aperture_flux, aperture_err : ndarray of float64
        In the aperture, not corrected.
    sky, sky_err : ndarray of float64
        Local sky per pixel that was taken off.
    sigma : ndarray of float64
        Noise of one pixel.
    fwhm, a, b, theta : ndarray of float64
        Shape: pixels, and degrees anticlockwise from +x.
    flags : ndarray of int64
        `SourceFlag`.
    setup : Setup
        Apertures, gain, PSF.
    correction : Correction
        Of the aperture.
    """

    flux: "Floats"
    flux_err: "Floats"
    snr: "Floats"
    aperture_flux: "Floats"
    aperture_err: "Floats"
    sky: "Floats"
    sky_err: "Floats"
    sigma: "Floats"
    fwhm: "Floats"
    a: "Floats"
    b: "Floats"
    theta: "Floats"
    flags: "Ints"
    setup: Setup
    correction: Correction


def measure_arrays(
    plane: "Plane",
    x: "Sequence[float] | Floats",
    y: "Sequence[float] | Floats",
    *,
    image: "Image",
    scale: "Scale",
    flags: "NDArray[np.uint8] | None" = None,
    psf: "Psf | None" = None,
    fwhm: float | None = None,
    segm: "Plane | None" = None,
    method: How = "auto",
    radius: float = APERTURE,
) -> Measured:
    """Measure fluxes and shapes at given positions.

    Parameters
    ----------
    plane : Plane
        (ny, nx), image unit, smooth sky removed, not denoised.
    x, y : sequence of float, shape (n,)
        Positions, pixels, 0-based.
    image : Image
        Gain, saturation and mask.
    scale : Scale
        Noise sigma and correlation, FWHM.
    flags : ndarray of uint8, optional
        `MaskBit` of each pixel; those of the image by default.
    psf : Psf, optional
        PSF of the frame; a round Moffat profile of `fwhm` by default.
    fwhm : float, optional
        FWHM of the PSF in pixels; that of `psf` or `scale` by default.
    segm : Plane, optional
        Pixels of sources (not 0), kept out of the local sky.
    method : {"auto", "aperture", "kron", "psf"}, optional
        auto: the aperture, PSF where apertures overlap, Kron where extended.
    radius : float, optional
        Of the aperture, FWHM.

    Returns
    -------
    Measured
        In the order of the positions.

    Raises
    ------
    UsageError
        An unknown method.
    """
    if method not in METHODS:
        raise UsageError(
            f"method={method!r} is not known", hint=f"use one of {', '.join(METHODS)}"
        )
    at_x, at_y = (np.atleast_1d(np.asarray(v, np.float64)) for v in (x, y))
    width = next(
        (w for w in (fwhm, psf.fwhm if psf else None, scale.fwhm) if w and isfinite(w)),
        DEFAULT_FWHM,
    )
    profile = Profile.of(psf, width)
    wide = max(WIDE, 1.5 * radius) * profile.fwhm
    setup = Setup(
        profile=profile,
        radii=(radius * profile.fwhm, wide, max(FAR * profile.fwhm, 1.4 * wide)),
        rho_xy=scale.rho_xy,
        gain=image.gain,
        saturation=image.saturation,
    )
    frame = _Frame(plane, image, scale, image.flags if flags is None else flags, segm)
    columns = {name: np.full(len(at_x), np.nan) for name in _COLUMNS}
    near = _nearest(at_x, at_y)
    for own, block in _blocks(frame.plane.shape, at_x, at_y, setup.fwhm):
        got = _measure_block(frame, block, at_x, at_y, own, near, setup, method)
        for name, values in got.items():
            columns[name][own] = values
    return _finish(columns, at_x, at_y, near, setup, method)


_COLUMNS = (
    "small", "wide", "far", "sky", "sky_err", "sigma", "flags", "psf", "psf_err",
    "kron", "kron_err", "a", "b", "theta",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Frame:
    plane: "Plane"
    image: "Image"
    scale: "Scale"
    flags: "NDArray[np.uint8]"
    segm: "Plane | None"


def _nearest(x: "Floats", y: "Floats") -> "Floats":
    """Return the distance to the nearest other position, pixels."""
    if len(x) < 2:
        return np.full(len(x), np.inf)
    points = np.stack([x, y], axis=1)
    points = np.where(np.isfinite(points), points, -1e9)
    return np.asarray(KDTree(points).query(points, k=2)[0][:, 1])


def _blocks(
    shape: tuple[int, ...], x: "Floats", y: "Floats", fwhm: float
) -> "Iterator[tuple[NDArray[np.intp], tuple[slice, slice]]]":
    """Yield the positions of each block, and the block with its margin."""
    ny, nx = shape
    margin = int(np.ceil(OUTER * fwhm)) + MARGIN
    inside = (x > -0.5) & (x < nx - 0.5) & (y > -0.5) & (y < ny - 0.5)
    with np.errstate(invalid="ignore"):
        place = np.maximum(y, 0) // BLOCK * 100_000 + np.maximum(x, 0) // BLOCK
    key = np.where(inside, place, -1)
    for value in np.unique(key[inside]):
        row, col = (int(v) * BLOCK for v in divmod(value, 100_000))
        yield (
            np.flatnonzero(key == value),
            (
                slice(max(row - margin, 0), min(row + BLOCK + margin, ny)),
                slice(max(col - margin, 0), min(col + BLOCK + margin, nx)),
            ),
        )


def _measure_block(
    frame: _Frame,
    block: tuple[slice, slice],
    x: "Floats",
    y: "Floats",
    own: "NDArray[np.intp]",
    near: "Floats",
    setup: Setup,
    method: How,
) -> dict[str, "Floats"]:
    import sep

    y0, x0 = block[0].start, block[1].start
    data = np.array(frame.plane[block], np.float32, order="C")
    flags = np.asarray(frame.flags[block])
    bad = (flags != 0) | ~np.isfinite(data)
    data[bad] = 0
    usable = ~bad
    reach = SHADOW * setup.fwhm
    blank = usable & ~_shadows(data.shape, x - x0, y - y0, reach)
    if frame.segm is not None:
        blank &= frame.segm[block] == 0
    px, py = x[own] - x0, y[own] - y0
    spot = (
        np.clip(np.rint(py).astype(np.intp), 0, data.shape[0] - 1),
        np.clip(np.rint(px).astype(np.intp), 0, data.shape[1] - 1),
    )
    sigma = np.asarray(frame.scale.sigma[block], np.float64)[spot]
    ring = ring_sky(
        data, blank, px, py, fwhm=setup.fwhm, sigma=sigma, rho_xy=setup.rho_xy
    )
    labels, leads = None, np.ones(len(own), bool)
    if frame.segm is not None:
        labels = np.ascontiguousarray(frame.segm[block], np.int32)
        light, _, _ = sep.sum_circle(data, px, py, setup.radius, mask=bad, subpix=0)
        leads = _leads(labels, spot, light)
        alone = near[own] > OVERLAP * setup.fwhm
        sits = np.flatnonzero(~leads & (ring.contaminated | alone))
        if len(sits):
            # Its sky is the light of the brighter source that it sits on.
            around = ring_sky(
                data, usable & ~_shadows(data.shape, x - x0, y - y0, reach),
                px[sits], py[sits], fwhm=setup.fwhm, sigma=sigma[sits],
                rho_xy=setup.rho_xy,
            )  # fmt: skip
            ring.level[sits], ring.error[sits] = around.level, around.error
    out = {"sky": ring.level, "sky_err": ring.error, "sigma": sigma}
    for name, radius in zip(("small", "wide", "far"), setup.radii, strict=True):
        total, _, _ = sep.sum_circle(data, px, py, radius, mask=bad, subpix=0)
        out[name] = total - ring.level * np.pi * radius**2
    marks = _pixel_flags(flags, bad, data, px, py, setup)
    marks |= np.where(ring.contaminated, SourceFlag.SKY_RING, 0)
    marks |= _edge_flags(frame.plane.shape, x[own], y[own], setup.radius)
    out["flags"] = marks.astype(np.float64)
    noise = sigma * circle_noise(setup.radius, setup.rho_xy)
    grown = out["wide"] > 1.05 * out["small"] * _growth(setup)
    shapes = measure_shapes(
        data, px, py, level=ring.level, fwhm=setup.fwhm,
        large=grown & (out["small"] > 10 * noise),
    )  # fmt: skip
    out |= {"a": shapes.a, "b": shapes.b, "theta": shapes.theta}
    if method in ("auto", "psf"):
        bright = own[out["small"] > 30 * noise][:ALIGNED]
        solved = _solved(x, y, block, near, setup, everywhere=method == "psf")
        solved = np.union1d(solved, bright)
        out |= _psf_block(frame, block, data, usable, blank, x, y, solved, own, setup)
    if method in ("auto", "kron"):
        wanted = grown & (out["small"] > 5 * noise)
        wanted &= leads
        some = np.flatnonzero(wanted | (method == "kron"))
        got = {} if not len(some) else _kron_block(
            data, bad, blank, px[some], py[some], sigma[some],
            shapes.take(some), setup, labels,
        )  # fmt: skip
        for name, values in got.items():
            out[name] = np.full(len(own), np.nan)
            out[name][some] = values
    return out


def _leads(
    labels: "NDArray[np.int32]", spot: tuple["Ints", "Ints"], light: "Floats"
) -> "Bools":
    """Return which sources are the brightest of all that touch them.

    What sits on the light of a brighter source has no outline of its own: an ellipse
    that grows with the light would take that of the other.
    """
    group = ndimage.label(labels > 0, structure=np.ones((3, 3)))[0][spot]
    most = np.full(int(group.max(initial=0)) + 1, -np.inf)
    np.maximum.at(most, group, light)
    return np.asarray((group > 0) & (light >= most[group]))


def _growth(setup: Setup) -> float:
    """Return how much flux the wide aperture holds over the small one, by the PSF."""
    share = setup.profile.enclosed(np.array(setup.radii))
    return float(share[1] / share[0])


def _solved(
    x: "Floats",
    y: "Floats",
    block: tuple[slice, slice],
    near: "Floats",
    setup: Setup,
    *,
    everywhere: bool,
) -> "NDArray[np.intp]":
    """Return which positions are solved together: in reach of the block, crowded."""
    inside = (
        (x > block[1].start - 0.5)
        & (x < block[1].stop - 0.5)
        & (y > block[0].start - 0.5)
        & (y < block[0].stop - 0.5)
    )
    if not everywhere:
        inside &= near < OVERLAP * setup.fwhm
    return np.flatnonzero(inside)


def _shadows(
    shape: tuple[int, ...], x: "Floats", y: "Floats", radius: float
) -> "Bools":
    """Return the pixels near any of the positions."""
    half = int(np.ceil(radius))
    inside = (x > -half) & (x < shape[1] + half) & (y > -half) & (y < shape[0] + half)
    dark = np.zeros((shape[0] + 5 * half, shape[1] + 5 * half), bool)
    col = np.rint(x[inside]).astype(np.intp) + 2 * half
    row = np.rint(y[inside]).astype(np.intp) + 2 * half
    step_y, step_x = np.mgrid[-half : half + 1, -half : half + 1]
    for dy, dx in np.argwhere(step_y**2 + step_x**2 <= radius**2) - half:
        dark[row + dy, col + dx] = True
    return np.asarray(
        dark[2 * half : 2 * half + shape[0], 2 * half : 2 * half + shape[1]]
    )


def _psf_block(
    frame: _Frame,
    block: tuple[slice, slice],
    data: "NDArray[np.float32]",
    usable: "Bools",
    blank: "Bools",
    x: "Floats",
    y: "Floats",
    solved: "NDArray[np.intp]",
    own: "NDArray[np.intp]",
    setup: Setup,
) -> dict[str, "Floats"]:
    px, py = x[solved] - block[1].start, y[solved] - block[0].start
    sigma_map = np.asarray(frame.scale.sigma[block], np.float64)
    spot = (
        np.clip(np.rint(py).astype(np.intp), 0, data.shape[0] - 1),
        np.clip(np.rint(px).astype(np.intp), 0, data.shape[1] - 1),
    )
    sigma = sigma_map[spot]
    ring = ring_sky(
        data, blank, px, py, fwhm=setup.fwhm, sigma=sigma, rho_xy=setup.rho_xy
    )
    got = psf_fluxes(
        data, usable, px, py, level=ring.level, sigma=sigma, profile=setup.profile,
        rho_xy=setup.rho_xy,
    )  # fmt: skip
    sums = psf_sums(setup.profile)
    error = np.hypot(got.error, ring.error * sums[0] / sums[1])
    place = np.full(len(x), -1)
    place[solved] = np.arange(len(solved))
    mine = place[own]
    return {
        name: np.where(mine >= 0, np.append(values, np.nan)[mine], np.nan)
        for name, values in (("psf", got.flux), ("psf_err", error))
    }


def _kron_block(
    data: "NDArray[np.float32]",
    bad: "Bools",
    blank: "Bools",
    x: "Floats",
    y: "Floats",
    sigma: "Floats",
    shapes: Shapes,
    setup: Setup,
    labels: "NDArray[np.int32] | None",
) -> dict[str, "Floats"]:
    """Sum Kron's ellipse (Kron 1980, ApJS 43, 305), as SExtractor's MAG_AUTO.

    The sky is measured again outside the ellipse: nearer in there is light of the
    source.
    """
    import sep

    least = setup.fwhm / FWHM_PER_SIGMA
    a = np.where(np.isfinite(shapes.a), np.maximum(shapes.a, least), least)
    b = np.where(np.isfinite(shapes.b), np.clip(shapes.b, 0.5 * least, a), least)
    theta = np.deg2rad(np.where(np.isfinite(shapes.theta), shapes.theta, 0.0))
    theta = np.clip(theta, -np.pi / 2, np.pi / 2)
    # The first moment needs a plane near zero.
    empty = data[blank]
    empty = empty[:: max(1, empty.size // 100_000)]
    flat = data - np.float32(np.median(empty) if empty.size else 0)
    if labels is not None:
        row, col = np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)
        own = labels[
            np.clip(row, 0, labels.shape[0] - 1), np.clip(col, 0, labels.shape[1] - 1)
        ]
        bad = bad | ((labels > 0) & ~np.isin(labels, own[own > 0]))
    first, _ = sep.kron_radius(flat, x, y, a, b, theta, KRON_REACH, mask=bad)
    with np.errstate(invalid="ignore"):
        grow = np.where(first > 0, np.maximum(KRON * first, KRON_LEAST), KRON_LEAST)
    grow = np.minimum(grow, KRON_WIDEST / a)
    if labels is not None:
        pixels = np.bincount(labels.ravel(), minlength=int(labels.max(initial=0)) + 1)
        most = np.sqrt(KRON_AREA * pixels[own] / (np.pi * a * b))
        grow = np.where(own > 0, np.minimum(grow, np.maximum(most, 1.0)), grow)
    total, _, _ = sep.sum_ellipse(flat, x, y, a, b, theta, grow, mask=bad, subpix=5)
    area = np.pi * a * b * grow**2
    sky, sky_err = np.zeros(len(x)), np.zeros(len(x))
    step = np.round(np.log(a * grow) / np.log(1.25)).astype(int)
    for k in np.unique(step):
        group = np.flatnonzero(step == k)
        ring = ring_sky(
            flat, blank, x[group], y[group], fwhm=1.15 * 1.25**k / INNER,
            sigma=sigma[group], rho_xy=setup.rho_xy,
        )  # fmt: skip
        sky[group], sky_err[group] = ring.level, ring.error
    noise = np.array([circle_noise(r, setup.rho_xy) for r in np.sqrt(area / np.pi)])
    return {
        "kron": total - sky * area,
        "kron_err": np.hypot(sigma * noise, sky_err * area),
    }


def circle_noise(radius: float, rho_xy: tuple[float, float]) -> float:
    """Return the sigma of the sum in a circle, noise of unit sigma per pixel.

    With the covariance of the separable noise model: the root of ``w^T C w``, w = the
    share of each pixel in the circle.

    Parameters
    ----------
    radius : float
        Pixels; a tenth of a pixel matters.
    rho_xy : tuple of float
        Correlation of the noise of neighbours along x and y.

    Returns
    -------
    float
        Between ``sqrt(area)`` and that times the low-frequency growth.
    """
    return _circle_noise(round(radius, 1), rho_xy)


@lru_cache(maxsize=64)
def moment_growth(profile: Profile) -> float:
    """Return by how much adaptive moments overstate the FWHM of a point source.

    They are those of the best Gaussian; a Moffat profile is wider there than at half
    its height.
    """
    half = int(np.ceil(3 * profile.fwhm))
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    stamp = profile.density(dx, dy).astype(np.float32)
    centre = np.array([float(half)])
    shape = measure_shapes(
        stamp, centre, centre, level=np.zeros(1), fwhm=profile.fwhm,
        large=np.zeros(1, bool),
    )  # fmt: skip
    growth = float(shape.fwhm[0]) / profile.fwhm
    return growth if isfinite(growth) else 1.0


@lru_cache(maxsize=4096)
def _circle_noise(radius: float, rho_xy: tuple[float, float]) -> float:
    half = int(np.ceil(radius)) + 1
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1]
    # The edge as a ramp one pixel wide: enough for a sum of weights.
    weights = np.clip(radius + 0.5 - np.hypot(dx, dy), 0, 1)
    weights *= np.pi * radius**2 / max(weights.sum(), 1e-300)
    return weighted_noise(weights, rho_xy)


def _pixel_flags(
    flags: "NDArray[np.uint8]",
    bad: "Bools",
    data: "NDArray[np.float32]",
    x: "Floats",
    y: "Floats",
    setup: Setup,
) -> "Ints":
    """Return what the pixels of each aperture say: masked, saturated, artefact."""
    marks = np.zeros(len(x), np.int64)
    saturated = (flags & MaskBit.SATURATED) != 0
    if setup.saturation is not None:
        saturated |= data >= setup.saturation
    for hit, bit in (
        (bad, SourceFlag.MASKED),
        (saturated, SourceFlag.SATURATED),
        ((flags & MaskBit.ARTEFACT) != 0, SourceFlag.ARTEFACT),
    ):
        marks |= np.where(_any_within(hit, x, y, setup.radius), bit, 0)
    return marks


def _any_within(hit: "Bools", x: "Floats", y: "Floats", radius: float) -> "Bools":
    """Return whether any marked pixel lies within a radius of each position."""
    row, col = np.nonzero(hit)
    if not len(row):
        return np.zeros(len(x), bool)
    distance, _ = KDTree(np.stack([col, row], axis=1)).query(
        np.stack([x, y], axis=1), distance_upper_bound=radius + 0.5
    )
    return np.asarray(np.isfinite(distance))


def _edge_flags(
    shape: tuple[int, ...], x: "Floats", y: "Floats", radius: float
) -> "Ints":
    ny, nx = shape
    gap = np.minimum.reduce([x + 0.5, y + 0.5, nx - 0.5 - x, ny - 0.5 - y])
    cut = np.where(gap < radius, SourceFlag.TRUNCATED, 0)
    return np.asarray(cut | np.where(gap < 1.5, SourceFlag.EDGE, 0), np.int64)


def _finish(
    columns: dict[str, "Floats"],
    x: "Floats",
    y: "Floats",
    near: "Floats",
    setup: Setup,
    method: How,
) -> Measured:
    """Turn sums into total fluxes, errors and flags."""
    c = columns
    inside = np.isfinite(c["flags"])
    flags = np.where(inside, c["flags"], SourceFlag.TRUNCATED | SourceFlag.EDGE)
    flags = flags.astype(np.int64)
    flags |= np.where(near < 2 * setup.radius, SourceFlag.BLENDED, 0)
    noise = circle_noise(setup.radius, setup.rho_xy)
    area = np.pi * setup.radius**2
    growth = noise**2 / area
    small_err = np.sqrt(
        (c["sigma"] * noise) ** 2
        + (area * c["sky_err"]) ** 2
        + _photons(c["small"], setup.gain, growth)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        snr = c["small"] / small_err
    clean = (near > setup.wide + 2 * setup.fwhm) & ((flags & ~SourceFlag.SKY_RING) == 0)
    correction = aperture_correction(
        [c["small"], c["wide"], c["far"]], snr, clean,
        profile=setup.profile, radii=setup.radii,
    )  # fmt: skip
    flux = correction.factor * c["small"]
    error = correction.factor * small_err
    foreign = _foreign(x, y, flux, snr, setup)
    width = FWHM_PER_SIGMA * np.sqrt(c["a"] * c["b"]) / moment_growth(setup.profile)
    extended = _extended(c, near, foreign, setup, correction)
    # A star on a galaxy grows with the aperture too, but its own shape is a star's.
    extended &= width > BROADER * setup.fwhm
    flags |= np.where(foreign > 0.05 * np.abs(c["small"]), SourceFlag.BLENDED, 0)
    if method in ("auto", "psf"):
        use = np.isfinite(c["psf"])
        if method == "auto":
            # Masked cores leave the fit what the aperture has lost, and vice versa.
            use &= near < OVERLAP * setup.fwhm
        sums = psf_sums(setup.profile)
        shot = _photons(c["psf"], setup.gain, sums[2] / sums[1] ** 2)
        align = _alignment(flux, c["psf"], clean & (snr > 30))
        flux = np.where(use, align * c["psf"], flux)
        error = np.where(use, align * np.sqrt(c["psf_err"] ** 2 + shot), error)
    if method in ("auto", "kron"):
        use = np.isfinite(c["kron"]) & (extended | (method == "kron"))
        shot = _photons(c["kron"], setup.gain, growth)
        flux = np.where(use, c["kron"], flux)
        error = np.where(use, np.sqrt(c["kron_err"] ** 2 + shot), error)
        corrected = ~use
    else:
        corrected = np.ones(len(flux), bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        significance = np.asarray(flux / error)
    relative = correction.error / correction.factor
    error = np.where(corrected, np.hypot(error, relative * flux), error)
    flags |= np.where(extended, SourceFlag.EXTENDED, 0)
    if setup.gain is None:
        flags |= SourceFlag.NO_GAIN
    return Measured(
        flux=flux,
        flux_err=error,
        snr=significance,
        aperture_flux=c["small"],
        aperture_err=small_err,
        sky=c["sky"],
        sky_err=c["sky_err"],
        sigma=c["sigma"],
        fwhm=width,
        a=c["a"],
        b=c["b"],
        theta=c["theta"],
        flags=flags,
        setup=setup,
        correction=correction,
    )


def _alignment(flux: "Floats", fitted: "Floats", clean: "Bools") -> float:
    """Return the factor from PSF fluxes to corrected apertures, of clean stars."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (flux / fitted)[clean]
    ratio = ratio[np.isfinite(ratio) & (np.abs(ratio - 1) < 0.25)]
    return float(np.median(ratio)) if len(ratio) >= 3 else 1.0


def _photons(flux: "Floats", gain: float | None, growth: float) -> "Floats":
    """Return the variance by the photons of the source; 0 where the gain is unknown."""
    if gain is None:
        return np.zeros(len(flux))
    return np.maximum(flux, 0) / gain * growth


def _foreign(
    x: "Floats", y: "Floats", flux: "Floats", snr: "Floats", setup: Setup
) -> "Floats":
    """Return the light of bright neighbours in the wide aperture, by the PSF."""
    out = np.zeros(len(x))
    here = np.flatnonzero(np.isfinite(flux) & np.isfinite(x) & np.isfinite(y))
    loud = here[snr[here] > 30]
    if not len(loud):
        return out
    points = np.stack([x, y], axis=1)
    pairs = KDTree(points[here]).sparse_distance_matrix(
        KDTree(points[loud]), SPILL * setup.fwhm, output_type="coo_matrix"
    )
    other = here[pairs.row] != loud[pairs.col]
    distance = pairs.data[other]
    share = setup.profile.density(distance, np.zeros(len(distance)))
    light = flux[loud][pairs.col[other]] * share * np.pi * setup.wide**2
    return np.asarray(
        out + np.bincount(here[pairs.row[other]], light, minlength=len(x))
    )


def _extended(
    c: dict[str, "Floats"],
    near: "Floats",
    foreign: "Floats",
    setup: Setup,
    correction: Correction,
) -> "Bools":
    """Return which sources grow faster with the aperture than stars do."""
    wide_err = c["sigma"] * circle_noise(setup.wide, setup.rho_xy)
    small_err = c["sigma"] * circle_noise(setup.radius, setup.rho_xy)
    wide_err = np.hypot(wide_err, np.pi * setup.wide**2 * c["sky_err"])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = c["wide"] / c["small"]
        error = np.hypot(wide_err, ratio * small_err) / c["small"]
        limit = 1.08 * correction.compactness + 3 * np.hypot(error, correction.scatter)
        alone = near > setup.wide + setup.radius
        # Wings are laid on top of the local sky in part only; count all of them.
        ratio = (c["wide"] - foreign) / c["small"]
        return np.asarray((ratio > limit) & (c["small"] > 0) & alone)


def measure(
    plane: "Plane",
    x: "Sequence[float] | Floats",
    y: "Sequence[float] | Floats",
    *,
    image: "Image",
    scale: "Scale",
    flags: "NDArray[np.uint8] | None" = None,
    psf: "Psf | None" = None,
    fwhm: float | None = None,
    segm: "Plane | None" = None,
    method: How = "auto",
    radius: float = APERTURE,
) -> "QTable":
    """Measure fluxes and shapes at given positions, as a table.

    Parameters
    ----------
    plane, x, y, image, scale, flags, psf, fwhm, segm, method, radius
        As for `measure_arrays`.

    Returns
    -------
    astropy.table.QTable
        Columns of the catalogue, one row for each position, in order.
    """
    from bgrem_core.columns import source_table

    got = measure_arrays(
        plane, x, y, image=image, scale=scale, flags=flags, psf=psf, fwhm=fwhm,
        segm=segm, method=method, radius=radius,
    )  # fmt: skip
    return source_table(image, x, y, got)


def measure_at(
    separation: "Separation",
    x: "Sequence[float] | Floats",
    y: "Sequence[float] | Floats",
    *,
    method: How = "aperture",
) -> "QTable":
    """Measure fluxes at given positions on the photometric plane of a result.

    Parameters
    ----------
    separation : Separation
        What a method returned.
    x, y : sequence of float, shape (n,)
        Positions, pixels, 0-based.
    method : {"auto", "aperture", "kron", "psf"}, optional
        As for `measure_arrays`.

    Returns
    -------
    astropy.table.QTable
        Columns of the catalogue, one row for each position, in order.
    """
    return measure(
        separation.photometric, x, y, image=separation.image, scale=separation.scale,
        flags=separation.flags, psf=frame_psf(separation), method=method,
    )  # fmt: skip


def aperture_sums(
    plane: "Plane",
    x: "Floats",
    y: "Floats",
    radius: float,
    *,
    flags: "NDArray[np.uint8]",
) -> "Floats":
    """Sum circles on a plane as it is: no sky taken off, no correction.

    Parameters
    ----------
    plane : Plane
        (ny, nx), any unit.
    x, y : ndarray, shape (n,)
        Positions, pixels, 0-based.
    radius : float
        Pixels.
    flags : ndarray of uint8, shape (ny, nx)
        Pixels that are not 0 are replaced by the mean of the rest of the circle.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN outside the image.
    """
    import sep

    out = np.full(len(x), np.nan)
    for own, block in _blocks(plane.shape, x, y, radius / OUTER):
        data = np.array(plane[block], np.float32, order="C")
        bad = (np.asarray(flags[block]) != 0) | ~np.isfinite(data)
        data[bad] = 0
        px, py = x[own] - block[1].start, y[own] - block[0].start
        out[own] = sep.sum_circle(data, px, py, radius, mask=bad, subpix=0)[0]
    return out


def frame_psf(separation: "Separation") -> "Psf | None":
    """Measure the PSF on the middle of the photometric plane; None without stars.

    Parameters
    ----------
    separation : Separation
        What a method returned.

    Returns
    -------
    Psf or None
        None too where the user gave a FWHM, which then holds.
    """
    from bgrem_core.psf import measure_fwhm

    image = separation.image
    if image.fwhm is not None or not separation.scale.median_sigma > 0:
        return None
    rows, cols = (
        slice(max(0, (n - PSF_SIDE) // 2), (n + PSF_SIDE) // 2) for n in image.shape
    )
    data = np.array(separation.photometric[rows, cols], np.float32)
    mask = np.asarray(separation.flags[rows, cols]) != 0
    return measure_fwhm(data, mask, separation.scale.median_sigma)
