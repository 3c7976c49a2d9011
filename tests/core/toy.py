"""A toy method: takes a constant away, tile by tile. It proves the contracts."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from bgrem_core.io.provenance import Provenance
from bgrem_core.methods.base import Method
from bgrem_core.normalize import Scale
from bgrem_core.options import option
from bgrem_core.planes import constant
from bgrem_core.progress import Progress
from bgrem_core.separation import Separation
from bgrem_core.settings import RunSettings
from bgrem_core.tiles import grid


@dataclass(frozen=True, kw_only=True)
class ToySettings(RunSettings):
    level: float = option(default=1.0, help="what is taken away", range=(-1e6, 1e6))
    mood: str = option(default="calm", help="a word", choices=("calm", "angry"))
    tile: int = option(default=64, help="side of a tile", range=(8, 4096))


#: A test sets this to something that runs before each tile.
hook = {"before_tile": lambda done: None}


def iterate(image, settings):
    if settings.mood == "angry":
        raise RuntimeError("the toy is angry")
    taken = np.zeros(image.shape, np.float32)
    tiles = grid(image.shape, tile=settings.tile, margin=0)
    for done, tile in enumerate(tiles, start=1):
        hook["before_tile"](done)
        taken[tile.keep] = settings.level
        block = image.data[tile.keep] - settings.level
        yield Progress(
            stage="tiles", done=done, total=len(tiles), tile=tile, block=block
        )
    sky = np.where(np.isfinite(image.data), taken, np.nan).astype(np.float32)
    return Separation(
        image=image,
        parts={"toy": sky},
        flags=image.flags,
        scale=Scale(
            offset=constant(0, image.shape),
            sigma=constant(1, image.shape),
            median_sigma=1.0,
        ),
        provenance=Provenance(
            version="0", method="toy", settings=dataclasses.asdict(settings)
        ),
        photometric=image.data,
    )


def find(separation, settings):
    from astropy.table import QTable

    return QTable({"id": [1], "x": [0.0], "y": [0.0]})


TOY = Method(
    name="toy",
    label="Toy",
    settings=ToySettings,
    panels=("Before", "After", "Toy"),
    iterate=iterate,
    find=find,
    inspect_rows=lambda separation, x, y: (("toy", "yes"),),
    parts=("toy",),
)
