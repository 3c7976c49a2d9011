"""What is to be reached, and whether it was."""

from collections.abc import Iterable
from typing import Any

from arms import COHEN, PSF
from common.targets import ANY, Target

OWN = PSF.name
LIKENESS = {
    "A": (47, 50), "B": (42, 46), "C": (40, 42), "D": (43, 46), "E": (43, None),
}  # fmt: skip
"""PSNR against the starless truth with its noise, dB, and the stretch."""
AHEAD, LEFT, LOSING, CHANGE, COST, KEPT = 15, 10, 4, 0.5, 2, 0.95
"""dB over Cohen & Lu; the next three in percent; dB; share."""
SPEED, FAST, STARS = 0.15, 0.4, "900"
"""Megapixels of a second of one core, the stretch, and the stars of a frame."""


def targets(sections: dict[str, Any]) -> Iterable[Target]:
    """Yield those whose section was measured with our arm."""
    for name, make in _MAKE.items():
        if name in sections:
            yield from make(sections[name])


def _quality(d: dict[str, Any]) -> Iterable[Target]:
    held = {n: s for n, s in d.items() if OWN in s["arms"]}
    if not held:
        return
    for name, s in held.items():
        if name in LIKENESS:
            least, stretch = LIKENESS[name]
            yield Target(
                f"PSNR of {name}, dB", [s["arms"][OWN]["noisy"]["psnr"]], (least, ANY),
                (stretch, ANY) if stretch else None, digits=1,
            )  # fmt: skip
    asked = [n for n in held if n in LIKENESS]
    if asked:
        yield Target(
            f"PSNR above {COHEN.name}, dB, {_names(asked)}",
            [held[n]["ahead"][COHEN.name]["noisy"] for n in asked], (AHEAD, ANY),
            digits=1,
        )  # fmt: skip
    yield Target(
        f"star light left in the footprints, %, {_names(held)}",
        [s["arms"][OWN]["left"] for s in held.values()], (-LEFT, LEFT), factor=100,
        digits=1,
    )  # fmt: skip
    for name, s in held.items():
        if "losing" not in s["arms"][OWN]:
            continue
        arm = s["arms"][OWN]
        yield Target(
            f"galaxies that lose over 10 % of their light, %, {name}", [arm["losing"]],
            (0, LOSING), factor=100, digits=1,
        )  # fmt: skip
        yield Target(
            f"change of a galaxy's light, %, median, {name}", [arm["change"]],
            (-CHANGE, CHANGE), factor=100, digits=2,
        )  # fmt: skip
    beyond = [
        [s["arms"][OWN][k], None]
        for s in held.values() for k in ("beyond", "filled beyond")
    ]  # fmt: skip
    yield Target(
        f"pixels changed, and filled, outside of the support, {_names(held)}", beyond,
        (0, 0), digits=0,
    )  # fmt: skip


def _scaled(d: dict[str, Any]) -> Iterable[Target]:
    for change, sets in d["changes"].items():
        pairs = [
            [s[k], None] for s in sets.values() for k in ("support", "filled")
        ]  # fmt: skip
        yield Target(
            f"image {change}: pixels of support and filled ones that differ, "
            f"{_names(sets)}",
            pairs, (0, 0), digits=0,
        )  # fmt: skip


def _told(d: dict[str, Any]) -> Iterable[Target]:
    pairs = [v["cost"] for s in d.values() for v in s.values()]
    yield Target(
        f"cost of a wrong FWHM, dB, {_names(d)}", pairs, (-ANY, COST), digits=2
    )


def _speed(d: dict[str, Any]) -> Iterable[Target]:
    if OWN in d.get(STARS, {}):
        yield Target(
            f"megapixels of a second of one core, {STARS} stars on 512 x 512",
            [[d[STARS][OWN]["rate"], None]], (SPEED, ANY), (FAST, ANY), digits=2,
        )  # fmt: skip


def _streaks(d: dict[str, Any]) -> Iterable[Target]:
    if OWN in d["arms"]:
        yield Target(
            "light of streaks kept, off the stars", [d["arms"][OWN]["off stars"]],
            (KEPT, 2 - KEPT),
        )  # fmt: skip


def _names(sets: Iterable[str]) -> str:
    return ", ".join(sets)


_MAKE = {
    "quality": _quality, "scaled": _scaled, "told": _told, "speed": _speed,
    "streaks": _streaks,
}  # fmt: skip
