"""Photometry: fluxes and shapes at given positions, with honest errors.

Fluxes are total fluxes of point sources in the image's unit: aperture, less a local
sky, times the frame's own aperture correction; solved together with the PSF where
apertures overlap; Kron's ellipse where a source is extended. They are measured on a
plane that is not denoised, so that they are unbiased and their errors are known.
"""

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Literal

import numpy as np

from bgrem_core.aperture_photometry import (
    QUANTITIES,
    SHADOW,
    Frame,
    Setup,
    measure_block,
)
from bgrem_core.errors import UsageError
from bgrem_core.growth import Profile
from bgrem_core.rings import OUTER
from bgrem_core.total_flux import Measured, total_fluxes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.image import Image
    from bgrem_core.normalize import Scale
    from bgrem_core.planes import Block, Plane
    from bgrem_core.psf import Psf
    from bgrem_core.separation import Separation

    Floats = NDArray[np.float64]

How = Literal["auto", "aperture", "kron", "psf"]
METHODS: tuple[How, ...] = ("auto", "aperture", "kron", "psf")

APERTURE = 0.75
"""Radius of the aperture, FWHM: near the best S/N of faint point sources."""
WIDE, FAR = 1.75, 3.0
"""Radii of the apertures that the correction is measured with, FWHM."""
DEFAULT_FWHM = 3.0
"""Where no PSF is known."""
BLOCK, MARGIN = 2048, 160
PSF_SIDE = 2048
"""Side of the middle of the frame that the PSF is measured on, pixels."""


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
    quiet: "Plane | None" = None,
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
    quiet : Plane, optional
        `plane` without its noise; the local sky is taken from it.
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
    setup = setup_of(image, scale, psf=psf, fwhm=fwhm, radius=radius)
    frame = Frame(
        plane=plane, sigma=scale.sigma,
        flags=image.flags if flags is None else flags, segm=segm, quiet=quiet,
    )  # fmt: skip
    near = nearest(at_x, at_y)
    columns = unknown(len(at_x))
    for places in places_of(frame.plane.shape, at_x, at_y, near, setup):
        got = measure_places(frame, places, setup, method)
        for name, values in got.items():
            columns[name][places.own] = values
    return total_fluxes(columns, at_x, at_y, near, setup, method)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Places:
    """The positions that are measured in one block, and those that they can feel.

    Attributes
    ----------
    block : tuple of slice
        Rows and columns that are read.
    own : ndarray of int, shape (n,)
        Which of all positions are measured here.
    x, y, near : ndarray, shape (m,)
        Positions in reach and the distance of each to the nearest of all, pixels.
    mine : ndarray of int, shape (n,)
        Which of those in reach are measured here.
    """

    block: "Block"
    own: "NDArray[np.intp]"
    x: "Floats"
    y: "Floats"
    near: "Floats"
    mine: "NDArray[np.intp]"


def setup_of(
    image: "Image",
    scale: "Scale",
    *,
    psf: "Psf | None" = None,
    fwhm: float | None = None,
    radius: float = APERTURE,
) -> Setup:
    """Return what is the same for all sources of a frame; see `measure_arrays`."""
    width = next(
        (w for w in (fwhm, psf.fwhm if psf else None, scale.fwhm) if w and isfinite(w)),
        DEFAULT_FWHM,
    )
    profile = Profile.of(psf, width)
    wide = max(WIDE, 1.5 * radius) * profile.fwhm
    return Setup(
        profile=profile,
        radii=(radius * profile.fwhm, wide, max(FAR * profile.fwhm, 1.4 * wide)),
        rho_xy=scale.rho_xy,
        gain=image.gain,
        saturation=image.saturation,
    )


def unknown(number: int) -> dict[str, "Floats"]:
    """Return `QUANTITIES` of so many positions that were not measured yet."""
    return {name: np.full(number, np.nan) for name in QUANTITIES}


def places_of(
    shape: tuple[int, ...],
    x: "Floats",
    y: "Floats",
    near: "Floats",
    setup: Setup,
    *,
    block: int = BLOCK,
) -> "Iterator[Places]":
    """Share positions out to blocks.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx) of the frame.
    x, y, near : ndarray, shape (n,)
        Positions, and the distance of each to the nearest other one, pixels.
    setup : Setup
        Of the frame.
    block : int, optional
        Side of a block, pixels.

    Yields
    ------
    Places
        Of each block that has any; all that `measure_places` needs to know.
    """
    halo = 2 * int(np.ceil(SHADOW * setup.fwhm)) + 2
    for own, read in _blocks(shape, x, y, setup.fwhm, block):
        rows, cols = read
        seen = np.flatnonzero(
            (x > cols.start - halo)
            & (x < cols.stop + halo)
            & (y > rows.start - halo)
            & (y < rows.stop + halo)
        )
        yield Places(
            block=read, own=own, x=x[seen], y=y[seen], near=near[seen],
            mine=np.searchsorted(seen, own),
        )  # fmt: skip


def measure_places(
    frame: Frame, places: Places, setup: Setup, method: How
) -> dict[str, "Floats"]:
    """Measure the positions of one block.

    Parameters
    ----------
    frame : Frame
        The whole frame, of which the block is read.
    places : Places
        As from `places_of`.
    setup : Setup
        Of the frame.
    method : {"auto", "aperture", "kron", "psf"}
        As for `measure_arrays`.

    Returns
    -------
    dict of str to ndarray of float64
        Some of `QUANTITIES`, in the order of ``places.own``.
    """
    return measure_block(
        frame, places.block, places.x, places.y, places.mine, places.near, setup, method
    )


def nearest(x: "Floats", y: "Floats") -> "Floats":
    """Return the distance to the nearest other position, pixels."""
    if len(x) < 2:
        return np.full(len(x), np.inf)
    from scipy.spatial import KDTree

    points = np.stack([x, y], axis=1)
    points = np.where(np.isfinite(points), points, -1e9)
    return np.asarray(KDTree(points).query(points, k=2)[0][:, 1])


def _blocks(
    shape: tuple[int, ...], x: "Floats", y: "Floats", fwhm: float, side: int = BLOCK
) -> "Iterator[tuple[NDArray[np.intp], tuple[slice, slice]]]":
    """Yield the positions of each block, and the block with its margin."""
    ny, nx = shape
    margin = int(np.ceil(OUTER * fwhm)) + MARGIN
    inside = (x > -0.5) & (x < nx - 0.5) & (y > -0.5) & (y < ny - 0.5)
    with np.errstate(invalid="ignore"):
        place = np.maximum(y, 0) // side * 100_000 + np.maximum(x, 0) // side
    key = np.where(inside, place, -1)
    for value in np.unique(key[inside]):
        row, col = (int(v) * side for v in divmod(value, 100_000))
        yield (
            np.flatnonzero(key == value),
            (
                slice(max(row - margin, 0), min(row + side + margin, ny)),
                slice(max(col - margin, 0), min(col + side + margin, nx)),
            ),
        )


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
    quiet: "Plane | None" = None,
    method: How = "auto",
    radius: float = APERTURE,
) -> "QTable":
    """Measure fluxes and shapes at given positions, as a table.

    Parameters
    ----------
    plane, x, y, image, scale, flags, psf, fwhm, segm, quiet, method, radius
        As for `measure_arrays`.

    Returns
    -------
    astropy.table.QTable
        Columns of the catalogue, one row for each position, in order.
    """
    from bgrem_core.columns import source_table

    got = measure_arrays(
        plane, x, y, image=image, scale=scale, flags=flags, psf=psf, fwhm=fwhm,
        segm=segm, quiet=quiet, method=method, radius=radius,
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
        flags=separation.flags, psf=frame_psf(separation),
        quiet=separation.quiet_plane, method=method,
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
