"""One star that was taken away, and what is left at its place, for who clicks it.

Only cut-outs are read, so that a click is answered at once.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.display import format_value
from bgrem_core.image import MaskBit
from bgrem_core.inspection import Listed
from bgrem_core.matched import circle_noise
from bgrem_core.rings import ring_radii
from bgrem_core.stars.catalogue import circle_radius, light_left
from bgrem_core.words import words_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.planes import Block
    from bgrem_core.separation import Separation

__all__ = ["listed_star", "star_at"]

NEAR = 1.5
"""Distance within which a click means a star, FWHM."""
LEAST = 2.0
"""The same in pixels, for stars of less."""
WIDEST = 64
"""Farthest pixel of what was filled round a star that a click can mean, pixels."""


def star_at(separation: "Separation", x: float, y: float) -> int | None:
    """Return the star that was taken from a place.

    Parameters
    ----------
    separation : Separation
        Of the method "stars", with its catalogue.
    x, y : float
        Position, pixels, 0-based.

    Returns
    -------
    int or None
        Row of the catalogue: the nearest star within 1.5 FWHM; where what the star
        covered was filled, the brightest one of that area.
    """
    table = separation.catalog
    if table is None or not len(table):
        return None
    at_x, at_y = (np.asarray(table[name].value, np.float64) for name in "xy")
    away = np.hypot(at_x - x, at_y - y)
    nearest = int(np.argmin(away))
    fwhm = separation.provenance.measured["fwhm"]
    if away[nearest] <= max(NEAR * fwhm, LEAST):
        return nearest
    ny, nx = separation.shape
    if not (0 <= round(x) < nx and 0 <= round(y) < ny):
        return None
    around = np.flatnonzero(away <= WIDEST)
    same = _filled_with(separation, x, y, at_x[around], at_y[around])
    # The catalogue is sorted by flux.
    return int(around[same][0]) if same.any() else None


def listed_star(separation: "Separation", x: float, y: float) -> Listed | None:
    """Return what is known of the star that a click means.

    Parameters
    ----------
    separation : Separation
        Of the method "stars", at any strength.
    x, y : float
        Position, pixels, 0-based.

    Returns
    -------
    Listed or None
        Flux, error and S/N are those of the catalogue; what is left is measured on the
        image without its stars, at the strength of the result. None where no star was
        taken.
    """
    k = star_at(separation, x, y)
    if k is None or separation.catalog is None:
        return None
    row = separation.catalog[k]

    def value(name: str) -> float:
        return float(getattr(row[name], "value", row[name]))

    star_x, star_y, fwhm, spread = (value(n) for n in ("x", "y", "fwhm", "spread"))
    flux, flux_err, snr = (value(name) for name in ("flux", "flux_err", "snr"))
    left, left_err, there = _left_at(separation, star_x, star_y, fwhm, flux)
    unit = f" {separation.image.unit}" if separation.image.unit else ""
    rows = [("Flux (star)", format_value(flux, flux_err) + unit)]
    if math.isfinite(value("mag")):
        error = 1.0857 * flux_err / flux
        rows.append(("Magnitude", format_value(value("mag"), error, "mag")))
    rows += [
        ("S/N (star)", f"{snr:.1f}" if math.isfinite(snr) else "unknown"),
        ("Spread", _wider(spread)),
        (
            f"Flux in {words_of(separation)[1].lower()}",
            format_value(left, left_err) + unit,
        ),
        ("Left of it", _share(left, left_err, there)),
        ("FWHM", f"{fwhm:.2f} pix (of the PSF)"),
    ]
    return Listed(
        row=k,
        x=star_x,
        y=star_y,
        flux=flux,
        flux_err=flux_err,
        snr=snr,
        left=left,
        left_err=left_err,
        fwhm=fwhm,
        radius=circle_radius(fwhm),
        flags=int(row["flags"]),
        own={"spread": spread},
        rows=tuple(rows),
    )


def _left_at(
    separation: "Separation", x: float, y: float, fwhm: float, flux: float
) -> tuple[float, float, float]:
    """Return what is left in a small circle, its error, and what was there of stars."""
    if not math.isfinite(fwhm):
        return math.nan, math.nan, math.nan
    radius = circle_radius(fwhm)
    reach = math.ceil(max(ring_radii(fwhm)[1], radius)) + 2
    block = _around(separation, x, y, reach)
    rows, cols = block
    scale, image = separation.scale, separation.image
    taken = np.asarray(separation.parts["stars"][block])
    at = np.array([x - cols.start]), np.array([y - rows.start])

    def light(plane: "NDArray[np.float32]") -> tuple[float, float]:
        flags = np.asarray(separation.flags[block])
        sums, errors = light_left(
            plane, flags, *at, fwhm=fwhm, sigma=scale.median_sigma
        )
        return float(sums[0]), float(errors[0])

    left, level_err = light(image.data[block] - taken)
    strength = float(separation.provenance.settings["strength"])
    there = light(taken)[0] / strength if strength > 0 else 0.0
    sigma = float(np.median(np.asarray(scale.sigma[block])))
    variance = (sigma * circle_noise(radius, scale.rho_xy)) ** 2
    variance += (np.pi * radius**2 * level_err) ** 2
    if image.gain:
        # The star is gone, the noise of its photons is not.
        variance += max(there or flux, 0.0) / image.gain
    return left, math.sqrt(variance), there


def _filled_with(
    separation: "Separation",
    x: float,
    y: float,
    at_x: "NDArray[np.float64]",
    at_y: "NDArray[np.float64]",
) -> "NDArray[np.bool_]":
    """Return which stars lie in the filled area that holds a place."""
    from scipy import ndimage

    none = np.zeros(len(at_x), bool)
    if not len(at_x):
        return none
    block = rows, cols = _around(separation, x, y, WIDEST)
    filled = (np.asarray(separation.flags[block]) & np.uint8(MaskBit.FILLED)) != 0
    labels, _ = ndimage.label(filled, np.ones((3, 3)))
    here = labels[round(y) - rows.start, round(x) - cols.start]
    if not here:
        return none
    row = np.rint(at_y).astype(int) - rows.start
    col = np.rint(at_x).astype(int) - cols.start
    inside = (row >= 0) & (row < labels.shape[0]) & (col >= 0) & (col < labels.shape[1])
    none[inside] = labels[row[inside], col[inside]] == here
    return none


def _around(separation: "Separation", x: float, y: float, reach: int) -> "Block":
    """Return the block round a place, as far as there are pixels; never empty."""
    ny, nx = separation.shape
    row, col = (int(np.clip(round(v), 0, n - 1)) for v, n in ((y, ny), (x, nx)))
    return (
        slice(max(row - reach, 0), min(row + reach + 1, ny)),
        slice(max(col - reach, 0), min(col + reach + 1, nx)),
    )


def _wider(spread: float) -> str:
    if math.isnan(spread):
        return "unknown (saturated)"
    word = "wider" if spread >= 0 else "narrower"
    return f"{abs(100 * spread):.1f} % {word} than the PSF"


def _share(left: float, left_err: float, there: float) -> str:
    """Return what is left in percent of what was there, in the same circle."""
    if there == 0:
        return "all: no star is taken"
    if not there > 0 or not math.isfinite(left):
        return "unknown"
    return format_value(100 * left / there, max(100 * left_err / there, 0.01), "%")
