"""What a network says of one tile, from the pixels around it alone."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.image import Image
from bgrem_core.methods.bgrem import REACH, BGRemSettings, Run
from bgrem_core.models import Model
from bgrem_core.normalize import Scale
from bgrem_core.planes import Block, Plane
from bgrem_core.tiles import Tile, grow, inside, needed, take

#: Key of what is taken away from the pixels of a tile.
TAKEN = "taken"


def reach(tile: Tile, shape: tuple[int, int]) -> Block:
    """Return the rectangle of a frame on which the answer for a tile depends."""
    return needed(grow(tile.read, REACH), shape)


def answers(
    tile: Tile,
    data: Plane,
    flags: Plane,
    scale: Scale,
    *,
    gain: float | None,
    model: Model,
    settings: BGRemSettings,
) -> dict[str, NDArray[Any]]:
    """Denoise one tile.

    Parameters
    ----------
    tile : Tile
        Of the grid of the whole frame.
    data, flags : Plane
        Of the whole frame's shape; only `reach` is read of them.
    scale : Scale
        Of the whole frame.
    gain : float or None
        Electrons per unit.
    model : Model
        Of the method "bgrem".
    settings : BGRemSettings
        As for the whole frame.

    Returns
    -------
    dict of ndarray
        Of the shape of ``tile.keep``: "taken", float32, and what the model says beside
        (`Said.planes`). The same bits as in a run over the whole frame.
    """
    wide = grow(tile.read, REACH)
    near = replace(
        scale, offset=take(scale.offset, wide), sigma=take(scale.sigma, wide)
    )
    pixels = np.asarray(take(data, wide), np.float32)
    image = Image(data=pixels, flags=take(flags, wide), gain=gain)
    run = Run(image, image.flags, near, model, settings)
    keep = inside(wide, tile.keep)
    spot = Tile(read=inside(wide, tile.read), keep=keep, index=tile.index)
    taken = run.tile(spot)
    said = {name: plane[keep] for name, plane in run.said.planes().items()}
    return {TAKEN: taken, **said}
