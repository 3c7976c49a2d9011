"""Figure 6: predicted against true flux, by S/N.

As in the paper: the sum in a box of 37 x 37 pixels, of the image less a mesh and of the
cleaned image. Such a box holds the noise of 1369 pixels, 37 sigma, as much as the light
of a star of S/N 5: without noise almost anything is better, and cutting off what is
negative adds light. Fair: a circle of one FWHM and the sum weighted by the PSF, which
is what anybody would measure on the image itself; an estimate with less noise that is
biased low at low S/N is no better measurement.
"""

from typing import Any

import numpy as np
from cleaned import Maker, box_sum, circle_sum, flat, inner_sources, spread
from frames import Frame
from given import Given
from images import flat_raw
from picture import colour, halves, new
from scipy import ndimage, signal

BOX = 37
EDGES = (3.0, 6.0, 12.0, 25.0, 50.0, 100.0, np.inf)
NAMES = ("3-6", "6-12", "12-25", "25-50", "50-100", "> 100")
SEED = 31415
DOTS = 400  # shown


def box(image: np.ndarray, frame: Frame, x: np.ndarray, y: np.ndarray) -> np.ndarray:  # noqa: ARG001
    return box_sum(image, x, y, BOX)


def circle(image: np.ndarray, frame: Frame, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return circle_sum(image, x, y, frame.fwhm)


def weighted(
    image: np.ndarray, frame: Frame, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Return the flux of a star, weighted by the PSF, its place known."""
    weight = frame.psf / np.sum(frame.psf**2)
    seen = signal.oaconvolve(np.asarray(image, float), weight[::-1, ::-1], "same")
    return ndimage.map_coordinates(seen, [y, x], order=1)


MEASURES = {"box37": box, "circle": circle, "PSF": weighted}


def noise_of(measure: str, frame: Frame, *, frames: int = 12) -> float:
    """Return the sigma of a measure on noise alone, of unit sigma."""
    rng, squares = np.random.default_rng(SEED), []
    for _ in range(frames):
        image = rng.standard_normal((512, 512), dtype=np.float32)
        # Boxes overlap; the scatter is that of one box all the same.
        x, y = rng.uniform(BOX, 512 - BOX, (2, 1000))
        squares.append(np.mean(MEASURES[measure](image, frame, x, y) ** 2))
    return float(np.mean(squares) ** 0.5)


def makers(given: Given) -> dict[str, Maker]:
    out: dict[str, Maker] = {"input": lambda f: flat_raw(f.image, f.fwhm)}
    out |= {name: flat(d) for name, d in given.models.items()}
    for name, make in dict(out).items():
        out[f"{name}, clipped"] = lambda f, m=make: np.maximum(m(f), 0)
    return out


def table(make: Maker, measure: str, frames: list[Frame]) -> np.ndarray:
    """Return true S/N, true flux and predicted flux of all sources, (3, n)."""
    rows = []
    for f in frames:
        t, keep = f.truth, inner_sources(f, BOX / 2)
        keep &= t.snr >= EDGES[0]
        x, y = t.x[keep], t.y[keep]
        of = MEASURES[measure]
        rows.append([t.snr[keep], of(f.source, f, x, y), of(make(f), f, x, y)])
    return np.concatenate([np.array(r) for r in rows], axis=1)


def compute(given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    frames = given.parts()
    rows: dict[str, Any] = {}
    dots: dict[str, Any] = {}
    for name, make in makers(given).items():
        for measure in MEASURES:
            snr, true, ours = table(make, measure, frames)
            ratio = ours / true
            rows.setdefault(name, {})[measure] = {
                bin_: spread(ratio[(snr >= low) & (snr < high) & (true > 0)])
                for bin_, low, high in zip(NAMES, EDGES[:-1], EDGES[1:], strict=True)
            }
            if measure == "box37":
                step = max(len(true) // DOTS, 1)
                dots[name] = np.round([true[::step], ours[::step]], 1).tolist()
    first = frames[0]
    return {
        "ratio": rows,
        "dots": dots,
        "noise": {m: round(noise_of(m, first), 3) for m in MEASURES},
        "expected": {
            "box37": float(BOX),
            "circle": round(float(np.pi**0.5 * first.fwhm), 3),
            "PSF": round(float(np.sum(first.psf**2) ** -0.5), 3),
        },
        "five": round(5 * float(np.sum(first.psf**2) ** -0.5), 1),
        "frames": len(frames),
    }, {}


def draw(result: dict[str, Any], images: dict[str, np.ndarray]) -> Any:  # noqa: ARG001
    figure = new(5.6)
    left, right = halves(figure, "Figure 6  Flux", widths=(1, 1.25))
    _dots(left.subplots(), result)
    top, bottom = right.subplots(2, 1, sharex=True)
    names = [n for n in result["ratio"] if not n.endswith("clipped")]
    cases = [("box37", n) for n in names] + [("box37", "input, clipped")]
    _bins(top, result, cases, "box of 37 pixels")
    cases = [("circle", n) for n in names] + [("PSF", "input")]
    _bins(bottom, result, cases, "circle of 1 FWHM")
    bottom.set_xlabel("true S/N")
    top.set_ylim(-1.5, 14)
    bottom.set_ylim(0.3, 1.6)
    return figure


def _dots(axis: Any, result: dict[str, Any]) -> None:
    noise = result["expected"]["box37"]
    for name, (true, ours) in result["dots"].items():
        plain = {"input": "input less a mesh"}
        if name.endswith("clipped") == (name.split(",")[0] == "input"):
            continue  # the input as it is, cleaned images as the paper's program gives
        axis.plot(true, ours, "." if name == "input" else "x", ms=4, alpha=0.7,
                  color=colour(name), label=plain.get(name, name))  # fmt: skip
    line = np.geomspace(10, 1e6, 200)
    axis.plot(line, line, color="0.5", lw=1, zorder=0)
    axis.axhspan(-noise, noise, color="0.9", zorder=0)
    axis.text(0.97, 0.03, f"grey: noise of a box, ± {noise:.0f}\n"
              f"a star of S/N 5 has {result['five']:.0f}", ha="right",
              transform=axis.transAxes, fontsize=8.5, color="0.35")  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("symlog", linthresh=30)
    most = 1.5 * max(max(true) for true, _ in result["dots"].values())
    axis.set(xlabel="true light in the box, sigma of one pixel", xlim=(15, most),
             ylabel="predicted light in the box, sigma of one pixel",
             ylim=(-300, most))  # fmt: skip
    axis.legend(loc="upper left")


def _bins(axis: Any, result: dict[str, Any], cases: list[Any], words: str) -> None:
    for shift, (measure, name) in enumerate(cases):
        row = result["ratio"][name][measure]
        got = [(k, b[1], b[3]) for k, b in enumerate(row.values()) if b[1] is not None]
        if not got:
            continue
        place, value, half = np.array(got).T
        words_ = f"{name}, PSF" if measure == "PSF" else name
        mark = {"PSF": "^"}.get(measure, "x" if name.endswith("clipped") else "o")
        axis.errorbar(place + 0.13 * (shift - 1), value, half, fmt=mark, ms=4.5,
                      capsize=2, color=colour(name), label=words_)  # fmt: skip
    axis.axhline(1, color="0.7", lw=1, zorder=0)
    axis.set_xticks(range(len(NAMES)), list(NAMES))
    axis.set_ylabel("predicted / true")
    axis.set_title(f"{words}: median and 68 % of the sources", fontsize=9)
    axis.legend(loc="upper right", ncols=2)
