"""Find: sources of a separated image, searched on one plane and measured on another.

Two-step photometry: positions come from the cleaned image, fluxes from the photometric
plane, which is not denoised (arXiv:2510.04718 advises the same).
"""

import dataclasses
from collections.abc import Callable
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.catalog import SourceFlag
from bgrem_core.columns import source_table
from bgrem_core.detect import Detections, detect_blocks
from bgrem_core.image import MaskBit
from bgrem_core.matched import matched_filter, weighted_noise
from bgrem_core.models import find_card
from bgrem_core.photometry import (
    DEFAULT_FWHM,
    aperture_sums,
    frame_psf,
    measure_arrays,
)
from bgrem_core.planes import LazyPlane, bands
from bgrem_core.sky import SkyChoice, estimate_sky
from bgrem_core.thresholds import (
    FALSE_PER_MPIX,
    matched_threshold,
    point,
    unfiltered_threshold,
)

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.planes import Plane
    from bgrem_core.psf import Psf
    from bgrem_core.separation import Separation
    from bgrem_core.settings import FindSettings
    from bgrem_core.total_flux import Measured

ThresholdOf = Callable[[str, float, int], float]

NOMINAL_SNR = 5.0
"""Least forced S/N in a catalogue; below it flag 128 where it is let in."""
UNSURE_RHO = 0.15
"""How far the noise correlation may be off where it is called uncertain."""
LARGE = 1.5
"""Sources with more pixels than a disc of this radius, in FWHM, are judged by the sum
over their own pixels: an aperture of the PSF's size sees little of them."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
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
        "sigma per pixel" or "sigma of the filtered noise".
    filtered : bool
        The matched filter was applied.
    """

    plane: "Plane"
    threshold: float
    fwhm: float
    unit: str
    filtered: bool


def find_sources(
    separation: "Separation",
    settings: "FindSettings",
    *,
    threshold_of: ThresholdOf | None = None,
) -> "QTable":
    """Find and measure the sources of a separated image.

    Parameters
    ----------
    separation : Separation
        What a method returned.
    settings : FindSettings
        How to search.
    threshold_of : callable, optional
        ``threshold_of(point, rho, steps)`` of the model card, with point "catalogue"
        or "deep": the threshold on a denoised image in sigma of the input's noise.

    Returns
    -------
    astropy.table.QTable
        Columns of `bgrem_core.columns.DESCRIPTIONS`, in the order of their ids.
    """
    return find_with_segments(separation, settings, threshold_of=threshold_of)[0]


def find_with_segments(
    separation: "Separation",
    settings: "FindSettings",
    *,
    threshold_of: ThresholdOf | None = None,
) -> tuple["QTable", "NDArray[np.int32]"]:
    """Find and measure sources; return the catalogue and the pixels of each source.

    Parameters
    ----------
    separation, settings, threshold_of
        As for `find_sources`.

    Returns
    -------
    table : astropy.table.QTable
        The catalogue.
    segm : ndarray of int32, shape (ny, nx)
        The id of the source on its pixels, 0 elsewhere.
    """
    psf = frame_psf(separation)
    fwhm = _fwhm(separation, psf)
    search = search_plane(separation, settings, threshold_of=threshold_of, fwhm=fwhm)
    found = _detect(search.plane, search, settings)
    measured = measure_arrays(
        separation.photometric, found.x, found.y, image=separation.image,
        scale=separation.scale, flags=separation.flags, psf=psf, fwhm=fwhm,
        segm=found.segm,
    )  # fmt: skip
    strength = _strength(separation, found, measured)
    keep = _kept(measured, strength, settings)
    radius = measured.setup.radius
    cleaned = aperture_sums(
        separation.cleaned_plane, found.x, found.y, radius, flags=separation.flags
    )
    _relabel(found.segm, keep)
    bits = found.flags | np.where(strength < NOMINAL_SNR, SourceFlag.FAINT, 0)
    table = source_table(
        separation.image, found.x, found.y, measured, peak=found.peak,
        flux_cleaned=measured.correction.factor * cleaned, npix=found.npix, flags=bits,
    )[keep]  # fmt: skip
    table["id"] = np.arange(1, len(table) + 1, dtype=np.int32)
    table["id"].info.description = "label in SEGM, from 1"
    negative = LazyPlane(separation.shape, lambda r, c: -search.plane[r, c])
    table.meta.update(_meta(separation, settings, search, measured, psf))
    table.meta["negative_detections"] = len(_detect(negative, search, settings))
    return table, found.segm


def expected_false(
    settings: "FindSettings", shape: tuple[int, ...], *, measured: bool = True
) -> float:
    """Return how many detections pure noise would give at most.

    Parameters
    ----------
    settings : FindSettings
        How to search.
    shape : tuple of int
        (ny, nx) of the image.
    measured : bool, optional
        Whether the threshold that is used was measured; see `has_measured_threshold`.

    Returns
    -------
    float
        One or ten per Mpix; NaN where the threshold was set by hand or not measured.
    """
    if settings.threshold is not None or not measured:
        return nan
    return FALSE_PER_MPIX[point(deep=settings.deep)] * shape[0] * shape[1] / 1e6


def has_measured_threshold(separation: "Separation") -> bool:
    """Return whether false detections were counted at the thresholds of the model.

    Parameters
    ----------
    separation : Separation
        What a method returned.

    Returns
    -------
    bool
        True also where no model was used.
    """
    model = separation.provenance.settings.get("model")
    return not model or find_card(str(model)).measured


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
    flat = _in_sigma(separation, cleaned, sky.mesh)
    filtered = (not denoised) if settings.filter is None else settings.filter
    deep = settings.deep
    if filtered:
        threshold = matched_threshold(fwhm, deep=deep)
        plane: Plane = _filtered(flat, fwhm, scale.rho_xy)
        if scale.uncertain:
            threshold *= max(1.0, _scatter(plane))
    elif denoised and threshold_of is not None:
        threshold = _card_threshold(separation, threshold_of, deep=deep)
        plane = flat
    else:
        rho = scale.rho + UNSURE_RHO * scale.uncertain
        threshold, plane = unfiltered_threshold(rho, deep=deep), flat
    return Search(
        plane=plane,
        threshold=threshold if settings.threshold is None else settings.threshold,
        fwhm=fwhm * 2**0.5 if filtered else fwhm,
        unit="sigma of the filtered noise" if filtered else "sigma per pixel",
        filtered=filtered,
    )


def _fwhm(separation: "Separation", psf: "Psf | None") -> float:
    if separation.image.fwhm is not None:
        return separation.image.fwhm
    if psf is not None:
        return psf.fwhm
    return separation.scale.fwhm if isfinite(separation.scale.fwhm) else DEFAULT_FWHM


def _fully_cleaned(separation: "Separation") -> tuple["Plane", bool]:
    """Return the cleaned plane with all noise off, and whether it is denoised."""
    if "background" in separation.parts:
        return separation.cleaned_plane, True
    if "noise" not in separation.parts:
        return separation.cleaned_plane, False
    strength = float(separation.provenance.settings.get("strength", 1.0))
    if strength <= 0:
        return separation.cleaned_plane, False
    rest, noise = 1 / strength - 1, separation.part("noise")
    cleaned = separation.cleaned_plane
    if rest == 0:
        return cleaned, True
    return LazyPlane(
        separation.shape, lambda r, c: cleaned[r, c] - rest * noise[r, c]
    ), True


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
            out = np.where(noise > 0, signal / noise, _noise_free(signal))
        # A saturated core is the top of its star: masked, its rim would be a wreath of
        # sources; as read, its values are no light curve but steps of the detector.
        bits = flags[rows, cols]
        full = (bits == MaskBit.SATURATED) & np.isfinite(out) & (noise > 0)
        if level is not None:
            out[full] = level / noise[full]
        out[((bits != 0) & ~full) | ~np.isfinite(out)] = np.nan
        return out

    return LazyPlane(separation.shape, evaluate)


def _noise_free(signal: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Return 0 or a large number: without noise any light is significant."""
    return np.where(signal > 0, np.float32(1e6), np.float32(0))


def _filtered(flat: LazyPlane, fwhm: float, rho_xy: tuple[float, float]) -> LazyPlane:
    margin = int(np.ceil(2 * fwhm)) + 2

    def evaluate(rows: slice, cols: slice) -> "NDArray[np.float32]":
        wide = tuple(
            slice(max(s.start - margin, 0), min(s.stop + margin, n))
            for s, n in zip((rows, cols), flat.shape, strict=True)
        )
        out = matched_filter(flat[wide[0], wide[1]], fwhm=fwhm, rho_xy=rho_xy)
        y0, x0 = rows.start - wide[0].start, cols.start - wide[1].start
        return out[y0 : y0 + rows.stop - rows.start, x0 : x0 + cols.stop - cols.start]

    return LazyPlane(flat.shape, evaluate)


def _scatter(plane: "Plane") -> float:
    """Return the sigma of the lower half of a plane, from its middle rows."""
    ny, nx = plane.shape
    values = plane[slice(max(0, ny // 2 - 256), ny // 2 + 256), slice(0, min(nx, 2048))]
    values = values[np.isfinite(values)]
    if values.size < 1000:
        return 1.0
    low, middle = np.percentile(values, [15.8655, 50])
    return float(middle - low)


def _detect(plane: "Plane", search: Search, settings: "FindSettings") -> Detections:
    return detect_blocks(
        plane, threshold=search.threshold, minarea=settings.minarea,
        deblend=settings.deblend, fwhm=search.fwhm,
    )  # fmt: skip


def _strength(
    separation: "Separation", found: Detections, measured: "Measured"
) -> "NDArray[np.float64]":
    """Return the forced S/N by which a source is judged."""
    snr = measured.snr
    setup = measured.setup
    large = found.npix > np.pi * (LARGE * setup.fwhm) ** 2
    if not large.any():
        return snr
    total = np.zeros(len(found) + 1)
    for rows in bands(separation.shape):
        labels = np.asarray(found.segm[rows, :])
        light = np.nan_to_num(separation.photometric[rows, :], posinf=0, neginf=0)
        total += np.bincount(labels.ravel(), light.ravel(), len(found) + 1)
    area = np.maximum(found.npix, 1)
    side = np.ones((9, 9))
    growth = weighted_noise(side, setup.rho_xy) / 9
    noise = np.hypot(measured.sigma * growth * np.sqrt(area), measured.sky_err * area)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = (total[1:] - measured.sky * area) / noise
    return np.where(large & (own > snr), own, snr)


def _kept(
    measured: "Measured", strength: "NDArray[np.float64]", settings: "FindSettings"
) -> "NDArray[np.bool_]":
    least = settings.min_snr
    if least is None:
        least = 0.0 if settings.deep else NOMINAL_SNR
    saturated = (measured.flags & SourceFlag.SATURATED) != 0
    artefact = (measured.flags & SourceFlag.ARTEFACT) != 0
    with np.errstate(invalid="ignore"):
        enough = (strength >= least) & (measured.snr > 0) | saturated
    if least == 0:
        enough[:] = True
    return np.asarray(enough & ~artefact)


def _relabel(segm: "NDArray[np.int32]", keep: "NDArray[np.bool_]") -> None:
    """Give the kept sources new labels from 1 on, in place; the others get 0."""
    new = np.zeros(len(keep) + 1, np.int32)
    new[1:][keep] = np.arange(1, np.count_nonzero(keep) + 1)
    for rows in bands(segm.shape):
        segm[rows] = new[segm[rows]]


def _meta(
    separation: "Separation",
    settings: "FindSettings",
    search: Search,
    measured: "Measured",
    psf: "Psf | None",
) -> dict[str, Any]:
    setup, correction = measured.setup, measured.correction
    return {
        "find": dataclasses.asdict(settings),
        "threshold": search.threshold,
        "threshold_unit": search.unit,
        "matched_filter": search.filtered,
        "expected_false": expected_false(
            settings, separation.shape, measured=has_measured_threshold(separation)
        ),
        "fwhm": setup.fwhm,
        "psf_stars": psf.n_stars if psf is not None else 0,
        "aperture_radius": setup.radius,
        "aperture_correction": correction.factor,
        "aperture_correction_err": correction.error,
        "gain": separation.image.gain,
        "zeropoint": separation.image.zeropoint,
        "noise": separation.scale.source,
        "noise_sigma": separation.scale.median_sigma,
        "noise_correlation": list(separation.scale.rho_xy),
        "provenance": _plain(separation),
    }


def _plain(separation: "Separation") -> dict[str, Any]:
    made = dataclasses.asdict(separation.provenance)
    return {k: dict(v) if isinstance(v, dict) else v for k, v in made.items()}
