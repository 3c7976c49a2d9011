"""Colour: maps as arrays, and pixels through them."""

from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.display._scale import TABLE_SIZE, Limits, stretch_table

Map = NDArray[np.uint8]

#: Pixels without a number: a violet that no map contains.
BAD = (110, 60, 130, 255)


def _blend(*stops: tuple[float, tuple[int, int, int]]) -> Map:
    """Return a map of 256 colours through stops at rising positions from 0 to 1."""
    where = [position for position, _ in stops]
    at = np.linspace(0, 1, 256)
    columns = [np.interp(at, where, [rgb[k] for _, rgb in stops]) for k in range(3)]
    table = np.stack([*columns, np.full(256, 255.0)], axis=1).round().astype(np.uint8)
    table.setflags(write=False)
    return table


#: Blue and orange are told apart with every common colour blindness, and both darken
#: away from the white middle, so that a print in grey still shows how far.
COLOUR_MAPS: MappingProxyType[str, Map] = MappingProxyType(
    {
        "grey": _blend((0, (0, 0, 0)), (1, (255, 255, 255))),
        "blue-white-orange": _blend(
            (0, (8, 48, 107)),
            (0.25, (66, 146, 198)),
            (0.5, (247, 247, 247)),
            (0.75, (230, 133, 40)),
            (1, (127, 54, 4)),
        ),
    }
)


def to_rgba(
    block: NDArray[Any], limits: Limits, stretch: str = "linear", cmap: str = "grey"
) -> NDArray[np.uint8]:
    """Return pixels as colours.

    Parameters
    ----------
    block : ndarray, shape (ny, nx)
        Pixels; those without a number become `BAD`.
    limits : tuple of float
        Values of the first and the last colour; beyond them the colour stays.
    stretch : {"linear", "asinh", "log", "sqrt"}, optional
        What lies between.
    cmap : {"grey", "blue-white-orange"}, optional
        Key of `COLOUR_MAPS`.

    Returns
    -------
    ndarray of uint8, shape (ny, nx, 4)
        Red, green, blue and opacity; row 0 first, as in the input.
    """
    low, high = limits
    unknown = np.isnan(block)
    # float64: neither a wide range nor a far value overflows.
    position = (np.where(unknown, low, block).astype(np.float64) - low) / (high - low)
    index = np.clip(position, 0, 1) * (TABLE_SIZE - 1)
    table = COLOUR_MAPS[cmap][stretch_table(stretch)]
    rgba: NDArray[np.uint8] = table[np.rint(index).astype(np.intp)]
    rgba[unknown] = BAD
    return rgba
