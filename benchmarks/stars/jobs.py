"""What is measured of one scene with one arm: small enough to be kept.

A task can run in any process.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lines
import numpy as np
import real
import shapes
from arms import Arm, Removed
from fingerprint import digest
from scoring import (
    FAINTEST,
    GONE,
    lefts,
    likeness,
    listed,
    range_of,
    share_left,
    spread,
)
from star_scenes import Scene, draw

from bgrem_core.errors import BGRemError

Row = dict[str, Any]
REPEATS = 3
"""Of a time; the least counts."""
CHANGES: dict[str, tuple[float, float]] = {
    "x 1e-9": (1e-9, 0.0), "x 1e6": (1e6, 0.0), "- 1000": (1.0, -1000.0),
}  # fmt: skip
"""Factor and offset of an image."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One scene of a set, or a frame of a telescope, arms, and what is measured."""

    what: str
    name: str
    k: int
    kind: str
    seed: int
    side: int
    arms: tuple[Arm, ...] = ()
    stars: int | None = None
    data: str = ""

    @property
    def key(self) -> list[Any]:
        source = real.identity(self.data, self.name) if self.what == "frame" else [
            self.kind, self.seed, self.k, self.side, self.stars
        ]  # fmt: skip
        return [
            self.what, self.name, source, [a.key for a in self.arms], _code(self.what)
        ]  # fmt: skip

    @property
    def arm(self) -> Arm:
        return self.arms[0]


def measure(task: Task) -> Row:
    """Return what is kept."""
    return _plain(JOBS[task.what](task))


def scene_of(task: Task) -> Scene:
    return draw(task.name, task.kind, task.seed, task.k, task.side, task.stars)


def truth(task: Task) -> Row:
    """Measure the scene itself, and galaxies and lines where no star ever was."""
    s = scene_of(task)
    return {
        "snr": s.snr[s.snr >= FAINTEST], "footprint": s.footprint.mean(),
        "noise": s.noise, "range": range_of(s.starless), **_sources(s, s.starless),
    }  # fmt: skip


def scene(task: Task) -> Row:
    """Remove the stars, and measure all that can be."""
    s = scene_of(task)
    try:
        done = task.arm.run(s.image)
    except BGRemError as error:
        done = Removed(starless=s.image, words=f"failed: {error}")
    out = done.starless
    error = np.asarray(out, np.float64) - s.starless
    seen = s.snr >= FAINTEST
    places = list(zip(s.x[seen], s.y[seen], strict=True))
    left = lefts(s.image, s.starless, out, places, s.psf.fwhm)
    return {
        "noisy": likeness(s.starless, out),
        "clean": likeness(s.clean, out),
        "inside": spread(error, s.sigma, s.footprint),
        "outside": spread(error, s.sigma, ~s.footprint),
        "left": share_left(s.image, s.starless, out, s.footprint),
        "changed": np.mean(out != s.image),
        "gone": np.abs(left) < GONE,
        **_told(s, done, seen),
        **_sources(s, out),
        "words": done.words,
    }


def _told(s: Scene, done: Removed, seen: np.ndarray) -> Row:
    """Hold a method to what it says: its support, its stars, its sum."""
    row: Row = {}
    if done.support is not None:
        beyond = (done.starless != s.image) & ~done.support
        row["beyond"] = int(beyond.sum())
    if done.support is not None and done.filled is not None:
        row["filled"] = done.filled.mean()
        row["filled beyond"] = int((done.filled & ~done.support).sum())
    if done.stars is not None:
        size = np.maximum(np.abs(s.image), np.abs(done.stars))
        off = np.abs(done.starless.astype(np.float64) + done.stars - s.image)
        row["ulps"] = np.max(off / np.spacing(np.maximum(size, 1e-30)))
    if done.x is not None and done.y is not None:
        # All true stars, so that what was found below the limit is not called false.
        known, false = listed(s.x, s.y, (done.x, done.y))
        row |= {"listed": known[seen], "list": len(done.x), "false": false}
    return row


def _sources(s: Scene, out: np.ndarray) -> Row:
    """Measure galaxies and streaks, where the scene has some."""
    row: Row = {}
    if len(s.galaxies):
        there = shapes.fitted(s)
        row |= {
            "change": shapes.changes(s, out),
            "asymmetry": [shapes.asymmetry(s, out, k) for k in there],
            "index": [shapes.sersic(s, out, k) for k in there],
        }
    if len(s.streaks):
        wanted = lines.inside(s)
        score, angle, away = lines.lines(out)
        row |= {
            "kept": lines.kept(s, out), "score": score,
            "fate": lines.fates(wanted, angle, away),
            "streaks": sum(w is not None for w in wanted),
        }  # fmt: skip
    return row


def told(task: Task) -> Row:
    """Measure the likeness alone, of an arm that is told something."""
    s = scene_of(task)
    done = task.arm.run(s.image)
    return {**likeness(s.starless, done.starless), "words": done.words}


def scaled(task: Task) -> Row:
    """Compare support, filled pixels and result of an image in other units."""
    s = scene_of(task)
    before = task.arm.run(s.image)
    row = {}
    for name, (factor, offset) in CHANGES.items():
        image = (s.image.astype(np.float64) * factor + offset).astype(np.float32)
        after = task.arm.run(image)
        back = (after.starless.astype(np.float64) - offset) / factor
        row[name] = {
            "support": int(np.sum(before.support != after.support)),
            "filled": int(np.sum(before.filled != after.filled)),
            "off": np.max(np.abs(back - before.starless)) / s.noise,
        }
    return row


def speed(task: Task) -> Row:
    """Measure the CPU seconds of all arms in turn: times belong to one process."""
    s = scene_of(task)
    took: dict[str, list[float]] = {a.name: [] for a in task.arms}
    for _ in range(REPEATS):
        for arm in task.arms:
            begun = time.process_time()
            arm.run(s.image)
            took[arm.name].append(time.process_time() - begun)
    return {name: min(values) for name, values in took.items()}


def frame(task: Task) -> Row:
    return real.measure(task.data, task.name, task.arm)


def _code(what: str) -> str:
    """Return what measuring does; what an arm does is in its own key."""
    own = (
        ("lines", "shapes", "star_scenes", "scoring") if what != "frame" else ("real",)
    )
    return f"{digest(*own, apart=('arms',))} {digest('jobs', apart=_APART)}"


_APART = ("arms", "real", "lines", "shapes", "star_scenes", "scoring", "fingerprint")


def _plain(value: Any) -> Any:
    """Return plain numbers, floats of six digits."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(v) for v in value]
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{float(value):.6g}")
    return value


JOBS: dict[str, Callable[[Task], Row]] = {
    "truth": truth, "scene": scene, "told": told, "scaled": scaled, "speed": speed,
    "frame": frame,
}  # fmt: skip
