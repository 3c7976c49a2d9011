"""Section 4: photons of sources and their errors, in bins of Asimov TS."""

from typing import Any

import numpy as np
import scoring
from arms import EXACT, Arm
from bench import Bench
from scoring import BRIGHT

BINS = {
    "25-50": (25.0, 50.0), "50-100": (50.0, 100.0), "100-400": (100.0, 400.0),
    "> 400": (400.0, np.inf), "all": (25.0, np.inf),
}  # fmt: skip
KINDS = ("test", "nominal PSF")


def run(bench: Bench) -> dict[str, Any]:
    """Return bias and pulls: forced at the truth, and of what was detected."""
    arms = (bench.network, Arm(name=EXACT))
    return {
        kind: {arm.name: of_arm(bench, kind, arm) for arm in arms} for kind in KINDS
    }


def of_arm(bench: Bench, kind: str, arm: Arm) -> dict[str, Any]:
    weights = bench.weights(kind)
    rows = bench.each("forced", kind, arm)
    return {
        "forced": summary(gather(rows), weights),
        "detected": summary(detected(bench, kind, arm), weights),
        "left out": sum(r["left_out"] for r in rows),
    }


def gather(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return all sources of all patches in columns, and the patch of each."""
    names = ("true", "asimov", "counts", "err")
    out = {n: np.array([v for r in rows for v in r[n]], float) for n in names}
    lengths = [len(r["true"]) for r in rows]
    return {**out, "at": np.repeat(np.arange(len(rows)), lengths)}


def detected(bench: Bench, kind: str, arm: Arm) -> dict[str, np.ndarray]:
    """Return what a blind search says of the sources that it finds above TS 25."""
    rows = []
    truths = bench.each("truth", kind)
    for t, r in zip(truths, bench.each("search", kind, arm), strict=True):
        found = {k: np.asarray(v, float) for k, v in r.items() if k != "seconds"}
        order = np.argsort(-found["ts"], kind="stable")
        found = {k: v[order] for k, v in found.items()}
        fate = scoring.fates(t, found["x"], found["y"])
        hit = (fate >= 0) & (found["ts"] > BRIGHT)
        own = fate[hit]
        rows.append(
            {
                "true": np.asarray(t["counts"])[own],
                "asimov": np.asarray(t["ts"])[own],
                "counts": found["counts"][hit],
                "err": found["counts_err"][hit],
            }
        )
    return gather(rows)


def summary(columns: dict[str, np.ndarray], weights: np.ndarray) -> dict[str, Any]:
    """Return number, relative bias and pulls, by bin; errors over patches."""
    out = {}
    for name, (low, high) in BINS.items():
        own = (columns["asimov"] > low) & (columns["asimov"] <= high)
        c = {k: v[own] for k, v in columns.items()}
        off = c["counts"] - c["true"]
        bias = scoring.spread(off / c["true"], c["at"], weights)
        pulls = scoring.spread(off / c["err"], c["at"], weights)
        out[name] = {
            "number": int(own.sum()),
            "bias": bias["mean"],
            "median bias": bias["median"],
            "pull mean": pulls["mean"],
            "pull std": pulls["std"],
            "pull width": pulls["robust"],
        }
    return out
