"""Detections against the truth, and figures with their errors. Nothing is computed here
that needs a model: arrays in, numbers out.

Rules. To be found: sources with Asimov TS above 25, three pixels off the edges. True: a
detection within 2.5 pixels of a source with Asimov TS above 4 that no better detection
has taken; of several the one with the highest TS. False: no such source within 2.5
pixels, taken or not. A second detection of a source is neither.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

BRIGHT, REAL = 25.0, 4.0  # Asimov TS of what is to be found; of what is not false
EDGE, MATCH = 3.0, 2.5  # pixels
SIDE = 64
FALSE, SPARE = -1, -2
RATES = (0.1, 0.5, 1.0)
"""False detections per patch."""
BANDS = ("all", "|b| > 20", "|b| < 20")
DRAWS = 1000
Pair = list[float | None]
Truth = dict[str, Any]


def inside(x: Any, y: Any) -> Any:
    """Return whether places are away from the edges of a patch."""
    low, high = EDGE - 0.5, SIDE - 0.5 - EDGE
    x, y = np.asarray(x, float), np.asarray(y, float)
    return (x > low) & (x < high) & (y > low) & (y < high)


def fates(truth: Truth, x: Any, y: Any, *, real: float = REAL) -> np.ndarray:
    """Return the source of each detection, the best detection first, or what it is."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    at_x, at_y, ts = (np.asarray(truth[k], float) for k in ("x", "y", "ts"))
    open_ = ts > real
    close = np.hypot(x[:, None] - at_x, y[:, None] - at_y) < MATCH
    close &= ts > real
    out = np.full(len(x), SPARE)
    for k in np.flatnonzero(inside(x, y)):
        near = np.flatnonzero(close[k] & open_)
        if len(near):
            out[k] = near[np.argmax(ts[near])]
            open_[out[k]] = False
        elif not close[k].any():
            out[k] = FALSE
    return out


@dataclass(frozen=True)
class Sweep:
    """Thresholds from the highest on.

    Attributes
    ----------
    false, found : ndarray
        (thresholds, patches), false detections; sources found of the wanted ones.
    wanted : ndarray
        (patches,)
    """

    false: np.ndarray
    found: np.ndarray
    wanted: np.ndarray


def bright(truth: Truth) -> np.ndarray:
    ts = np.asarray(truth["ts"], float)
    return (ts > BRIGHT) & inside(truth["x"], truth["y"])


def by_ts(truths: list[Truth], rows: list[dict[str, Any]], least: float) -> Sweep:
    """Cut lists of detections at all TS from ``least`` on."""
    cuts = np.geomspace(1e6, least, 800)
    false, found = np.zeros((2, len(cuts), len(truths)), int)
    for k, (t, r) in enumerate(zip(truths, rows, strict=True)):
        ts = np.asarray(r["ts"], float)
        order = np.argsort(-ts, kind="stable")
        x, y = (np.asarray(r[n], float)[order] for n in ("x", "y"))
        fate, wanted = fates(t, x, y), bright(t)
        hit = fate >= 0
        hit[hit] = wanted[fate[hit]]
        above = ts[order] >= cuts[:, None]
        false[:, k] = (above & (fate == FALSE)).sum(1)
        found[:, k] = (above & hit).sum(1)
    return Sweep(false, found, _wanted(truths))


def by_threshold(truths: list[Truth], rows: list[list[Any]]) -> Sweep:
    """Take detections of each patch at each threshold, the highest one first."""
    false, found = np.zeros((2, len(rows[0]), len(truths)), int)
    for k, (t, sweep) in enumerate(zip(truths, rows, strict=True)):
        wanted = bright(t)
        for j, (x, y) in enumerate(sweep):
            fate = fates(t, x, y)
            false[j, k] = (fate == FALSE).sum()
            found[j, k] = wanted[fate[fate >= 0]].sum()
    return Sweep(false, found, _wanted(truths))


def _wanted(truths: list[Truth]) -> np.ndarray:
    return np.array([int(bright(t).sum()) for t in truths])


def completeness(sweep: Sweep, weights: np.ndarray, rate: float) -> np.ndarray:
    """Return the share found at a rate of false detections per patch.

    Parameters
    ----------
    sweep : Sweep
        Of one arm.
    weights : ndarray
        (draws, patches), how often each patch counts; 0 = not of the band.
    rate : float
        Between two thresholds it is interpolated. A sweep that ends below it gives
        what it found last.

    Returns
    -------
    ndarray
        (draws,); NaN where there is nothing to be found.
    """
    w = np.asarray(weights, float).T
    number, wanted = w.sum(0), sweep.wanted @ w
    false = np.maximum.accumulate(sweep.false @ w, axis=0)
    found = sweep.found @ w
    # Nothing is found, and nothing false, above all thresholds.
    false, found = (np.vstack([np.zeros((1, w.shape[1])), a]) for a in (false, found))
    allowed = rate * number
    last = (false <= allowed).sum(0) - 1
    after = np.minimum(last + 1, len(false) - 1)
    k = np.arange(w.shape[1])
    step = false[after, k] - false[last, k]
    part = np.where(step > 0, (allowed - false[last, k]) / np.maximum(step, 1e-9), 0)
    value = found[last, k] + part * (found[after, k] - found[last, k])
    return np.where(wanted > 0, value / np.maximum(wanted, 1e-9), np.nan)


def bands(truths: list[Truth]) -> dict[str, np.ndarray]:
    low = np.array([abs(t["b"]) < 20 for t in truths])
    return dict(zip(BANDS, (np.ones_like(low), ~low, low), strict=True))


def resampled(number: int, seed: int, draws: int | None = None) -> np.ndarray:
    """Return weights (1 + draws, number): all once, and bootstraps over patches."""
    rng = np.random.default_rng([seed, number])
    drawn = rng.multinomial(number, np.full(number, 1 / number), draws or DRAWS)
    return np.vstack([np.ones((1, number), int), drawn])


def pair(values: np.ndarray) -> Pair:
    """Return the first value and the scatter of the others; None for NaN."""
    value, drawn = float(values[0]), values[1:]
    drawn = drawn[np.isfinite(drawn)]
    error = float(drawn.std()) if len(drawn) > 1 else None
    return [_round(value) if np.isfinite(value) else None, _round(error)]


def mean(each: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return means over patches, (draws,)."""
    return ratio(each, np.ones_like(each, float), weights)


def ratio(top: np.ndarray, bottom: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return ratios of sums over patches, (draws,)."""
    low = weights @ np.asarray(bottom, float)
    high = weights @ np.asarray(top, float)
    return np.where(low > 0, high / np.where(low > 0, low, 1), np.nan)


def terciles(top: np.ndarray, true: np.ndarray, weights: np.ndarray) -> list[Pair]:
    """Return summed predictions over summed truths: faint, middle, bright, all."""
    order = np.argsort(true, kind="stable")
    parts = [*np.array_split(order, 3), order]
    return [pair(ratio(top[p], true[p], weights[:, p])) for p in parts]


def spread(values: np.ndarray, at: np.ndarray, weights: np.ndarray) -> dict[str, Pair]:
    """Return mean, median, standard deviation and half the central 68 % of values.

    Parameters
    ----------
    values : ndarray
        (n,)
    at : ndarray
        (n,) the patch of each.
    weights : ndarray
        (draws, patches)
    """
    order = np.argsort(values, kind="stable")
    values, at = values[order], at[order]
    w = weights[:, at].astype(float)
    total = w.sum(1)
    good = total > 0
    total = np.where(good, total, 1)
    middle = (w @ values) / total
    width = np.sqrt(np.maximum((w @ values**2) / total - middle**2, 0))
    share = np.cumsum(w, axis=1)
    low, half, high = (_quantile(values, share, total, q) for q in _QUANTILES)
    out = {"mean": middle, "median": half, "std": width, "robust": (high - low) / 2}
    return {k: pair(np.where(good, v, np.nan)) for k, v in out.items()}


_QUANTILES = (0.158655, 0.5, 0.841345)


def _quantile(
    values: np.ndarray, share: np.ndarray, total: np.ndarray, q: float
) -> np.ndarray:
    """Return weighted quantiles of sorted values, (draws,)."""
    if not len(values):
        return np.full(len(total), np.nan)
    # Half way between the last below and the first from there on: 1, 2, 3 -> 2.
    first = (share < (q * total)[:, None] - 1e-9).sum(1)
    second = (share <= (q * total)[:, None] + 1e-9).sum(1)
    last = len(values) - 1
    return (values[np.minimum(first, last)] + values[np.minimum(second, last)]) / 2


def threshold_at(
    ts: np.ndarray, at: np.ndarray, weights: np.ndarray, rate: float
) -> np.ndarray:
    """Return the TS above which there are so many detections per patch, (draws,).

    NaN where even the lowest TS that was searched leaves fewer.
    """
    order = np.argsort(-ts, kind="stable")
    share = np.cumsum(weights[:, at[order]], axis=1)
    first = (share <= (rate * weights.sum(1))[:, None]).sum(1)
    known = first < len(ts)
    value = ts[order][np.minimum(first, len(ts) - 1)] if len(ts) else np.nan
    return np.where(known, value, np.nan)


def _round(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
