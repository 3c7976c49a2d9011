"""Camera: how a frame scatters, and whether a model was trained on such frames."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.model_card import range_text
from bgrem_core.white import white_rms
from bgrem_core.zscale import normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.model_card import ModelCard
    from bgrem_core.systematics.trails import TrailShape

    Float = NDArray[np.float32]
    Floats = NDArray[np.float64]

__all__ = ["Scatter", "check_camera", "is_mirrored", "measure_scatter"]

_NORMAL = 1.4826
_OF_MEDIAN = 1.2533
"""Standard errors of a median over those of a mean."""
_SIDE, _MOST = 128, 16
_WHITE = 0.15, 0.85
"""White noise over the scatter of a tile where a card does not tell the range: 99 % of
the simulator's frames."""
_BROAD = 1.15
"""Ratio of differences over two pixels to those over one above which noise is shared by
neighbours; below 1.05 on 99 % of raw simulated frames, 1.3 after a blur of half a
pixel."""
_LINES = 0.5, 1.3, 0.1
"""Of the trained range of a pattern: least share of its low end, most of its high end,
and what is added to that for the error; lines differ by less than they scatter."""
_LITTLE, _MUCH = 0.8, 1.1
"""Of the trained range of the white noise, likewise."""
_TURN = 3.0
"""Degrees by which trails may be off the trained direction without a word."""
_LONG = 1.3
_NUMBER = r"-?\d+(?:\.\d+)?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """How a frame scatters, whatever its light does.

    Attributes
    ----------
    white : float
        Rms of what no pixel shares with another, in the unit of the frame.
    share : float
        The same over the scatter of a tile as it is normalised, median over tiles.
    rows, columns : float
        Rms of what a row or column has and the next one has not, over `white`.
    breadth : float
        Rms of differences over two pixels over that over one; 1 for white noise.
    """

    white: float
    share: float
    rows: float
    columns: float
    breadth: float


def measure_scatter(frame: "Float") -> Scatter:
    """Measure how a frame scatters.

    Parameters
    ----------
    frame : ndarray
        (ny, nx), bad pixels NaN.

    Returns
    -------
    Scatter
        0 for what cannot be measured.
    """
    seen = _middle(frame)
    white = _number(white_rms(seen))
    if not white > 0:
        return Scatter(white=0.0, share=0.0, rows=0.0, columns=0.0, breadth=1.0)
    return Scatter(
        white=white,
        share=_share(frame),
        rows=_lines(seen, white, axis=0),
        columns=_lines(seen, white, axis=1),
        breadth=_squares(seen, 2) / max(_squares(seen, 1), 1e-30),
    )


def check_camera(
    scatter: Scatter, trails: "TrailShape | None", card: "ModelCard"
) -> tuple[str, ...]:
    """Say in what a frame is unlike those that a model was trained on.

    Parameters
    ----------
    scatter : Scatter
        Of the frame.
    trails : TrailShape or None
        On it.
    card : ModelCard
        Of the model.

    Returns
    -------
    tuple of str
        A notice that names what is out of range, if anything is.
    """
    if not scatter.white > 0:
        return ()
    odd = [*_odd_noise(scatter, card), *_odd_lines(scatter, card)]
    if trails is not None and trails.fitted:
        odd += _odd_trails(trails, card)
    if not odd:
        return ()
    said = (
        "this looks like a frame of another camera than those of the model "
        f"{card.name}: its {'; its '.join(odd)}. Look at the map, or train on frames "
        "of it"
    )
    return (said,)


def is_mirrored(trails: "TrailShape | None", card: "ModelCard") -> bool:
    """Return whether the mirror image of a frame has trails as they were trained.

    Parameters
    ----------
    trails : TrailShape or None
        On the frame.
    card : ModelCard
        Of the model.

    Returns
    -------
    bool
        False where the frame itself has them, or nothing is known.
    """
    turns = _turns(card)
    if trails is None or not trails.fitted or not turns:
        return False
    away, mirrored = (
        min(_outside(angle, *turn) for turn in turns)
        for angle in (trails.angle, 180 - trails.angle)
    )
    return away > max(_TURN, 3 * trails.angle_err) and mirrored < away / 2


def _odd_noise(scatter: Scatter, card: "ModelCard") -> list[str]:
    odd = []
    low, high = _range(card, "white_noise") or _WHITE
    if not _LITTLE * low <= scatter.share <= _MUCH * high:
        odd.append(
            f"white noise is {scatter.share:.2f} of its scatter, trained were "
            f"{low:.2g} to {high:.2g}"
        )
    if scatter.breadth > _BROAD:
        odd.append(
            "noise is shared by neighbouring pixels, as in calibrated, resampled or "
            "compressed frames, and raw ones were trained"
        )
    return odd


def _odd_lines(scatter: Scatter, card: "ModelCard") -> list[str]:
    odd = []
    for name, value in (("rows", scatter.rows), ("columns", scatter.columns)):
        trained = _range(card, name)
        if trained is None:
            continue
        least, most, error = _LINES
        if not least * trained[0] <= value <= most * trained[1] + error:
            odd.append(
                f"{name} differ by {value:.2f} of the white noise, trained were "
                f"{range_text(trained)}"
            )
    return odd


def _odd_trails(trails: "TrailShape", card: "ModelCard") -> list[str]:
    odd = []
    # The network is shown the mirror image where that helps.
    angle = 180 - trails.angle if is_mirrored(trails, card) else trails.angle
    away = [_outside(angle, *turn) for turn in _turns(card)]
    if away and min(away) > max(_TURN, 3 * trails.angle_err):
        odd.append(
            f"trails run at {trails.angle:.0f} deg, trained were "
            f"{card.trained['trail_angle']}"
        )
    for name, value in (("trail_length", trails.length), ("trail_fwhm", trails.fwhm)):
        trained = _range(card, name)
        if trained and not trained[0] / _LONG <= value <= trained[1] * _LONG:
            word = "are long" if name == "trail_length" else "are wide (FWHM)"
            odd.append(
                f"trails {word} {value:.1f} pix, trained were {range_text(trained)}"
            )
    return odd


def _range(card: "ModelCard", name: str) -> tuple[float, float] | None:
    value = card.trained.get(name)
    return None if value is None or isinstance(value, str) else (value[0], value[1])


def _turns(card: "ModelCard") -> list[tuple[float, float]]:
    """Return the trained directions, which a card tells in words or as a range."""
    value = card.trained.get("trail_angle")
    if value is None:
        return []
    if not isinstance(value, str):
        return [(value[0], value[1])]
    found = re.findall(rf"({_NUMBER}) to ({_NUMBER})", value)
    return [(float(a), float(b)) for a, b in found]


def _outside(angle: float, low: float, high: float) -> float:
    """Return by how much a direction lies outside of a range of directions."""
    if (angle - low) % 180 <= high - low:
        return 0.0
    return min(abs((angle - edge + 90) % 180 - 90) for edge in (low, high))


def _middle(frame: "Float") -> "Float":
    """Return the middle of a large frame: a Mpix is enough."""
    rows, cols = (slice(max(0, (n - 1024) // 2), (n + 1024) // 2) for n in frame.shape)
    return frame[rows, cols]


def _share(frame: "Float") -> float:
    """Return the white noise over the scale of tiles, their median."""
    starts = [
        np.unique(np.linspace(0, max(n - _SIDE, 0), int(_MOST**0.5)).astype(int))
        for n in frame.shape
    ]
    found = []
    for y in starts[0]:
        for x in starts[1]:
            tile = frame[y : y + _SIDE, x : x + _SIDE]
            level = np.nanmedian(tile) if np.isfinite(tile).any() else 0
            scale = normalise(np.where(np.isfinite(tile), tile, level))[2]
            white = _number(white_rms(tile))
            if white > 0:
                found.append(white / scale)
    return float(np.median(found)) if found else 0.0


def _lines(frame: "Float", white: float, *, axis: int) -> float:
    """Return the rms of what two neighbouring lines do not share, over the noise."""
    # The median over a line of its difference to the next one: light is in both.
    steps = np.diff(frame, axis=axis)
    good = np.isfinite(steps).sum(axis=1 - axis) >= 8
    steps = steps[good] if axis == 0 else steps[:, good]
    if min(steps.shape) < 8:
        return 0.0
    median = np.nanmedian(steps, axis=1 - axis).astype(np.float64)
    spread = _NORMAL * float(np.median(np.abs(median - np.median(median))))
    noise = _OF_MEDIAN * np.sqrt(2 / steps.shape[1 - axis]) * white
    return float(np.sqrt(max(spread**2 - noise**2, 0) / 2)) / white


def _squares(frame: "Float", step: int) -> float:
    """Return the scatter of differences over squares: rows, columns, slopes cancel."""
    if min(frame.shape) <= step:
        return 1.0
    square = (
        frame[step:, step:]
        - frame[step:, :-step]
        - frame[:-step, step:]
        + frame[:-step, :-step]
    )
    known = np.abs(square[np.isfinite(square)])
    return float(np.median(known)) if known.size else 1.0


def _number(value: float) -> float:
    return value if np.isfinite(value) else 0.0
