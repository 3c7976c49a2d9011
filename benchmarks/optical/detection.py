"""True positives of all arms on the frames of one kind, at equal false detections."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import recipes
from arms import BOUNDS, PRIMARY, Arm
from cache import Cache
from frames import Frame
from read_off import (
    CAPS,
    PRIMARY_CAP,
    at_purity,
    bootstrap,
    bounds,
    last_below,
    read_off,
)
from s50 import by_class
from score import BINS, COUNTS, Scorer
from score import VERSION as SCORING

RATIO = 0.965  # of neighbouring thresholds
COARSE = 4  # steps at once while the sweep looks for its range
LOW, HIGH = 0.5, 60.0  # false per Mpix that a sweep has to reach from and to
DEPTH = 10.0  # the lowest threshold is the first one over this
VERSIONS = [recipes.VERSION, SCORING]  # of what the counts come from
SHIFT = 20.3  # pixels, for the rate of chance matches
BOOTSTRAP_SEED = 6626
VERSION = 1  # of the form of the results


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """Counts of one arm and recipe on all frames of a kind.

    Attributes
    ----------
    indices : list of int
        Steps of the grid of thresholds.
    thresholds : ndarray
        Falling.
    counts : ndarray
        (thresholds, frames, 5, tiles).
    """

    indices: list[int]
    thresholds: np.ndarray
    counts: np.ndarray


class Prepared:
    """Frames of one kind with what an arm made of them; made when first needed."""

    def __init__(self, frames: list[Frame], cache: Cache) -> None:
        self.frames, self.cache = frames, cache

    @functools.cached_property
    def _scorers(self) -> dict[tuple[int, bool], Scorer]:
        return {}

    def scorer(self, k: int, *, noise_free: bool = False) -> Scorer:
        key = k, noise_free
        if key not in self._scorers:
            self._scorers[key] = Scorer(self.frames[k], noise_free=noise_free)
        return self._scorers[key]

    @functools.cached_property
    def area(self) -> np.ndarray:
        """The area of each frame that counts, Mpix."""
        return np.array(
            [
                self.cache.get(
                    ["area", f.digest, SCORING], lambda k=k: self.scorer(k).area
                )
                for k, f in enumerate(self.frames)
            ]
        )

    @functools.cached_property
    def truths(self) -> list[int]:
        return [
            self.cache.get(
                ["truths", f.digest, SCORING], lambda k=k: self.scorer(k).total
            )
            for k, f in enumerate(self.frames)
        ]


class ArmOnKind:
    """One arm on the frames of one kind, with all its recipes."""

    def __init__(self, kind: Prepared, name: str, arm: Arm) -> None:
        self.kind, self.name, self.arm = kind, name, arm
        self._searched: dict[int, recipes.Searched] = {}
        self._finders: dict[tuple[int, str], recipes.Find] = {}

    def find(self, k: int, recipe: str, index: int) -> np.ndarray:
        """List what frame k gives at a threshold of the sweep."""
        if (k, recipe) not in self._finders:
            if k not in self._searched:
                self._searched[k] = self.arm.prepare(self.kind.frames[k])
            self._finders[k, recipe] = recipes.finder(self._searched[k], recipe)
        return self._finders[k, recipe](self.threshold(index))

    def threshold(self, index: int) -> float:
        return self.arm.start * RATIO**index

    def parts(self, k: int, recipe: str, index: int) -> list[Any]:
        """Return what a result depends on."""
        digest, threshold = self.kind.frames[k].digest, round(self.threshold(index), 6)
        name = "model" if self.arm.model else self.name  # one cache for equal weights
        return [digest, name, self.arm.key, recipe, VERSIONS, threshold]

    def counts(self, k: int, recipe: str, index: int) -> np.ndarray:
        """Return counts (5, tiles) of one frame at one threshold."""

        def compute() -> list[list[int]]:
            score = self.kind.scorer(k, noise_free=self.arm.noise_free)
            return score(*self.find(k, recipe, index)).tolist()

        parts = ["counts", *self.parts(k, recipe, index)]
        return np.array(self.kind.cache.get(parts, compute))

    def completeness(self, k: int, recipe: str, index: int) -> dict[str, Any]:
        def compute() -> dict[str, Any]:
            score = self.kind.scorer(k, noise_free=self.arm.noise_free)
            return score.completeness(*self.find(k, recipe, index))

        parts = ["completeness", *self.parts(k, recipe, index)]
        return self.kind.cache.get(parts, compute)

    def sweep(self, recipe: str) -> Sweep:
        """Sweep all frames together, from high thresholds to low ones.

        Coarse steps give the range: up until hardly anything is false, then down until
        more is false than any cap allows; fine ones are tried where a cap is crossed.
        """
        got: dict[int, np.ndarray] = {}

        def false(index: int) -> float:
            if index not in got:
                frames = range(len(self.kind.frames))
                got[index] = np.stack([self.counts(k, recipe, index) for k in frames])
            return float(got[index][:, 1].sum() / self.kind.area.sum())

        top = 0
        while false(top) > LOW and top > -60:
            top -= COARSE
        for bottom in count(top + COARSE, COARSE):
            lowest = self.threshold(bottom) < self.arm.start / DEPTH
            if false(bottom) > HIGH or lowest:
                break
        for cap in [PRIMARY_CAP] if self.arm.coarse else CAPS:
            above = [i for i in sorted(got) if false(i) >= cap]
            if above and above[0] > top:
                step = 2 if self.arm.coarse else 1
                before = max(i for i in got if i < above[0])
                for index in range(before + step, above[0], step):
                    false(index)
        order = sorted(got)
        return Sweep(
            indices=order,
            thresholds=np.array([self.threshold(i) for i in order]),
            counts=np.stack([got[i] for i in order]),
        )

    def found(self, recipe: str, index: int) -> dict[str, list[list[int]]]:
        """Return completeness rows summed over the frames."""
        rows = [
            self.completeness(k, recipe, index) for k in range(len(self.kind.frames))
        ]
        return {g: np.sum([r[g] for r in rows], axis=0).tolist() for g in rows[0]}

    def chance(self, recipe: str, index: int) -> float:
        """Return the share of detections that match a truth that was shifted."""

        def compute(k: int) -> list[int]:
            score = self.kind.scorer(k, noise_free=self.arm.noise_free)
            fates = score(*(self.find(k, recipe, index) + SHIFT)).sum(1)
            return [int(fates[0]), int(fates.sum())]

        got = [
            self.kind.cache.get(
                ["chance", *self.parts(k, recipe, index)], lambda k=k: compute(k)
            )
            for k in range(len(self.kind.frames))
        ]
        true, total = np.sum(got, axis=0)
        return float(true / max(total, 1))


def by_place(counts: np.ndarray, frames: list[Frame]) -> np.ndarray:
    """Add up the frames of one place, and lay all tiles side by side."""
    places = list(dict.fromkeys(f.place for f in frames))
    groups = [[k for k, f in enumerate(frames) if f.place == p] for p in places]
    return np.concatenate([counts[:, g].sum(1) for g in groups], axis=-1)


def run_kind(
    frames: list[Frame], chosen: dict[str, Arm], cache: Cache
) -> dict[str, Any]:
    """Sweep all arms and recipes over one kind; return its part of the results."""
    kind = Prepared(frames, cache)
    area = float(kind.area.sum())
    out: dict[str, Any] = {
        "frames": len(frames),
        "places": len({f.place for f in frames}),
        "mpix": round(area, 3),
        "truths": int(sum(kind.truths)),
        "floor": frames[0].floor,
        "real": frames[0].real,
        "arms": {},
    }
    best: dict[str, np.ndarray] = {}
    for name, arm in chosen.items():
        if arm.kinds is not None and frames[0].kind not in arm.kinds:
            continue
        if frames[0].real and name in (*BOUNDS, "psf"):
            continue
        print(f"{frames[0].kind}: {name}", flush=True)
        entry, counts = _run_arm(ArmOnKind(kind, name, arm), area)
        out["arms"][name], best[name] = entry, counts
    if best:
        _compare(out["arms"], best, chosen, frames, area)
    return out


def _run_arm(on: ArmOnKind, area: float) -> tuple[dict[str, Any], np.ndarray]:
    """Return the results of an arm, and the counts of its best recipe."""
    rows, sweeps = {}, {}
    for recipe in on.arm.recipes:
        sweeps[recipe] = on.sweep(recipe)
        pooled = by_place(sweeps[recipe].counts, on.kind.frames)
        fates = read_off(pooled, area, PRIMARY_CAP)
        rows[recipe] = {
            **{n: round(float(v), 1) for n, v in zip(COUNTS, fates, strict=True)},
            "strict": _true(pooled, area, PRIMARY_CAP, strict=True),
            "at": {f"{cap:g}": _true(pooled, area, cap) for cap in CAPS},
            "pure": round(at_purity(pooled), 1),
            "thresholds": len(pooled),
        }
    recipe = max(rows, key=lambda r: rows[r]["true"])
    best = sweeps[recipe]
    pooled = by_place(best.counts, on.kind.frames)
    last = last_below(pooled, area)
    completeness = on.found(recipe, best.indices[last])
    bins = [round(float(b), 3) for b in BINS]
    entry = {
        "best": recipe,
        "recipes": rows,
        "threshold": round(float(best.thresholds[last]), 4),
        "curve": [
            [round(float(t), 4), round(float(n[1]) / area, 3), int(n[0])]
            for t, n in zip(best.thresholds, pooled.sum(-1), strict=True)
        ],
        "completeness": completeness,
        "bins": bins,
        "s50": by_class(completeness, bins),
        "chance": round(on.chance(recipe, best.indices[last]), 5),
        "model": on.arm.model,
    }
    return entry, best.counts


def _true(
    counts: np.ndarray, area: float, cap: float, *, strict: bool = False
) -> float:
    return round(float(read_off(counts, area, cap, strict=strict)[0]), 1)


def _parts(frames: list[Frame]) -> Iterator[tuple[str, list[int]]]:
    """Yield names and indices: all frames, then those of each sky."""
    yield "all", list(range(len(frames)))
    skies = list(dict.fromkeys(f.sky for f in frames))
    if len(skies) > 1:
        for sky in skies:
            yield sky, [k for k, f in enumerate(frames) if f.sky == sky]


def _compare(
    entries: dict[str, Any],
    best: dict[str, np.ndarray],
    chosen: dict[str, Arm],
    frames: list[Frame],
    area: float,
) -> None:
    """Add ratios of every arm to the classical ones, with 68 % bounds."""
    classical = [n for n in best if not chosen[n].model and n not in BOUNDS]
    names = list(best)
    for part, index in _parts(frames):
        mine = [frames[k] for k in index]
        share = area if part == "all" else area * len(index) / len(frames)
        sweeps = [by_place(best[n][:, index], mine) for n in names]
        value = {
            n: _true(s, share, PRIMARY_CAP) for n, s in zip(names, sweeps, strict=True)
        }
        rng = np.random.default_rng(BOOTSTRAP_SEED)
        draws = dict(zip(names, bootstrap(sweeps, share, rng), strict=True))
        strongest = max(classical, key=value.__getitem__) if classical else None
        for name in names:
            others = [n for n in classical if n != name]
            ratios = {
                n: [
                    round(value[name] / value[n], 4) if value[n] else None,
                    *bounds(draws[name] / np.maximum(draws[n], 1e-9)),
                ]
                for n in others
            }
            entries[name].setdefault("parts", {})[part] = {
                "true": value[name],
                "error": round(float(draws[name].std()), 1),
                "ratio": ratios,
                "strongest": strongest,
                # Each draw has its own strongest arm: the choice is part of the error.
                "to_strongest": _to_strongest(name, value, draws, others),
            }


def _to_strongest(
    name: str,
    value: dict[str, float],
    draws: dict[str, np.ndarray],
    others: list[str],
) -> list[float | None]:
    if not others or max(value[n] for n in others) <= 0:
        return [None, None, None]
    top = np.max([draws[n] for n in others], axis=0)
    best = max(value[n] for n in others)
    ratio = draws[name] / np.maximum(top, 1e-9)
    return [round(value[name] / best, 4), *bounds(ratio)]


__all__ = ["PRIMARY", "ArmOnKind", "Prepared", "run_kind"]
