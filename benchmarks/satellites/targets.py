"""What is to be reached, and whether it was."""

from collections.abc import Iterable
from typing import Any

from common.targets import ANY, Target


def targets(sections: dict[str, Any]) -> Iterable[Target]:
    """Yield those whose section was measured."""
    for name, make in _MAKE.items():
        if name in sections:
            yield from make(sections[name])


def _gain(d: dict[str, Any]) -> Iterable[Target]:
    own = d["arms"][d["network"]]
    value, _, low = own["share"]["median"]
    near, far = (85, ANY), (92, ANY)
    yield Target(
        "oracle's excess gain, %, median, lower 68 % bound", [[low, None]], near, far,
        factor=100, digits=1,
    )  # fmt: skip
    yield Target(
        "the same, the value", [[value, own["share"]["median"][1]]], near, far,
        factor=100, digits=1,
    )  # fmt: skip
    yield Target("peak kept, median", [own["kept"]], (0.85, ANY), (0.88, ANY))


def _equal(d: dict[str, Any]) -> Iterable[Target]:
    own = d["arms"][d["chosen"]]
    for way in ("median", "mean", "robust"):
        what = f"{d['chosen']}: gain over classical at equal kept peak, {way}"
        yield Target(what, [own["less"][way]], (0, ANY), sure=True)


def _flux(d: dict[str, Any]) -> Iterable[Target]:
    bins = d["arms"][d["network"]].values()
    for way in ("median", "mean"):
        yield Target(
            f"bias of corrected flux, %, by brightness, {way}",
            [b[way] for b in bins], (-3, 3), factor=100, digits=1,
        )  # fmt: skip


def _times(d: dict[str, Any]) -> Iterable[Target]:
    for t, pair in d["ratios"][d["network"]].items():
        what = f"time of the paper's chain, t = {t}, over one-step"
        yield Target(what, [pair], (50, ANY), digits=0)


_MAKE = {"gain": _gain, "equal": _equal, "flux": _flux, "times": _times}
