"""Sky: the smooth light that is taken away, at a scale that the user chooses."""

from collections.abc import Generator
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bgrem_core.cells import Grid, grow
from bgrem_core.mesh import Mesh, fill_nodes, node_count
from bgrem_core.planes import Plane, constant
from bgrem_core.progress import drain
from bgrem_core.sky_choice import SkyChoice
from bgrem_core.sky_nodes import (
    LEAST,
    Frame,
    cell_nodes,
    clipped_mode,
    spans,
    thinning,
)
from bgrem_core.sky_plateau import iter_plateau

__all__ = ["Sky", "estimate_sky", "iter_sky"]

_Floats = NDArray[np.float64]

#: Sources on a denoised image: above so many sigma of the input's noise.
_SOURCE = 0.4
#: By how much that is raised in the first passes.
_WIDER = (3.0, 1.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sky:
    """The sky of one frame.

    Attributes
    ----------
    mesh : Plane
        Sky in image unit, shape (ny, nx).
    description : str
        For BGRSKY: ASCII, at most 68 characters.
    notices : tuple of str
        What the user should know.
    """

    mesh: Plane
    description: str
    notices: tuple[str, ...] = ()


def estimate_sky(
    plane: Plane,
    flags: Plane,
    *,
    choice: SkyChoice,
    sigma: Plane,
    denoised: bool,
    fwhm: float,
) -> Sky:
    """Estimate the sky of a frame; see `iter_sky`."""
    return drain(
        iter_sky(plane, flags, choice=choice, sigma=sigma, denoised=denoised, fwhm=fwhm)
    )


def iter_sky(
    plane: Plane,
    flags: Plane,
    *,
    choice: SkyChoice,
    sigma: Plane,
    denoised: bool,
    fwhm: float,
) -> Generator[tuple[int, int], None, Sky]:
    """Estimate the sky of a frame, one row of cells after the other.

    Parameters
    ----------
    plane : Plane
        Image or denoised image, shape (ny, nx), image unit; may be lazy or on disk.
    flags : Plane
        Nonzero = do not use.
    choice : SkyChoice
        Scale of the mesh.
    sigma : Plane
        Noise of the input per pixel, image unit.
    denoised : bool
        The plane's blank sky is far below the input's noise: sources are masked at a
        fraction of that noise. Otherwise cells are clipped [1]_.
    fwhm : float
        FWHM of the PSF in pixels, by which masked sources are grown; NaN if unknown.

    Returns
    -------
    Sky
        Zero where the choice is no sky.

    Yields
    ------
    tuple of int
        Steps done, and steps in all.

    References
    ----------
    .. [1] Bertin & Arnouts 1996, A&AS 117, 393, section 4: clipped mode.
    """
    ny, nx = plane.shape
    if choice.scale is None:
        text = "none: already sky-subtracted (auto)" if choice.auto else "none"
        return Sky(mesh=constant(0, (ny, nx)), description=text, notices=choice.notices)
    side = choice.scale
    kind = "denoised" if denoised else "raw"
    by = ", auto" if choice.auto else ""
    if choice.constant:
        level = yield from iter_plateau(plane, flags, sigma, denoised=denoised)
        return Sky(
            mesh=constant(level, (ny, nx)),
            description=f"constant, {kind} image{by}: few blank cells",
            notices=choice.notices,
        )
    count = (node_count(ny, side), node_count(nx, side))
    grid = Grid(shape=(ny, nx), count=count)
    frame = Frame(plane, flags, sigma, grid)
    passes = 4 if denoised else 1
    nodes, used = yield from (
        cell_nodes(frame, passes, _lower_quartile, most=4096)
        if denoised
        else cell_nodes(frame, passes, clipped_mode)
    )
    if denoised:
        reach = max(1, round(fwhm if isfinite(fwhm) else 4.0))
        for step in range(1, passes):
            mesh = Mesh(nodes=_tidy(nodes, used, masked=True), shape=(ny, nx))
            nodes, used = yield from _masked_nodes(frame, mesh, reach, step, passes)
    notices = list(choice.notices)
    few = float(np.mean(used < LEAST))
    if few == 1:
        notices.append("sky: sources cover most of every mesh cell; doubtful level")
    elif few > 0:
        notices.append(
            f"sky: {few:.0%} of the mesh cells are mostly masked and interpolated"
        )
    return Sky(
        mesh=Mesh(nodes=_tidy(nodes, used, masked=denoised), shape=(ny, nx)),
        description=f"mesh {side} px, {kind} image{by}",
        notices=tuple(notices),
    )


def _lower_quartile(pixels: _Floats) -> float:
    """Return what of a denoised cell is sky among sources."""
    return float(np.quantile(pixels, 0.25))


def _masked_nodes(
    frame: Frame, sky: Mesh, reach: int, step: int, passes: int
) -> Generator[tuple[int, int], None, tuple[_Floats, _Floats]]:
    """Level of each cell of a denoised plane without sources, and the share used."""
    ny, nx = frame.grid.shape
    count = frame.grid.count
    nodes = np.full(count, np.nan)
    used = np.zeros(count)
    # The first sky is too low where it slopes: it must not be taken for sources.
    wider = _WIDER[min(step, len(_WIDER)) - 1]
    edges = spans(frame.grid)
    # What is not looked at in the end need not be masked either.
    thin = thinning(ny * nx // (count[0] * count[1]), 16384)
    reach = -(-reach // thin)
    for index in range(count[0]):
        rows = frame.rows(index)
        wide, core = _around(rows, reach, thin, ny)
        middle = (rows.start + rows.stop) // 2
        for cells, part in frame.groups(index):
            cols, _ = _around(part, reach, thin, nx)
            values, good = frame.values(wide, cols)
            above = np.where(good, values, np.float32(0)) - sky[wide, cols]
            limit = np.float32(_SOURCE * wider) * frame.noise(wide, cols)
            limit[limit == 0] = np.inf
            good = good & ~grow(good & (above > limit), reach) & (above > -2 * limit)
            for k in cells:
                start, stop = (-((cols.start - edge) // thin) for edge in edges[k])
                fine = good[core, start:stop]
                pixels = above[core, start:stop][fine].astype(np.float64)
                used[index, k] = float(fine.mean()) if fine.size else 0.0
                if not pixels.size:
                    continue
                centre = sum(edges[k]) // 2
                base = sky[middle : middle + 1, centre : centre + 1][0, 0]
                # Faint sources left in skew the rest: the mode, as in `clipped_mode`.
                noisy = np.isfinite(limit[:, start]).any()
                mode = 2.5 * float(np.median(pixels)) - 1.5 * float(pixels.mean())
                level = mode if noisy else clipped_mode(pixels)
                nodes[index, k] = float(base) + level
        yield step * count[0] + index + 1, passes * count[0]
    return nodes, used


def _around(span: slice, reach: int, thin: int, length: int) -> tuple[slice, slice]:
    """Thin out a span with its surroundings, and tell where it lies in that.

    `reach` counts the pixels that are left; the span's first pixel is one of them.
    """
    before = min(reach, span.start // thin)
    start = span.start - before * thin
    stop = min(length, span.stop + reach * thin)
    inside = -(-(span.stop - span.start) // thin)
    return slice(start, stop, thin), slice(before, before + inside)


def _tidy(nodes: _Floats, used: _Floats, *, masked: bool) -> _Floats:
    """Interpolate cells that are mostly masked.

    Where sources were not masked, nodes that stand apart are replaced by the median of
    3 x 3, as in Bertin & Arnouts (1996).
    """
    enough = used >= LEAST
    if not enough.any():
        enough = used > 0
    known = np.where(enough, nodes, np.nan)
    filled = fill_nodes(known)
    if masked or min(filled.shape) < 3:
        return filled
    # A plain median filter would flatten the corners of a vignette: only nodes that
    # stand apart are replaced.
    padded = np.pad(filled, 1, "reflect", reflect_type="odd")
    middle = ndimage.median_filter(padded, 3)[1:-1, 1:-1]
    off = np.abs(filled - middle)
    return np.where(off > 5 * 1.4826 * np.median(off), middle, filled)
