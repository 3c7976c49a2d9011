"""The method "gamma": a network parts photons of sources from those of the background.

The background that it expects is taken off, whatever sign is left; sources are searched
on it by their likelihood (`bgrem_core.gamma.search`).
"""

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.display import format_value
from bgrem_core.errors import ModelError
from bgrem_core.fill import fill_masked
from bgrem_core.gamma.calibration import Calibration
from bgrem_core.gamma.catalogue import (
    FLUX_UNIT,
    NOMINAL,
    TS_LEAST,
    point_flags,
    point_table,
)
from bgrem_core.gamma.counts import (
    check_band,
    check_counts,
    check_pixels,
    pixels_of,
)
from bgrem_core.gamma.energies import BAND, band_text, choose_plane
from bgrem_core.gamma.exposure import open_exposure, sample_plane
from bgrem_core.gamma.psf import PointSpread
from bgrem_core.gamma.search import PointSources, find_points, fit_points
from bgrem_core.image import Image
from bgrem_core.inspection_rows import flag_words, place_rows
from bgrem_core.io.provenance import Provenance
from bgrem_core.methods.base import Method
from bgrem_core.methods.common import (
    check_method,
    difference,
    finite_only,
    loading,
    over_tiles,
    package_version,
    working_flags,
)
from bgrem_core.models import Model, find_card, load_model
from bgrem_core.normalize import Scale
from bgrem_core.options import option
from bgrem_core.planes import Block, LazyPlane, Plane, allocate, bands, constant
from bgrem_core.progress import Progress
from bgrem_core.separation import Separation
from bgrem_core.settings import FindSettings, RunSettings
from bgrem_core.tiles import Tile, grid, grow, inside, take

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]

#: Masked pixels are filled from neighbours up to this far away.
FILL_RADIUS = 12
#: Pixels about a place that decide what is fitted there, and some more.
AROUND = 16
WHOLE = slice(None), slice(None)
#: Counts from which the level of a map is taken, at the most.
SAMPLE = 2**22
_HELPLESS = "without --gamma-exposure fluxes are counts"


@dataclass(frozen=True, kw_only=True)
class GammaSettings(RunSettings):
    """Settings of the method "gamma".

    Attributes
    ----------
    model : str
        Name of a shipped model or path of a safetensors file.
    exposure : float, str or None
        cm2 s, or a FITS map of it; None = unknown.
    anyway : bool
        Go on with counts that are not whole, or pixels unlike those of the training.
    """

    model: str = option(
        default="gamma",
        help="name of a model or path of its weights",
        flags=("--model",),
    )
    exposure: float | str | None = option(
        default=None,
        help="exposure, or a FITS map of it on any WCS; without it fluxes are counts",
        unit="cm2 s",
        empty="unknown",
    )
    anyway: bool = option(
        default=False,
        help="go on with counts that are not whole, or pixels that the model was not "
        "trained on",
        advanced=True,
    )


def iterate(
    image: Image, settings: GammaSettings
) -> Generator[Progress, Any, Separation]:
    """Take the expected background off a counts map; see `Method.iterate`."""
    model = load_model(settings.model, **loading(settings))
    check_method(model, "gamma", settings.model)
    if model.card.objective != "expectation":
        raise ModelError(
            f"the model {settings.model!r} gives no expected photons of sources",
            hint="use --model gamma; benchmarks/gamma/ runs the others",
        )
    pixels = pixels_of(image)
    notices = [
        *image.notices,
        *check_counts(image, anyway=settings.anyway),
        *check_band(image),
        *check_pixels(pixels, model.card, anyway=settings.anyway),
    ]
    extras: dict[str, Plane] = {}
    if settings.exposure is None:
        notices.append(_HELPLESS)
    else:
        exposure = open_exposure(settings.exposure, image)
        extras["exposure"] = exposure.plane
        notices += exposure.notices
    flags = working_flags(image, settings.mask_grow)
    run = _Run(image, flags, model, settings)
    yield from over_tiles(run.grid, run.tile)
    background = finite_only(run.background, image)
    return Separation(
        image=image,
        parts={"background": background},
        flags=flags,
        scale=_scale(run.background, flags, PointSpread(pixels.side)),
        provenance=Provenance(
            version=package_version(),
            method="gamma",
            model=model.card.name,
            model_sha256=model.sha256,
            steps=model.card.steps,
            seed=settings.seed,
            gain=image.gain,
            settings=dataclasses.asdict(settings),
        ),
        photometric=difference(image.data, background, image.shape),
        extras={"source": finite_only(run.source, image), **extras},
        # Last: a device may have failed on the way.
        notices=(*notices, *model.notices),
    )


class _Run:
    """One map on its way through one model."""

    def __init__(
        self,
        image: Image,
        flags: "NDArray[np.uint8]",
        model: Model,
        settings: GammaSettings,
    ) -> None:
        self.image, self.flags, self.model = image, flags, model
        margin = model.radius if settings.margin is None else settings.margin
        self.grid = grid(
            image.shape, tile=settings.tile, margin=margin, pooling=model.pooling
        )
        self.middle = _median(image, flags)
        self.level = np.array([2 * np.sqrt(self.middle + 0.375)], np.float32)
        self.source, self.background = (allocate(image.shape) for _ in range(2))

    def tile(self, tile: Tile) -> "Float":
        """Keep what is expected of a tile; return its counts minus background."""
        # Not beyond the edges: the network has learnt what an edge is like.
        pooling = self.model.pooling
        rows, cols = (
            slice(max(s.start, 0), min(s.stop, -(-n // pooling) * pooling))
            for s, n in zip(tile.read, self.image.shape, strict=True)
        )
        seen = self._counts((rows, cols))
        answer = self.model.evaluate(seen[None, None], self.level)[0]
        kept = inside((rows, cols), tile.keep)
        source, background = answer[0][kept], answer[1][kept]
        self.source[tile.keep], self.background[tile.keep] = source, background
        data: Float = self.image.data[tile.keep] - background
        return data

    def _counts(self, block: tuple[slice, slice]) -> "Float":
        """Return the counts that the network sees: masked pixels are filled."""
        wide = grow(block, FILL_RADIUS)
        bad = take(self.flags, wide) != 0
        counts = take(self.image.data, wide).astype(np.float32)
        if bad.any():
            # Far from all that was seen it is as bright as the map in the middle.
            away = np.float32(self.middle)
            counts = fill_masked(counts - away, bad, radius=FILL_RADIUS) + away
        # What was not photons may be negative where it is masked or filled.
        return np.maximum(counts[inside(wide, block)], 0)


def _median(image: Image, flags: "NDArray[np.uint8]") -> float:
    """Return the median of the good counts, of two middle values the lower one."""
    step = max(1, int(np.sqrt(image.data.size / SAMPLE)))
    data = np.asarray(image.data[::step, ::step])
    values = data[(flags[::step, ::step] == 0) & np.isfinite(data)]
    if not values.size:
        values = np.asarray(image.data[flags == 0])
    middle = (values.size - 1) // 2
    return float(np.partition(values, middle)[middle])


def _scale(background: "Float", flags: "NDArray[np.uint8]", psf: PointSpread) -> Scale:
    """Return the Poisson noise of the background, which is all that is known."""
    sigma = LazyPlane(background.shape, lambda r, c: np.sqrt(background[r, c]))
    known = [background[rows][flags[rows] == 0] for rows in bands(background.shape)]
    return Scale(
        offset=constant(0, background.shape),
        sigma=sigma,
        median_sigma=float(np.sqrt(np.median(np.concatenate(known)))),
        fwhm=psf.fwhm,
        source="Poisson",
    )


def find(separation: Separation, settings: FindSettings) -> "QTable":
    """Search for point sources on the background; see `Method.find`.

    The threshold, in sigma, is the square root of the least TS; 3 by default.
    """
    least = TS_LEAST if settings.threshold is None else settings.threshold**2
    pixel = pixels_of(separation.image).side
    psf = PointSpread(pixel)
    counts, background, good = _arrays(separation)
    known = _calibration(separation)
    found = known.corrected(
        find_points(
            counts, background, psf,
            good=good, doubt=known.doubt(background), least=least,
        )
    )  # fmt: skip
    flags = point_flags(found, separation.flags, r68=psf.r68)
    table = point_table(
        separation.image,
        found,
        flags=flags,
        exposure=_exposure_at(separation, found),
        pixel=pixel,
    )
    made = dataclasses.asdict(separation.provenance)
    table.meta.update({
        "find": dataclasses.asdict(settings),
        "threshold": float(np.sqrt(least)),
        "threshold_unit": "square root of TS",
        "ts_least": least,
        "ts_nominal": NOMINAL,
        "expected_false": float("nan"),
        "fwhm": psf.fwhm,
        "psf_r68_deg": psf.r68 * pixel,
        "exposure": separation.provenance.settings.get("exposure"),
        "noise": separation.scale.source,
        "provenance": {k: dict(v) if isinstance(v, dict) else v
                       for k, v in made.items()},
    })  # fmt: skip
    return table


def measure(separation: Separation, x: "Floats", y: "Floats") -> "QTable":
    """Fit the photons of sources at given places; see `Method.measure`.

    Known sources elsewhere, those of ``separation.catalog``, belong to the background.
    """
    x, y = (np.atleast_1d(np.asarray(v, np.float64)) for v in (x, y))
    image = separation.image
    ny, nx = image.shape
    on_map = (x >= -0.5) & (x <= nx - 0.5) & (y >= -0.5) & (y <= ny - 0.5)
    pixel = pixels_of(image).side
    psf = PointSpread(pixel)
    others = _known(separation)
    inner = _fit_at(separation, psf, x[on_map], y[on_map], others)
    found = _spread(inner, x, y, on_map)
    near = None if others is None else _apart(x, y, others)
    return point_table(
        image,
        found,
        flags=point_flags(found, separation.flags, r68=psf.r68, others=near),
        exposure=_exposure_at(separation, found),
        pixel=pixel,
    )


def inspect_rows(
    separation: Separation, x: float, y: float
) -> tuple[tuple[str, str], ...]:
    """Say what a fit of the PSF makes of a place; see `Method.inspect_rows`."""
    row = measure(separation, np.array([x]), np.array([y]))[0]
    value = {name: float(getattr(row[name], "value", row[name])) for name in _SHOWN}
    counts = format_value(value["counts"], value["counts_err"], "ct")
    flux = _HELPLESS
    if "exposure" in separation.extras:
        flux = format_value(value["flux"], value["flux_err"], FLUX_UNIT)
    ts = value["ts"]
    return (
        *place_rows(x, y, value["ra"], value["dec"]),
        ("Flux (PSF fit)", flux),
        ("Photons (PSF fit)", counts),
        ("TS", f"{ts:.1f}"),
        ("Background", _per_pixel(separation, x, y)),
        ("Flags", flag_words(int(row["flags"]))),
    )


def assumed(separation: Separation, settings: FindSettings) -> tuple[str, ...]:
    """Say what was assumed; see `Method.assumed`."""
    side = pixels_of(separation.image).side
    psf = PointSpread(side)
    exposure = separation.provenance.settings.get("exposure")
    said = "unknown" if exposure is None else str(exposure)
    if isinstance(exposure, (int, float)):
        said = f"{exposure:.4g} cm2 s"
    least = TS_LEAST if settings.threshold is None else settings.threshold**2
    middle = separation.scale.median_sigma**2
    photons = (
        f"photons of {band_text(BAND)}, P8R3 FRONT: 68 % within {psf.r68 * side:.2f} "
        f"deg, {psf.r68:.2f} pix of {side:.3g} deg"
    )
    background = (
        f"background {middle:.3g} counts per pixel, median, by the model "
        f"{separation.provenance.model} (--model)"
    )
    sources = (
        f"sources from TS {least:.3g} on (--threshold, its square root), flag 128 "
        f"below {NOMINAL:g}; expected false detections unknown"
    )
    exposed = f"exposure {said} (--gamma-exposure)"
    return photons, background, exposed, sources


_SHOWN = ("ra", "dec", "flux", "flux_err", "counts", "counts_err", "ts")


def _arrays(
    separation: Separation, block: Block = WHOLE
) -> "tuple[Float, Float, NDArray[np.bool_]]":
    """Return counts, the background, finite everywhere, and which pixels are good."""
    background = np.asarray(separation.part("background")[block])
    data = np.asarray(separation.image.data[block])
    good = separation.flags[block] == 0
    good &= np.isfinite(data) & np.isfinite(background)
    return data, np.where(np.isfinite(background), background, 0), good


def _fit_at(
    separation: Separation,
    psf: PointSpread,
    x: "Floats",
    y: "Floats",
    others: "tuple[Floats, Floats, Floats] | None",
) -> PointSources:
    """Fit sources at places of the map; only what is about them is read."""
    rows, cols = (_about(c) for c in (y, x))
    y0, x0 = rows.start, cols.start
    if others is not None:
        others = others[0] - x0, others[1] - y0, others[2]
    counts, background, good = _arrays(separation, (rows, cols))
    known = _calibration(separation)
    found = fit_points(
        counts, background, psf, x - x0, y - y0,
        good=good, doubt=known.doubt(background), others=others,
    )  # fmt: skip
    return dataclasses.replace(known.corrected(found), x=x, y=y)


def _calibration(separation: Separation) -> Calibration:
    card = find_card(str(separation.provenance.settings["model"]))
    return Calibration.of(card.calibration)


def _about(places: "Floats") -> slice:
    """Return the pixels along an axis that decide what is fitted at some places."""
    if not len(places):
        return slice(0, 1)
    first, last = int(places.min()), int(places.max())
    return slice(max(first - AROUND, 0), last + AROUND + 1)


def _exposure_at(separation: Separation, found: PointSources) -> "Floats | None":
    plane = separation.extras.get("exposure")
    return None if plane is None else sample_plane(plane, found.x, found.y)


def _known(separation: Separation) -> "tuple[Floats, Floats, Floats] | None":
    table = separation.catalog
    if table is None or "counts" not in table.colnames:
        return None
    x, y, counts = (
        np.asarray(getattr(table[n], "value", table[n]), np.float64)
        for n in ("x", "y", "counts")
    )
    return x, y, counts


def _apart(
    x: "Floats", y: "Floats", others: "tuple[Floats, Floats, Floats]"
) -> "Floats":
    """Return the places of known sources that are none of the given ones."""
    known: Floats = np.stack(others[:2], axis=1)
    if not len(x):
        return known
    away = np.hypot(known[:, :1] - x, known[:, 1:] - y).min(axis=1)
    apart: Floats = known[away >= 1]
    return apart


def _spread(
    inner: PointSources, x: "Floats", y: "Floats", on_map: "NDArray[np.bool_]"
) -> PointSources:
    """Return sources in the order of all places, NaN where there is no map."""
    values: dict[str, Floats] = {}
    for name in PointSources.__slots__:
        values[name] = np.full(len(x), np.nan)
        values[name][on_map] = getattr(inner, name)
    values["x"], values["y"] = x, y
    return PointSources(**values)


def _per_pixel(separation: Separation, x: float, y: float) -> str:
    at = np.array([x]), np.array([y])
    value = sample_plane(separation.part("background"), *at)[0]
    return format_value(float(value), unit="ct per pixel")


GAMMA = Method(
    name="gamma",
    label="Gamma-ray photons",
    settings=GammaSettings,
    panels=("Counts", "Excess", "Background"),
    iterate=iterate,
    find=find,
    inspect_rows=inspect_rows,
    parts=("background",),
    scale_free=False,
    measure=measure,
    columns=(("ts", "TS", 1),),
    assumed=assumed,
    opening=choose_plane,
)
