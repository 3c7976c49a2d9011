"""Figure 2: the network.

As in the paper: its plan. Fair: its size, and how far it sees.
The number of parameters in the paper fits none of the files published with it; what
decides how far away a pixel can matter is measured by a small change of one pixel.
"""

from typing import Any

import numpy as np
from cleaned import coarse_sky, told
from denoiser import Denoiser
from frames import Frame
from given import Given
from picture import colour, halves, new, nothing

from bgrem_core.networks import build

PAPER_COUNT = 834_801
PLACES = 12
SEED = 2718
SHARES = (0.5, 0.9, 0.99)


def count(network: Any) -> int:
    """Return the number of parameters, with the running means of its norm layers."""
    kept = [b for name, b in network.named_buffers() if "running" in name]
    return sum(p.numel() for p in [*network.parameters(), *kept])


def response(denoise: Denoiser, frame: Frame, places: int) -> np.ndarray:
    """Return the sum of |change of the output| at each distance, of a change of 1.

    The change is 3 sigma, so that it is seen, at random places of a frame; distances
    are the larger of those along x and y, as the radius of a network is.
    """
    z = np.asarray(frame.image - coarse_sky(frame.image), np.float32)[:256, :256]
    ask = denoise.model.denoise
    before = ask(z, 1.0, **told(frame))
    rng = np.random.default_rng(SEED)
    total = np.zeros(128)
    for y, x in rng.integers(96, 160, (places, 2)):
        changed = z.copy()
        changed[y, x] += 3
        off = np.abs(ask(changed, 1.0, **told(frame)) - before)
        rows, columns = np.indices(off.shape)
        radius = np.maximum(np.abs(rows - y), np.abs(columns - x))
        total += np.bincount(radius.ravel(), off.ravel(), minlength=128)[:128]
    return total / places / 3


def compute(given: Given) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    rows = {}
    for name, denoise in given.models.items():
        card = denoise.model.card
        total = response(denoise, given.parts()[0], 2 if given.toy else PLACES)
        share = np.cumsum(total) / max(total.sum(), 1e-30)
        rows[name] = {
            "network": card.network,
            "config": dict(card.config),
            "parameters": count(build(card.network, **card.config)),
            "radius": card.radius,
            "pooling": card.pooling,
            "response": [round(float(s), 5) for s in share],
            "radii": {f"{s:g}": int(np.searchsorted(share, s)) for s in SHARES},
        }
    published = {
        "inference code (widths 16 to 256)": count(build("attention")),
        # Its first convolution has 16 channels, ours the 32 of the inference code.
        "as its training code (widths 32 to 512)": count(
            build("attention", widths=[32, 64, 128, 256, 512])
        ),
    }
    return {
        "models": rows, "published": published, "paper": PAPER_COUNT,
        "plan": {"widths": [16, 32, 64, 128, 256], "gates": 2},
    }, {}  # fmt: skip


def draw(result: dict[str, Any], images: dict[str, np.ndarray]) -> Any:  # noqa: ARG001
    figure = new(5.4)
    left, right = halves(figure, "Figure 2  The network", widths=(1.25, 1))
    _plan(left.subplots(), **result["plan"])
    axis = right.subplots()
    if not result["models"]:
        nothing(axis, "no weights")
        return figure
    for name, row in result["models"].items():
        share = row["response"]
        axis.plot(range(len(share)), share, color=colour(name), lw=2,
                  label=f"{name}: {row['parameters']:,} parameters")  # fmt: skip
        axis.axvline(row["radius"], color=colour(name), lw=1, ls=":")
    axis.set(
        xlabel="distance from the changed pixel, pixels (dotted: farthest possible)",
        ylabel="share of the response within it", xlim=(0, 127), ylim=(0, 1.03),
    )  # fmt: skip
    words = [f"stated in the paper: {result['paper']:,}"]
    words += [f"{name}: {n:,}" for name, n in result["published"].items()]
    axis.legend(loc="lower right", bbox_to_anchor=(1, 0.2))
    axis.text(0.98, 0.03, "\n".join(words), transform=axis.transAxes, ha="right",
              fontsize=8.5, color="0.35",
              bbox={"fc": "w", "ec": "none", "alpha": 0.85})  # fmt: skip
    return figure


def _plan(axis: Any, widths: list[int], gates: int) -> None:
    """Draw the U: two columns of boxes, the deepest level in the middle."""
    axis.axis("off")
    deepest = len(widths) - 1
    for k, width in enumerate(widths):
        y = -1.0 * k
        size = f"1/{2**k}" if k else "full size"
        if k == deepest:
            _box(axis, 0, y, f"{width} channels\n{size}")
            continue
        _box(axis, -2.6 + 0.35 * k, y, f"{width} channels\n{size}")
        _box(axis, 2.6 - 0.35 * k, y, f"{width} channels\n{size}")
        gated = k >= deepest - gates
        _arrow(axis, (-1.95 + 0.35 * k, y), (1.95 - 0.35 * k, y), "0.6")
        if gated:
            _box(axis, 0, y, "attention gate", fill="#fde68a")
        inner = (0, y - 0.72) if k + 1 == deepest else None
        left = inner or (-2.6 + 0.35 * (k + 1), y - 0.72)
        right = inner or (2.6 - 0.35 * (k + 1), y - 0.72)
        _arrow(axis, (-2.6 + 0.35 * k, y - 0.28), left, "0.3")
        _arrow(axis, right, (2.6 - 0.35 * k, y - 0.28), "0.3")
    level = r"$\sigma^2$: 32 sines and cosines"
    for x, words in (
        (-2.6, f"image: 1x1 convolution, 32 channels\n{level}"),
        (2.6, "1x1 convolution:\npredicted noise and sky"),
    ):
        axis.text(x, 0.45, words, ha="center", va="bottom", fontsize=8.5)
    axis.text(
        0, -deepest - 0.55,
        "each box: two 3x3 convolutions, LeakyReLU 0.2, edges repeated\n"
        "down: largest of 2x2; up: transposed 3x3; across: joined",
        ha="center", va="top", fontsize=8.5, color="0.35",
    )  # fmt: skip
    axis.set(xlim=(-3.6, 3.6), ylim=(-deepest - 1.1, 1.0))


def _box(axis: Any, x: float, y: float, words: str, *, fill: str = "#dbeafe") -> None:
    box = {"boxstyle": "round,pad=0.35", "fc": fill, "ec": "0.5"}
    axis.text(x, y, words, ha="center", va="center", fontsize=8.5, bbox=box)


def _arrow(axis: Any, tail: Any, head: Any, shade: str) -> None:
    axis.annotate("", head, tail, arrowprops={"arrowstyle": "->", "color": shade})
