"""The method "systematics": the background of a raw frame in which a satellite stands.

Star trails, rows, columns and gradients are mapped, by a network that has learnt what
frames of such a sensor look like, or by classical medians, and taken off. Artificial
targets tell what the map leaves of a target, and its flux is corrected by that.
"""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import ModelError, UsageError
from bgrem_core.io.provenance import Provenance
from bgrem_core.methods.base import Method
from bgrem_core.methods.common import (
    counted,
    difference,
    finite_only,
    loading,
    norm_of,
    package_version,
    working_flags,
)
from bgrem_core.models import Model, load_model
from bgrem_core.normalize import Scale, measure_scale
from bgrem_core.progress import Progress
from bgrem_core.separation import Separation
from bgrem_core.systematics.camera import measure_scatter
from bgrem_core.systematics.catalogue import NOMINAL, target_table, width_of
from bgrem_core.systematics.classical import plain
from bgrem_core.systematics.facts import FWHM_PER_SIGMA, WIDTH, Facts
from bgrem_core.systematics.mid_time import header_of, mid_time
from bgrem_core.systematics.point_fit import refined
from bgrem_core.systematics.points import SHARPEST, Points, find_points
from bgrem_core.systematics.run import SHARP, Frame, Run
from bgrem_core.systematics.settings import (
    CLASSICAL,
    ONE_STEP,
    PAPER,
    TIMES,
    SystematicsSettings,
    quick,
)
from bgrem_core.systematics.still import read_still
from bgrem_core.systematics.trails import TrailShape, measure_trails
from bgrem_core.systematics.words import assumptions, notices, rows

if TYPE_CHECKING:
    from collections.abc import Generator

    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.image import Image
    from bgrem_core.planes import Plane
    from bgrem_core.settings import FindSettings

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

DEEP = 4.0
"""Signal to noise from which targets are found with ``deep``."""
BRIGHT, FEWEST, MOST = 15.0, 3, 10
"""Targets that tell their width: least signal to noise, and how many: one or two may
be hot pixels."""
UNLIKE = 0.1
"""Relative difference of widths that is acted on."""


def iterate(
    image: "Image", settings: SystematicsSettings
) -> "Generator[Progress, Any, Separation]":
    """Take the systematic background off a raw frame; see `Method.iterate`."""
    model, t = _model(settings)
    flags = working_flags(image, settings.mask_grow)
    frame = yield from _look(image, flags, settings)
    run = Run(frame, model, t, settings)
    view = yield Progress(stage="map", done=0, total=run.total, note=run.note())
    found, spread = yield from run.map(view)
    kept = yield from run.kept()
    facts = Facts(
        white=frame.scatter.white, share=frame.scatter.share, rows=frame.scatter.rows,
        columns=frame.scatter.columns, trails=frame.trails, fwhm=frame.fwhm,
        fwhm_source=frame.fwhm_source, kept=kept, extra=run.extra, time=frame.time,
    )  # fmt: skip
    whole = found if frame.still is None else found + frame.still.pattern
    systematics = finite_only(whole, image)
    extras: dict[str, Plane] = {}
    if model is not None:
        extras["spread"] = finite_only(spread, image)
    return Separation(
        image=image,
        parts={"systematics": systematics},
        flags=flags,
        scale=frame.scale,
        provenance=Provenance(
            version=package_version(),
            method="systematics",
            model="" if model is None else model.card.name,
            model_sha256="" if model is None else model.sha256,
            steps={ONE_STEP: 1, PAPER: t + 1}.get(settings.mode, 0),
            norm=norm_of(frame.scale),
            sky="in the map of the systematics",
            seed=settings.seed,
            gain=image.gain,
            settings=dataclasses.asdict(settings),
            measured=facts.as_dict(),
        ),
        photometric=difference(image.data, systematics, image.shape),
        extras=extras,
        notices=tuple(dict.fromkeys(notices(frame, run, facts))),
    )


def _model(settings: SystematicsSettings) -> tuple[Model | None, int]:
    """Return the network and the time of its diffusion; None where none is needed."""
    t = TIMES[settings.mode] if settings.t is None else settings.t
    if settings.mode == CLASSICAL:
        return None, t
    instead = "or use --systematics-mode classical"
    try:
        model = load_model(settings.model, **loading(settings))
    except ModelError as error:
        raise ModelError(error.sentence, f"{error.hint}, {instead}") from error
    card = model.card
    if card.method != "systematics":
        raise ModelError(
            f"the model {settings.model!r} is for the method {card.method}",
            hint=f"use --method {card.method}, {instead}",
        )
    low, high = card.range("t") if "t" in card.trained else (0, 999)
    if not low <= t <= high:
        raise UsageError(
            f"t={t} is outside of the times {low:g} to {high:g} that the model "
            f"{card.name} was trained for",
            hint="choose another --systematics-t",
        )
    return model, t


def _look(
    image: "Image", flags: "NDArray[np.uint8]", settings: SystematicsSettings
) -> "Generator[Progress, Any, Frame]":
    """Measure noise and trails of a frame, and what stands still if asked to."""
    data, rest, bad = _parts(image, flags)
    scatter = measure_scatter(np.where(bad, np.float32(np.nan), data))
    trails = measure_trails(rest, scatter.white)
    angle = trails.angle if trails else None
    if settings.angle is not None:
        angle = settings.angle % 180
        if trails is not None:
            trails = dataclasses.replace(trails, angle=angle, angle_err=0.0)
    fwhm, source = _fwhm(image, trails)
    scale = image.scale
    if scale is None:
        flat = dataclasses.replace(image, data=rest, flags=flags)
        scale = yield from counted("scale", measure_scale(flat, fwhm=fwhm))
    still = None
    if settings.frames is not None:
        steps = read_still(image, settings.frames, dwell=settings.dwell, angle=angle)
        still = yield from counted("frames", steps)
        data = data - still.pattern
    return Frame(
        image=image,
        data=data,
        bad=bad,
        scale=dataclasses.replace(scale, fwhm=fwhm, notices=_of_noise(scale)),
        scatter=scatter,
        trails=trails,
        angle=angle,
        fwhm=fwhm,
        fwhm_source=source,
        time=mid_time(header_of(image)),
        still=still,
    )


def _parts(image: "Image", flags: "NDArray[np.uint8]") -> "tuple[Float, Float, Bools]":
    """Return a frame, the same with trails and targets alone, and its bad pixels."""
    bad = flags != 0
    data = np.where(bad, np.float32(0), image.data).astype(np.float32)
    rest = np.where(bad, np.float32(0), data - plain(data, bad))
    return data, rest.astype(np.float32), bad


def _of_noise(scale: Scale) -> tuple[str, ...]:
    """Leave out what matters where a network is told how noise is correlated."""
    return tuple(n for n in scale.notices if "correlation" not in n)


def _fwhm(image: "Image", trails: TrailShape | None) -> tuple[float, str]:
    if image.fwhm is not None:
        return image.fwhm, "--fwhm"
    if trails is not None and trails.fitted:
        return trails.fwhm, "as wide as the trails; --fwhm"
    return WIDTH * FWHM_PER_SIGMA, "assumed; --fwhm"


def find(separation: Separation, settings: "FindSettings") -> "QTable":
    """Search for targets, the ends of trails left out; see `Method.find`.

    The threshold is a signal to noise of the matched filter, 5 by default.
    """
    facts = _facts(separation)
    _, rest, bad = _parts(separation.image, separation.flags)
    cleaned = np.where(bad, np.float32(0), np.asarray(separation.photometric))
    least = _least(settings)

    known = separation.image.fwhm is not None

    def search(plane: "Float") -> Points:
        return find_points(
            plane, rest, width=facts.width, least=least, bad=bad, trails=facts.trails,
            sharpest=SHARP * facts.width if known else None,
        )  # fmt: skip

    points = search(cleaned)
    bright = points.take((points.snr >= BRIGHT) & ~points.hot)
    if not known and len(bright) >= FEWEST:
        width = width_of(cleaned, bright.x[:MOST], bright.y[:MOST], facts.width)
        if abs(width / facts.width - 1) > UNLIKE:
            facts = dataclasses.replace(
                facts,
                fwhm=max(width, SHARPEST) * FWHM_PER_SIGMA,
                fwhm_source=f"{min(len(bright), MOST)} bright targets; --fwhm",
            )
            known, points = True, search(cleaned)
    targets = points.take(~points.hot)
    table = target_table(separation, targets.x, targets.y, facts)
    with np.errstate(invalid="ignore"):
        table = table[np.asarray(table["snr"] >= least)]
    table["id"] = np.arange(1, len(table) + 1, dtype=np.int32)
    table["id"].info.description = "from 1, by snr"
    table.meta.update(_meta(separation, settings, facts))
    table.meta["left_out"] = {
        "trails": points.trails,
        "single_pixels": len(points) - len(targets),
    }
    table.meta["negative_detections"] = int(np.sum(~search(-cleaned).hot))
    return table


def measure(separation: Separation, x: "Floats", y: "Floats") -> "QTable":
    """Measure targets at given places; see `Method.measure`."""
    x, y = (np.atleast_1d(np.asarray(v, np.float64)) for v in (x, y))
    return target_table(separation, x, y, _facts(separation))


def centre(separation: Separation, x: float, y: float) -> tuple[float, float]:
    """Return the centre of a target near a place; see `Method.centre`."""
    width = _facts(separation).width
    reach = math.ceil(8 * width) + 8
    row, col = max(round(y) - reach, 0), max(round(x) - reach, 0)
    block = slice(row, round(y) + reach + 1), slice(col, round(x) + reach + 1)
    bad = np.asarray(separation.flags[block]) != 0
    data = np.where(bad, 0, separation.photometric[block]).astype(np.float32)
    at = refined(data, np.array([x - col]), np.array([y - row]), width)
    return float(at[0][0]) + col, float(at[1][0]) + row


def inspect_rows(
    separation: Separation, x: float, y: float
) -> tuple[tuple[str, str], ...]:
    """Say what the map leaves of a place; see `Method.inspect_rows`."""
    facts = _facts(separation)
    row = target_table(separation, np.array([x]), np.array([y]), facts)[0]
    return rows(x, y, row, facts, unit=separation.image.unit)


def assumed(separation: Separation, settings: "FindSettings") -> tuple[str, ...]:
    """Say what was assumed and measured; see `Method.assumed`."""
    return assumptions(
        separation.provenance, _facts(separation), least=_least(settings)
    )


def _facts(separation: Separation) -> Facts:
    facts = Facts.from_dict(separation.provenance.measured)
    meta = {} if separation.catalog is None else separation.catalog.meta
    if "fwhm_source" not in meta:
        return facts
    # A catalogue has measured the width of the targets.
    return dataclasses.replace(
        facts, fwhm=meta["fwhm"], fwhm_source=meta["fwhm_source"]
    )


def _least(settings: "FindSettings") -> float:
    if settings.threshold is not None:
        return settings.threshold
    return DEEP if settings.deep else NOMINAL


def _meta(
    separation: Separation, settings: "FindSettings", facts: Facts
) -> dict[str, Any]:
    made = dataclasses.asdict(separation.provenance)
    known = facts.as_dict()
    return {
        "find": dataclasses.asdict(settings),
        "threshold": _least(settings),
        "threshold_unit": "signal to noise of a matched filter",
        "expected_false": math.nan,
        "gain": separation.image.gain,
        "zeropoint": separation.image.zeropoint,
        "noise": separation.scale.source,
        "noise_sigma": facts.white,
        **{k: known[k] for k in ("fwhm", "fwhm_source", "trails", "kept", "time")},
        "provenance": {k: dict(v) if isinstance(v, dict) else v
                       for k, v in made.items()},
    }  # fmt: skip


SYSTEMATICS = Method(
    name="systematics",
    label="Satellite frames",
    settings=SystematicsSettings,
    panels=("Frame", "Subtracted", "Systematics"),
    iterate=iterate,
    find=find,
    inspect_rows=inspect_rows,
    parts=("systematics",),
    measure=measure,
    columns=(
        ("kept_fraction", "Kept", 2),
        ("snr_before", "S/N before", 1),
        ("snr_after", "S/N after", 1),
    ),
    assumed=assumed,
    centre=centre,
    quick=quick,
)
