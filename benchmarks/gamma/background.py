"""Sections 2 and 3: errors of the background, and brightness of what is left."""

from typing import Any

import numpy as np
import scoring
from arms import EXACT, MESHES, Arm, mesh
from bench import Bench

WIDE = 64
"""Mesh of SExtractor's defaults."""


def run(bench: Bench) -> dict[str, Any]:
    """Return rms and mean of ln(background / truth), by arm and band."""
    names = (bench.network, *map(mesh, (*MESHES, WIDE)))
    return {arm.name: errors(bench, "test", arm) for arm in names}


def errors(bench: Bench, kind: str, arm: Arm) -> dict[str, Any]:
    rows = bench.each("levels", kind, arm)
    weights = bench.weights(kind)
    square, plain = (np.array([r[k] for r in rows]) for k in ("ln_square", "ln"))
    return {
        band: {
            "rms": scoring.pair(np.sqrt(scoring.mean(square, weights * own))),
            "mean": scoring.pair(scoring.mean(plain, weights * own)),
        }
        for band, own in scoring.bands(bench.each("truth", kind)).items()
    }


def brightness(bench: Bench) -> dict[str, Any]:
    """Return predicted over true light, patches by tercile of the true one.

    The last of four is that of all patches together.
    """
    true = np.array([t["source"] for t in bench.each("truth", "test")])
    weights = bench.weights("test")
    network = bench.each("levels", "test", bench.network)
    parts = {"source map": np.array([r["source"] for r in network])}
    for arm in (bench.network, Arm(name=EXACT), *map(mesh, MESHES)):
        rows = bench.each("levels", "test", arm)
        parts[f"counts - {arm.name}"] = np.array([r["left"] for r in rows])
    return {
        "terciles": {n: scoring.terciles(v, true, weights) for n, v in parts.items()},
        "patches": {
            "true": _short(true),
            **{n: _short(parts[n]) for n in list(parts)[:2]},
        },
    }


def _short(values: np.ndarray) -> list[float]:
    return [round(float(v), 1) for v in values]
