"""What is measured of one frame in one way: small enough to be kept.

A task is a few frames, one arm and one thing to measure; it can run in any process.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import arms
import numpy as np
from arms import Arm, angle_of, separate, taken
from draws import Drawn, draw
from scoring import edges, fates, gains, spectrum

import bgrem_core
from bgrem_core.models import load_model
from bgrem_core.simulate.satellite_settings import SatelliteSettings
from bgrem_core.simulate.satellites import draw_frame, sample
from bgrem_core.systematics.settings import SystematicsSettings
from bgrem_core.systematics.signal import signal_at
from bgrem_core.zscale import normalise

Row = dict[str, Any]
FAINTEST = 3.0
"""Signal to noise of what is searched; completeness is read off above it."""
MANY = 200
"""Draws of the one-step map that a mean of chains is compared with."""
LEVELS = np.linspace(-4, 8, 61)
"""Edges of the histogram of normalised frames."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Some frames of a kind, an arm, and what is measured."""

    what: str
    kind: str
    seed: int
    side: int
    frames: tuple[int, ...]
    arm: Arm | None = None

    @property
    def key(self) -> list[Any]:
        arm = self.arm.key if self.arm else None
        return [self.what, self.kind, self.seed, self.side, self.frames, arm]


def measure(task: Task) -> list[Row]:
    """Return a row for each frame."""
    return [JOBS[task.what](task, k) for k in task.frames]


def drawn(task: Task, k: int) -> Drawn:
    return draw(task.kind, task.seed, k, task.side)


def truth(task: Task, k: int) -> Row:
    d = drawn(task, k)
    return {
        "x": _few(d.x), "y": _few(d.y), "flux": _few(d.flux), "snr": _few(d.snr),
        "white": _few(d.white), "scale": _few(normalise(d.injected)[2]),
        "spectra": {
            "frame": _few(spectrum(d.without) / d.white**2),
            "noise": _few(spectrum(d.noise) / d.white**2),
        },
    }  # fmt: skip


def gain(task: Task, k: int) -> Row:
    return gain_of(task.arm, drawn(task, k), task.seed + k)[0]


def gain_of(arm: Arm, d: Drawn, seed: int) -> tuple[Row, Any]:
    """Map a frame with its targets and without, in the same noise and direction."""
    begun = time.perf_counter()
    done = separate(arm, d, d.injected, seed=seed)
    seconds = time.perf_counter() - begun
    bare = separate(arm, d, d.without, seed=seed, angle=angle_of(done))
    maps = taken(bare), taken(done)
    gained, kept = gains(d.injected, d.without, maps, d.x, d.y)
    bad = np.zeros(d.injected.shape, bool)
    paper = signal_at(d.injected, d.injected - maps[1], bad, d.x, d.y)
    return {
        "gain": _few(gained), "kept": _few(kept), "seconds": _few(seconds),
        "before": _few(paper.before), "after": _few(paper.after),
        "spectrum": _few(spectrum(d.without - maps[0]) / d.white**2),
    }, done  # fmt: skip


def search(task: Task, k: int) -> Row:
    d = drawn(task, k)
    done = separate(task.arm, d, d.injected, seed=task.seed + k)
    found = bgrem_core.find_sources(done, threshold=FAINTEST)
    x, y, snr = (_plain(found[n]) for n in ("x", "y", "snr"))
    order = np.argsort(-snr, kind="stable")
    fate = fates((d.x, d.y), x[order], y[order], d.injected.shape)
    return {"snr": _few(snr[order]), "fate": fate.tolist()}


def flux(task: Task, k: int) -> Row:
    """Measure fluxes at the true places and of what is found; in true ones."""
    d = drawn(task, k)
    number = SystematicsSettings().injections if task.arm.settings else 0
    done = separate(task.arm, d, d.injected, seed=task.seed + k, injections=number)
    forced = bgrem_core.measure(done, d.x, d.y)
    left = _plain(forced["flux_cleaned"])
    # Nothing is left of some: they have no flux, but count.
    right = np.where(np.isfinite(f := _plain(forced["flux"])), f, left)
    found = bgrem_core.find_sources(done)
    near = fates((d.x, d.y), _plain(found["x"]), _plain(found["y"]), d.injected.shape)
    blind = np.full(len(d.x), np.nan)
    blind[near[near >= 0]] = _plain(found["flux"])[near >= 0]
    return {
        "corrected": _few(right / d.flux), "as left": _few(left / d.flux),
        "found": [v if np.isfinite(v) else None for v in _few(blind / d.flux)],
        "error": _few(np.nan_to_num(_plain(forced["flux_err"]) / d.flux)),
        "kept": _few(np.nan_to_num(_plain(forced["kept_fraction"]))),
    }  # fmt: skip


def chain(task: Task, k: int) -> Row:
    """Run the paper's chain, and all else beside it: times belong to one process."""
    d, arm = drawn(task, k), task.arm
    t = dict(arm.settings)["t"]
    n = dict(arm.settings)["samples"]
    single = [
        arms.one_step(arm.model, arm.digest, arms.TIME, arms.SAMPLES),
        arms.one_step(arm.model, arm.digest, arms.TIME, arms.FAST),
        arms.PRODUCT,
    ]
    seconds = {a.name: _timed(lambda a=a: separate(a, d, d.injected)) for a in single}
    angle = angle_of(separate(arms.PRODUCT, d, d.injected))
    for name, layer in arms.LAYERS.items():
        seconds[name] = _timed(lambda f=layer: f(d.injected, angle))
    row, done = gain_of(arm, d, task.seed + k)
    seconds[arm.name] = row["seconds"]
    as_chain = {"protect": 0.0, "absorb": True}
    same = arms.one_step(arm.model, arm.digest, t, n, **as_chain)
    beside = gain_of(same, d, task.seed + k)[0]
    many = arms.one_step(arm.model, arm.digest, t, MANY, **as_chain)
    limit = separate(many, d, d.injected, seed=task.seed + k)
    left, right = taken(done), taken(limit)
    finite = [
        float(np.mean(np.asarray(s.extras["spread"], float) ** 2)) / number
        for s, number in ((done, n), (limit, MANY))
    ]
    return {
        "chain": row, "one-step": beside,
        "seconds": {name: _few(v) for name, v in seconds.items()},
        "rms": _few(np.sqrt(np.mean((left - right) ** 2)) / d.white),
        "finite": _few(np.sqrt(sum(finite)) / d.white),
        "correlation": _few(np.corrcoef(left.ravel(), right.ravel())[0, 1]),
    }  # fmt: skip


def _timed(make: Callable[[], Any]) -> float:
    """Return the seconds of one frame: the better of two, the first warms up."""
    took = []
    for _ in range(2):
        begun = time.perf_counter()
        make()
        took.append(time.perf_counter() - begun)
    return min(took)


def drawn_frames(task: Task, k: int) -> Row:
    """Draw a frame of what the network has learnt."""
    model = load_model(task.arm.model, device="cpu", threads=1)
    shape = (task.side, task.side)
    return _seen(sample(model, 1, shape=shape, seed=task.seed + k)[0])


def trained_frames(task: Task, k: int) -> Row:
    """Draw a frame as those of the training, with targets."""
    rng = np.random.default_rng([task.seed, 77, k])
    frame = draw_frame(rng, (task.side, task.side), SatelliteSettings())
    return _seen(normalise(frame.raw)[0])


def _seen(x: np.ndarray) -> Row:
    inside = np.clip(x, LEVELS[0], LEVELS[-1])
    shares = np.histogram(inside, LEVELS)[0] / x.size
    return {
        "histogram": _few(shares), "spectrum": _few(spectrum(x)),
        "mean": _few(x.mean()), "std": _few(x.std()),
    }  # fmt: skip


def fingerprint(task: Task) -> list[Any]:
    """Return numbers that change when simulator, search or measurement do."""
    d = drawn(task, 0)
    made = search if task.kind == "search" else gain
    if task.kind == "flux":
        made = flux
    row = made(replace(task, arm=arms.PRODUCT), 0)
    row.pop("seconds", None)
    return [_few(d.injected.ravel()[::97]), row, edges().tolist()]


def _plain(column: Any) -> np.ndarray:
    return np.asarray(getattr(column, "value", column), float)


def _few(values: Any) -> Any:
    """Return plain numbers of five digits."""
    a = np.asarray(values, float)
    if not a.ndim:
        return float(f"{float(a):.5g}")
    return [_few(v) for v in a]


JOBS: dict[str, Callable[[Task, int], Row]] = {
    "truth": truth, "gain": gain, "search": search, "flux": flux, "chain": chain,
    "drawn": drawn_frames, "trained": trained_frames,
}  # fmt: skip
