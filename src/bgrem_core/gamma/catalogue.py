"""Catalogue of point sources in photons, with the columns of all catalogues."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from bgrem_core.catalog import SourceFlag
from bgrem_core.columns import Fluxes, source_table

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.gamma.search import PointSources
    from bgrem_core.image import Image

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["FLUX_UNIT", "NOMINAL", "TS_LEAST", "point_flags", "point_table"]

TS_LEAST = 9.0
"""TS of the faintest source of a catalogue."""
NOMINAL = 25.0
"""TS below which a source carries flag 128."""
FLUX_UNIT = "ph / (cm2 s)"
_BLENDED = 1.5
"""Distance of the nearest source, in r68, below which two are blended."""
_WHOLE = 0.9
"""Share of the window's photons below which a source is truncated."""
_R68 = 1.5096
"""Radius of 68 % of a round normal distribution, in its standard deviation."""

DESCRIPTIONS = {
    "id": "from 1, by ts",
    "flux": "photons of 1 to 2 GeV by a fit of the PSF, over the exposure",
    "flux_err": "its standard error, that of the background included; place and "
    "exposure taken as known",
    "snr": "photons over their error; the significance is the square root of ts",
    "counts": "photons of the whole source, by a fit of the PSF to the counts",
    "counts_err": "their standard error, that of the background included; place taken "
    "as known",
    "ts": "test statistic, 2 (ln L1 - ln L0), given the background",
    "place_err": "radius that holds the true place with 68 %, given the background",
}


def point_table(
    image: "Image",
    found: "PointSources",
    *,
    flags: "Ints",
    exposure: "Floats | None",
    pixel: float,
) -> "QTable":
    """Build the catalogue.

    Parameters
    ----------
    image : Image
        WCS.
    found : PointSources
        What was found, or measured at given places.
    flags : ndarray of int, shape (n,)
        As from `point_flags`.
    exposure : ndarray, shape (n,), or None
        Of each source, cm2 s; None if it is not known: fluxes are counts then.
    pixel : float
        Side of a pixel, degrees.

    Returns
    -------
    astropy.table.QTable
        Columns of all catalogues; behind them counts, counts_err, ts, place_err.
    """
    import astropy.units as u

    share = 1.0 if exposure is None else exposure
    unknown = np.full(len(found), np.nan)
    table = source_table(
        # Counts have no magnitudes, whatever zero point was given.
        dataclasses.replace(image, zeropoint=None),
        found.x,
        found.y,
        Fluxes(
            flux=found.counts / share,
            flux_err=found.counts_err / share,
            snr=found.counts / found.counts_err,
            fwhm=unknown, a=unknown, b=unknown, theta=unknown, flags=flags,
        ),
    )  # fmt: skip
    unit = u.ct if exposure is None else u.Unit(FLUX_UNIT)
    for name in ("flux", "flux_err"):
        table[name] = u.Quantity(getattr(table[name], "value", table[name]), unit)
    table["counts"] = found.counts * u.ct
    table["counts_err"] = found.counts_err * u.ct
    table["ts"] = found.ts
    table["place_err"] = _R68 * pixel * found.place_err * u.deg
    for name, text in DESCRIPTIONS.items():
        table[name].info.description = text
    if exposure is None:
        table["flux"].info.description = DESCRIPTIONS["counts"]
        table["flux_err"].info.description = DESCRIPTIONS["counts_err"]
    return table


def point_flags(
    found: "PointSources",
    image_flags: "NDArray[np.uint8]",
    *,
    r68: float,
    others: "Floats | None" = None,
) -> "Ints":
    """Return the flags of point sources.

    Parameters
    ----------
    found : PointSources
        What was found.
    image_flags : ndarray of uint8, shape (ny, nx)
        `MaskBit` of each pixel.
    r68 : float
        Of the PSF, pixels.
    others : ndarray, shape (m, 2), optional
        Further sources, x and y.

    Returns
    -------
    ndarray of int64, shape (n,)
        `SourceFlag`: edge, blended, masked, truncated, faint.
    """
    ny, nx = image_flags.shape
    x, y = found.x, found.y
    out = np.zeros(len(found), np.int64)
    gap = np.min([x + 0.5, nx - 0.5 - x, y + 0.5, ny - 0.5 - y], axis=0)
    out[gap < r68] |= SourceFlag.EDGE
    out[found.seen < _WHOLE] |= SourceFlag.TRUNCATED
    out[found.ts < NOMINAL] |= SourceFlag.FAINT
    out[_near_others(x, y, others) < _BLENDED * r68] |= SourceFlag.BLENDED
    out[[_masked(image_flags, *at, r68) for at in zip(x, y, strict=True)]] |= (
        SourceFlag.MASKED
    )
    return out


def _near_others(x: "Floats", y: "Floats", others: "Floats | None") -> "Floats":
    """Return the distance to the nearest other source, pixels."""
    own = np.stack([x, y], axis=1)
    every = own if others is None else np.concatenate([own, others])
    if len(every) < 2 or not len(own):
        return np.full(len(own), np.inf)
    away: Any = cKDTree(every).query(own, k=2)[0]
    return np.asarray(away[:, 1], np.float64)


def _masked(flags: "NDArray[np.uint8]", x: float, y: float, radius: float) -> bool:
    near = np.ceil(radius)
    rows, cols = _side(y, near), _side(x, near)
    bad = np.argwhere(flags[rows, cols]) + np.array([rows.start, cols.start])
    away = np.hypot(*(bad - (y, x)).T)
    return bool((away <= radius).any())


def _side(place: float, near: float) -> slice:
    """Return the pixels of an axis within a distance of a place, none beyond 0."""
    start, stop = np.round(place) - near, np.round(place) + near + 1
    return slice(int(max(start, 0)), int(max(stop, 0)))
