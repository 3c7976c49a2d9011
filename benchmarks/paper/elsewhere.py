"""Figure 11: detections on images of other telescopes.

What the paper's figure shows is known to us only as detections on other telescopes. As
there: SExtractor with its defaults before and after. Fair: true positives at equal
false ones, against the matched filter, with a truth from deeper images of the same sky.
"""

from typing import Any

import detection
import numpy as np
import real
import relative
from arms import CLASSICAL, model_arm
from cache import Cache
from cleaned import Maker, given_out
from frames import Frame
from given import Given
from picture import colour, halves, new, nothing

KINDS = ("decam", "cfhtls x3", "m2 x3")
WORDS = {
    "decam": "DECam i,\none exposure each",
    "cfhtls x3": "CFHTLS g, r, i,\n3 x their noise",
    "m2 x3": "SDSS g, r, M 2,\n3 x their noise",
}


def compute(given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    out: dict[str, Any] = {"kinds": {}}
    arms = {"matched": CLASSICAL["matched"]}
    if relative.is_here():
        arms = {"sextractor": CLASSICAL["sextractor"], **arms}
    arms |= {name: model_arm(d) for name, d in given.models.items()}
    for kind in KINDS[:1] if given.toy else KINDS:
        frames = real.load(kind, given.data)[: 1 if given.toy else None]
        if not frames:
            continue
        row = detection.run_kind(frames, arms, given.shared)
        if relative.is_here():
            row["default"] = _defaults(frames, given)
        out["kinds"][kind] = row
    if not out["kinds"]:
        return {"skipped": "no frames of other telescopes here"}, {}
    return out, {}


def _defaults(frames: list[Frame], given: Given) -> dict[str, list[int | None]]:
    """Return true and false ones of the program's own threshold, summed."""
    makers: dict[str, Maker] = {"input": lambda f: f.image}
    for name, denoise in given.models.items():
        makers[name] = lambda f, d=denoise: np.maximum(given_out(d, f), 0)
    return {n: _summed(frames, make, given.cache) for n, make in makers.items()}


def _summed(frames: list[Frame], make: Maker, cache: Cache) -> list[int | None]:
    one = (relative.DEFAULT,)
    rows = [relative.sweep(f, make(f), cache, one)[0][1:] for f in frames]
    if any(r[0] is None for r in rows):
        return [None, None]
    return [int(v) for v in np.sum(rows, axis=0)]


def draw(result: dict[str, Any], images: dict[str, np.ndarray]) -> Any:  # noqa: ARG001
    figure = new(4.8)
    left, right = halves(
        figure, "Figure 11  Detections elsewhere (content known to us in outline)"
    )
    kinds = result["kinds"]
    axis = left.subplots()
    if any("default" in k for k in kinds.values()):
        _bars(axis, kinds)
    else:
        nothing(axis, f"no program of the name {relative.PROGRAM}")
    _ratios(right.subplots(), kinds)
    return figure


def _bars(axis: Any, kinds: dict[str, Any]) -> None:
    names = list(dict.fromkeys(n for k in kinds.values() for n in k["default"]))
    width = 0.8 / len(names)
    for shift, name in enumerate(names):
        place = np.arange(len(kinds)) + width * (shift - (len(names) - 1) / 2)
        got = [k["default"].get(name, [None, None]) for k in kinds.values()]
        true, false = (np.array([v[i] or 0 for v in got]) for i in (0, 1))
        words = "input" if name == "input" else f"{name}, clipped"
        axis.bar(place, true, width * 0.9, color=colour(name), label=words)
        axis.bar(place, -false, width * 0.9, color=colour(name), alpha=0.4)
    axis.axhline(0, color="k", lw=0.8)
    axis.set_xticks(range(len(kinds)), [WORDS[k] for k in kinds])
    axis.set_yscale("symlog", linthresh=30)
    axis.set_ylabel("false below zero, true above; threshold 1.5 rms")
    low, high = axis.get_ylim()
    axis.set_ylim(low, 8 * high)
    axis.legend(loc="upper left")


def _ratios(axis: Any, kinds: dict[str, Any]) -> None:
    names = list(dict.fromkeys(n for k in kinds.values() for n in k["arms"]))
    names.remove("matched")
    look = {"sextractor": "input"}
    for shift, name in enumerate(names):
        for place, kind in enumerate(kinds.values()):
            if name not in kind["arms"]:
                continue
            ratio = kind["arms"][name]["parts"]["all"]["ratio"]["matched"]
            if ratio[0] is None:
                continue
            value, low, high = ratio
            words = "SExtractor, defaults" if name == "sextractor" else name
            axis.errorbar(
                [place + 0.15 * (shift - (len(names) - 1) / 2)], [value],
                [[max(value - low, 0)], [max(high - value, 0)]], fmt="o", capsize=3,
                color=colour(look.get(name, name)), label=words if not place else None,
            )  # fmt: skip
    axis.axhline(1, color="0.7", lw=1, zorder=0)
    axis.set_xticks(range(len(kinds)), [WORDS[k] for k in kinds])
    axis.set_xlim(-0.6, len(kinds) - 0.4)
    axis.set_ylabel("true positives at 10 false per Mpix\nover the matched filter")
    axis.legend(loc="best")
