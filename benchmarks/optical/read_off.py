"""Sweeps read off at a number of false detections, and their errors."""

import numpy as np

CAPS = (1.0, 10.0, 50.0)
PRIMARY_CAP = 10.0
DRAWS = 1000
PURITY = 0.99


def read_off(
    counts: np.ndarray, area: float, cap: float, *, strict: bool = False
) -> np.ndarray:
    """Interpolate (thresholds, 5, tiles), high thresholds first, at a cap.

    Returns
    -------
    ndarray
        (5,) numbers of each fate; those of the last threshold where the sweep ended
        below the cap. Strict: doubles and shreds count as false.
    """
    totals = counts.sum(-1)
    bad = totals[:, 1:4].sum(-1) if strict else totals[:, 1]
    false = np.maximum.accumulate(bad / area)
    return np.array([_interpolate(cap, false, totals[:, k]) for k in range(5)])


def at_purity(counts: np.ndarray, least: float = PURITY) -> float:
    """Return the most true positives at which this share of them is kept."""
    totals = counts.sum(-1)
    pure = totals[:, 0] >= least * (totals[:, 0] + totals[:, 1])
    best = 0.0
    for k in np.flatnonzero(pure):
        best = max(best, float(totals[k, 0]))
        if k + 1 < len(totals) and not pure[k + 1]:
            # Between two thresholds both numbers grow together.
            (t0, f0), (t1, f1) = totals[k, :2], totals[k + 1, :2]
            part = least * (t0 + f0) - t0, (t1 - t0) - least * (t1 - t0 + f1 - f0)
            if part[1] < 0:
                best = max(best, float(t0 + part[0] / part[1] * (t1 - t0)))
    return best


def last_below(counts: np.ndarray, area: float) -> int:
    """Return the index of the last threshold that does not exceed the primary cap."""
    false = np.maximum.accumulate(counts[:, 1].sum(-1) / area)
    return max(int(np.searchsorted(false, PRIMARY_CAP, side="right")) - 1, 0)


def bootstrap(
    sweeps: list[np.ndarray],
    area: float,
    rng: np.random.Generator,
    *,
    cap: float = PRIMARY_CAP,
    draws: int = DRAWS,
) -> np.ndarray:
    """Return true positives at the cap, (arms, draws), the same tiles in all arms."""
    tiles = sweeps[0].shape[-1]
    weight = rng.multinomial(tiles, np.full(tiles, 1 / tiles), size=draws).T
    return np.stack([_drawn(s, weight, area, cap) for s in sweeps])


def _drawn(
    counts: np.ndarray, weight: np.ndarray, area: float, cap: float
) -> np.ndarray:
    true = counts[:, 0] @ weight
    false = np.maximum.accumulate(counts[:, 1] @ weight / area, axis=0)
    after = (false < cap).sum(0)
    last = len(false) - 1
    high, low = np.clip(after, 0, last), np.clip(after - 1, 0, last)
    column = np.arange(weight.shape[1])
    step = false[high, column] - false[low, column]
    part = np.where(
        step > 0, (cap - false[low, column]) / np.where(step > 0, step, 1), 0
    )
    part = np.clip(part, 0, 1)
    return true[low, column] + part * (true[high, column] - true[low, column])


def bounds(ratio: np.ndarray) -> list[float]:
    """Return the 68 % bounds of draws of a ratio."""
    return [round(float(v), 4) for v in np.percentile(ratio, [15.87, 84.13])]


def _interpolate(cap: float, false: np.ndarray, values: np.ndarray) -> float:
    after = int(np.sum(false < cap))
    if after in (0, len(false)):
        return float(values[min(after, len(false) - 1)])
    low, high = after - 1, after
    part = (cap - false[low]) / (false[high] - false[low])
    return float(values[low] + part * (values[high] - values[low]))
