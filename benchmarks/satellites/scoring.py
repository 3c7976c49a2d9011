"""Gains, fates of detections, spectra, and their errors: arrays in, numbers out.

Gain: what is left of a target's peak, by the difference with and without it, times the
scatter in a box of 21 pixels about it before the map is taken off, over that after.
Detections. True: the first within 1.5 pixels of a target, the best one taken first.
False: no target there. A second detection of a target is neither.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from common.bootstrap import rounded

from bgrem_core.systematics.signal import BOX, CORE

MATCH, BORDER = 1.5, 3.0  # pixels; nothing counts beside the edges
FALSE, SPARE = -1, -2
RATES = (0.1, 1.0)
"""False detections per frame."""
STRENGTHS = np.linspace(0, 1, 11)
"""Shares of a map that are taken off."""
BINS = 20


def gains(
    injected: np.ndarray,
    without: np.ndarray,
    maps: tuple[np.ndarray, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return gains (targets, strengths, 2) by std and by MAD, and kept (targets,).

    ``maps`` are those of the frame without targets and with them.
    """
    lost = maps[1] - maps[0]
    rows, cols = np.mgrid[-BOX : BOX + 1, -BOX : BOX + 1]
    ring = np.hypot(rows, cols) > CORE
    out, kept = np.zeros((len(x), len(STRENGTHS), 2)), np.zeros(len(x))
    for k, (col, row) in enumerate(zip(np.rint(x), np.rint(y), strict=True)):
        i, j = int(col), int(row)
        box = slice(j - BOX, j + BOX + 1), slice(i - BOX, i + BOX + 1)
        before = injected[box][ring].astype(float)
        light = float(injected[j, i]) - float(without[j, i])
        kept[k] = 1 - lost[j, i] / light
        for n, share in enumerate(STRENGTHS):
            after = before - share * maps[1][box][ring]
            left = 1 - share * (1 - kept[k])
            out[k, n] = [left * f(before) / max(f(after), 1e-9) for f in (np.std, mad)]
    return out, kept


def mad(values: np.ndarray) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def spectrum(image: np.ndarray) -> np.ndarray:
    """Return the power by radial frequency, (BINS,): white noise has its variance."""
    ny, nx = image.shape
    window = np.hanning(ny)[:, None] * np.hanning(nx)
    level = float((image * window).sum() / window.sum())
    power = np.abs(np.fft.fft2((image - level) * window)) ** 2 / (window**2).sum()
    radius = np.hypot(np.fft.fftfreq(ny)[:, None], np.fft.fftfreq(nx))
    which = np.digitize(radius.ravel(), edges()) - 1
    use = (which >= 0) & (which < BINS)
    total = np.bincount(which[use], power.ravel()[use], BINS)
    return total / np.maximum(np.bincount(which[use], minlength=BINS), 1)


def edges() -> np.ndarray:
    """Return the edges of the bins of `spectrum`, cycles per pixel."""
    return np.linspace(1 / 128, 0.5, BINS + 1)


def fates(
    at: tuple[np.ndarray, np.ndarray], x: Any, y: Any, shape: tuple[int, int]
) -> np.ndarray:
    """Return the target of each detection, the best one first, or what it is."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    away = np.hypot(x[:, None] - at[0], y[:, None] - at[1])
    free = np.ones(len(at[0]), bool)
    low, high = BORDER - 0.5, np.array(shape[::-1]) - 0.5 - BORDER
    inside = (x > low) & (x < high[0]) & (y > low) & (y < high[1])
    out = np.full(len(x), SPARE)
    for k in np.flatnonzero(inside):
        near = away[k] < MATCH
        if (near & free).any():
            out[k] = np.argmin(np.where(near & free, away[k], np.inf))
            free[out[k]] = False
        elif not near.any():
            out[k] = FALSE
    return out


@dataclass(frozen=True)
class Sweep:
    """False and found detections (thresholds, frames) from the highest threshold on."""

    false: np.ndarray
    found: np.ndarray
    wanted: np.ndarray
    cuts: np.ndarray


def sweep(rows: list[dict[str, Any]], wanted: list[int], least: float) -> Sweep:
    """Cut lists of fates at all thresholds; rows have ``snr`` and ``fate``."""
    cuts = np.geomspace(200.0, least, 600)
    false, found = np.zeros((2, len(cuts), len(rows)), int)
    for k, row in enumerate(rows):
        above = np.asarray(row["snr"], float) >= cuts[:, None]
        fate = np.asarray(row["fate"], int)
        false[:, k] = (above & (fate == FALSE)).sum(1)
        found[:, k] = (above & (fate >= 0)).sum(1)
    return Sweep(false, found, np.asarray(wanted), cuts)


def completeness(s: Sweep, weights: np.ndarray, rate: float) -> np.ndarray:
    """Return the share found at a rate of false detections per frame, (draws,).

    Between two thresholds it is interpolated. A sweep that ends below the rate gives
    what it found last.
    """
    w = np.asarray(weights, float).T
    wanted = s.wanted @ w
    false = np.maximum.accumulate(s.false @ w, axis=0)
    found = s.found @ w
    # Nothing is found, and nothing false, above all thresholds.
    false, found = (np.vstack([np.zeros((1, w.shape[1])), a]) for a in (false, found))
    allowed = rate * w.sum(0)
    last = (false <= allowed).sum(0) - 1
    after = np.minimum(last + 1, len(false) - 1)
    k = np.arange(w.shape[1])
    step = false[after, k] - false[last, k]
    part = np.where(step > 0, (allowed - false[last, k]) / np.maximum(step, 1e-9), 0)
    value = found[last, k] + part * (found[after, k] - found[last, k])
    return np.where(wanted > 0, value / np.maximum(wanted, 1e-9), np.nan)


def counted(picks: np.ndarray) -> np.ndarray:
    """Return how often each frame was drawn, (draws, frames)."""
    number = picks.shape[1]
    return np.stack([np.bincount(p, minlength=number) for p in picks])


def lower(values: np.ndarray) -> float | None:
    """Return the lower end of the central 68 % of what was drawn again."""
    drawn = values[1:][np.isfinite(values[1:])]
    return rounded(float(np.percentile(drawn, 15.8655))) if len(drawn) else None


def condensed(gain: np.ndarray) -> dict[str, np.ndarray]:
    """Return median, mean and robust gain of (draws, targets, 2)."""
    return {
        "median": np.median(gain[..., 0], axis=-1),
        "mean": gain[..., 0].mean(axis=-1),
        "robust": np.median(gain[..., 1], axis=-1),
    }


def share_of(gain: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Return the excess of a gain as a share of the oracle's."""
    excess = best - 1
    return np.where(excess > 0, (gain - 1) / np.where(excess > 0, excess, 1), np.nan)


def strength_for(kept: float | np.ndarray, wanted: float | np.ndarray) -> Any:
    """Return the share of a map that leaves a wanted share of a target, 0 to 1."""
    lost = np.maximum(1 - np.asarray(kept), 1e-9)
    return np.clip((1 - np.asarray(wanted)) / lost, 0, 1)


def at_strength(gain: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Interpolate gains (draws, targets, strengths, 2) to a strength for each draw."""
    place = np.asarray(strength) * (len(STRENGTHS) - 1)
    low = np.minimum(place.astype(int), len(STRENGTHS) - 2)
    part = (place - low)[:, None, None]
    k = np.arange(len(gain))
    return (1 - part) * gain[k, :, low] + part * gain[k, :, low + 1]
