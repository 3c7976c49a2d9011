"""What the sections share: arms, sets, numbers of scenes, and results kept earlier."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jobs
import numpy as np
from arms import COHEN, PSF, Arm
from cache import Cache
from common.bootstrap import pair, resampled
from jobs import Row, Task
from real import DATA
from scoring import means
from star_scenes import KINDS, SIDE

SEED = 82061


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One run of the benchmark.

    Attributes
    ----------
    arms : list of Arm
        Those that can run here.
    sets : list of str
        Keys of `scenes.SETS`.
    scenes : int
        Of each set.
    cache : Cache
        Results kept.
    over : callable
        `map`, or that of a pool.
    kind : str
        Of `scenes.KINDS`.
    seed, side : int
        Of all scenes and bootstraps; pixels.
    data, folder : Path
        Frames of telescopes; where pictures of them are written.
    """

    arms: list[Arm]
    sets: list[str]
    scenes: int
    cache: Cache
    folder: Path
    over: Callable[..., Iterable[Any]] = map
    kind: str = KINDS[0]
    seed: int = SEED
    side: int = SIDE
    data: Path = DATA

    @property
    def own(self) -> list[Arm]:
        return [a for a in self.arms if a.way == "own"]

    @property
    def main(self) -> Arm | None:
        """The arm that is held to the targets."""
        return next((a for a in self.arms if a.name == PSF.name), None)

    @property
    def published(self) -> Arm | None:
        return next((a for a in self.arms if a.name == COHEN.name), None)

    def each(
        self,
        what: str,
        name: str,
        arms: Arm | Iterable[Arm] = (),
        *,
        scenes: int | None = None,
        stars: int | None = None,
        alone: bool = False,
    ) -> list[Row]:
        """Return a row for each scene of a set; `alone` keeps to one process."""
        some = (arms,) if isinstance(arms, Arm) else tuple(arms)
        tasks = [
            Task(
                what=what, name=name, k=k, kind=self.kind, seed=self.seed,
                side=self.side, arms=some, stars=stars, data=str(self.data),
            )
            for k in range(scenes or self.scenes)
        ]  # fmt: skip
        keys = [t.key for t in tasks]
        over = map if alone else self.over
        return self.cache.many(keys, jobs.measure, tasks, over)

    def picks(self, number: int | None = None) -> np.ndarray:
        """Return bootstraps over scenes: the same for all arms."""
        return resampled(number or self.scenes, self.seed)

    def pair(self, values: Iterable[float]) -> list[float | None]:
        """Return the mean over scenes with its error."""
        return pair(means(values, self.picks()))
