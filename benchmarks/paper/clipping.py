"""Figure 7: what is in it is not known to us; here: clipping, and kinds of thresholds.

The paper says that its output, if negative values are kept, makes SExtractor worse. As
there: the program with thresholds relative to the rms it measures, which on an image
without noise means nothing. Fair: absolute thresholds in sigma of the input; what is
negative is then never seen, and clipping changes nothing.
"""

from typing import Any

import numpy as np
import relative
from cleaned import given_out
from frames import Frame
from given import Given
from images import DEFAULT_CONV, filtered, flat_raw, psf_filtered
from picture import colour, halves, new, nothing
from recipes import segments
from score import Scorer

MOST = 60.0  # false per Mpix
ABSOLUTE = tuple(float(t) for t in np.geomspace(0.15, 3, 14))


def images(given: Given, frame: Frame) -> dict[str, np.ndarray]:
    out = {}
    for name, denoise in given.models.items():
        made = given_out(denoise, frame)
        out[f"{name}, unclipped"] = made
        out[f"{name}, clipped"] = np.maximum(made, 0)
    return out


def absolute(
    frame: Frame, image: np.ndarray, thresholds: tuple[float, ...]
) -> list[list[float]]:
    """Return threshold, true ones and false ones per Mpix, by the fair count.

    SExtractor's segmentation with its defaults, as sep does it, filter and background
    off; the two programs agree (see the docs on source-extractor).
    """
    score, rows = Scorer(frame), []
    for t in sorted(thresholds, reverse=True):
        found = segments(image, t, levels=32, contrast=0.005, minarea=5)
        fates = score(*found[:2]).sum(1)
        rows.append([t, int(fates[0]), round(float(fates[1]) / score.area, 3)])
        if rows[-1][2] > MOST:  # below it the program takes hours
            break
    return rows


def compute(given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    frame = given.parts()[0]
    made = images(given, frame)
    raw = flat_raw(frame.image, frame.fwhm)
    peers = {"input": filtered(raw, DEFAULT_CONV),
             "matched": psf_filtered(raw, frame.fwhm)}  # fmt: skip
    lower = ABSOLUTE[::3] if given.toy else ABSOLUTE
    higher = tuple(6 * t for t in lower if t > 0.3)
    rows = {n: absolute(frame, i, lower) for n, i in made.items()}
    rows |= {n: absolute(frame, i, higher) for n, i in peers.items()}
    out: dict[str, Any] = {"absolute": rows, "mpix": round(Scorer(frame).area, 3)}
    if relative.is_here():
        both = {"input": frame.image, **made}
        few = relative.TOY if given.toy else relative.THRESHOLDS
        out["relative"] = {
            n: relative.sweep(frame, i, given.cache, few) for n, i in both.items()
        }
    else:
        out["skipped"] = f"no program of the name {relative.PROGRAM}"
    return out, {}


def draw(result: dict[str, Any], images: dict[str, np.ndarray]) -> Any:  # noqa: ARG001
    figure = new(4.8)
    left, right = halves(
        figure, "Figure 7  (content not known to us)  Clipping and thresholds",
        left="relative thresholds, as in the paper",
        right="fair version: absolute thresholds, equal false detections",
    )  # fmt: skip
    axis = left.subplots()
    if "relative" not in result:
        nothing(axis, result["skipped"])
    for name, rows in result.get("relative", {}).items():
        done = np.array([r for r in rows if r[1] is not None], float)
        if len(done):
            axis.plot(np.maximum(done[:, 2], 0.5), done[:, 1], label=name,
                      color=colour(name), **_look(name))  # fmt: skip
    if "relative" in result:
        axis.set_xscale("log")
        axis.set(xlabel="false detections on one cutout (none: drawn at 0.5)",
                 ylabel="true detections (within 5 pixels of any)")  # fmt: skip
        axis.legend()
    axis = right.subplots()
    for name, rows in result["absolute"].items():
        line = np.array(rows)
        axis.plot(np.maximum(line[:, 2], 0.5), line[:, 1], label=name,
                  color=colour(name), **_look(name))  # fmt: skip
    axis.axvline(10, color="0.85", lw=1, zorder=0)
    axis.set_xscale("log")
    axis.set(xlabel="false detections per Mpix (none: drawn at 0.5)",
             ylabel="true detections (one to one)")  # fmt: skip
    axis.legend(loc="lower right")
    return figure


def _look(name: str) -> dict[str, Any]:
    if name.endswith("unclipped"):
        return {"ls": "--", "marker": "x", "ms": 7, "lw": 1}
    return {"ls": "-", "marker": "o", "ms": 3.5, "lw": 1.4}
