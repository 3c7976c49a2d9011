"""Section 5: the test statistic where there is no source."""

from typing import Any

import numpy as np
import scoring
from arms import EXACT, Arm
from bench import Bench
from draws import NULL
from jobs import NULL_FAINTEST
from scipy import stats

LEVELS = (9.0, 16.0, 25.0)
RATE = 0.1  # false per patch


def run(bench: Bench) -> dict[str, Any]:
    arms = (bench.network, Arm(name=EXACT))
    out: dict[str, Any] = {
        "levels": list(LEVELS),
        "expected": [float(f"{expected(v):.3g}") for v in LEVELS],
        "patches": {kind: bench.numbers[kind] for kind in NULL},
    }
    for arm in arms:
        out[arm.name] = {
            kind: shares(bench.each("null", kind, arm), bench.weights(kind))
            for kind in NULL
        }
    return out


def expected(level: float) -> float:
    """Return the share above a TS: half a chi-squared of one degree of freedom."""
    return float(stats.chi2.sf(level, 1) / 2)


def shares(rows: list[dict[str, Any]], weights: np.ndarray) -> dict[str, Any]:
    """Return shares of random places and false detections per patch above some TS."""
    trials = np.array([len(r["places"]) for r in rows])
    blind = np.array([v for r in rows for v in r["blind"]], float)
    at = np.repeat(np.arange(len(rows)), [len(r["blind"]) for r in rows])

    def above(name: str, level: float) -> np.ndarray:
        return np.array([(np.asarray(r[name], float) > level).sum() for r in rows])

    return {
        "trials": int(trials.sum()),
        "places": [
            scoring.pair(scoring.ratio(above("places", v), trials, weights))
            for v in LEVELS
        ],
        "false": [
            scoring.pair(scoring.mean(above("blind", v), weights)) for v in LEVELS
        ],
        "threshold": scoring.pair(scoring.threshold_at(blind, at, weights, RATE)),
        "least": NULL_FAINTEST,
    }
