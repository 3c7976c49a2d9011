"""Likeness to the truth, light left and light taken on all sets, arm by arm."""

from typing import Any

import numpy as np
from bench import Bench
from common.bootstrap import pair
from jobs import Row
from scoring import BINS, means, over

PLAIN = ("inside", "outside", "left", "changed", "filled")
"""Numbers of a scene whose mean is quoted."""
SUMS = ("beyond", "filled beyond", "list", "false")
"""Numbers that are counted over scenes."""


def run(bench: Bench) -> dict[str, Any]:
    """Return what each arm does on each set, and what ours is ahead of the others."""
    out: dict[str, Any] = {}
    for name in bench.sets:
        truth = bench.each("truth", name)
        rows = {a.name: bench.each("scene", name, a) for a in bench.arms}
        out[name] = {
            "stars": int(np.mean([len(r["snr"]) for r in truth])),
            "footprint": bench.pair(r["footprint"] for r in truth),
            "range": bench.pair(r["range"] for r in truth),
            "noise": bench.pair(r["noise"] for r in truth),
            "arms": {n: _arm(bench, v, truth) for n, v in rows.items()},
            "ahead": _ahead(bench, rows),
        }
    return out


def _arm(bench: Bench, rows: list[Row], truth: list[Row]) -> dict[str, Any]:
    out: dict[str, Any] = {
        kind: {
            k: bench.pair(r[kind][k] for r in rows) for k in ("psnr", "ssim", "mae")
        }
        for kind in ("noisy", "clean")
    }  # fmt: skip
    for key in PLAIN:
        if key in rows[0]:
            out[key] = bench.pair(r[key] for r in rows)
    out |= {k: sum(r[k] for r in rows) for k in SUMS if k in rows[0]}
    if "ulps" in rows[0]:
        out["ulps"] = max(r["ulps"] for r in rows)
    for key in ("gone", "listed"):
        if key in rows[0]:
            out[key] = _complete(bench, rows, truth, key)
    if "change" in rows[0]:
        out |= _galaxies(bench, rows)
    out["words"] = sorted({w for r in rows for w in r["words"].split("; ") if w})
    return out


def _complete(
    bench: Bench, rows: list[Row], truth: list[Row], key: str
) -> dict[str, Any]:
    """Return the share of true stars that are gone, by signal to noise."""
    both = [{"yes": r[key], "snr": t["snr"]} for r, t in zip(rows, truth, strict=True)]
    out = {}
    for low, high in BINS:

        def share(some: list[Row], low: float = low, high: float = high) -> float:
            snr = np.concatenate([np.asarray(r["snr"], float) for r in some])
            yes = np.concatenate([np.asarray(r["yes"], bool) for r in some])
            use = (snr >= low) & (snr < high)
            return float(yes[use].mean()) if use.any() else float("nan")

        words = f"{low:g} to {high:g}" if np.isfinite(high) else f"above {low:g}"
        out[words] = pair(over(both, bench.picks(), share))
    return out


def _galaxies(bench: Bench, rows: list[Row]) -> dict[str, Any]:
    """Return what happens to the light of galaxies, all scenes together."""
    picks = bench.picks()

    def drawn(value: Any) -> list[float | None]:
        return pair(
            over(rows, picks, lambda s: value(np.concatenate([r["change"] for r in s])))
        )

    return {
        "galaxies": sum(len(r["change"]) for r in rows),
        "losing": drawn(lambda c: float(np.mean(c < -0.1))),
        "gaining": drawn(lambda c: float(np.mean(c > 0.1))),
        "change": drawn(lambda c: float(np.median(c))),
        "size of change": drawn(lambda c: float(np.median(np.abs(c)))),
    }


def _ahead(bench: Bench, rows: dict[str, list[Row]]) -> dict[str, Any]:
    """Return the gain of our main arm over each other one, scene by scene."""
    if bench.main is None:
        return {}
    own, picks = rows[bench.main.name], bench.picks()
    out: dict[str, Any] = {}
    for name, others in rows.items():
        if name == bench.main.name:
            continue
        out[name] = {
            kind: pair(means(
                [a[kind]["psnr"] - b[kind]["psnr"]
                 for a, b in zip(own, others, strict=True)],
                picks,
            ))
            for kind in ("noisy", "clean")
        }  # fmt: skip
    return out
