"""Choice of the sky: the scale of the mesh, as asked or as the frame needs it."""

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from bgrem_core.cells import Grid, Reader
from bgrem_core.errors import UsageError
from bgrem_core.mesh import node_count
from bgrem_core.normalize import Scale
from bgrem_core.planes import Plane
from bgrem_core.progress import drain
from bgrem_core.sky_nodes import BLOCK, LEAST, Frame, cell_nodes, clipped_mode
from bgrem_core.sky_plateau import plateau_level

__all__ = ["SkyChoice", "choose_sky_scale"]

_Floats = NDArray[np.float64]

#: Least scale chosen by "auto", in pixels and in FWHM.
_AUTO, _AUTO_FWHM = 256, 20
#: The frame is looked at in fewer blocks than this.
_MOST = 4096
#: Structure of the sky itself stays below so many sigma and this share of its level.
_GLOW, _GLOW_SHARE = 5.0, 0.3


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
        base = plateau_level(self.level, self.error)
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
            sky = abs(plateau_level(self.level, self.error))
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
        return float(np.mean(np.array(cells) >= LEAST)), float(free.mean())

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
    side = BLOCK
    while ny * nx >= _MOST * side**2:
        side *= 2
    grid = Grid(shape=(ny, nx), count=(node_count(ny, side), node_count(nx, side)))
    frame = Frame(data, flags, scale.sigma, grid)
    sample = Reader(data=data, flags=flags).sample(most=2**14)
    zero = float(np.median(sample)) if sample.size else 0.0
    unit = scale.median_sigma or float(sample.std() if sample.size else 0) or abs(zero)
    unit = unit or 1.0
    nodes, good = drain(cell_nodes(frame, 1, clipped_mode, most=1024, zero=zero))
    level = np.where(good >= LEAST, (nodes + zero) / unit, np.nan)
    # Error of the clipped mode of 1024 pixels, wider where neighbours agree.
    error = 0.07 * (1 + 3 * max(0.0, scale.rho)) if scale.median_sigma > 0 else 1e-3
    return _Blocks(side, level, good, error)


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
