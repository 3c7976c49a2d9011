"""Aperture photometry of one block: sums of circles, local sky, flags and shapes.

Sources that a circle serves badly get a flux by the PSF or in Kron's ellipse as well.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from bgrem_core.catalog import SourceFlag
from bgrem_core.image import MaskBit
from bgrem_core.kron_photometry import kron_fluxes
from bgrem_core.matched import circle_noise
from bgrem_core.psf_photometry import psf_fluxes, psf_sums
from bgrem_core.rings import RingSky, ring_sky
from bgrem_core.shapes import measure_shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.growth import Profile
    from bgrem_core.photometry import How
    from bgrem_core.planes import Plane

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

SHADOW = 1.25
"""Pixels this near to a given position, in FWHM, are not blank sky."""
ALIGNED = 200
"""Isolated bright stars of a block that are also fitted, to bring PSF fluxes and
corrected apertures to one scale."""
OVERLAP = 2.0
"""Sources nearer than this many FWHM are solved together with the PSF."""
QUANTITIES = (
    "small", "wide", "far", "sky", "sky_err", "sigma", "flags", "psf", "psf_err",
    "kron", "kron_err", "a", "b", "theta",
)  # fmt: skip
"""What `measure_block` may return: sums in the three apertures, local sky, noise of one
pixel, `SourceFlag`, fluxes with errors by the PSF and in Kron's ellipse, shape."""


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

    profile: "Profile"
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
class Frame:
    """The planes that sources are measured on, each of shape (ny, nx).

    Attributes
    ----------
    plane : Plane
        Image unit, smooth sky removed, not denoised.
    sigma : Plane
        Noise of one pixel, image unit.
    flags : ndarray of uint8
        `MaskBit` of each pixel; 0 = good.
    segm : Plane or None
        Pixels of sources (not 0).
    quiet : Plane or None
        `plane` without its noise: the local sky is taken from it.
    """

    plane: "Plane"
    sigma: "Plane"
    flags: "NDArray[np.uint8]"
    segm: "Plane | None"
    quiet: "Plane | None" = None

    def ring_data(
        self, block: tuple[slice, slice], data: "NDArray[np.float32]"
    ) -> tuple["NDArray[np.float32]", bool]:
        """Return what the local sky is measured on, and whether that has no noise."""
        if self.quiet is None:
            return data, False
        return np.nan_to_num(np.array(self.quiet[block], np.float32, order="C")), True


def measure_block(
    frame: Frame,
    block: tuple[slice, slice],
    x: "Floats",
    y: "Floats",
    own: "NDArray[np.intp]",
    near: "Floats",
    setup: Setup,
    method: "How",
) -> dict[str, "Floats"]:
    """Measure the sources of one block.

    Parameters
    ----------
    frame : Frame
        The whole frame.
    block : tuple of slice
        Rows and columns that are read, margin included.
    x, y : ndarray, shape (n,)
        All positions of the frame, pixels, 0-based.
    own : ndarray of int, shape (m,)
        Which of them are those of this block.
    near : ndarray, shape (n,)
        Distance of each to the nearest other one, pixels.
    setup : Setup
        Apertures, gain, PSF.
    method : {"auto", "aperture", "kron", "psf"}
        As for `measure_arrays`.

    Returns
    -------
    dict of str to ndarray of float64, shape (m,)
        Some of `QUANTITIES`, in the order of `own`.
    """
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
    noise_map = np.asarray(frame.sigma[block])
    seen, noise_free = frame.ring_data(block, data)

    def sky_at(x: "Floats", y: "Floats", free: "Bools") -> "tuple[Floats, RingSky]":
        sigma = noise_map[_spots(data.shape, x, y)].astype(np.float64)
        return sigma, ring_sky(
            seen, free, x, y, fwhm=setup.fwhm, sigma=sigma, rho_xy=setup.rho_xy,
            noise_free=noise_free,
        )  # fmt: skip

    sigma, ring = sky_at(px, py, blank)
    labels, leads = None, np.ones(len(own), bool)
    if frame.segm is not None:
        labels = np.ascontiguousarray(frame.segm[block], np.int32)
        light, _, _ = sep.sum_circle(data, px, py, setup.radius, mask=bad, subpix=0)
        leads = _leads(labels, _spots(data.shape, px, py), light)
        alone = near[own] > OVERLAP * setup.fwhm
        sits = np.flatnonzero(~leads & (ring.contaminated | alone))
        if len(sits):
            # Its sky is the light of the brighter source that it sits on.
            free = usable & ~_shadows(data.shape, x - x0, y - y0, reach)
            around = sky_at(px[sits], py[sits], free)[1]
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
        sx, sy = x[solved] - x0, y[solved] - y0
        fitted = _fitted(data, usable, sx, sy, *sky_at(sx, sy, blank), setup)
        place = np.full(len(x), -1)
        place[solved] = np.arange(len(solved))
        mine = place[own]
        for name, values in fitted.items():
            out[name] = np.where(mine >= 0, np.append(values, np.nan)[mine], np.nan)
    if method in ("auto", "kron"):
        wanted = grown & (out["small"] > 5 * noise)
        wanted &= leads
        some = np.flatnonzero(wanted | (method == "kron"))
        if len(some):
            flux, error = kron_fluxes(
                data, bad, blank, px[some], py[some], sigma=sigma[some],
                shapes=shapes.take(some), fwhm=setup.fwhm, rho_xy=setup.rho_xy,
                labels=labels,
            )  # fmt: skip
            for name, values in (("kron", flux), ("kron_err", error)):
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
    # An aperture without a pixel that can be used lies in a saturated core.
    light = np.where(np.isnan(light), np.inf, light)
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


def _fitted(
    data: "NDArray[np.float32]",
    usable: "Bools",
    x: "Floats",
    y: "Floats",
    sigma: "Floats",
    ring: "RingSky",
    setup: Setup,
) -> dict[str, "Floats"]:
    """Return the fluxes of sources that are solved together with the PSF."""
    got = psf_fluxes(
        data, usable, x, y, level=ring.level, sigma=sigma, profile=setup.profile,
        rho_xy=setup.rho_xy,
    )  # fmt: skip
    sums = psf_sums(setup.profile)
    error = np.hypot(got.error, ring.error * sums[0] / sums[1])
    return {"psf": got.flux, "psf_err": error}


def _spots(shape: tuple[int, ...], x: "Floats", y: "Floats") -> tuple["Ints", "Ints"]:
    """Return the pixels at some positions, those outside moved to the edge."""
    return (
        np.clip(np.rint(y).astype(np.intp), 0, shape[0] - 1),
        np.clip(np.rint(x).astype(np.intp), 0, shape[1] - 1),
    )


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
