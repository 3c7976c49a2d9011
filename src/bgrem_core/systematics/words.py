"""Words: what a person is told of a frame, its map and a target."""

import math
from typing import TYPE_CHECKING, Any

from bgrem_core.display import format_value
from bgrem_core.inspection_rows import flag_words, place_rows
from bgrem_core.systematics.camera import check_camera
from bgrem_core.systematics.settings import PAPER, TIMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bgrem_core.io.provenance import Provenance
    from bgrem_core.systematics.facts import Facts
    from bgrem_core.systematics.run import Frame, Run
    from bgrem_core.systematics.trails import TrailShape

__all__ = ["assumptions", "notices", "rows"]

_SHOWN = (
    "ra", "dec", "flux", "flux_err", "kept_fraction", "kept_err", "snr", "snr_before",
    "snr_after", "snr_before_robust", "snr_after_robust",
)  # fmt: skip


def notices(frame: "Frame", run: "Run", facts: "Facts") -> "Iterator[str]":
    """Yield what the user should know of a result.

    Parameters
    ----------
    frame : Frame
        What was mapped.
    run : Run
        How.
    facts : Facts
        What was measured.

    Yields
    ------
    str
        One notice each.
    """
    yield from frame.image.notices
    yield from frame.scale.notices
    if frame.still is not None:
        yield frame.still.notice
    if frame.scatter.white > 0 and frame.angle is None:
        yield "no trails of stars were found: nothing is followed along them"
    if not frame.time.known:
        yield f"the mid-exposure time is not known: {frame.time.source}"
    model = run.mapper.model
    if model is None:
        return
    yield from model.notices
    yield from check_camera(frame.scatter, frame.trails, model.card)
    least = min(frame.image.shape)
    if least < run.side:
        yield (
            f"the frame is narrower ({least} pix) than the tiles that the model "
            f"{model.card.name} was trained on ({run.side} pix): its rows and columns "
            "are judged over fewer pixels"
        )
    if run.mapper.mode == PAPER:
        left = f"{run.theory:.0%} is left by theory"
        if facts.kept is not None:
            left += f", {facts.kept.kept[0]:.0%} of faint artificial ones"
        yield (
            f"mode paper: the map absorbs most of a target; {left} (t = "
            f"{run.mapper.t}). Fluxes are corrected, the loss in detection is not"
        )
    yield from model.notices


def assumptions(made: "Provenance", facts: "Facts", *, least: float) -> tuple[str, ...]:
    """Return what was assumed and measured, with the flags that change it.

    Parameters
    ----------
    made : Provenance
        Of the result.
    facts : Facts
        Of the frame.
    least : float
        Least signal to noise of a target.

    Returns
    -------
    tuple of str
        One line each.
    """
    mode, t = str(made.settings["mode"]), made.settings["t"]
    by = f"map by mode {mode} (--systematics-mode)"
    if made.model:
        t = TIMES[mode] if t is None else t
        by += (
            f", model {made.model} (--model), t = {t} (--systematics-t), "
            f"{made.settings['samples']} draws (--systematics-samples)"
        )
    noise = (
        f"white noise {facts.white:.4g} per pixel, {facts.share:.2f} of the scatter of "
        f"a tile; rows differ by {facts.rows:.2f}, columns by {facts.columns:.2f} of it"
    )
    search = (
        f"targets from S/N {least:g} on (--threshold, --deep), expected false "
        "detections unknown"
    )
    moment = facts.time
    when = f"{moment.iso} UTC ({moment.source})" if moment.known else "unknown"
    return (
        by,
        noise,
        f"trails {trails_text(facts.trails)} (--systematics-angle)",
        f"targets FWHM {facts.fwhm:.2f} pix ({facts.fwhm_source})",
        _kept(facts),
        search,
        f"mid-exposure {when}",
    )


def rows(
    x: float, y: float, row: "Mapping[str, Any]", facts: "Facts", *, unit: str
) -> tuple[tuple[str, str], ...]:
    """Return what a window shows of a place.

    Parameters
    ----------
    x, y : float
        Pixels, 0-based.
    row : mapping
        Of the catalogue.
    facts : Facts
        Of the frame.
    unit : str
        Of the fluxes.

    Returns
    -------
    tuple of (str, str)
        Labels and texts.
    """
    value = {n: float(getattr(row[n], "value", row[n])) for n in _SHOWN}
    kept = "not measured"
    if facts.kept is not None:
        kept = format_value(value["kept_fraction"], value["kept_err"])
    return (
        *place_rows(x, y, value["ra"], value["dec"]),
        ("Flux (corrected)", format_value(value["flux"], value["flux_err"], unit)),
        ("Kept by the map", kept),
        ("S/N (fit)", _ratio(value["snr"])),
        ("SNR before", _pair(value["snr_before"], value["snr_before_robust"])),
        ("SNR after", _pair(value["snr_after"], value["snr_after_robust"])),
        ("Trails", trails_text(facts.trails)),
        ("Mid-exposure", f"{facts.time.iso} UTC" if facts.time.known else "unknown"),
        ("Flags", flag_words(int(row["flags"]))),
    )


def trails_text(trails: "TrailShape | None") -> str:
    """Return direction and length of the trails with their errors.

    Parameters
    ----------
    trails : TrailShape or None
        None = there are none.

    Returns
    -------
    str
        Such as "35.1 ± 0.3 deg, 10.02 ± 0.10 pix long".
    """
    if trails is None:
        return "none found"
    angle = format_value(trails.angle, trails.angle_err, "deg")
    return f"{angle}, {format_value(trails.length, trails.length_err, 'pix')} long"


def _kept(facts: "Facts") -> str:
    curve = facts.kept
    if curve is None:
        return "kept of a target: not measured, fluxes are not corrected"
    said = ", ".join(
        f"{k:.2f} ± {e:.2f} at S/N {s:g}"
        for k, e, s in zip(curve.kept, curve.error, curve.snr, strict=True)
    )
    return (
        f"kept of a target, by {curve.number.sum()} artificial ones: {said}; for "
        f"{100 * facts.extra:.0f} % more work (--systematics-injections)"
    )


def _ratio(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "unknown"


def _pair(plain_ratio: float, robust: float) -> str:
    return f"{_ratio(plain_ratio)}, robust {_ratio(robust)}"
