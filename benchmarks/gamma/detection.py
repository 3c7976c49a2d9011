"""Section 1: bright sources found at equal numbers of false ones."""

from typing import Any

import numpy as np
import scoring
import sextractor
from arms import EMISSION, EXACT, MESHES, NETWORK, Arm, mesh
from bench import Bench
from jobs import FAINTEST
from scoring import RATES, Sweep

PEAKS, SEXTRACTOR, BEST = "peaks of the source map", "SExtractor", "best mesh"
CURVE = np.round(np.geomspace(0.02, 5, 25), 4)
"""False per patch, for the picture."""


def run(bench: Bench) -> dict[str, Any]:
    truths = bench.each("truth", "test")
    sweeps = {name: swept(bench, "test", name) for name in names()}
    bands, weights = scoring.bands(truths), bench.weights("test")
    best = tuned(bench)
    return {
        "rates": list(RATES),
        "patches": {b: int(own.sum()) for b, own in bands.items()},
        "wanted": {b: int(sweeps[EXACT].wanted @ own) for b, own in bands.items()},
        "arms": table(sweeps, best, bands, weights),
        "best mesh": best,
        "curves": curves(sweeps, best, bands),
        "default": as_is(sweeps[SEXTRACTOR], bands, weights),
        "seconds": {a: seconds(bench, a) for a in (EXACT, NETWORK, *_meshes())},
    }  # fmt: skip


def names() -> tuple[str, ...]:
    return (EXACT, NETWORK, *_meshes(), SEXTRACTOR, PEAKS)


def _meshes() -> tuple[str, ...]:
    return tuple(mesh(m).name for m in MESHES)


def arm_of(bench: Bench, name: str) -> Arm:
    return bench.network if name in (NETWORK, PEAKS) else Arm(name=name)


def searched(bench: Bench, kind: str, name: str) -> list[dict[str, Any]]:
    return bench.each("search", kind, arm_of(bench, name))


def seconds(bench: Bench, name: str) -> float:
    rows = searched(bench, "test", name)
    return round(float(np.mean([r["seconds"] for r in rows])), 3)


def swept(bench: Bench, kind: str, name: str) -> Sweep:
    """Return the sweep of an arm over the patches of a kind."""
    truths = bench.each("truth", kind)
    if name == SEXTRACTOR:
        found = bench.each("segments", kind)
        return scoring.by_threshold(truths, [r["found"] for r in found])
    if name == PEAKS:
        found = bench.each("peaks", kind, arm_of(bench, name))
        return scoring.by_ts(truths, found, least=1e-4)
    return scoring.by_ts(truths, searched(bench, kind, name), least=FAINTEST)


def tuned(bench: Bench) -> dict[str, list[str]]:
    """Return the best mesh of each band at each rate, from other patches."""
    kind = "development"
    sweeps = {name: swept(bench, kind, name) for name in _meshes()}
    out = {}
    for band, own in scoring.bands(bench.each("truth", kind)).items():
        once = own[None, :].astype(int)
        got = {
            name: [_or_none(scoring.completeness(s, once, r)[0]) for r in RATES]
            for name, s in sweeps.items()
        }
        out[band] = [max(got, key=lambda n, k=k: got[n][k]) for k in range(len(RATES))]
    return out


def _or_none(value: float) -> float:
    return float(value) if np.isfinite(value) else -1.0


def table(
    sweeps: dict[str, Sweep],
    best: dict[str, list[str]],
    bands: dict[str, np.ndarray],
    weights: np.ndarray,
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return completeness of all arms, and paired differences, by band and rate."""
    out: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for band, own in bands.items():
        for k, rate in enumerate(RATES):
            drawn = {
                n: scoring.completeness(s, weights * own, rate)
                for n, s in sweeps.items()
            }
            drawn[BEST] = drawn[best[band][k]]
            for name, values in drawn.items():
                entry = {
                    "found": scoring.pair(values),
                    "over best mesh": scoring.pair(values - drawn[BEST]),
                    "over bound": scoring.pair(values - drawn[EXACT]),
                }
                out.setdefault(name, {}).setdefault(band, []).append(entry)
    return out


def curves(
    sweeps: dict[str, Sweep],
    best: dict[str, list[str]],
    bands: dict[str, np.ndarray],
) -> dict[str, Any]:
    """Return completeness over rates; the mesh is the best one at 0.1."""
    arms = (EXACT, NETWORK, PEAKS, SEXTRACTOR, EMISSION)
    out: dict[str, Any] = {"rates": CURVE.tolist(), "bands": {}}
    for band, own in bands.items():
        once = own[None, :].astype(int)
        shown = {n: sweeps[n] for n in arms if n in sweeps}
        shown[BEST] = sweeps[best[band][0]]
        out["bands"][band] = {
            n: [scoring.pair(scoring.completeness(s, once, r))[0] for r in CURVE]
            for n, s in shown.items()
        }
    return out


def as_is(
    sweep: Sweep, bands: dict[str, np.ndarray], weights: np.ndarray
) -> dict[str, Any]:
    """Return what SExtractor finds at its own threshold."""
    at = sextractor.THRESHOLDS.index(sextractor.DEFAULT)
    out = {}
    for band, own in bands.items():
        w = weights * own
        out[band] = {
            "found": scoring.pair(scoring.ratio(sweep.found[at], sweep.wanted, w)),
            "false": scoring.pair(scoring.mean(sweep.false[at], w)),
        }
    return out
