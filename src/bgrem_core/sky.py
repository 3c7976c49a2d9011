"""Sky: the smooth light that is taken away, at a scale that the user chooses."""

from collections.abc import Generator
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from bgrem_core.cells import Grid, Reader, grow
from bgrem_core.errors import UsageError
from bgrem_core.mesh import Mesh, fill_nodes, node_count
from bgrem_core.normalize import Scale
from bgrem_core.planes import Plane, constant
from bgrem_core.progress import drain

_Floats = NDArray[np.float64]
_Bools = NDArray[np.bool_]

#: Least scale chosen by "auto", in pixels and in FWHM.
_AUTO, _AUTO_FWHM = 256, 20
#: A cell counts if this share of its pixels is not masked.
_LEAST = 0.3
#: Structure of the sky itself stays below so many sigma and this share of its level.
_GLOW, _GLOW_SHARE = 5.0, 0.3
#: Side of the blocks on which "auto" looks at the frame.
_BLOCK = 32
#: Sources on a denoised image: above so many sigma of the input's noise.
_SOURCE = 0.4
#: By how much that is raised in the first passes.
_WIDER = (3.0, 1.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkyChoice:
    """What is to be taken away as sky.

    Attributes
    ----------
    scale : int or None
        Side of a mesh cell in pixels; None = no sky is taken away.
    constant : bool
        One level for the whole frame instead of a mesh.
    why : str
        The reason, for people.
    auto : bool
        Chosen by this program.
    notices : tuple of str
        What the user should know.
    """

    scale: int | None
    constant: bool = False
    why: str = ""
    auto: bool = False
    notices: tuple[str, ...] = ()


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


def choose_sky_scale(
    setting: int | str, *, data: Plane, flags: Plane, scale: Scale
) -> SkyChoice:
    """Choose how the sky is removed.

    Parameters
    ----------
    setting : int or str
        Side of a mesh cell in pixels, "auto" or "none".
    data : Plane
        Pixels, shape (ny, nx), image unit.
    flags : Plane
        Nonzero = do not use.
    scale : Scale
        Noise of the frame.

    Returns
    -------
    SkyChoice
        For "auto": none where blocks of the frame are consistent with zero and with
        each other; else 256 pixels and at least 20 FWHM; a constant where sources
        leave too few cells.

    Raises
    ------
    UsageError
        `setting` is neither a number of pixels nor one of the words.
    """
    ny, nx = data.shape
    if setting == "none":
        return SkyChoice(scale=None, why="as asked")
    if setting != "auto":
        return _asked(setting, (ny, nx))
    blocks = _look(data, flags, scale)
    if blocks.subtracted:
        return SkyChoice(
            scale=None, auto=True, why="the frame is already sky-subtracted"
        )
    fwhm = scale.fwhm if isfinite(scale.fwhm) else 0.0
    side = max(_AUTO, round(_AUTO_FWHM * fwhm))
    usable, free = blocks.usable(side)
    if usable < 0.5 or free < 0.5:
        why = f"sources leave only {free:.0%} of the frame as blank sky"
        notice = f"sky is one constant: {why}"
        return SkyChoice(
            scale=side, constant=True, auto=True, why=why, notices=(notice,)
        )
    return SkyChoice(
        scale=side,
        auto=True,
        why=f"{side} px" + (" (20 FWHM)" if side > _AUTO else ""),
        notices=_coarse_notice(side, (ny, nx)),
    )


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
        level = yield from _plateau(plane, flags, sigma, denoised=denoised)
        return Sky(
            mesh=constant(level, (ny, nx)),
            description=f"constant, {kind} image{by}: few blank cells",
            notices=choice.notices,
        )
    count = (node_count(ny, side), node_count(nx, side))
    grid = Grid(shape=(ny, nx), count=count)
    frame = _Frame(plane, flags, sigma, grid)
    passes = 4 if denoised else 1
    first = _low_nodes if denoised else _clipped_nodes
    nodes, used = yield from first(frame, passes)
    if denoised:
        reach = max(1, round(fwhm if isfinite(fwhm) else 4.0))
        for step in range(1, passes):
            mesh = Mesh(nodes=_tidy(nodes, used, masked=True), shape=(ny, nx))
            nodes, used = yield from _masked_nodes(frame, mesh, reach, step, passes)
    notices = list(choice.notices)
    few = float(np.mean(used < _LEAST))
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


@dataclass(frozen=True, slots=True)
class _Frame:
    """A plane with its mask and noise, read by cells."""

    plane: Plane
    flags: Plane
    sigma: Plane
    grid: Grid

    def rows(self, index: int) -> slice:
        edges = self.grid.rows
        return slice(int(edges[index]), int(edges[index + 1]))

    def values(self, rows: slice) -> tuple[NDArray[np.float32], _Bools]:
        """Pixels and which are good, for a range of rows."""
        cols = slice(0, self.grid.shape[1])
        values = np.asarray(self.plane[rows, cols])
        good = (np.asarray(self.flags[rows, cols]) == 0) & np.isfinite(values)
        return values, good


def _asked(setting: int | str, shape: tuple[int, int]) -> SkyChoice:
    try:
        side = int(setting)
    except ValueError:
        side = 0
    if side < 1:
        raise UsageError(
            f"sky_scale={setting!r} is not a scale", "use pixels, auto or none"
        )
    return SkyChoice(scale=side, why="as asked", notices=_coarse_notice(side, shape))


def _coarse_notice(side: int, shape: tuple[int, int]) -> tuple[str, ...]:
    ny, nx = shape
    if side <= min(ny, nx) / 2:
        return ()
    frame = f"{ny} x {nx}"
    return (f"sky scale {side} px is over half of {frame}: a gradient may stay",)


@dataclass(frozen=True, slots=True, eq=False)
class _Blocks:
    """Levels of blocks of the frame in sigma, from zero of the image's unit."""

    side: int
    level: _Floats
    good: _Floats
    error: float

    @property
    def subtracted(self) -> bool:
        """Faintest blocks agree with zero and with each other, and nothing slopes."""
        known = self.level[np.isfinite(self.level)]
        if known.size == 0:
            return False
        base = _plateau_level(self.level, self.error)
        low = known[known < base]
        scatter = float(np.sqrt(np.mean((low - base) ** 2))) if low.size else 0.0
        return abs(base) < 0.5 and scatter < 0.25 and not self._slopes()

    def usable(self, side: int) -> tuple[float, float]:
        """Share of cells that keep 30 % of their pixels, and of pixels kept.

        Large sources stand above a plane under the frame. Sky that bends stands above
        it as well, but broadly: it has no peak, or is a small part of the sky's level.
        """
        my, mx = (max(1, round(n * self.side / side)) for n in self.level.shape)
        known = np.isfinite(self.level)
        free = np.where(known, self.good, 0.0)
        if known.any():
            above = self.level - _envelope(self.level, 1)
            middle, peak = np.quantile(above[known], (0.6, 0.97))
            sky = abs(_plateau_level(self.level, self.error))
            # A vignette or a glow is faint, in sigma and as a share of the sky.
            faint = peak < _GLOW and peak < _GLOW_SHARE * sky
            if peak > 2.5 * middle and peak > 0.05 * sky and not faint:
                free[known & (above > max(0.3, 4 * self.error))] = 0.0
        cells = [
            float(part.mean())
            for band in np.array_split(free, my, axis=0)
            for part in np.array_split(band, mx, axis=1)
            if part.size
        ]
        return float(np.mean(np.array(cells) >= _LEAST)), float(free.mean())

    def _slopes(self) -> bool:
        """Tell whether a plane explains most of the differences between blocks."""
        known = np.isfinite(self.level)
        if known.sum() < 12:
            return False
        plane = _surface(self.level, known.astype(float), 1)
        gone = float(np.var((self.level - plane)[known]))
        reach = float(np.ptp(plane[known]))
        return reach > 0.5 and gone < 0.5 * float(np.var(self.level[known]))


def _look(data: Plane, flags: Plane, scale: Scale) -> _Blocks:
    """Clipped modes of blocks, in sigma."""
    ny, nx = data.shape
    side = _BLOCK if ny * nx < 2048**2 else 2 * _BLOCK
    grid = Grid(shape=(ny, nx), count=(node_count(ny, side), node_count(nx, side)))
    frame = _Frame(data, flags, scale.sigma, grid)
    sample = Reader(data=data, flags=flags).sample(most=2**14)
    zero = float(np.median(sample)) if sample.size else 0.0
    unit = scale.median_sigma or float(sample.std() if sample.size else 0) or abs(zero)
    unit = unit or 1.0
    nodes, good = drain(_clipped_nodes(frame, 1, most=1024, zero=zero))
    level = np.where(good >= _LEAST, (nodes + zero) / unit, np.nan)
    # Error of the clipped mode of 1024 pixels, wider where neighbours agree.
    error = 0.07 * (1 + 3 * max(0.0, scale.rho)) if scale.median_sigma > 0 else 1e-3
    return _Blocks(side, level, good, error)


def _plateau_level(level: _Floats, error: float) -> float:
    """Level that the faintest blocks share, to the error of one of them."""
    known = level[np.isfinite(level)]
    if known.size == 0:
        return 0.0
    base = float(np.quantile(known, 0.05)) + 1.645 * error
    for _ in range(20):
        near = known[np.abs(known - base) < 2.5 * error]
        if near.size == 0 or abs(float(near.mean()) - base) < 1e-3 * error:
            break
        base = float(near.mean())
    return base


def _surface(level: _Floats, weight: _Floats, order: int) -> _Floats:
    """Weighted least-squares polynomial surface through the blocks."""
    my, mx = level.shape
    y, x = np.mgrid[0:my, 0:mx].astype(np.float64)
    y, x = (2 * y + 1) / my - 1, (2 * x + 1) / mx - 1
    terms = [x**i * y**j for i in range(order + 1) for j in range(order + 1 - i)]
    design = np.stack([t.ravel() for t in terms], axis=1)
    root = np.sqrt(weight.ravel())
    values = np.where(np.isfinite(level), level, 0.0).ravel()
    best = np.linalg.lstsq(design * root[:, None], values * root, rcond=1e-10)[0]
    out: _Floats = (design @ best).reshape(level.shape)
    return out


def _envelope(level: _Floats, order: int) -> _Floats:
    """Surface under the blocks: asymmetric least squares (Newey & Powell 1987)."""
    known = np.isfinite(level)
    weight = known.astype(np.float64)
    surface = _surface(level, weight, order)
    for _ in range(30):
        above = np.where(known, level, -np.inf) > surface
        fresh = np.where(above, 0.02, 1.0) * known
        if np.array_equal(fresh, weight):
            break
        weight = fresh
        surface = _surface(level, weight, order)
    return surface


def _mode(pixels: _Floats) -> float:
    """Clipped mode of pixels (Bertin & Arnouts 1996, section 4)."""
    for _ in range(8):
        middle = float(np.median(pixels))
        spread = float(pixels.std())
        keep = np.abs(pixels - middle) <= 3 * spread
        if keep.all():
            break
        pixels = pixels[keep]
    middle, mean, spread = (
        float(np.median(pixels)),
        float(pixels.mean()),
        float(pixels.std()),
    )
    if abs(mean - middle) < 0.3 * spread:
        return 2.5 * middle - 1.5 * mean
    return middle


def _clipped_nodes(
    frame: _Frame, passes: int, *, most: int = 16384, zero: float = 0.0
) -> Generator[tuple[int, int], None, tuple[_Floats, _Floats]]:
    """Clipped mode of each cell less `zero`, and the share of good pixels."""
    count = frame.grid.count
    nodes = np.full(count, np.nan)
    used = np.zeros(count)
    for index in range(count[0]):
        values, good = frame.values(frame.rows(index))
        for k, (start, stop) in enumerate(_spans(frame.grid)):
            pixels, used[index, k] = _cell(values, good, start, stop, most)
            if pixels.size:
                nodes[index, k] = _mode(pixels - zero)
        yield index + 1, passes * count[0]
    return nodes, used


def _low_nodes(
    frame: _Frame, passes: int
) -> Generator[tuple[int, int], None, tuple[_Floats, _Floats]]:
    """Lower quartile of each cell: of a denoised plane it is sky among sources."""
    count = frame.grid.count
    nodes = np.full(count, np.nan)
    used = np.zeros(count)
    for index in range(count[0]):
        values, good = frame.values(frame.rows(index))
        for k, (start, stop) in enumerate(_spans(frame.grid)):
            pixels, used[index, k] = _cell(values, good, start, stop, 4096)
            if pixels.size:
                nodes[index, k] = float(np.quantile(pixels, 0.25))
        yield index + 1, passes * count[0]
    return nodes, used


def _cell(
    values: NDArray[np.float32], good: _Bools, start: int, stop: int, most: int
) -> tuple[_Floats, float]:
    """Good pixels of one cell, thinned out to about `most`, and their share."""
    thin = max(1, int((good.shape[0] * (stop - start) / most) ** 0.5))
    fine = good[::thin, start:stop:thin]
    pixels = values[::thin, start:stop:thin][fine].astype(np.float64)
    return pixels, float(fine.mean()) if fine.size else 0.0


def _masked_nodes(
    frame: _Frame, sky: Mesh, reach: int, step: int, passes: int
) -> Generator[tuple[int, int], None, tuple[_Floats, _Floats]]:
    """Level of each cell of a denoised plane without sources, and the share used."""
    ny, nx = frame.grid.shape
    count = frame.grid.count
    nodes = np.full(count, np.nan)
    used = np.zeros(count)
    centres = (frame.grid.cols[:-1] + frame.grid.cols[1:]) // 2
    # The first sky is too low where it slopes: it must not be taken for sources.
    wider = _WIDER[min(step, len(_WIDER)) - 1]
    for index in range(count[0]):
        rows = frame.rows(index)
        wide = slice(max(0, rows.start - reach), min(ny, rows.stop + reach))
        values, good = frame.values(wide)
        above = np.where(good, values, np.float32(0)) - sky[wide, 0:nx]
        limit = np.float32(_SOURCE * wider) * np.asarray(frame.sigma[wide, 0:nx])
        limit[limit == 0] = np.inf
        good = good & ~grow(good & (above > limit), reach) & (above > -2 * limit)
        core = slice(rows.start - wide.start, rows.stop - wide.start)
        middle = (rows.start + rows.stop) // 2
        base = sky[middle : middle + 1, 0:nx][0, centres].astype(np.float64)
        for k, (start, stop) in enumerate(_spans(frame.grid)):
            pixels, used[index, k] = _cell(above[core], good[core], start, stop, 16384)
            if pixels.size:
                # Faint sources left in skew the rest: the mode, as in `_mode`.
                noisy = np.isfinite(limit[:, start]).any()
                mode = 2.5 * float(np.median(pixels)) - 1.5 * float(pixels.mean())
                nodes[index, k] = base[k] + (mode if noisy else _mode(pixels))
        yield step * count[0] + index + 1, passes * count[0]
    return nodes, used


def _spans(grid: Grid) -> list[tuple[int, int]]:
    return list(pairwise(int(e) for e in grid.cols))


def _tidy(nodes: _Floats, used: _Floats, *, masked: bool) -> _Floats:
    """Interpolate cells that are mostly masked.

    Where sources were not masked, nodes that stand apart are replaced by the median of
    3 x 3, as in Bertin & Arnouts (1996).
    """
    enough = used >= _LEAST
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


def _plateau(
    plane: Plane, flags: Plane, sigma: Plane, *, denoised: bool
) -> Generator[tuple[int, int], None, float]:
    """Level of the faintest part of a frame that sources fill."""
    ny, nx = plane.shape
    side = min(2 * _BLOCK, max(8, min(ny, nx) // 8))
    grid = Grid(shape=(ny, nx), count=(node_count(ny, side), node_count(nx, side)))
    frame = _Frame(plane, flags, sigma, grid)
    nodes, used = yield from _clipped_nodes(frame, 1)
    noise = float(np.median(sigma[ny // 2 : ny // 2 + 1, 0:nx]))
    error = (0.02 if denoised else 2.5 / side) * noise or 1e-30
    level = np.where(used >= _LEAST, nodes, np.nan)
    return _under_galaxy(level, _plateau_level(level, error), error)


def _under_galaxy(level: _Floats, plateau: float, error: float) -> float:
    """Sky where a galaxy reaches the edges: its exponential outskirts extrapolated.

    The outer disc follows an exponential (Freeman 1970, ApJ 160, 811) on ellipses
    given by the second moments of the light; the sky is the constant under it.
    """
    known = np.isfinite(level)
    light = np.where(known, np.maximum(level - plateau - 3 * error, 0), 0.0)
    total = float(light.sum())
    if known.sum() < 24 or total <= 0:
        return plateau
    y, x = np.mgrid[0 : level.shape[0], 0 : level.shape[1]].astype(np.float64)
    y -= float((light * y).sum()) / total
    x -= float((light * x).sum()) / total
    xx, yy, xy = (float((light * t).sum()) / total for t in (x * x, y * y, x * y))
    det = xx * yy - xy * xy
    if det <= 0.01 * (xx + yy) ** 2 / 4:
        return plateau
    radius = np.sqrt((yy * x * x - 2 * xy * x * y + xx * y * y) / np.sqrt(det))
    my, mx = level.shape
    rows, cols = np.mgrid[0:my, 0:mx].astype(np.float64)
    slope = np.stack([(2 * rows + 1) / my - 1, (2 * cols + 1) / mx - 1])
    outer = known & (level < np.quantile(level[known], 0.7))
    r, values = radius[outer], (level[outer] - plateau) / error
    along_y, along_x = slope[0][outer], slope[1][outer]
    weight = 1 / (1 + 0.1 * np.abs(values))
    span = float(radius[known].max())

    def residual(p: _Floats) -> _Floats:
        plane = p[0] + p[1] * along_y + p[2] * along_x
        out: _Floats = (plane + np.exp(p[3] - r / p[4]) - values) * weight
        return out

    top = float(np.log(max(float(values.max()), 1.0)))
    fit = optimize.least_squares(
        residual,
        [-1.0, 0.0, 0.0, top + 3, span / 5],
        bounds=(
            [-50, -np.inf, -np.inf, -20, span / 40],
            [np.inf, np.inf, np.inf, 40, span / 2.5],
        ),
        x_scale=[1.0, 1.0, 1.0, 1.0, span / 10],
        loss="soft_l1",
    )
    depth, length = float(fit.x[0]), float(fit.x[4])
    highest = float(np.quantile(values, 0.5))
    if length > 0.95 * span / 2.5 or not -49 < depth < highest:
        # No curvature: a slope of the sky itself, or no disc at all.
        return plateau
    return plateau + error * depth


__all__ = ["Sky", "SkyChoice", "choose_sky_scale", "estimate_sky", "iter_sky"]
