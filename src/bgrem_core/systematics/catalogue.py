"""Catalogue of targets: fluxes on the frame without its map, and what the map kept."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from bgrem_core.catalog import SourceFlag
from bgrem_core.columns import Fluxes, source_table
from bgrem_core.image import MaskBit
from bgrem_core.systematics.point_fit import explained, flux_at, kernel_of, phase_noise
from bgrem_core.systematics.signal import signal_at
from bgrem_core.systematics.trails import trail_profile

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.separation import Separation
    from bgrem_core.systematics.facts import Facts

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["DESCRIPTIONS", "NOMINAL", "target_table", "width_of"]

_FITTED = 8.0
"""Radius on which widths are compared, sigmas of the assumed one."""
NOMINAL = 5.0
"""Signal to noise below which a target carries flag 128."""
_AROUND = 32
"""Half side of the box in which the noise of a flux is measured, pixels."""
_BLENDED = 3.0
"""Distance of two targets, FWHM, below which they are blended."""

DESCRIPTIONS = {
    "id": "from 1, by snr",
    "flux": "of a Gaussian target by a fit with a local level, over kept_fraction",
    "flux_err": "its standard error, that of kept_fraction included",
    "snr": "flux over its noise: the scatter of the same fit around it and, where the "
    "gain is known, photons of the target",
    "peak": "highest pixel of the frame without its map, over the white noise",
    "flux_cleaned": "as flux, before the division by kept_fraction",
    "fwhm": "of all targets, as given, measured or assumed",
    "kept_fraction": "share of the target that the map leaves, by artificial targets "
    "of this brightness on this frame",
    "kept_err": "its scatter from place to place, and its error",
    "snr_before": "highest pixel over standard deviation in a box of 21 pixels, frame",
    "snr_after": "the same without the map",
    "snr_before_robust": "the same by median and median absolute deviation, frame",
    "snr_after_robust": "the same without the map",
    "mjd": "middle of the exposure, modified Julian date, UTC",
}


def target_table(
    separation: "Separation", x: "Floats", y: "Floats", facts: "Facts"
) -> "QTable":
    """Measure targets at given places.

    Parameters
    ----------
    separation : Separation
        What the method returned; only what is about the places is read.
    x, y : ndarray
        Places, pixels, 0-based.
    facts : Facts
        Of the frame, with the width of the targets.

    Returns
    -------
    astropy.table.QTable
        Columns of all catalogues; behind them kept_fraction, kept_err, the signal to
        noise before and after, and mjd. NaN outside the frame.
    """
    import astropy.units as u

    left, noise, photons, peak = _measured(separation, x, y, facts.width)
    gain = separation.image.gain
    kept, kept_err, beyond = _kept(facts, left)
    with np.errstate(invalid="ignore", divide="ignore"):
        shot = np.maximum(left, 0) * photons / gain if gain else 0.0
        flux, snr = left / kept, left / np.sqrt(noise**2 + shot)
        error = np.hypot(left / snr / kept, flux * kept_err / kept)
    unknown = np.full(len(x), np.nan)
    table = source_table(
        separation.image, x, y,
        Fluxes(
            flux=flux, flux_err=error, snr=snr, fwhm=np.full(len(x), facts.fwhm),
            a=unknown, b=unknown, theta=unknown,
            flags=_flags(separation, x, y, snr, facts.fwhm),
        ),
        peak=peak / facts.white if facts.white > 0 else unknown,
        flux_cleaned=left,
        flags=np.where(beyond, SourceFlag.EXTRAPOLATED, 0),
    )  # fmt: skip
    bad = np.asarray(separation.flags) != 0
    signal = signal_at(separation.image.data, separation.cleaned_plane, bad, x, y)
    table["kept_fraction"] = kept if facts.kept is not None else unknown
    table["kept_err"] = kept_err
    for name in ("before", "after", "before_robust", "after_robust"):
        table[f"snr_{name}"] = getattr(signal, name)
    table["mjd"] = np.full(len(x), facts.time.mjd) * u.d
    for name, text in DESCRIPTIONS.items():
        table[name].info.description = text
    return table


def _kept(facts: "Facts", left: "Floats") -> "tuple[Floats, Floats, NDArray[np.bool_]]":
    if facts.kept is None:
        # Nothing was put in: fluxes stay as they are, and are flagged.
        return np.ones(len(left)), np.zeros(len(left)), np.ones(len(left), bool)
    return facts.kept.of(left)


def _measured(
    separation: "Separation", x: "Floats", y: "Floats", width: float
) -> "tuple[Floats, Floats, Floats, Floats]":
    """Return flux, its noise, its variance by photons of the target, highest pixel."""
    kernel = kernel_of(width)
    half = kernel.shape[0] // 2
    steps = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    point = trail_profile(steps[1], steps[0], angle=0, length=0, width=width)
    photons = np.full(len(x), float(np.sum(kernel**2 * point)))
    ny, nx = separation.shape
    left, noise, peak = (np.full(len(x), np.nan) for _ in range(3))
    for k, (cx, cy) in enumerate(zip(x, y, strict=True)):
        if not (-0.5 <= cx <= nx - 0.5 and -0.5 <= cy <= ny - 0.5):
            continue
        row, col = min(max(round(cy), 0), ny - 1), min(max(round(cx), 0), nx - 1)
        reach = _AROUND + half
        y0, x0 = max(row - reach, 0), max(col - reach, 0)
        block = slice(y0, row + reach + 1), slice(x0, col + reach + 1)
        bad = np.asarray(separation.flags[block]) != 0
        data = np.where(bad, 0, separation.photometric[block]).astype(np.float32)
        at = np.array([cx - x0]), np.array([cy - y0])
        left[k] = flux_at(data, *at, width)[0]
        fits = ndimage.correlate(data, kernel.astype(np.float32), mode="constant")
        good = fits[~bad]
        if good.size:
            noise[k] = 1.4826 * np.median(np.abs(good - np.median(good)))
        near = data[max(row - y0 - 1, 0) : row - y0 + 2, max(col - x0 - 1, 0) :][:, :3]
        peak[k] = near.max()
    noise = np.where(noise > 0, noise, np.nan) * phase_noise(x, y, width)
    return left, noise, photons, peak


def _flags(
    separation: "Separation", x: "Floats", y: "Floats", snr: "Floats", fwhm: float
) -> "Ints":
    ny, nx = separation.shape
    out = np.zeros(len(x), np.int64)
    gap = np.minimum.reduce([x + 0.5, nx - 0.5 - x, y + 0.5, ny - 0.5 - y])
    out[gap < max(fwhm, 1.5)] |= SourceFlag.EDGE
    # Of a point, all but some per cent lies within its FWHM.
    out[gap < fwhm] |= SourceFlag.TRUNCATED
    with np.errstate(invalid="ignore"):
        out[~(snr >= NOMINAL)] |= SourceFlag.FAINT
    if len(x) > 1:
        known = np.stack([np.nan_to_num(v, nan=-1e9) for v in (x, y)], axis=1)
        away: Any = cKDTree(known).query(known, k=2)[0]
        out[away[:, 1] < _BLENDED * fwhm] |= SourceFlag.BLENDED
    radius = math.ceil(max(fwhm, 1.0))
    for k in range(len(x)):
        if not np.isfinite(x[k] + y[k]):
            continue
        row, col = round(y[k]), round(x[k])
        near = separation.flags[
            max(row - radius, 0) : max(row + radius + 1, 0),
            max(col - radius, 0) : max(col + radius + 1, 0),
        ]
        out[k] |= SourceFlag.MASKED if (near != 0).any() else 0
        out[k] |= SourceFlag.SATURATED if (near & MaskBit.SATURATED).any() else 0
        out[k] |= SourceFlag.ARTEFACT if (near & MaskBit.ARTEFACT).any() else 0
    if separation.image.gain is None:
        out |= SourceFlag.NO_GAIN
    return out


def width_of(
    cleaned: "NDArray[np.float32]", x: "Floats", y: "Floats", width: float
) -> float:
    """Return the width that explains bright targets best.

    Parameters
    ----------
    cleaned : ndarray
        (ny, nx), bad pixels 0.
    x, y : ndarray
        Bright targets, pixels, 0-based.
    width : float
        Sigma that is assumed, pixels.

    Returns
    -------
    float
        Sigma, pixels, within a factor of three of it.
    """
    tried = width * np.geomspace(1 / 3, 3, 41)
    half = math.ceil(_FITTED * width)
    gain = np.array([explained(cleaned, x, y, w, half) for w in tried])
    return float(np.median(tried[np.argmax(gain, axis=0)]))
