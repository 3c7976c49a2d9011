"""What a blind search finds, and the fluxes of targets."""

from itertools import pairwise
from typing import Any

import arms
import numpy as np
from arms import LAYERS, PRODUCT, Arm
from bench import Bench
from common.bootstrap import pair
from gain import BEST
from jobs import FAINTEST
from scoring import FALSE, RATES, completeness, counted, sweep

BINS = (5.0, 8.0, 16.0, 32.0, 64.0, 128.0)
CURVE = np.geomspace(0.05, 2.0, 25)


def run(bench: Bench) -> dict[str, Any]:
    truths = bench.each("truth", "search")
    wanted = [len(t["x"]) for t in truths]
    weights = counted(bench.picks(len(truths)))
    tried = [
        BEST, *(Arm(name=n) for n in LAYERS), PRODUCT, *bench.apart, bench.network,
        bench.one_step(arms.TIME, arms.FAST),
        bench.one_step(150, arms.SAMPLES, absorb=True),
    ]  # fmt: skip
    out: dict[str, Any] = {
        "targets": sum(wanted), "rates": CURVE.round(4).tolist(), "arms": {},
        "network": bench.network.name,
    }  # fmt: skip
    found = {}
    for arm in tried:
        rows = bench.each("search", "search", arm)
        s = sweep(rows, wanted, FAINTEST)
        found[arm.name] = [completeness(s, weights, r) for r in RATES]
        false = sum(row["fate"].count(FALSE) for row in rows) / len(rows)
        out["arms"][arm.name] = {
            "found": [pair(v) for v in found[arm.name]],
            "curve": [
                float(f"{completeness(s, weights[:1], r)[0]:.4g}") for r in CURVE
            ],
            # A sweep that ends below a rate has not reached it.
            "false": round(false, 3),
        }
    for name, v in out["arms"].items():
        less = zip(found[name], found[PRODUCT.name], strict=True)
        v["less classical"] = [pair(a - b) for a, b in less]
    return out


def flux(bench: Bench) -> dict[str, Any]:
    """Fluxes over true ones, by signal to noise in white noise."""
    truths = bench.each("truth", "flux")
    snr = np.array([t["snr"] for t in truths])
    picks = bench.picks(len(truths))
    out: dict[str, Any] = {"network": bench.network.name, "arms": {}}
    for arm in (BEST, PRODUCT, bench.network):
        rows = bench.each("flux", "flux", arm)
        values = {
            k: np.array([r[k] for r in rows], float)
            for k in ("corrected", "as left", "found", "error", "kept")
        }
        out["arms"][arm.name] = {
            f"{low:g} to {high:g}": _bin((snr >= low) & (snr < high), values, picks)
            for low, high in pairwise(BINS)
        }
    return out


def _bin(
    use: np.ndarray, values: dict[str, np.ndarray], picks: np.ndarray
) -> dict[str, Any]:
    """Return biases of the targets of a bin; frames are drawn again."""

    def drawn(seen: np.ndarray, of: Any) -> np.ndarray:
        shown = np.where(use, seen, np.nan)
        flat = (shown[p] for p in picks)
        return np.array([_of_known(v[np.isfinite(v)], of) for v in flat])

    forced, error = values["corrected"], values["error"]
    safe = np.where(error > 0, error, np.nan)
    return {
        "number": int(use.sum()),
        "median": pair(drawn(forced, np.median) - 1),
        "mean": pair(drawn(forced, np.mean) - 1),
        "as left": pair(drawn(values["as left"], np.median) - 1),
        "kept": pair(drawn(values["kept"], np.median)),
        "found": pair(drawn(values["found"], np.median) - 1),
        "found number": int(np.isfinite(values["found"][use]).sum()),
        "pull width": pair(drawn((forced - 1) / safe, _width)),
    }


def _of_known(values: np.ndarray, of: Any) -> float:
    return float(of(values)) if len(values) else float("nan")


def _width(values: np.ndarray) -> float:
    low, high = np.percentile(values, (15.8655, 84.1345))
    return float(high - low) / 2
