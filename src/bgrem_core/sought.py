"""The stages of a search, each done block by block, here or by other processes.

A stage is a function of what all blocks share and of one block: it reads its own piece
of the frame, writes its own piece of the segments, and returns rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.aperture_photometry import Frame
from bgrem_core.blockwise import detect_part, seen
from bgrem_core.detect import Rules
from bgrem_core.overlooked import BRIGHT
from bgrem_core.photometry import aperture_sums, measure_places
from bgrem_core.segments import claimed, facts_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.aperture_photometry import Setup
    from bgrem_core.blockwise import Part
    from bgrem_core.photometry import Places
    from bgrem_core.search import Search
    from bgrem_core.segments import Facts
    from bgrem_core.separation import Separation
    from bgrem_core.settings import FindSettings
    from bgrem_core.tiles import Grid

    Floats = NDArray[np.float64]

__all__ = [
    "Looked", "Sought", "Stage", "Work", "claim", "here", "look", "measured", "rename",
    "weighed",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sought:
    """What all blocks of a search share.

    Attributes
    ----------
    separation : Separation
        What a method returned.
    settings : FindSettings
        How to search.
    light : Search
        The light.
    centres : Search or None
        The map of centres, where it is searched in place of the light.
    grid : Grid
        The blocks.
    pieces : array
        int32, (ny, nx), written by block: labels as each block numbers them.
    segm : array
        int32, (ny, nx), written by block: labels as the frame numbers them. May be
        `pieces` itself where no block is ever done twice.
    """

    separation: "Separation"
    settings: "FindSettings"
    light: "Search"
    centres: "Search | None"
    grid: "Grid"
    pieces: Any
    segm: Any


Stage = Callable[..., Any]
"""``stage(sought, ...)`` does one block."""
Work = Callable[[Stage, Sequence[tuple[Any, ...]]], list[Any]]
"""``work(stage, calls)`` does a stage for the blocks of some calls, in their order."""


def here(sought: Sought) -> Work:
    """Return what does all blocks in this process, one after the other."""

    def work(stage: Stage, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        return [stage(sought, *call) for call in calls]

    return work


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looked:
    """What was seen in one block.

    Attributes
    ----------
    found : Part
        Sources; of a map of centres, its maxima.
    bright : Part or None
        Light far above its threshold, where a map of centres is searched.
    negative : Part
        Sources of the light turned upside down.
    """

    found: "Part"
    bright: "Part | None"
    negative: "Part"


def look(sought: Sought, row: int, column: int) -> Looked:
    """Search one block; of the light, write the pixels of its sources to `pieces`."""
    tile, shape = sought.grid.tile(row, column), sought.grid.shape
    read, light, settings = seen(tile, shape), sought.light, sought.settings
    image = np.ascontiguousarray(light.plane[read], np.float32)
    rules = Rules(
        threshold=light.threshold, minarea=settings.minarea,
        deblend=settings.deblend, fwhm=light.fwhm,
    )  # fmt: skip
    negative, _ = detect_part(-image, tile, shape, rules)
    if sought.centres is None:
        found, labels = detect_part(image, tile, shape, rules)
        sought.pieces[tile.keep] = labels
        return Looked(found=found, bright=None, negative=negative)
    # Every maximum of the evidence is a source.
    single = Rules(
        threshold=sought.centres.threshold, minarea=1, deblend=0,
        fwhm=sought.centres.fwhm,
    )  # fmt: skip
    evidence = np.ascontiguousarray(sought.centres.plane[read], np.float32)
    found, _ = detect_part(evidence, tile, shape, single)
    high = Rules(
        threshold=BRIGHT * light.threshold, minarea=settings.minarea,
        deblend=settings.deblend, fwhm=light.fwhm,
    )  # fmt: skip
    bright, _ = detect_part(image, tile, shape, high)
    return Looked(found=found, bright=bright, negative=negative)


def rename(sought: Sought, row: int, column: int, table: "NDArray[np.int32]") -> None:
    """Write `segm` from `pieces`: what a block numbers k is ``table[k]``."""
    keep = sought.grid.tile(row, column).keep
    sought.segm[keep] = table[sought.pieces[keep]]


def claim(
    sought: Sought,
    row: int,
    column: int,
    x: "Floats",
    y: "Floats",
    source: "NDArray[np.intp]",
) -> None:
    """Write `segm`: the light that a block keeps, given to the centres in sight."""
    tile, light = sought.grid.tile(row, column), sought.light
    sought.segm[tile.keep] = claimed(
        light.plane, tile, x, y, source, threshold=light.threshold, fwhm=light.fwhm
    )


def measured(sought: Sought, places: "Places", setup: "Setup") -> dict[str, "Floats"]:
    """Measure the sources of one block; "cleaned" is the aperture on that plane."""
    separation = sought.separation
    frame = Frame(
        plane=separation.photometric, sigma=separation.scale.sigma,
        flags=separation.flags, segm=sought.segm, quiet=separation.quiet_plane,
    )  # fmt: skip
    got = measure_places(frame, places, setup, "auto")
    x, y = places.x[places.mine], places.y[places.mine]
    cleaned = aperture_sums(
        separation.cleaned_plane, x, y, setup.radius, flags=separation.flags
    )
    return {**got, "cleaned": cleaned}


def weighed(
    sought: Sought, row: int, column: int
) -> tuple["Facts | None", "NDArray[np.intp]", "Floats"]:
    """Add up the light of each source inside one block.

    Returns
    -------
    facts : Facts or None
        What its pixels say, of sources whose pixels were claimed.
    label : ndarray of int, shape (n,)
        Sources with pixels here.
    light : ndarray of float64, shape (n,)
        Sum over those of the photometric plane.
    """
    keep = sought.grid.tile(row, column).keep
    labels = np.asarray(sought.segm[keep])
    plane = np.nan_to_num(sought.separation.photometric[keep], posinf=0, neginf=0)
    weights = plane.ravel().astype(np.float64)
    total = np.bincount(labels.ravel(), weights).astype(np.float64, copy=False)
    facts = None
    if sought.centres is not None:
        light = sought.light
        facts = facts_in(sought.segm, light.plane, keep, threshold=light.threshold)
    names = np.flatnonzero(np.bincount(labels.ravel()))
    some = names[names > 0]
    return facts, some, total[some]
