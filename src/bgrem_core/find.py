"""Find: sources of a separated image, searched on one plane and measured on another.

Two-step photometry: positions come from the cleaned image, fluxes from the photometric
plane, which is not denoised (arXiv:2510.04718 advises the same).
"""

import dataclasses
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core import sought as stages
from bgrem_core.blockwise import BLOCK, MARGIN, blocks_of, join
from bgrem_core.catalog import SourceFlag
from bgrem_core.columns import source_table
from bgrem_core.detect import Detections
from bgrem_core.held import Held
from bgrem_core.matched import weighted_noise
from bgrem_core.models import find_card
from bgrem_core.overlooked import overlooked
from bgrem_core.photometry import (
    DEFAULT_FWHM,
    frame_psf,
    nearest,
    places_of,
    setup_of,
    unknown,
)
from bgrem_core.planes import allocate, bands
from bgrem_core.search import (
    Search,
    ThresholdOf,
    centre_search,
    search_plane,
    wants_centres,
)
from bgrem_core.segments import gathered, in_sight, reaching
from bgrem_core.sought import Sought, Work, here
from bgrem_core.thresholds import (
    FALSE_PER_MPIX,
    point,
)
from bgrem_core.total_flux import total_fluxes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.psf import Psf
    from bgrem_core.separation import Separation
    from bgrem_core.settings import FindSettings
    from bgrem_core.sought import Looked
    from bgrem_core.total_flux import Measured

NOMINAL_SNR = 5.0
"""Least forced S/N in a catalogue; below it flag 128 where it is let in."""
LARGE = 1.5
"""Sources with more pixels than a disc of this radius, in FWHM, are judged by the sum
over their own pixels: an aperture of the PSF's size sees little of them."""


def find_sources(
    separation: "Separation",
    settings: "FindSettings",
    *,
    threshold_of: ThresholdOf | None = None,
    centre_scale: "Mapping[str, Any] | None" = None,
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
    centre_scale : mapping, optional
        Scale of the map of centres in the separation's extras; see
        `bgrem_core.centres`.

    Returns
    -------
    astropy.table.QTable
        Columns of `bgrem_core.columns.DESCRIPTIONS`, in the order of their ids.
    """
    return find_with_segments(
        separation, settings, threshold_of=threshold_of, centre_scale=centre_scale
    )[0]


def find_with_segments(
    separation: "Separation",
    settings: "FindSettings",
    *,
    threshold_of: ThresholdOf | None = None,
    centre_scale: "Mapping[str, Any] | None" = None,
    block: int = BLOCK,
    margin: int = MARGIN,
) -> tuple["QTable", "NDArray[np.int32]"]:
    """Find and measure sources; return the catalogue and the pixels of each source.

    Parameters
    ----------
    separation, settings, threshold_of, centre_scale
        As for `find_sources`.
    block, margin : int, optional
        Side of what is searched at once, and what is read beyond it, pixels.

    Returns
    -------
    table : astropy.table.QTable
        The catalogue.
    segm : ndarray of int32, shape (ny, nx)
        The id of the source on its pixels, 0 elsewhere.
    """
    psf = frame_psf(separation)
    fwhm = psf_width(separation, psf)
    light = search_plane(separation, settings, threshold_of=threshold_of, fwhm=fwhm)
    centres = None
    if centre_scale is not None and wants_centres(separation, settings):
        if not light.filtered:  # else its last bits are those of the block
            light = dataclasses.replace(light, plane=Held(light.plane))
        centres = centre_search(
            separation, settings, centre_scale, light=light, fwhm=fwhm
        )
    segm = allocate(separation.shape, np.int32)
    sought = Sought(
        separation=separation, settings=settings, light=light, centres=centres,
        grid=blocks_of(separation.shape, block=block, margin=margin),
        pieces=segm, segm=segm,
    )  # fmt: skip
    table, keep = catalogue(sought, psf, fwhm, here(sought))
    _relabel(segm, keep)
    return table, segm


def catalogue(
    sought: Sought, psf: "Psf | None", fwhm: float, work: Work
) -> tuple["QTable", "NDArray[np.bool_]"]:
    """Find and measure sources, the blocks done by whoever does the work.

    Parameters
    ----------
    sought : Sought
        What all blocks share.
    psf : Psf or None
        PSF of the frame.
    fwhm : float
        Its FWHM, pixels.
    work : callable
        ``work(stage, calls)`` does a stage for some blocks.

    Returns
    -------
    table : astropy.table.QTable
        The catalogue.
    keep : ndarray of bool
        Which of the sources of ``sought.segm`` are in it.
    """
    separation, settings = sought.separation, sought.settings
    found, negative = _found(sought, work)
    setup = setup_of(separation.image, separation.scale, psf=psf, fwhm=fwhm)
    near = nearest(found.x, found.y)
    columns = {**unknown(len(found)), "cleaned": np.full(len(found), np.nan)}
    places = list(
        places_of(
            separation.shape, found.x, found.y, near, setup,
            block=sought.grid.stride[0],
        )
    )  # fmt: skip
    calls = [(place, setup) for place in places]
    for place, got in zip(places, work(stages.measured, calls), strict=True):
        for name, values in got.items():
            columns[name][place.own] = values
    cleaned = columns.pop("cleaned")
    measured = total_fluxes(columns, found.x, found.y, near, setup, "auto")
    found, light = _weighed(sought, found, work)
    strength = _strength(light, found, measured)
    keep = _kept(measured, strength, settings)
    bits = found.flags | np.where(strength < NOMINAL_SNR, SourceFlag.FAINT, 0)
    table = source_table(
        separation.image, found.x, found.y, measured, peak=found.peak,
        flux_cleaned=measured.correction.factor * cleaned, npix=found.npix, flags=bits,
    )[keep]  # fmt: skip
    table["id"] = np.arange(1, len(table) + 1, dtype=np.int32)
    table["id"].info.description = "label in SEGM, from 1"
    search = sought.centres or sought.light
    table.meta.update(_meta(separation, settings, search, measured, psf))
    table.meta["negative_detections"] = negative
    return table, keep


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


def psf_width(separation: "Separation", psf: "Psf | None") -> float:
    """Return the FWHM of the PSF in pixels: as given, as measured, or as a guess."""
    if separation.image.fwhm is not None:
        return separation.image.fwhm
    if psf is not None:
        return psf.fwhm
    return separation.scale.fwhm if isfinite(separation.scale.fwhm) else DEFAULT_FWHM


def _found(sought: Sought, work: Work) -> tuple[Detections, int]:
    """Search all blocks; return the sources, and how many there are of negatives."""
    shape, light = sought.grid.shape, sought.light
    every = [tile.index for tile in sought.grid]
    looked: list[Looked] = work(stages.look, every)
    negative = len(join([seen.negative for seen in looked], shape)[0])
    found, tables = join([seen.found for seen in looked], shape)
    if sought.centres is None:
        calls = [(*k, table) for k, table in zip(every, tables, strict=True)]
        work(stages.rename, calls)
        return found.on(sought.segm), negative
    # A maximum on the edge of the frame lacks its other side; a bright one comes back.
    found = found.take(_inside(found, shape))
    _claim(sought, found, work)
    if sought.settings.threshold is not None:  # set by hand, for the map and no more
        return found.on(sought.segm), negative
    bright, _ = join([seen.bright for seen in looked if seen.bright], shape)
    found = found.on(sought.segm)
    missing = overlooked(light.plane, found, bright, fwhm=light.fwhm)
    if not missing.any():
        return found, negative
    # As far above the threshold as their light is.
    factor = sought.centres.threshold / light.threshold
    more = bright.take(missing)
    more = dataclasses.replace(more, peak=(more.peak * factor).astype(np.float32))
    names = ("x", "y", "peak", "npix", "flags", "top")
    both = {n: np.concatenate([getattr(found, n), getattr(more, n)]) for n in names}
    found = dataclasses.replace(found, **both)
    _claim(sought, found, work)
    return found, negative


def _inside(found: Detections, shape: tuple[int, ...]) -> "NDArray[np.bool_]":
    """Return which sources have their highest pixel off the edge of the frame."""
    row, col = found.top.T
    return np.asarray(
        (row > 0) & (row < shape[0] - 1) & (col > 0) & (col < shape[1] - 1)
    )


def _claim(sought: Sought, found: Detections, work: Work) -> None:
    """Give each source the pixels of its light."""
    calls = []
    for tile in sought.grid:
        near = in_sight(tile, sought.grid.shape, found.x, found.y)
        calls.append((*tile.index, found.x[near], found.y[near], near))
    work(stages.claim, calls)


def _weighed(
    sought: Sought, found: Detections, work: Work
) -> tuple[Detections, "NDArray[np.float64]"]:
    """Return the sources with what their pixels say, and the light of each."""
    light, pieces = np.zeros(len(found) + 1), []
    for facts, label, total in work(stages.weighed, [t.index for t in sought.grid]):
        light[label] += total
        pieces.append(facts)
    if sought.centres is None:
        return found, light[1:]
    facts = gathered(pieces, len(found))
    far = reaching(facts, found.x, found.y, sought.grid)
    flags = facts.flags | np.where(far, SourceFlag.TRUNCATED, 0).astype(np.int32)
    return dataclasses.replace(found, flags=flags, npix=facts.npix), light[1:]


def _strength(
    light: "NDArray[np.float64]", found: Detections, measured: "Measured"
) -> "NDArray[np.float64]":
    """Return the forced S/N by which a source is judged; `light` is that it holds."""
    snr = measured.snr
    setup = measured.setup
    large = found.npix > np.pi * (LARGE * setup.fwhm) ** 2
    if not large.any():
        return snr
    area = np.maximum(found.npix, 1)
    side = np.ones((9, 9))
    growth = weighted_noise(side, setup.rho_xy) / 9
    noise = np.hypot(measured.sigma * growth * np.sqrt(area), measured.sky_err * area)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = (light - measured.sky * area) / noise
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
