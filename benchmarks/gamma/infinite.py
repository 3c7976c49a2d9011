"""Section 7: the paper's own mode, and what Poisson noise does to it.

A cleaned map is searched as the paper's script does it: SExtractor's defaults at 3 rms
of the map itself. True and false by the rules of `scoring`, but any source may be
found, with photons those with Asimov TS above 4; beside them the paper's count: every
detection within 5 pixels of any source is true.
"""

from typing import Any

import numpy as np
import scoring
from arms import PAPER, RAW, Arm
from bench import Bench
from scoring import REAL

STEPS = (1, 3, 6, 11, 15)
FEW = 24  # development patches on which the number of steps is chosen
NEAR = 5.0  # pixels
INPUTS = {"infinite statistics": True, "Poisson": False}


def run(bench: Bench) -> dict[str, Any]:
    steps = {name: tuned(bench, name) for name in bench.papers}
    arms: dict[str, Arm] = {}
    for words, expected in INPUTS.items():
        arms[f"{RAW}, {words}"] = Arm(name=RAW, expected=expected)
        for name, chosen in steps.items():
            arms[f"{name}, {words}"] = paper(bench, name, chosen["best"], expected)
    arms[f"{bench.network.name}, Poisson"] = bench.network
    true = np.array([t["source"] for t in bench.each("truth", "infinite")])
    return {
        "steps": steps,
        "patches": len(true),
        "arms": {n: of_arm(bench, a) for n, a in arms.items()},
        "scatter": {
            "true": [round(float(v), 1) for v in true],
            **{n: _left(bench, a) for n, a in arms.items() if a.name != RAW},
        },
    }


def paper(bench: Bench, name: str, steps: int, expected: bool) -> Arm:  # noqa: FBT001
    file, digest = bench.papers[name]
    return Arm(name=PAPER, file=file, digest=digest, steps=steps, expected=expected)


def tuned(bench: Bench, name: str) -> dict[str, Any]:
    """Choose the number of steps by the error of ln background, infinite statistics."""
    number = min(FEW, bench.numbers["development"])
    out = {}
    for steps in STEPS:
        arm = paper(bench, name, steps, expected=True)
        rows = bench.each("levels", "development", arm, number)
        out[steps] = float(np.sqrt(np.mean([r["ln_square"] for r in rows])))
    return {
        "best": min(out, key=lambda k: out[k]),
        "rms": {str(k): round(v, 4) for k, v in out.items()},
        "patches": number,
    }


def of_arm(bench: Bench, arm: Arm) -> dict[str, Any]:
    truths, weights = bench.each("truth", "infinite"), bench.weights("infinite")
    rows = bench.each("cleaned", "infinite", arm)
    raw = bench.each("cleaned", "infinite", Arm(name=RAW, expected=arm.expected))
    true = np.array([t["source"] for t in truths])
    left = np.array([r["left"] for r in rows])
    out: dict[str, Any] = {"light": None, "background": None}
    if arm.name != RAW:
        square = np.array([r["ln_square"] for r in rows])
        out["light"] = scoring.terciles(left, true, weights)
        out["background"] = scoring.pair(np.sqrt(scoring.mean(square, weights)))
    real = 0.0 if arm.expected else REAL
    for words, count in (
        ("ours", lambda t, x, y: counted(t, x, y, real)),
        ("paper", counted_as_there),
    ):
        got, base = (
            np.array([count(t, *r["found"]) for t, r in zip(truths, some, strict=True)])
            for some in (rows, raw)
        )
        out[words] = {
            "true": scoring.pair(scoring.mean(got[:, 0], weights)),
            "false": scoring.pair(scoring.mean(got[:, 1], weights)),
            "true over raw": scoring.pair(
                scoring.ratio(got[:, 0], base[:, 0], weights)
            ),
        }
    return out


def counted(
    truth: dict[str, Any], x: Any, y: Any, real: float = REAL
) -> tuple[int, int]:
    """Return true and false detections, one to one."""
    fate = scoring.fates(truth, x, y, real=real)
    return int((fate >= 0).sum()), int((fate == scoring.FALSE).sum())


def counted_as_there(truth: dict[str, Any], x: Any, y: Any) -> tuple[int, int]:
    """Return true and false detections, many to one, of any source, edges and all."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if not len(truth["x"]):
        return 0, len(x)
    away = np.hypot(
        x[:, None] - np.asarray(truth["x"]), y[:, None] - np.asarray(truth["y"])
    )
    near = away.min(axis=1, initial=np.inf) <= NEAR
    return int(near.sum()), int((~near).sum())


def _left(bench: Bench, arm: Arm) -> list[float]:
    return [round(r["left"], 1) for r in bench.each("cleaned", "infinite", arm)]
