"""Figure 1: training pairs at several noise levels, and the reverse process.

As in the paper: an image with its noise turned down, what the network predicts, and
the difference. Fair: in training a network sees true light plus a part of true noise;
in the reverse process it sees what it left itself. Both errors stand side by side.
"""

from typing import Any

import numpy as np
from cleaned import aim, coarse_sky, counted, mean_error, told
from denoiser import Denoiser
from frames import Frame
from given import Given, window
from picture import PAPER, bar, colour, halves, new, nothing, show

from bgrem_core.sampler import sample
from bgrem_core.schedule import TRAINING, levels

TIMES = np.linspace(0, 1, 9)
SHOWN = (1.0, 0.75, 0.5, 0.25, 0.0)
STEPS = 15
SIDE, CROP = 256, 128  # of what is measured, and of what is shown


class Pair:
    """Light and noise of a part of a frame, as in a training pair of this model."""

    def __init__(self, denoise: Denoiser, frame: Frame, side: int) -> None:
        self.model, self.told = denoise.model, told(frame)
        cut = window(frame, side)
        offset = coarse_sky(frame.image)
        whole = aim(denoise, frame)
        # What is set aside belongs to the light, if that has a sky, else to the noise.
        kept = whole - offset if whole is not frame.source else whole
        self.light = np.ascontiguousarray(kept[cut], np.float32)
        z = np.asarray(frame.image - offset, np.float32)[cut]
        self.noise = z - self.light
        self.good = counted(frame)[cut]
        self.good[:16], self.good[-16:] = False, False
        self.good[:, :16], self.good[:, -16:] = False, False

    def at(self, sigma: float) -> np.ndarray:
        return self.light + np.float32(sigma) * self.noise

    def noise_of(self, x: np.ndarray, sigma: float) -> np.ndarray:
        return self.model.denoise(x, sigma, **self.told)

    def error(self, light: np.ndarray) -> float:
        return float(np.sqrt(np.mean((light - self.light)[self.good] ** 2)))

    def in_training(self, sigma: float) -> float:
        x = self.at(sigma)
        return self.error(x - np.float32(sigma) * self.noise_of(x, sigma))

    def in_reverse(self, steps: int) -> list[float]:
        """Return the error of each estimate on the way down."""
        errors = []

        def ask(x: np.ndarray, sigma: float) -> np.ndarray:
            said = self.noise_of(x, sigma)
            errors.append(self.error(x - np.float32(sigma) * said))
            return said

        sample(ask, self.at(1.0), levels(steps).tolist())
        return errors


def compute(given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    side = 128 if given.toy else SIDE
    frames, steps = given.parts(), 4 if given.toy else STEPS
    curves = {}
    for name, denoise in given.models.items():
        pairs = [Pair(denoise, f, side) for f in frames]
        sigmas = [float(s) for s in TRAINING.sigma(TIMES)]
        down = np.array([p.in_reverse(steps) for p in pairs])
        curves[name] = {
            "training": [
                [s, *mean_error([p.in_training(s) for p in pairs])] for s in sigmas
            ],
            "reverse": [
                [float(s), *mean_error(list(e))]
                for s, e in zip(levels(steps)[:-1], down.T, strict=True)
            ],
        }
    label, denoise = given.paper_like
    numbers = {"curves": curves, "steps": steps, "frames": len(frames), "shown": label}
    return numbers, _images(Pair(denoise, frames[0], CROP))


def _images(pair: Pair) -> dict[str, np.ndarray]:
    out = {}
    for k, sigma in enumerate(TRAINING.sigma(SHOWN)):
        x = pair.at(sigma)
        said = pair.noise_of(x, float(sigma))
        out |= {f"seen{k}": x, f"noise{k}": said, f"light{k}": x - sigma * said}
    return {name: np.asarray(v, np.float32) for name, v in out.items()}


ROWS = (
    ("seen", r"seen: $y + \sigma x$", False),
    ("noise", r"predicted: $\hat x$", True),
    ("light", r"left: $y + \sigma (x - \hat x)$", False),
)


def draw(result: dict[str, Any], images: dict[str, np.ndarray]) -> Any:
    figure = new(5.6)
    left, right = halves(
        figure, "Figure 1  Training pairs and the reverse process", widths=(1.45, 1)
    )
    axes = left.subplots(3, len(SHOWN))
    for line, (key, words, signed) in zip(axes, ROWS, strict=True):
        low, high = (-4, 4) if signed else (-3, 8)
        for k, axis in enumerate(line):
            sigma = TRAINING.sigma(SHOWN[k])
            title = rf"t = {SHOWN[k]:g}, $\sigma$ = {sigma:.2f}"
            shown = show(
                axis, images[f"{key}{k}"], low=low, high=high, signed=signed,
                title=title if key == "seen" else "",
            )  # fmt: skip
        line[0].set_ylabel(words, fontsize=9)
        bar(left, shown, list(line), "sigma of the sky")
    _curves(right.subplots(), result)
    return figure


def _curves(axis: Any, result: dict[str, Any]) -> None:
    if not result["curves"]:
        nothing(axis, "no weights")
        return
    for name, curve in result["curves"].items():
        for way, mark, words in (
            ("training", "o-", "true light and noise"),
            ("reverse", "s--", f"{result['steps']} reverse steps"),
        ):
            sigma, value, error = zip(*curve[way], strict=True)
            axis.errorbar(
                sigma, value, [e or 0 for e in error], fmt=mark, ms=4, capsize=2,
                color=colour(name), label=f"{name}, {words}",
                mfc="none" if way == "reverse" else None,
            )  # fmt: skip
    axis.plot([0, 1], [0, 1], **PAPER, label="nothing done")
    most = max(r[1] for c in result["curves"].values() for w in c.values() for r in w)
    axis.set(
        xlabel=r"noise level $\sigma$",
        ylabel="rms error of the light, sigma of the sky",
        xlim=(0.1, 1.03), ylim=(0, 1.6 * most),
    )  # fmt: skip
    axis.legend(loc="upper left")
