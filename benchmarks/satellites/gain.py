"""Gain in signal to noise at known places, and what is kept of the targets there."""

from typing import Any

import arms
import numpy as np
import scoring
from arms import LAYERS, ORACLE, PRODUCT, Arm
from bench import Bench
from common.bootstrap import pair
from jobs import Row
from scoring import STRENGTHS, at_strength, condensed, lower, share_of

from bgrem_core.ddpm import kept_fraction

BEST = Arm(name=ORACLE)
CHAINS = (100, 150)
"""Times of the paper."""
TRIED = (100, 150, 200, 250, 300, 350, 400, 499, 600, 700, 850)
NUMBERS = (2, 6, 20, 50)
LEAST_KEPT = 0.85


def all_arms(bench: Bench) -> list[Arm]:
    """Return what is compared on all frames."""
    t, samples = arms.TIME, arms.SAMPLES
    times = {*CHAINS, 200, 300, 400} - {t}
    return [
        BEST, *(Arm(name=n) for n in LAYERS), PRODUCT, *bench.apart, bench.network,
        bench.one_step(t, arms.FAST),
        *(bench.one_step(v, samples) for v in sorted(times)),
        *(bench.one_step(v, samples, absorb=True) for v in (*CHAINS, t, 400)),
    ]  # fmt: skip


def run(bench: Bench) -> dict[str, Any]:
    rows = {a.name: bench.each("gain", "test", a) for a in all_arms(bench)}
    truths = bench.each("truth", "test")
    white = np.array([t["white"] / t["scale"] for t in truths])
    times = sorted({*CHAINS, arms.TIME, 400})
    return {
        "network": bench.network.name,
        "targets": sum(len(t["x"]) for t in truths),
        "arms": compared(rows, bench),
        "white": [round(float(v), 4) for v in np.percentile(white, (16, 50, 84))],
        "theory": {
            str(t): round(float(np.median(kept_fraction(t, white))), 3) for t in times
        },
    }


def compared(rows: dict[str, list[Row]], bench: Bench) -> dict[str, Any]:
    """Return the figures of arms that saw the same frames, the oracle among them."""
    picks = bench.picks(len(rows[ORACLE]))
    drawn = {name: _drawn(r, picks) for name, r in rows.items()}
    best = condensed(drawn[ORACLE]["gain"])
    out = {}
    for name, v in drawn.items():
        values = condensed(v["gain"])
        shares = {k: share_of(values[k], best[k]) for k in values}
        literal = v["after"].mean(1) / v["before"].mean(1)
        out[name] = {
            "gain": {k: pair(x) for k, x in values.items()},
            "paper": pair(literal),
            "kept": pair(np.median(v["kept"], axis=1)),
            "share": {k: [*pair(x), lower(x)] for k, x in shares.items()},
            "seconds": float(np.median([r["seconds"] for r in rows[name]])),
        }
    return out


def _drawn(rows: list[Row], picks: np.ndarray) -> dict[str, np.ndarray]:
    """Return values of targets (draws, targets, ...) at full strength."""
    gain = np.array([r["gain"] for r in rows])[:, :, -1]
    out = {"gain": _of(gain, picks)}
    for name in ("kept", "before", "after"):
        out[name] = _of(np.array([r[name] for r in rows]), picks)
    return out


def _of(values: np.ndarray, picks: np.ndarray) -> np.ndarray:
    """Give (frames, targets, ...) as (draws, frames x targets, ...)."""
    again = values[picks]
    return again.reshape(len(picks), -1, *values.shape[2:])


def choice(bench: Bench) -> dict[str, Any]:
    """Times and numbers of draws on development frames: the defaults are frozen there.

    The time with the highest median gain of those that keep enough is named.
    """
    samples = arms.SAMPLES
    times = [bench.one_step(t, samples) for t in TRIED if t <= bench.latest]
    numbers = [bench.one_step(arms.TIME, n) for n in NUMBERS if n != samples]
    tried = [BEST, PRODUCT, *times, *numbers]
    rows = {a.name: bench.each("gain", "development", a) for a in tried}
    found = compared(rows, bench)
    enough = [a.name for a in times if (found[a.name]["kept"][0] or 0) >= LEAST_KEPT]
    first = max(enough, key=lambda n: found[n]["gain"]["median"][0], default="none")
    return {
        "frames": bench.numbers["development"], "arms": found, "best": first,
        "frozen": bench.network.name,
    }  # fmt: skip


def direction(bench: Bench) -> dict[str, Any]:
    """Trails in directions that were not trained."""
    out = {}
    for kind in ("mirrored", "turned"):
        rows = {
            a.name: bench.each("gain", kind, a) for a in (BEST, PRODUCT, bench.network)
        }
        out[kind] = {"frames": bench.numbers[kind], "arms": compared(rows, bench)}
    return out


def equal(bench: Bench) -> dict[str, Any]:
    """Compare networks with the classical layer where both keep the same of a target.

    Of the two, the map of the one that keeps less is scaled down. The time at which a
    network keeps as much as the classical layer is chosen on development frames.
    """
    other = bench.each("gain", "test", PRODUCT)
    picks = bench.picks(len(other))
    chosen = _later(bench)
    late = list(dict.fromkeys([chosen, bench.network, *late_arms(bench)]))
    out: dict[str, Any] = {"chosen": chosen.name, "arms": {}, "curves": {}}
    for arm in late:
        own = bench.each("gain", "test", arm)
        out["arms"][arm.name] = _at_equal(own, other, picks)
    for arm in (BEST, PRODUCT, *late):
        rows = bench.each("gain", "test", arm)
        gain = np.array([r["gain"] for r in rows]).reshape(-1, len(STRENGTHS), 2)
        kept = float(np.median([r["kept"] for r in rows]))
        out["curves"][arm.name] = {
            "kept": [round(1 - a * (1 - kept), 4) for a in STRENGTHS],
            "median": [round(float(v), 4) for v in np.median(gain[..., 0], axis=0)],
        }
    return out


def late_arms(bench: Bench) -> list[Arm]:
    """Return the network from its default time on."""
    times = [t for t in TRIED if arms.TIME <= t <= bench.latest]
    return [bench.one_step(t, arms.SAMPLES) for t in times]


def _later(bench: Bench) -> Arm:
    """Return the first that keeps what the classical layer keeps, else the last one."""
    tried = late_arms(bench)
    wanted, *kept = (
        float(np.median([r["kept"] for r in bench.each("gain", "development", a)]))
        for a in (PRODUCT, *tried)
    )
    enough = [a for a, k in zip(tried, kept, strict=True) if k >= wanted]
    return (enough or tried[-1:])[0]


def _at_equal(own: list[Row], other: list[Row], picks: np.ndarray) -> dict[str, Any]:
    kept = [
        np.median(_of(np.array([r["kept"] for r in rows]), picks), axis=1)
        for rows in (own, other)
    ]
    wanted = np.minimum(np.maximum(*kept), 1)
    strength = [scoring.strength_for(k, wanted) for k in kept]
    values = []
    for rows, share in zip((own, other), strength, strict=True):
        gain = np.array([r["gain"] for r in rows])
        # One draw after the other: all at once are large.
        at = [
            at_strength(_of(gain, p[None]), s[None])[0]
            for p, s in zip(picks, share, strict=True)
        ]
        values.append(condensed(np.array(at)))
    return {
        "kept": pair(wanted),
        "strength": [pair(s) for s in strength],
        "gain": {k: [pair(v[k]) for v in values] for k in values[0]},
        "less": {k: pair(values[0][k] - values[1][k]) for k in values[0]},
    }


def spectra(bench: Bench) -> dict[str, Any]:
    """Power of frames and of what is left of them, over that of white noise."""
    truths = bench.each("truth", "test")
    picks = bench.picks(len(truths))
    seen = {n: [t["spectra"][n] for t in truths] for n in ("frame", "noise")}
    for arm in all_arms(bench):
        seen[arm.name] = [r["spectrum"] for r in bench.each("gain", "test", arm)]
    middle = (scoring.edges()[1:] + scoring.edges()[:-1]) / 2
    out: dict[str, Any] = {
        "frequency": [round(float(f), 4) for f in middle], "power": {}, "bands": {},
    }  # fmt: skip
    for name, values in seen.items():
        drawn = np.median(np.array(values)[picks], axis=1)
        out["power"][name] = [pair(drawn[:, k]) for k in range(drawn.shape[1])]
        out["bands"][name] = {
            words: pair(drawn[:, use].mean(1))
            for words, use in (
                ("below 0.1", middle < 0.1),
                ("0.1 to 0.3", (middle >= 0.1) & (middle < 0.3)),
                ("above 0.3", middle >= 0.3),
            )
        }
    return out
