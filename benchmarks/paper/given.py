"""What the figures are made from: models, frames, data, and results kept earlier."""

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path

import frames
import numpy as np
from cache import Cache
from denoiser import Denoiser
from frames import Frame

from bgrem_core.simulate import Truth

NOISE, JOINT = "optical", "optical-paper"
"""Labels of the two models: the product's own, and the one after the paper."""
SIDE = 1024  # of the parts of simulated frames that most figures are measured on
KIND = "dark"  # the simulated frames that are most like those of the paper


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """What a figure may use.

    Attributes
    ----------
    models : dict of Denoiser
        By label; those that could be loaded, `NOISE` first.
    losses : dict of Denoiser
        By the name of the loss they were trained with.
    data : pathlib.Path
        Folder of the real frames.
    work : pathlib.Path
        Folder of simulated frames and kept results; shared with the optical benchmark.
    toy : bool
        One small frame, few steps.
    """

    models: dict[str, Denoiser]
    losses: dict[str, Denoiser]
    data: Path
    work: Path
    toy: bool = False

    @functools.cached_property
    def cache(self) -> Cache:
        """Return the results of this room."""
        return Cache(self.work / ("paper_toy.jsonl" if self.toy else "paper.jsonl"))

    @functools.cached_property
    def shared(self) -> Cache:
        """Return the results of the optical benchmark."""
        return Cache(self.work / ("toy.jsonl" if self.toy else "measured.jsonl"))

    @functools.cached_property
    def _whole(self) -> dict[str, list[Frame]]:
        return {}

    @functools.cached_property
    def _parts(self) -> dict[str, list[Frame]]:
        return {}

    def whole(self, kind: str = KIND) -> list[Frame]:
        """Return all frames of a kind, as the optical benchmark has them."""
        if kind not in self._whole:
            self._whole[kind] = frames.simulated(
                kind, folder=self.work / "frames", toy=self.toy
            )
        return self._whole[kind]

    def parts(self, kind: str = KIND) -> list[Frame]:
        """Return a part of each field of a kind, with structured sky."""
        if kind not in self._parts:
            own = [f for f in self.whole(kind) if f.sky == "structured"]
            self._parts[kind] = [cut(f, SIDE) for f in own]
        return self._parts[kind]

    @property
    def paper_like(self) -> tuple[str, Denoiser]:
        """Return the model that stands for the paper's: the joint one if it is here."""
        label = JOINT if JOINT in self.models else next(iter(self.models))
        return label, self.models[label]


def cut(frame: Frame, side: int) -> Frame:
    """Return the lower left corner of a frame, with its truth."""
    if max(frame.image.shape) <= side:
        return frame
    corner = (slice(0, side), slice(0, side))
    t = frame.truth
    keep = (t.x < side) & (t.y < side)
    names = [f.name for f in dataclasses.fields(Truth)]
    truth = Truth(**{n: getattr(t, n)[keep] for n in names})
    background = None if frame.background is None else frame.background[corner]
    image, source = frame.image[corner], frame.source[corner]
    return dataclasses.replace(
        frame,
        image=image, source=source, mask=frame.mask[corner], truth=truth,
        background=background, tiles=max(frame.tiles // 2, 2),
        digest=frames.digest(image, source, frames.table(truth)),
    )  # fmt: skip


def window(frame: Frame, side: int) -> tuple[slice, slice]:
    """Return the square of a frame with most sources of S/N 5 to 200, unmasked."""
    t, edge = frame.truth, frame.edge
    good = (t.snr > 5) & (t.snr < 200)
    best, where = -np.inf, (0, 0)
    ny, nx = frame.image.shape
    for y in range(edge, ny - edge - side + 1, 32):
        for x in range(edge, nx - edge - side + 1, 32):
            inside = (t.x >= x) & (t.x < x + side) & (t.y >= y) & (t.y < y + side)
            masked = frame.mask[y : y + side, x : x + side].sum()
            value = float(np.sum(inside & good)) - masked / 20
            if value > best:
                best, where = value, (y, x)
    y, x = where
    return slice(y, y + side), slice(x, x + side)
