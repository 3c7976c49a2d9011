"""Likeness to the truth, light left, light taken: arrays in, numbers out."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from skimage.metrics import structural_similarity

TOP = 99.9
"""Percentile of the truth at which its range ends; it starts at the least pixel."""
MATCH = 2.0
"""Distance, pixels, within which a star of a list is one of the truth."""
GONE = 0.5
"""A star was removed where less than this share of its light is left, or too much."""
FAINTEST = 5.0
"""Signal to noise from which stars are asked for."""
BINS = ((5, 10), (10, 20), (20, 100), (100, float("inf")))
"""Of the signal to noise of stars."""


def likeness(truth: np.ndarray, image: np.ndarray) -> dict[str, float]:
    """Return PSNR in dB, SSIM in windows of 7 x 7, and the mean absolute error."""
    right, got = np.asarray(truth, np.float64), np.asarray(image, np.float64)
    span = range_of(right)
    error = got - right
    square = float(np.mean(error**2))
    psnr = 20 * np.log10(span / np.sqrt(square)) if square > 0 else np.inf
    return {
        "psnr": float(psnr),
        "ssim": float(structural_similarity(right, got, data_range=span)),
        "mae": float(np.abs(error).mean()),
    }


def range_of(truth: np.ndarray) -> float:
    """Return the range that likeness is measured against."""
    right = np.asarray(truth, np.float64)
    return float(np.percentile(right, TOP) - right.min())


def spread(error: np.ndarray, sigma: np.ndarray, where: np.ndarray) -> float:
    """Return the rms of an error in units of the noise, NaN where there is nothing."""
    if not where.any():
        return float("nan")
    return float(np.sqrt(np.mean((error[where] / sigma[where]) ** 2)))


def share_left(
    image: np.ndarray, truth: np.ndarray, out: np.ndarray, where: np.ndarray
) -> float:
    """Return what is left of the light above the truth; below 0 too much was taken."""
    light = float(np.sum((image - truth)[where], dtype=np.float64))
    rest = float(np.sum((out - truth)[where], dtype=np.float64))
    return rest / light if light > 0 else float("nan")


def circle(shape: tuple[int, int], x: float, y: float, radius: float) -> np.ndarray:
    """Return the flat indices of the pixels whose centres lie in a circle."""
    ny, nx = shape
    rows = np.arange(max(0, int(y - radius)), min(ny, int(y + radius) + 2))
    cols = np.arange(max(0, int(x - radius)), min(nx, int(x + radius) + 2))
    inside = np.hypot(cols[None, :] - x, rows[:, None] - y) <= radius
    return (rows[:, None] * nx + cols[None, :])[inside]


def lefts(
    image: np.ndarray,
    truth: np.ndarray,
    out: np.ndarray,
    places: Iterable[tuple[float, float]],
    radius: float,
) -> np.ndarray:
    """Return the share of light left around each place (x, y)."""
    light = np.asarray(image - truth, np.float64).ravel()
    rest = np.asarray(out - truth, np.float64).ravel()
    found = []
    for x, y in places:
        there = circle(image.shape, x, y, radius)
        whole = light[there].sum()
        found.append(rest[there].sum() / whole if whole > 0 else np.nan)
    return np.array(found)


def listed(
    x: np.ndarray, y: np.ndarray, at: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, int]:
    """Return whether each true star is in a list, and how many of the list are none.

    Nearest pairs first: one of the list answers for one star. A second one near a star
    is not false, as the wings of a star may be taken in parts.
    """
    known = np.zeros(len(x), bool)
    if not len(x) or not len(at[0]):
        return known, len(at[0])
    away = np.hypot(at[0][:, None] - x, at[1][:, None] - y)
    false = int(np.sum(away.min(axis=1) > MATCH))
    free = np.ones(len(at[0]), bool)
    order = np.argsort(away, axis=None)[: int(np.sum(away <= MATCH))]
    for k, j in zip(*np.unravel_index(order, away.shape), strict=True):
        if free[k] and not known[j]:
            free[k], known[j] = False, True
    return known, false


def over(
    rows: list[dict[str, Any]],
    picks: np.ndarray,
    value: Callable[[list[dict[str, Any]]], float],
) -> np.ndarray:
    """Return a number of some rows for all draws of them."""
    return np.array([value([rows[k] for k in p]) for p in picks])


def means(values: Iterable[float], picks: np.ndarray) -> np.ndarray:
    """Return the means over scenes for all draws; scenes without a value are none."""
    drawn = np.array(list(values), float)[picks]
    good = np.isfinite(drawn)
    number = good.sum(axis=1)
    total = np.where(good, drawn, 0).sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
