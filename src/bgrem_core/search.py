"""Search: the plane that is searched for sources, and its threshold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core import centres
from bgrem_core.image import MaskBit
from bgrem_core.matched import matched_filter
from bgrem_core.photometry import DEFAULT_FWHM
from bgrem_core.planes import LazyPlane, widened
from bgrem_core.sky import estimate_sky
from bgrem_core.sky_choice import SkyChoice
from bgrem_core.thresholds import matched_threshold, point, unfiltered_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.planes import Plane
    from bgrem_core.separation import Separation
    from bgrem_core.settings import FindSettings

__all__ = [
    "CENTRE",
    "Search",
    "ThresholdOf",
    "centre_plane",
    "centre_search",
    "light_plane",
    "search_plane",
    "wants_centres",
]

ThresholdOf = Callable[[str, float, int], float]

CENTRE = "centre"
"""Key of `Separation.extras` with the probability that a source has its centre here."""
DEAD = 10.0
"""Sigma below the sky from which a pixel cannot be noise."""
UNSURE_RHO = 0.15
"""How far the noise correlation may be off where it is called uncertain."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Search:
    """A plane ready to be searched.

    Attributes
    ----------
    plane : Plane
        Flattened, in units of `unit`; masked pixels NaN.
    threshold : float
        In the same units.
    fwhm : float
        Of a point source in that plane, pixels.
    unit : str
        "sigma per pixel", "sigma of the filtered noise", or "equivalent sigma of the
        filtered noise" of the evidence of centres.
    filtered : bool
        The matched filter was applied.
    mesh : Plane
        What flattening took off, in the unit of the image.
    calm : float
        Measured scatter by which the filtered noise was divided.
    """

    plane: "Plane"
    threshold: float
    fwhm: float
    unit: str
    filtered: bool
    mesh: "Plane"
    calm: float = 1.0


def search_plane(
    separation: "Separation",
    settings: "FindSettings",
    *,
    threshold_of: ThresholdOf | None = None,
    fwhm: float = DEFAULT_FWHM,
) -> Search:
    """Prepare the plane that is searched, and its threshold.

    Parameters
    ----------
    separation, settings, threshold_of
        As for `find_sources`.
    fwhm : float, optional
        FWHM of the PSF, pixels.

    Returns
    -------
    Search
        The cleaned image, flattened, in sigma; matched-filtered if it is not denoised.
    """
    scale = separation.scale
    cleaned, denoised = _fully_cleaned(separation)
    sky = estimate_sky(
        cleaned, separation.flags, choice=SkyChoice(scale=settings.flatten),
        sigma=scale.sigma, denoised=denoised, fwhm=fwhm,
    )  # fmt: skip
    filtered = (not denoised) if settings.filter is None else settings.filter
    plane = light_plane(separation, sky.mesh, fwhm=fwhm, filtered=filtered)
    deep = settings.deep
    if filtered:
        threshold = matched_threshold(fwhm, deep=deep)
        if scale.uncertain:
            threshold *= max(1.0, _scatter(plane))
    elif denoised and threshold_of is not None:
        threshold = _card_threshold(separation, threshold_of, deep=deep)
    else:
        rho = scale.rho + UNSURE_RHO * scale.uncertain
        threshold = unfiltered_threshold(rho, deep=deep)
    return Search(
        plane=plane,
        threshold=threshold if settings.threshold is None else settings.threshold,
        fwhm=fwhm * 2**0.5 if filtered else fwhm,
        unit="sigma of the filtered noise" if filtered else "sigma per pixel",
        filtered=filtered,
        mesh=sky.mesh,
    )


def light_plane(
    separation: "Separation", mesh: "Plane", *, fwhm: float, filtered: bool
) -> LazyPlane:
    """Return the cleaned image, flattened, in sigma; with or without the filter.

    Parameters
    ----------
    separation : Separation
        What a method returned.
    mesh : Plane
        What flattening takes off, in the unit of the image.
    fwhm : float
        FWHM of the PSF, pixels.
    filtered : bool
        Apply the matched filter.

    Returns
    -------
    LazyPlane
        As it is searched; masked pixels NaN.
    """
    flat = _in_sigma(separation, _fully_cleaned(separation)[0], mesh)
    return _filtered(flat, fwhm, separation.scale.rho_xy) if filtered else flat


def wants_centres(separation: "Separation", settings: "FindSettings") -> bool:
    """Return whether the map of centres is to be searched instead of the light.

    Parameters
    ----------
    separation : Separation
        What a method returned.
    settings : FindSettings
        A threshold or a filter that is set by hand belongs to the light.

    Returns
    -------
    bool
        False also where there is no such map.
    """
    by_hand = settings.threshold is not None or settings.filter is not None
    wanted = settings.on == "centres" or (settings.on == "auto" and not by_hand)
    return wanted and CENTRE in separation.extras


def centre_search(
    separation: "Separation",
    settings: "FindSettings",
    table: Mapping[str, Any],
    *,
    light: Search,
    fwhm: float,
) -> Search:
    """Prepare the evidence of centres, where a network tells of them.

    Parameters
    ----------
    separation : Separation
        Its extras hold the map.
    settings : FindSettings
        How to search.
    table : mapping
        Scale of the evidence; see `bgrem_core.centres`.
    light : Search
        As from `search_plane`: its mesh is taken off the original, too.
    fwhm : float
        FWHM of the PSF, pixels.

    Returns
    -------
    Search
        Where every maximum above the threshold is a source.
    """
    calm, quiet = 1.0, None if light.filtered else light.plane
    if separation.scale.uncertain:
        filtered = _original_filtered(separation, light.mesh, fwhm, quiet)
        calm = max(1.0, _scatter(filtered))
    given = settings.threshold
    return Search(
        plane=centre_plane(
            separation, table, mesh=light.mesh, fwhm=fwhm, calm=calm, quiet=quiet
        ),
        threshold=(
            centres.THRESHOLD[point(deep=settings.deep)] if given is None else given
        ),
        fwhm=fwhm,
        unit="equivalent sigma of the filtered noise",
        filtered=True,
        mesh=light.mesh,
        calm=calm,
    )


def centre_plane(
    separation: "Separation",
    table: Mapping[str, Any],
    *,
    mesh: "Plane",
    fwhm: float,
    calm: float,
    quiet: "Plane | None" = None,
) -> LazyPlane:
    """Return the evidence of centres.

    Parameters
    ----------
    separation, table
        As for `centre_search`.
    mesh : Plane
        What flattening takes off, in the unit of the image.
    fwhm : float
        FWHM of the PSF, pixels.
    calm : float
        By which the filtered noise is divided, at least 1.
    quiet : Plane, optional
        `light_plane` without the filter, where it is at hand.

    Returns
    -------
    LazyPlane
        As it is searched; masked pixels NaN.
    """
    scale, flags = separation.scale, separation.flags
    filtered = _original_filtered(separation, mesh, fwhm, quiet)
    if scale.uncertain:
        filtered = _calmed(filtered, calm)
    significance = centres.significance(
        separation.extras[CENTRE], filtered, table,
        rho=scale.rho + UNSURE_RHO * scale.uncertain, fwhm=fwhm,
    )  # fmt: skip

    def evaluate(rows: slice, cols: slice) -> "NDArray[np.float32]":
        out = significance[rows, cols]
        bits = flags[rows, cols]
        # A saturated star has its centre where no light was measured.
        out[(bits != 0) & (bits != MaskBit.SATURATED)] = np.nan
        return out

    return LazyPlane(separation.shape, evaluate)


def _original_filtered(
    separation: "Separation", mesh: "Plane", fwhm: float, quiet: "Plane | None"
) -> LazyPlane:
    original = _in_sigma(separation, separation.photometric, mesh)
    cleaned, denoised = _fully_cleaned(separation)
    if denoised:
        light = _in_sigma(separation, cleaned, mesh) if quiet is None else quiet
        original = _compact(original, light, fwhm)
    return _filtered(original, fwhm, separation.scale.rho_xy)


def _fully_cleaned(separation: "Separation") -> tuple["Plane", bool]:
    """Return the cleaned plane with all noise off, and whether it is denoised."""
    if "background" in separation.parts:
        return separation.cleaned_plane, True
    quiet = separation.quiet_plane
    if quiet is None:
        return separation.cleaned_plane, False
    return quiet, True


def _card_threshold(
    separation: "Separation", threshold_of: ThresholdOf, *, deep: bool
) -> float:
    scale, steps = separation.scale, separation.provenance.steps
    name = point(deep=deep)
    threshold = threshold_of(name, scale.rho, steps)
    if scale.uncertain:
        # Of two thresholds, the one with fewer false detections.
        threshold = max(threshold, threshold_of(name, scale.rho + UNSURE_RHO, steps))
    return threshold


def _in_sigma(separation: "Separation", cleaned: "Plane", sky: "Plane") -> LazyPlane:
    sigma, flags = separation.scale.sigma, separation.flags
    level = separation.image.saturation

    def evaluate(rows: slice, cols: slice) -> "NDArray[np.float32]":
        noise = np.asarray(sigma[rows, cols])
        signal = np.asarray(cleaned[rows, cols] - sky[rows, cols], np.float32)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            out: NDArray[np.float32] = signal / noise
        known = noise > 0
        if not known.all():
            out[~known] = _noise_free(signal[~known])
        # A saturated core is the top of its star: masked, its rim would be a wreath of
        # sources; as read, its values are no light curve but steps of the detector.
        bits = flags[rows, cols]
        if bits.any():
            full = (bits == MaskBit.SATURATED) & np.isfinite(out) & known
            if level is not None:
                out[full] = level / noise[full]
            out[(bits != 0) & ~full] = np.nan
        out[~np.isfinite(out)] = np.nan
        return out

    return LazyPlane(separation.shape, evaluate)


def _noise_free(signal: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Return 0 or a large number: without noise any light is significant."""
    return np.where(signal > 0, np.float32(1e6), np.float32(0))


def _compact(original: LazyPlane, quiet: "Plane", fwhm: float) -> LazyPlane:
    """Take off the light that is wider than a source, and pixels that are dead."""
    margin = centres.side(fwhm)

    def evaluate(rows: slice, cols: slice) -> "NDArray[np.float32]":
        wide, inner = widened((rows, cols), margin, original.shape)
        light, here = quiet[wide[0], wide[1]], original[rows, cols]
        light[light < -DEAD] = np.nan
        out = np.asarray(here - centres.pedestal(light, fwhm)[inner])
        out[here < -DEAD] = np.nan
        return out

    return LazyPlane(original.shape, evaluate)


def _filtered(flat: LazyPlane, fwhm: float, rho_xy: tuple[float, float]) -> LazyPlane:
    margin = int(np.ceil(2 * fwhm)) + 2

    def evaluate(rows: slice, cols: slice) -> "NDArray[np.float32]":
        wide, inner = widened((rows, cols), margin, flat.shape)
        out = matched_filter(flat[wide[0], wide[1]], fwhm=fwhm, rho_xy=rho_xy)
        return out[inner]

    return LazyPlane(flat.shape, evaluate)


def _calmed(plane: LazyPlane, scatter: float) -> LazyPlane:
    return LazyPlane(plane.shape, lambda r, c: plane[r, c] / np.float32(scatter))


def _scatter(plane: "Plane") -> float:
    """Return the sigma of the lower half of a plane, from its middle rows."""
    ny, nx = plane.shape
    values = plane[slice(max(0, ny // 2 - 256), ny // 2 + 256), slice(0, min(nx, 2048))]
    values = values[np.isfinite(values)]
    if values.size < 1000:
        return 1.0
    low, middle = np.percentile(values, [15.8655, 50])
    return float(middle - low)
