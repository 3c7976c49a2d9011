"""One tile of a prepared run, from the pixels around it."""

import numpy as np
from numpy.typing import NDArray

from bgrem_core.engine.answers import answers, reach
from bgrem_core.engine.measured import flags_of
from bgrem_core.engine.models import model_of
from bgrem_core.engine.prepared import Prepared
from bgrem_core.engine.skies import Blocks
from bgrem_core.engine.windows import Window
from bgrem_core.methods.bgrem import BGRemSettings
from bgrem_core.planes import Block
from bgrem_core.tiles import Tile


def around(prepared: Prepared, tile: Tile) -> Block:
    """Return the rectangle of the frame on which a tile depends."""
    if prepared.method == "bgrem":
        return reach(tile, prepared.grid.shape)
    return tile.keep


def tile_blocks(
    prepared: Prepared,
    tile: Tile,
    pixels: NDArray[np.float32],
    flags: NDArray[np.uint8] | None,
) -> Blocks:
    """Return pixels, flags and what a network says of a tile.

    Parameters
    ----------
    prepared : Prepared
        Of the run.
    tile : Tile
        Of its grid.
    pixels : ndarray of float32
        Of the rectangle `around`.
    flags : ndarray of uint8 or None
        Of the same; None = what the pixels themselves tell.

    Returns
    -------
    dict of ndarray
        "data" and "flags", those of the network included, of the shape of
        ``tile.keep``; with a network also what `answers` gives.
    """
    shape, at = prepared.grid.shape, around(prepared, tile)
    if flags is None:
        flags = flags_of(pixels, prepared.door.saturation)
    data, bad = Window(shape, at, np.asarray(pixels)), Window(shape, at, flags)
    own = np.array(bad[tile.keep])
    out: Blocks = {"data": np.array(data[tile.keep]), "flags": own}
    if isinstance(prepared.settings, BGRemSettings):
        said = answers(
            tile,
            data,
            bad,
            prepared.scale,
            gain=prepared.door.gain,
            model=model_of(prepared.settings, prepared.sha256),
            settings=prepared.settings,
        )
        if "hits" in said:
            own |= said["hits"]
        out |= said
    return out
