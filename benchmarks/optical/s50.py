"""S/N at half completeness, by a logistic fit to binned counts."""

import numpy as np
from scipy.optimize import minimize

LEAST = 10  # sources
Rows = list[list[int]]


def s50(rows: Rows, bins: list[float]) -> float | None:
    """Return where a logistic in log S/N crosses one half; None where it cannot."""
    total, found = (np.array(r, float) for r in rows)
    if total.sum() < LEAST or not 0 < found.sum() < total.sum():
        return None
    edges = np.array(bins)
    x = np.log(np.sqrt(edges[1:] * edges[:-1]))

    def loss(p: np.ndarray) -> float:
        z = np.exp(p[1]) * (x - p[0])
        # A few bright sources are lost to blends: the top is free.
        top = 1 / (1 + np.exp(-p[2]))
        share = np.clip(top / (1 + np.exp(-z)), 1e-9, 1 - 1e-9)
        like = found * np.log(share) + (total - found) * np.log(1 - share)
        return float(-like.sum() + 0.01 * (p[2] - 4) ** 2 + 0.01 * (p[1] - 1.5) ** 2)

    got = minimize(loss, [np.log(5), 1.5, 4.0], method="Nelder-Mead").x
    top = 1 / (1 + np.exp(-got[2]))
    if top <= 0.5:
        return None
    # Where it is one half of all sources, not of the top.
    value = float(np.exp(got[0] - np.log(2 * top - 1) / np.exp(got[1])))
    return round(value, 3) if edges[0] < value < edges[-1] else None


def by_class(
    completeness: dict[str, Rows], bins: list[float]
) -> dict[str, float | None]:
    out = {group: s50(rows, bins) for group, rows in completeness.items()}
    both = np.sum(list(completeness.values()), axis=0).tolist()
    return {"all": s50(both, bins), **out}
