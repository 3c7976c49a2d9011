"""The paper's chain on a few frames: gain, time, and whether one step equals it."""

from typing import Any

import numpy as np
from arms import PRODUCT
from bench import Bench
from common.bootstrap import pair
from gain import BEST, CHAINS, compared
from jobs import MANY, Row

SAMPLES = 20


def run(bench: Bench) -> dict[str, Any]:
    """Run both times of the paper: gain beside one step and the oracle."""
    number = bench.chains
    picks = bench.picks(number)
    arms: dict[str, list[Row]] = {
        a.name: bench.each("gain", "test", a)[:number]
        for a in (BEST, PRODUCT, bench.network)
    }
    equality = {}
    for t in CHAINS:
        rows = _rows(bench, t)
        arms[bench.chain(t, SAMPLES).name] = [r["chain"] for r in rows]
        same = bench.one_step(t, SAMPLES, protect=0.0, absorb=True)
        arms[same.name] = [r["one-step"] for r in rows]
        rms, finite = (np.array([r[k] for r in rows]) for k in ("rms", "finite"))
        apart = np.sqrt((rms**2)[picks].mean(1))
        noise = np.sqrt((finite**2)[picks].mean(1))
        beyond = np.sqrt(np.maximum(apart**2 - noise**2, 0))
        middle = np.array([r["correlation"] for r in rows])[picks].mean(1)
        equality[str(t)] = {
            "rms": pair(apart), "finite": pair(noise), "beyond": pair(beyond),
            "correlation": pair(middle),
        }  # fmt: skip
    found = compared(arms, bench)
    return {
        "frames": number, "samples": SAMPLES, "many": MANY, "arms": found,
        "equality": equality,
    }  # fmt: skip


def times(bench: Bench) -> dict[str, Any]:
    """Seconds of a frame, all modes in one process, and the chain's over each."""
    picks = bench.picks(bench.chains)
    seconds: dict[str, list[float]] = {}
    ratios: dict[str, Any] = {}
    by_time = {t: _rows(bench, t) for t in CHAINS}
    for t, rows in by_time.items():
        own = bench.chain(t, SAMPLES).name
        for row in rows:
            for name, value in row["seconds"].items():
                seconds.setdefault(name, []).append(value)
        for name in rows[0]["seconds"]:
            each = np.array([r["seconds"][own] / r["seconds"][name] for r in rows])
            ratios.setdefault(name, {})[str(t)] = pair(np.median(each[picks], axis=1))
    return {
        "frames": bench.chains,
        "network": bench.network.name,
        "seconds": {n: float(f"{np.median(v):.4g}") for n, v in seconds.items()},
        "ratios": ratios,
    }


def _rows(bench: Bench, t: int) -> list[Row]:
    arm = bench.chain(t, SAMPLES)
    return bench.each("chain", "test", arm, number=bench.chains, at_once=1)
