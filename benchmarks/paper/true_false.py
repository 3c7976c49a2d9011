"""Figure 8: true and false detections of SExtractor, with and without cleaning before.

As in the paper: one cutout, thresholds relative to each image's own rms, the default
filter of 3 x 3 pixels, no match one to one. Fair: all frames, absolute thresholds
swept, read at equal false detections per area, and beside the default the filter of the
PSF's width, which needs no learning.
"""

from typing import Any

import detection
import numpy as np
import relative
from arms import CLASSICAL, model_arm
from cleaned import given_out
from given import KIND, Given
from picture import colour, halves, new, nothing

APART = f"{KIND}, apart"  # frames of the simpler simulator
LOOK = {"sextractor": "input", "matched": "matched"}
WORDS = {"sextractor": "SExtractor, defaults", "matched": "matched filter"}


def compute(given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    out: dict[str, Any] = {}
    arms = {"matched": CLASSICAL["matched"]}
    if relative.is_here():
        arms = {"sextractor": CLASSICAL["sextractor"], **arms}
        out["relative"] = _as_in_the_paper(given)
    else:
        out["skipped"] = f"no program of the name {relative.PROGRAM}"
    arms |= {name: model_arm(d) for name, d in given.models.items()}
    out["fair"] = detection.run_kind(given.whole(), arms, given.shared)
    out["apart"] = detection.run_kind(given.whole(APART), arms, given.shared)
    return out, {}


def _as_in_the_paper(given: Given) -> dict[str, Any]:
    frame = given.parts()[0]
    few = relative.TOY if given.toy else relative.THRESHOLDS
    rows = {"input": relative.sweep(frame, frame.image, given.cache, few)}
    for name, denoise in given.models.items():
        made = np.maximum(given_out(denoise, frame), 0)
        rows[name] = relative.sweep(frame, made, given.cache, few)
    return {
        "rows": rows,
        "default": {n: relative.at(r, relative.DEFAULT) for n, r in rows.items()},
        "mpix": round(frame.image.size / 1e6, 3),
    }


def draw(result: dict[str, Any], images: dict[str, np.ndarray]) -> Any:  # noqa: ARG001
    figure = new(4.9)
    left, right = halves(
        figure, "Figure 8  True and false detections", widths=(1.15, 1)
    )
    if "relative" in result:
        _relative(left.subplots(2, 1, sharex=True), result["relative"])
    else:
        nothing(left.subplots(), result["skipped"])
    _fair(right.subplots(), result["fair"])
    return figure


def _relative(axes: Any, result: dict[str, Any]) -> None:
    for axis, column, words in zip(axes, (1, 2), ("true", "false"), strict=True):
        for name, rows in result["rows"].items():
            done = np.array([r for r in rows if r[1] is not None], float)
            words_ = {"input": "input"}.get(name, f"{name}, clipped")
            if len(done):
                axis.plot(done[:, 0], done[:, column], "o-", ms=4, label=words_,
                          color=colour(name))  # fmt: skip
        axis.axvline(relative.DEFAULT, color="0.85", lw=1, zorder=0)
        axis.set_ylabel(words)
        axis.set_xscale("log")
    axes[1].set_yscale("symlog", linthresh=10)
    axes[1].set_ylim(-1, None)
    axes[0].legend()
    axes[1].set_xticks([1, 1.5, 2, 3, 5, 7, 10], ["1", "1.5", "2", "3", "5", "7", "10"])
    axes[1].minorticks_off()
    axes[1].set_xlabel("threshold, rms of each image by itself (line: the default)")


def _fair(axis: Any, fair: dict[str, Any]) -> None:
    for name, arm in fair["arms"].items():
        curve = np.array(arm["curve"])
        curve = curve[curve[:, 1] > 0]
        ratio = arm["parts"]["all"]["ratio"].get("matched")
        words = WORDS.get(name, name)
        if ratio and ratio[0]:
            words += f": {ratio[0]:.3f} ({ratio[1]:.3f} to {ratio[2]:.3f})"
        if len(curve):
            axis.plot(curve[:, 1], curve[:, 2], color=colour(LOOK.get(name, name)),
                      lw=1.8, label=words)  # fmt: skip
    axis.axvline(10, color="0.85", lw=1, zorder=0)
    axis.set_xscale("log")
    axis.set(xlabel="false detections per Mpix", ylabel="true detections",
             xlim=(0.4, 70))  # fmt: skip
    axis.margins(y=0.2)
    axis.legend(loc="upper left", title="over the matched filter at 10 per Mpix",
                title_fontsize=8.5)  # fmt: skip
