"""The sources of a frame out of memory: searched and measured by block, on workers.

What holds for the whole frame (PSF, flattening, thresholds) is worked out once by the
process that calls. Blocks read pixels from the folder of the run, leave labels there,
and send back rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from bgrem_core.blockwise import BLOCK, MARGIN, blocks_of
from bgrem_core.engine.cluster import each
from bgrem_core.engine.left import leave, left
from bgrem_core.engine.measured import flags_of
from bgrem_core.engine.skies import names_of, provenance_of
from bgrem_core.engine.store import Store, opened
from bgrem_core.engine.windows import Banded
from bgrem_core.find import catalogue, psf_width
from bgrem_core.image import Image
from bgrem_core.methods.bgrem import search_options
from bgrem_core.methods.common import difference, finite_only
from bgrem_core.photometry import frame_psf
from bgrem_core.planes import LazyPlane, Plane
from bgrem_core.search import (
    Search,
    centre_plane,
    centre_search,
    light_plane,
    search_plane,
    wants_centres,
)
from bgrem_core.separation import Separation
from bgrem_core.settings import FindSettings
from bgrem_core.sky import Sky
from bgrem_core.sought import Sought, Stage

if TYPE_CHECKING:
    from astropy.table import QTable

#: Labels as a block numbers them, and as the frame does.
_PIECES, _SEGM = "pieces", "segm"
_KNOWN = ("threshold", "fwhm", "unit", "filtered", "calm")
_Facts = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What of a search is known before its first block.

    Attributes
    ----------
    settings : FindSettings
        How to search.
    fwhm : float
        FWHM of the PSF, pixels.
    light : tuple
        Names and values of the fields of `Search` that are no planes.
    centres : tuple or None
        The same of the map of centres.
    block, margin : int
        Of the blocks, pixels.
    """

    settings: FindSettings
    fwhm: float
    light: _Facts
    centres: _Facts | None
    block: int
    margin: int

    @property
    def flat(self) -> str:
        """Name under which the flattening is left."""
        return f"flat-{self.settings.flatten}"


def list_sources(
    store: Store, sky: Sky, settings: FindSettings, *, client: Any, rows: int
) -> "QTable":
    """Find and measure the sources of a run whose sky is known.

    A source belongs to the block whose 2048 pixels hold its centroid; blocks see 128
    pixels more on each side.

    Parameters
    ----------
    store : Store
        All its tiles done, its sky left.
    sky : Sky
        Of the frame.
    settings : FindSettings
        How to search.
    client : distributed.Client or None
        Whose workers do the blocks; None = this process.
    rows : int
        Rows of the source that are read at once.

    Returns
    -------
    astropy.table.QTable
        The rows of `bgrem_core.find_sources` of the frame in memory, to the bit.

    Raises
    ------
    Gone
        The cluster cannot go on.
    """
    wide = separation_of(store, sky, rows=rows)
    options = search_options(wide) if store.prepared.method == "bgrem" else {}
    psf = frame_psf(wide)
    fwhm = psf_width(wide, psf)
    light = search_plane(
        wide, settings, threshold_of=options.get("threshold_of"), fwhm=fwhm
    )
    centres, table = None, options.get("centre_scale")
    if table is not None and wants_centres(wide, settings):
        centres = centre_search(wide, settings, table, light=light, fwhm=fwhm)
    plan = Plan(
        settings=settings, fwhm=fwhm, light=_facts(light),
        centres=None if centres is None else _facts(centres),
        block=BLOCK, margin=MARGIN,
    )  # fmt: skip
    leave(store, plan.flat, Sky(mesh=light.mesh, description=""))
    for name in (_PIECES, _SEGM):
        store.group.create_array(
            name, shape=store.prepared.grid.shape, dtype=np.int32, fill_value=0,
            chunks=(_chunk(BLOCK), _chunk(BLOCK)), overwrite=True,
        )  # fmt: skip
    folder = str(store.folder)

    def work(stage: Stage, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        todo = [(folder, plan, stage, n, *call) for n, call in enumerate(calls)]
        done = dict(each(client, do_block, todo))
        return [done[n] for n in range(len(calls))]

    return catalogue(_sought(folder, plan), psf, fwhm, work)[0]


def do_block(
    folder: str, plan: Plan, stage: Stage, number: int, *call: Any
) -> tuple[int, Any]:
    """Do a stage of one block; the task of a worker.

    Parameters
    ----------
    folder : str
        Of the store.
    plan : Plan
        Of the search.
    stage : callable
        ``stage(sought, ...)``, which may be done more than once.
    number : int
        Of the call.
    *call
        What the stage is told beside.

    Returns
    -------
    tuple
        The number, and what the stage returns.
    """
    return number, stage(_sought(folder, plan), *call)


@lru_cache(maxsize=2)
def _sought(folder: str, plan: Plan) -> Sought:
    """Put the search together from what lies in the folder, once in this process."""
    store = opened(folder)
    separation = separation_of(store, left(folder, "sky"))
    mesh = left(folder, plan.flat).mesh
    known = dict(plan.light)
    plane = light_plane(separation, mesh, fwhm=plan.fwhm, filtered=known["filtered"])
    centres = None
    if plan.centres is not None:
        facts = dict(plan.centres)
        evidence = centre_plane(
            separation, search_options(separation)["centre_scale"], mesh=mesh,
            fwhm=plan.fwhm, calm=facts["calm"],
        )  # fmt: skip
        centres = Search(plane=evidence, mesh=mesh, **facts)
    return Sought(
        separation=separation,
        settings=plan.settings,
        light=Search(plane=plane, mesh=mesh, **known),
        centres=centres,
        grid=blocks_of(separation.shape, block=plan.block, margin=plan.margin),
        pieces=store.group[_PIECES],
        segm=store.group[_SEGM],
    )


def _facts(search: Search) -> _Facts:
    return tuple((name, getattr(search, name)) for name in _KNOWN)


def _chunk(block: int) -> int:
    """Return the side of a chunk of labels: no two blocks may write to one."""
    return block // 4 if block % 4 == 0 else block


def separation_of(store: Store, sky: Sky, *, rows: int | None = None) -> Separation:
    """Return the result of a run, its planes read where they are asked for.

    Parameters
    ----------
    store : Store
        All its tiles done.
    sky : Sky
        Of the frame.
    rows : int, optional
        Rows of the source that are read at once, by one who goes through whole rows;
        otherwise what is asked for is read.

    Returns
    -------
    Separation
        Nothing of it is in memory.
    """
    prepared, shape = store.prepared, store.prepared.grid.shape
    high = prepared.grid.stride[0]

    def read(name: str) -> Any:
        plane = store.group[name]
        return plane if rows is None else Banded(plane, high, plane.dtype)

    source: Any = store.data()
    data: Plane = LazyPlane(shape, lambda r, c: np.asarray(source[r, c], np.float32))
    if rows is not None:
        data = Banded(source, rows, np.float32)
    saturation = prepared.door.saturation
    own = LazyPlane(shape, lambda r, c: flags_of(data[r, c], saturation), np.uint8)
    image = Image(data=_array(data), flags=_array(own), **prepared.image)
    level = finite_only(sky.mesh, image)
    strength = getattr(prepared.settings, "strength", 1.0)
    parts: dict[str, Plane] = {"sky": level}
    if prepared.method == "bgrem":
        taken = read("taken")
        if strength != 1 and prepared.noise:
            parts["noise"] = LazyPlane(shape, lambda r, c: strength * taken[r, c])
        else:
            parts["background" if prepared.joint else "noise"] = taken
    extras: dict[str, Plane] = {"rms": prepared.scale.sigma}
    if "centre" in store.group:
        extras["centre"] = read("centre")
    return Separation(
        image=image,
        parts={name: parts[name] for name in names_of(prepared)},
        flags=_array(read("flags")),
        scale=prepared.scale,
        provenance=provenance_of(prepared, sky),
        photometric=difference(image.data, level, shape),
        extras=extras,
    )


def _array(plane: Any) -> NDArray[Any]:
    """Say that a plane that is read by block does as an array."""
    return cast("NDArray[Any]", plane)
