"""The sources of a frame out of memory."""

from typing import TYPE_CHECKING

import numpy as np

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
        As `bgrem_core.find_sources` of the frame in memory.
    """
    method = get_method(store.prepared.method)
    return method.find(_separation(store, sky), settings)


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
