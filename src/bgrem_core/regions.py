"""Regions: a catalogue as a DS9 region file."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.catalog import SourceFlag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astropy.table import QTable

DRAWN = 2.5
"""Semi-axes are drawn this many times longer than a and b."""
LEAST = 2.0
"""Shortest semi-axis, pixels."""


def region_lines(table: "QTable") -> "Iterator[str]":
    """Yield the lines of a DS9 region file, one ellipse for each source.

    In fk5 where the sources have RA and Dec, else in image coordinates, which DS9
    counts from 1. Extended sources are cyan, flagged ones yellow, the rest green.

    Parameters
    ----------
    table : astropy.table.QTable
        Catalogue of `find_sources`; its meta holds pixel scale and direction of north.
    """
    c = {name: _numbers(table[name]) for name in _NEEDED}
    scale = table.meta.get("pixel_scale_arcsec")
    sky = scale is not None and bool(np.isfinite(c["ra"]).all())
    # DS9 counts angles on the sky from west, with north a quarter turn on.
    turn = table.meta.get("north_angle_deg", 90.0) - 90.0 if sky else 0.0
    yield "# Region file format: DS9 version 4.1"
    yield 'global color=green width=1 font="helvetica 9 normal"'
    yield "fk5" if sky else "image"
    for k in range(len(table)):
        a, b = (_axis(c[name][k]) for name in ("a", "b"))
        theta = c["theta"][k] if np.isfinite(c["theta"][k]) else 0.0
        if sky:
            where = f"{c['ra'][k]:.7f},{c['dec'][k]:+.7f}"
            size = f'{a * scale:.3f}",{b * scale:.3f}"'
        else:
            where = f"{c['x_fits'][k]:.3f},{c['y_fits'][k]:.3f}"
            size = f"{a:.2f},{b:.2f}"
        label = int(c["id"][k])
        colour = _colour(int(c["flags"][k]))
        yield (
            f"ellipse({where},{size},{theta - turn:.2f})"
            f" # color={colour} text={{{label}}}"
        )


_NEEDED = ("id", "x_fits", "y_fits", "ra", "dec", "a", "b", "theta", "flags")


def _numbers(column: Any) -> "np.ndarray[Any, Any]":
    return np.asarray(getattr(column, "value", column))


def _axis(value: float) -> float:
    return max(DRAWN * float(value), LEAST) if np.isfinite(value) else 2 * LEAST


def _colour(flags: int) -> str:
    if flags & SourceFlag.EXTENDED:
        return "cyan"
    return "yellow" if flags & ~(SourceFlag.NO_GAIN | SourceFlag.BLENDED) else "green"
