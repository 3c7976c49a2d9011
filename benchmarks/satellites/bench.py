"""What the sections share: the network, numbers of frames, and results kept earlier."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import arms
import jobs
import numpy as np
from arms import Arm, separate, taken
from cache import Cache
from common.bootstrap import resampled
from draws import SIDE, draw
from jobs import Row, Task

AT_ONCE = 4  # frames of a task
SEED = 20261207


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One run of the benchmark.

    Attributes
    ----------
    model, digest : str
        The network, name or file, and the hash of its tensors.
    latest : int
        Time to which the network was trained.
    frames, chains, sampled : int
        Frames of the test set, of the paper's chain, and drawn from the network.
    cache : Cache
        Results kept.
    disc : Path
        Weights of the network of hidden discs; need not be there.
    over : callable
        `map`, or that of a pool.
    seed, side : int
        Of all frames and bootstraps; pixels.
    """

    model: str
    digest: str
    latest: int
    frames: int
    chains: int
    sampled: int
    cache: Cache
    disc: Path
    over: Callable[..., Iterable[Any]] = map
    seed: int = SEED
    side: int = SIDE
    _known: dict[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Frames of each kind."""
        third = max(-(-self.frames // 3), 2)
        kinds = ("development", "mirrored", "turned")
        return {
            **dict.fromkeys(("test", "search", "flux"), self.frames),
            **dict.fromkeys(kinds, third),
        }

    @property
    def network(self) -> Arm:
        """The method as it comes: time and draws are its defaults."""
        return self.one_step(arms.TIME, arms.SAMPLES)

    @property
    def apart(self) -> list[Arm]:
        """The network of hidden discs, if it was trained."""
        if not self.disc.is_file():
            return []
        tensors = hashlib.sha256(self.disc.read_bytes()).hexdigest()
        return [Arm(name=arms.DISC, model=str(self.disc), digest=tensors)]

    def one_step(self, t: int, samples: int, **more: Any) -> Arm:
        return arms.one_step(self.model, self.digest, t, samples, **more)

    def chain(self, t: int, samples: int) -> Arm:
        return arms.chain(self.model, self.digest, t, samples)

    def each(
        self,
        what: str,
        kind: str,
        arm: Arm | None = None,
        number: int | None = None,
        at_once: int = AT_ONCE,
    ) -> list[Row]:
        """Return a row for each frame of a kind."""
        total = number or self.numbers[kind]
        tasks = [
            Task(
                what=what, kind=kind, seed=self.seed, side=self.side, arm=arm,
                frames=tuple(range(k, min(k + at_once, total))),
            )
            for k in range(0, total, at_once)
        ]  # fmt: skip
        head = [self._fingerprint(kind), self._answer(arm)]
        keys = [[*head, *t.key] for t in tasks]
        got = self.cache.many(keys, jobs.measure, tasks, self.over)
        return [row for part in got for row in part]

    def picks(self, number: int) -> np.ndarray:
        """Return bootstraps over frames: the same for all arms."""
        return resampled(number, self.seed)

    def _fingerprint(self, kind: str) -> str:
        """Say what simulator and search do now: after a change all is done again."""
        if kind not in self._known:
            task = Task(what="", kind=kind, seed=self.seed, side=self.side, frames=())
            self._known[kind] = _digest(json.dumps(jobs.fingerprint(task)))
        return self._known[kind]

    def _answer(self, arm: Arm | None) -> str:
        """Say what the method answers now: its code may have changed, too."""
        if arm is None or not arm.settings:
            return ""
        mode = "network" if arm.model else arm.name
        if mode not in self._known:
            known = self.one_step(arms.TIME, 1) if arm.model else arm
            d = draw("development", self.seed, 0, self.side)
            seen = taken(separate(known, d, d.injected))
            text = " ".join(f"{v:.4g}" for v in seen[::7, ::7].ravel())
            self._known[mode] = _digest(text)
        return self._known[mode]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
