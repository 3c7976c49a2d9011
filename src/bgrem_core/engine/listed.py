"""The sources of a frame out of memory."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from bgrem_core.catalog import SourceFlag
from bgrem_core.detect import BLOCK, MARGIN
from bgrem_core.engine.measured import flags_of
from bgrem_core.engine.skies import names_of, provenance_of
from bgrem_core.engine.store import Store
from bgrem_core.image import Image
from bgrem_core.methods import get_method
from bgrem_core.methods.common import difference, finite_only
from bgrem_core.planes import LazyPlane, Plane, allocate
from bgrem_core.separation import Separation
from bgrem_core.settings import FindSettings
from bgrem_core.sky import Sky

if TYPE_CHECKING:
    from astropy.table import QTable


def list_sources(store: Store, sky: Sky, settings: FindSettings) -> "QTable":
    """Find and measure the sources of a run whose sky is known.

    The search goes block by block, with a margin of 128 pixels: a source belongs to the
    block that keeps its highest pixel.

    Parameters
    ----------
    store : Store
        All its tiles done.
    sky : Sky
        Of the frame.
    settings : FindSettings
        How to search.

    Returns
    -------
    astropy.table.QTable
        As `bgrem_core.find_sources` of the frame in memory, with the flag 16 where a
        source reaches further than the margin beyond its block.
    """
    method = get_method(store.prepared.method)
    segments = method.find_segments
    assert segments is not None  # noqa: S101 - both methods of the engine have it
    table, segm = segments(_separation(store, sky), settings)
    far = reaching(segm, np.asarray(table["x"]), np.asarray(table["y"]))
    table["flags"][far] |= SourceFlag.TRUNCATED
    return table


def reaching(
    segm: NDArray[np.int32],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    block: int = BLOCK,
    margin: int = MARGIN,
) -> NDArray[np.bool_]:
    """Tell which sources reach the end of what their block of the search saw.

    Parameters
    ----------
    segm : ndarray of int32, shape (ny, nx)
        Label k + 1 on the pixels of source k.
    x, y : ndarray of float64
        Positions in pixels.
    block, margin : int, optional
        Of the search, in pixels.

    Returns
    -------
    ndarray of bool
        True = the source may go on, and its pixels are cut there.
    """
    out = np.zeros(len(x), bool)
    for k, box in enumerate(find_objects(segm, max_label=len(x))):
        if box is None:
            continue
        for span, centre, length in zip(box, (y[k], x[k]), segm.shape, strict=True):
            start = int(centre + 0.5) // block * block
            low, high = start - margin, start + block + margin
            out[k] |= span.start <= low and low > 0
            out[k] |= span.stop >= high and high < length
    return out


def _separation(store: Store, sky: Sky) -> Separation:
    """Return the result on scratch files, which cost disk and no memory."""
    prepared, shape = store.prepared, store.prepared.grid.shape
    source = store.data()
    planes = {"flags": allocate(shape, np.uint8), "data": allocate(shape)}
    for name in ("taken", "centre"):
        if name in store.group:
            planes[name] = allocate(shape)
    for tile in prepared.grid:
        for name, plane in planes.items():
            one = source if name == "data" else store.group[name]
            plane[tile.keep] = one[tile.keep]
    own = flags_of(planes["data"], prepared.door.saturation)
    image = Image(data=planes["data"], flags=own, **prepared.image)
    level = finite_only(sky.mesh, image)
    strength = getattr(prepared.settings, "strength", 1.0)
    parts: dict[str, Plane] = {"sky": level}
    taken = planes.get("taken")
    if taken is not None and strength != 1 and prepared.noise:
        whole = taken
        parts["noise"] = LazyPlane(shape, lambda r, c: strength * whole[r, c])
    elif taken is not None:
        parts["background" if prepared.joint else "noise"] = taken
    extras: dict[str, Plane] = {"rms": prepared.scale.sigma}
    if "centre" in planes:
        extras["centre"] = planes["centre"]
    return Separation(
        image=image,
        parts={name: parts[name] for name in names_of(prepared)},
        flags=planes["flags"],
        scale=prepared.scale,
        provenance=provenance_of(prepared, sky),
        photometric=difference(image.data, level, shape),
        extras=extras,
    )
