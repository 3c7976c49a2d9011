"""What the sections share: models, numbers of patches, and results kept earlier."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jobs
import scoring
from arms import NETWORK, Arm, maps
from cache import Cache
from draws import NULL, draw
from jobs import Row, Task

AT_ONCE = 10  # patches of a task
SEED = 20261130


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One run of the benchmark.

    Attributes
    ----------
    model, digest : str
        The network, name or file, and the hash of its tensors.
    patches : int
        Of the test set; the other numbers follow from it.
    cache : Cache
        Results kept.
    papers : dict of tuple
        File and hash of the paper's networks, by name.
    over : callable
        `map`, or that of a pool.
    seed : int
        Of all patches and bootstraps.
    """

    model: str
    digest: str
    patches: int
    cache: Cache
    papers: dict[str, tuple[str, str]] = field(default_factory=dict)
    over: Callable[..., Iterable[Any]] = map
    seed: int = SEED
    _known: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def network(self) -> Arm:
        return Arm(name=NETWORK, file=self.model, digest=self.digest)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Patches of each kind."""
        half = max(self.patches // 2, 2)
        kinds = ("development", "nominal PSF", "wrong", "infinite")
        return {
            "test": self.patches,
            **dict.fromkeys(kinds, half),
            **dict.fromkeys(NULL, -(-7 * self.patches // 4)),
        }

    def each(
        self, what: str, kind: str, arm: Arm | None = None, number: int | None = None
    ) -> list[Row]:
        """Return a row for each patch of a kind."""
        total = number or self.numbers[kind]
        tasks = [
            Task(
                what=what, kind=kind, seed=self.seed, arm=arm,
                patches=tuple(range(k, min(k + AT_ONCE, total))),
            )
            for k in range(0, total, AT_ONCE)
        ]  # fmt: skip
        head = [self._fingerprint(kind), self._answer(arm)]
        keys = [[*head, *t.key] for t in tasks]
        got = self.cache.many(keys, jobs.measure, tasks, self.over)
        return [row for part in got for row in part]

    def weights(self, kind: str, number: int | None = None) -> Any:
        """Return bootstraps over the patches of a kind: the same for all arms."""
        return scoring.resampled(number or self.numbers[kind], self.seed)

    def _fingerprint(self, kind: str) -> str:
        """Say what simulator and search do now: after a change all is done again."""
        if kind not in self._known:
            task = Task(what="search", kind=kind, seed=self.seed, patches=(0,))
            text = json.dumps(jobs.fingerprint(task))
            self._known[kind] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self._known[kind]

    def _answer(self, arm: Arm | None) -> str:
        """Say what a network answers now: its code may have changed, too."""
        if arm is None or not arm.file:
            return ""
        name = str(arm.key)
        if name not in self._known:
            seen, _ = maps(arm, [draw("development", self.seed, 0)])
            text = " ".join(f"{v:.4g}" for v in seen[0, ::5, ::5].ravel())
            self._known[name] = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self._known[name]
