"""Frames drawn from the network against frames as those of its training."""

from typing import Any

import numpy as np
from bench import Bench
from common.bootstrap import pair, resampled
from jobs import LEVELS, Row
from scoring import edges

MORE = 8
"""Frames of the training for each that is drawn."""


def run(bench: Bench) -> dict[str, Any]:
    """Compare histogram and power, beside two sets of training frames."""
    n = bench.sampled
    own = bench.each("drawn", "test", bench.network, number=n, at_once=1)
    trained = bench.each("trained", "test", number=(MORE + 1) * n, at_once=8)
    # As many as are drawn stand aside: their distance is that of chance.
    chance, rest = trained[:n], trained[n:]
    out: dict[str, Any] = {
        "frames": n, "training frames": len(rest),
        "levels": LEVELS.round(3).tolist(), "edges": edges().round(4).tolist(),
        "distances": {},
    }  # fmt: skip
    for name, rows in (("drawn", own), ("training, as many", chance)):
        out["distances"][name] = _distance(rows, rest, bench.seed)
    for name, rows in (("drawn", own), ("training", rest)):
        shares = np.mean([r["histogram"] for r in rows], axis=0)
        power = np.array([r["spectrum"] for r in rows])
        out[name] = {
            "histogram": [float(f"{v:.4g}") for v in shares],
            "power": [
                [float(f"{v:.4g}") for v in np.percentile(power, q, axis=0)]
                for q in (16, 50, 84)
            ],
        }
    return out


def _distance(rows: list[Row], rest: list[Row], seed: int) -> dict[str, Any]:
    """Return the half sum of differences of histograms, and the rms of ln power."""
    picks, others = resampled(len(rows), seed), resampled(len(rest), seed + 1)
    seen, known = (np.array([r["histogram"] for r in v]) for v in (rows, rest))
    far = [
        0.5 * np.abs(seen[a].mean(0) - known[b].mean(0)).sum()
        for a, b in zip(picks, others, strict=True)
    ]
    power, usual = (np.log([r["spectrum"] for r in v]) for v in (rows, rest))
    away = [
        np.sqrt(np.mean((np.median(power[a], 0) - np.median(usual[b], 0)) ** 2))
        for a, b in zip(picks, others, strict=True)
    ]
    return {"histogram": pair(np.array(far)), "power": pair(np.array(away))}
