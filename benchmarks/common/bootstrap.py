"""Errors by drawing again, with replacement: the same draws for all arms."""

import numpy as np

DRAWS = 1000
Pair = list[float | None]


def resampled(number: int, seed: int, draws: int | None = None) -> np.ndarray:
    """Return members (1 + draws, number): each once, and drawn again.

    A single one tells no error: it is not drawn again.
    """
    if number < 2:
        draws = 0
    rng = np.random.default_rng([seed, number])
    again = rng.integers(0, number, (DRAWS if draws is None else draws, number))
    return np.vstack([np.arange(number), again])


def pair(values: np.ndarray) -> Pair:
    """Return the first value and the scatter of the others; None for NaN."""
    value, drawn = float(values[0]), values[1:]
    drawn = drawn[np.isfinite(drawn)]
    error = float(drawn.std(ddof=1)) if len(drawn) > 1 else None
    return [rounded(value) if np.isfinite(value) else None, rounded(error)]


def rounded(value: float | None) -> float | None:
    """Return five digits of a number."""
    return None if value is None else float(f"{value:.5g}")
