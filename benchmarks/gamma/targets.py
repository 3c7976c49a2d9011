"""What is to be reached, and whether it was."""

from collections.abc import Iterable
from typing import Any

from arms import NETWORK
from common.targets import ANY, Target


def targets(sections: dict[str, Any]) -> Iterable[Target]:
    """Yield those whose section was measured."""
    for name, make in _MAKE.items():
        if name in sections:
            yield from make(sections[name])


def _detection(d: dict[str, Any]) -> Iterable[Target]:
    for band, least, more in (("|b| > 20", 0.92, 0.94), ("|b| < 20", 0.84, 0.91)):
        found = [d["arms"][NETWORK][band][0]["found"]]
        what = f"found at 0.1 false per patch, {band}"
        yield Target(what, found, (least, ANY), (more, ANY))


def _background(d: dict[str, Any]) -> Iterable[Target]:
    pairs = [d[NETWORK]["all"]["rms"]]
    yield Target("rms of ln background", pairs, (-ANY, 0.08), (-ANY, 0.05))


def _brightness(d: dict[str, Any]) -> Iterable[Target]:
    t = d["terciles"]
    what = "light over true, terciles: "
    near = (0.95, 1.05)
    yield Target(what + "source map", t["source map"][:3], near)
    left = t[f"counts - {NETWORK}"][:3]
    yield Target(what + "counts - background", left, (0.85, 1.2), near)


def _flux(d: dict[str, Any]) -> Iterable[Target]:
    for kind, arms in d.items():
        bins = [b for n, b in arms[NETWORK]["forced"].items() if n != "all"]
        yield Target(
            f"bias of photons, %, by Asimov TS, {kind}", [b["bias"] for b in bins],
            (-5, 5), factor=100, digits=1,
        )  # fmt: skip
        yield Target(
            f"width of pulls, by Asimov TS, {kind}", [b["pull width"] for b in bins],
            (0.9, 1.1), digits=2,
        )  # fmt: skip


def _infinite(d: dict[str, Any]) -> Iterable[Target]:
    for name in d["steps"]:
        arm = d["arms"][f"{name}, infinite statistics"]
        light = [arm["light"][3]]
        yield Target(f"{name}: light over true, infinite statistics", light, (0.9, 1.1))
        for way, words in (("ours", ""), ("paper", ", paper's count")):
            more = [arm[way]["true over raw"]]
            what = f"{name}: true detections over those on the raw map{words}"
            yield Target(what, more, (2, ANY), digits=2)


_MAKE = {
    "detection": _detection, "background": _background, "brightness": _brightness,
    "flux": _flux, "infinite": _infinite,
}  # fmt: skip
