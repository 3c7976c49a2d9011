"""Counts: what must hold of a map of photons before anything is made of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.errors import ImageError
from bgrem_core.gamma.energies import BAND, band_of, band_text
from bgrem_core.io.celestial import equatorial
from bgrem_core.model_card import range_text
from bgrem_core.planes import bands
from bgrem_core.simulate.gamma_psf import containment_radius

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.image import Image
    from bgrem_core.model_card import ModelCard

    Floats = NDArray[np.float64]

__all__ = ["PIXEL", "Pixels", "check_band", "check_counts", "check_pixels", "pixels_of"]

PIXEL = 0.2
"""Side of a pixel where no WCS tells it, degrees."""
_WHOLE = 1e-3
"""Farthest from a whole number that a count may lie: some tools scale and round."""
_SQUARE = 0.1
"""Relative difference of sides, over the map too, up to which pixels are alike."""
_AROUND = 0.02
"""Relative difference at which pixels are as far from training as they may be."""
_ANYWAY = "go on all the same with --gamma-anyway"
_FRONT = 1
_SUM_OF_TYPES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """Sides of the pixels of a map.

    Attributes
    ----------
    side : float
        In the middle of the map, degrees; the mean of both sides.
    least, most : float
        Over the map and along both axes.
    known : bool
        A WCS told them.
    """

    side: float
    least: float
    most: float
    known: bool


def pixels_of(image: "Image") -> Pixels:
    """Measure the pixels of a map on the sky.

    Parameters
    ----------
    image : Image
        With a WCS of any projection.

    Returns
    -------
    Pixels
        At 0.2 deg where there is no WCS.
    """
    wcs = image.wcs
    if wcs is None:
        return Pixels(side=PIXEL, least=PIXEL, most=PIXEL, known=False)
    ny, nx = image.shape
    y, x = (np.linspace(0, n - 1, 9) for n in (ny, nx))
    at_y, at_x = (g.ravel() for g in np.meshgrid(y, x, indexing="ij"))
    good = image.flags[np.round(at_y).astype(int), np.round(at_x).astype(int)] == 0
    corners = [(at_x, at_y), (at_x + 0.5, at_y), (at_x, at_y + 0.5)]
    back = [(at_x - 0.5, at_y), (at_x, at_y - 0.5)]
    sky = [_unit(*equatorial(wcs, *place)) for place in (*corners, *back)]
    sides = np.array([_angle(sky[1], sky[3]), _angle(sky[2], sky[4])])
    # Outside the sky, as in the corners of an all-sky map, there are no pixels.
    fits = np.isfinite(sides).all(axis=0)
    fits &= good if (good & fits).any() else fits
    if not fits.any():
        return Pixels(side=PIXEL, least=PIXEL, most=PIXEL, known=False)
    inside = sides[:, fits]
    away = np.hypot(at_y - (ny - 1) / 2, at_x - (nx - 1) / 2)[fits]
    middle = inside[:, np.argmin(away)]
    return Pixels(
        side=float(middle.mean()),
        least=float(inside.min()),
        most=float(inside.max()),
        known=True,
    )


def check_counts(image: "Image", *, anyway: bool = False) -> tuple[str, ...]:
    """Check that an image holds photons.

    Parameters
    ----------
    image : Image
        Good pixels are looked at.
    anyway : bool, optional
        Take counts that are not whole.

    Returns
    -------
    tuple of str
        Notices.

    Raises
    ------
    ImageError
        A negative count, counts that are not whole, or not one photon.
    """
    least, total, broken, good = np.inf, 0.0, 0, 0
    for rows in bands(image.shape):
        data = np.asarray(image.data[rows], np.float64)
        values = data[(image.flags[rows] == 0) & np.isfinite(data)]
        if values.size:
            least = min(least, float(values.min()))
        good += values.size
        total += float(values.sum())
        broken += int(np.count_nonzero(np.abs(values - np.round(values)) > _WHOLE))
    if not good:
        raise ImageError("no pixel of the counts map is good")
    if least < 0:
        raise ImageError(
            f"the image has negative pixels, down to {least:.4g}: these are no counts",
            hint="give the counts map of gtbin as it is, no background taken off",
        )
    if total == 0:
        raise ImageError(
            "all pixels of the counts map are zero",
            hint="check the cuts in time, energy and region that made it",
        )
    if not broken:
        return ()
    said = f"{broken} of {good} pixels are not whole numbers: these are no counts"
    if not anyway:
        raise ImageError(
            said, hint=f"give the map before any exposure or smoothing, or {_ANYWAY}"
        )
    return (f"{said}; errors and TS do not hold",)


def check_pixels(
    pixels: Pixels, card: "ModelCard", *, anyway: bool = False
) -> tuple[str, ...]:
    """Check that a model was trained on such pixels.

    Parameters
    ----------
    pixels : Pixels
        Of the map.
    card : ModelCard
        Of the model: ``pixel``, degrees, and ``psf_r68``, whose spread tells how far
        the PSF may be off.
    anyway : bool, optional
        Go on with other pixels.

    Returns
    -------
    tuple of str
        Notices.

    Raises
    ------
    ImageError
        Pixels that are too coarse, too fine or not square.
    """
    if not pixels.known:
        return (f"no WCS: pixels of {PIXEL:g} deg assumed, no RA and Dec of sources",)
    low, high = card.range("pixel")
    narrow, wide = card.range("psf_r68")
    # A pixel is as good as a PSF of another width: what that may be, it may be.
    r68 = containment_radius()
    low, high = low * r68 / wide - _AROUND * low, high * r68 / narrow + _AROUND * high
    side = pixels.side
    trained = range_text(card.trained["pixel"])
    notices = []
    if not low <= side <= high:
        word = "coarse" if side > high else "fine"
        said = (
            f"pixels of {side:.3g} deg are too {word} for the model {card.name}, "
            f"which was trained on {trained} deg"
        )
        if not anyway:
            raise ImageError(said, hint=f"bin with binsz={trained}, or {_ANYWAY}")
        notices.append(f"{said}: neither background nor TS is to be relied on")
    if pixels.most > pixels.least * (1 + 2 * _SQUARE):
        said = (
            f"sides of pixels go from {pixels.least:.3g} to {pixels.most:.3g} deg over "
            "the map, and the PSF with them"
        )
        notices.append(f"{said}: use a smaller map about its centre, or proj=TAN")
    return tuple(notices)


def check_band(image: "Image") -> tuple[str, ...]:
    """Say where the header tells of other photons than the model was trained on.

    Parameters
    ----------
    image : Image
        With the header of gtbin or another tool.

    Returns
    -------
    tuple of str
        Notices.
    """
    notices = []
    band = band_of(image)
    if band is None:
        notices.append(
            f"the header tells no energies: {band_text(BAND)} is assumed, the band "
            "that the model was trained on"
        )
    elif band.place:
        notices.append(f"{band.place}: {band_text(band.limits)}")
    if band is not None and not band.fits:
        notices.append(
            f"the photons have {band_text(band.limits)} ({band.source}), the model was "
            f"trained on {band_text(BAND)}: its PSF and its sky are others, and "
            "background, fluxes and TS are wrong"
        )
    kind = _event_type(image)
    if kind not in (None, _FRONT):
        notices.append(
            f"event type {kind} is not FRONT (evtype={_FRONT}): the PSF is "
            f"{'wider' if kind == _SUM_OF_TYPES else 'another'}, and fluxes and TS "
            "are wrong"
        )
    return tuple(notices)


def _event_type(image: "Image") -> int | None:
    """Return the bit mask of event types that the header tells."""
    from bgrem_core.gamma.energies import selections

    for kind, _, value in selections(image.header):
        word = kind.replace(" ", "").upper()
        if word.startswith("BIT_MASK(EVENT_TYPE,"):
            number = word.removeprefix("BIT_MASK(EVENT_TYPE,").split(",")[0].rstrip(")")
            return int(number) if number.isdecimal() else None
        if word == "EVENT_TYPE" and value.strip().isdecimal():
            return int(value)
    return None


def _unit(lon: "Floats", lat: "Floats") -> "Floats":
    """Return unit vectors, shape (3, n)."""
    a, b = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)])


def _angle(a: "Floats", b: "Floats") -> "Floats":
    """Return the angle between unit vectors, degrees."""
    away = np.sqrt(((a - b) ** 2).sum(axis=0))
    out: Floats = np.degrees(2 * np.arcsin(np.minimum(away / 2, 1)))
    return out
