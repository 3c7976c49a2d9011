"""Figure 4: one example. As in the paper: input, cleaned, truth, what was taken away.

Fair: the error, cleaned minus truth, on a scale that shows it, beside the errors of two
filters without any learning; any smooth picture looks clean at the scale of the input.
"""

from typing import Any

import numpy as np
from cleaned import Maker, blank, counted, flat, flat_truth, given_out, mean_error
from given import Given, window
from images import flat_raw, starlet
from picture import bar, halves, new, show
from scipy import ndimage

SIDE = 192
LIT = 0.5  # sigma per pixel of source light


def _blur(f: Any) -> np.ndarray:
    return ndimage.gaussian_filter(flat_raw(f.image, f.fwhm), f.fwhm / 2.3548)


def makers(given: Given) -> dict[str, Maker]:
    """Return what makes a flat image without noise, by name."""
    return {
        "Gaussian of the PSF": _blur,
        "starlet": lambda f: starlet(flat_raw(f.image, f.fwhm)),
        **{name: flat(d) for name, d in given.models.items()},
    }


def compute(given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    frames = given.parts()
    rows, images = {}, {}
    known = makers(given)
    for name, make in {"input": lambda f: flat_raw(f.image, f.fwhm), **known}.items():
        errors = [_errors(make(f), f) for f in frames]
        rows[name] = {
            key: [round(v, 5) if v is not None else None for v in mean_error(values)]
            for key, values in zip(
                ("mae", "blank rms", "lit rms"), zip(*errors, strict=True), strict=True
            )
        }
    f = frames[0]
    cut = window(f, 128 if given.toy else SIDE)
    truth = flat_truth(f)
    images |= {f"error {n}": (m(f) - truth)[cut] for n, m in known.items()}
    label, denoise = given.paper_like
    made = np.maximum(given_out(denoise, f), 0)
    seen = np.asarray(f.image - f.background, np.float32)
    images |= {
        "input": seen[cut], "cleaned": made[cut], "truth": f.source[cut],
        "taken": (seen - made)[cut],
    }  # fmt: skip
    numbers = {
        "errors": rows, "frames": len(frames), "fwhm": f.fwhm, "shown": label,
    }  # fmt: skip
    return numbers, {n: np.asarray(v, np.float32) for n, v in images.items()}


def _errors(image: np.ndarray, frame: Any) -> tuple[float, float, float]:
    off = image - flat_truth(frame)
    good, dark = counted(frame), blank(frame)
    lit = good & (frame.source > LIT)
    rms = [float(np.sqrt(np.mean(off[m] ** 2))) for m in (dark, lit)]
    return float(np.mean(np.abs(off[good]))), rms[0], rms[1]


def draw(result: dict[str, Any], images: dict[str, np.ndarray]) -> Any:
    figure = new(6.6)
    left, right = halves(
        figure, "Figure 4  An example with its truth",
        right="fair version: errors (rms in sigma of the sky)",
    )  # fmt: skip
    axes = left.subplots(2, 2)
    for axis, (key, title) in zip(axes.flat, (
        ("input", "input"), ("cleaned", f"cleaned, clipped at 0 ({result['shown']})"),
        ("truth", "truth"), ("taken", "input - cleaned"),
    ), strict=True):  # fmt: skip
        signed = key == "taken"
        low, high = (-4, 4) if signed else (-2, 8)
        shown = show(axis, images[key], low=low, high=high, title=title, signed=signed)
        bar(left, shown, axis, "sigma of the sky")
    names = [n for n in result["errors"] if f"error {n}" in images]
    axes = right.subplots(2, 2)
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    for axis, name in zip(axes.flat, names, strict=False):
        row = result["errors"][name]
        blank_rms, lit_rms = row["blank rms"][0], row["lit rms"][0]
        title = f"{name}\nblank {blank_rms:.3f}, sources {lit_rms:.2f}"
        shown = show(axis, images[f"error {name}"], low=-1, high=1, title=title,
                     signed=True)  # fmt: skip
    bar(right, shown, list(axes.flat), "cleaned - truth, sigma of the sky")
    return figure
