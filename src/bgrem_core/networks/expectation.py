"""A U-Net that splits counts into expected sources and expected background."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ExpectationUNet"]

_SLOPE = 0.1
_MOST_LEVELS = 6
_FOLLOW = 0.97  # of the level: the square root of a mean lies below the mean root


class ExpectationUNet(nn.Module):
    """Predict what is expected behind Poisson counts: sources, and background.

    Counts n enter as 2 sqrt(n + 3/8), whose noise has unit variance where some three
    counts or more are expected (Anscombe 1948). No normalisation layer: the answer
    for a tile is that for the whole image if both are given one ``level`` and the
    tile's margin is at least ``radius``.

    Parameters
    ----------
    widths : sequence of int, optional
        Channels at the full, half, quarter ... resolution.

    Attributes
    ----------
    config : dict
        Arguments that build it again.
    radius : int
        Farthest input pixel that an output pixel depends on, ``level`` apart.
    pooling : int
        Sides must be a multiple of it.
    """

    def __init__(self, *, widths: Sequence[int] = (24, 56, 112)) -> None:
        super().__init__()
        if not 1 <= len(widths) <= _MOST_LEVELS:
            raise ValueError(f"{len(widths)} widths are not 1 to {_MOST_LEVELS}")
        self.config = {"widths": list(widths)}
        self.pooling = 2 ** (len(widths) - 1)
        self.radius = _reach(len(widths))
        self.stem = nn.Conv2d(2, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_Block(w) for w in widths)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths)
        )
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(_Block(w) for w in widths)
        self.out = nn.Conv2d(widths[0], 2, 3, padding=1)
        # Starts as a flat background of the level's brightness, and few sources.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, counts: Tensor, level: Tensor | None = None) -> Tensor:
        """Predict the expectations.

        Parameters
        ----------
        counts : torch.Tensor
            (b, 1, ny, nx) float32 counts per pixel, not negative; sides a multiple of
            ``pooling``.
        level : torch.Tensor, optional
            (b,) float32 typical value of 2 sqrt(n + 3/8), as `level_of` gives it for
            the whole image. By default the median of each entry of ``counts``.

        Returns
        -------
        torch.Tensor
            (b, 2, ny, nx) float32: sources, background; counts per pixel, both 0 or
            more.
        """
        return self.roots(counts, level).square()

    def roots(self, counts: Tensor, level: Tensor | None = None) -> Tensor:
        """Predict the square roots of the expectations, in which training compares.

        Parameters
        ----------
        counts, level : torch.Tensor
            As in `forward`.

        Returns
        -------
        torch.Tensor
            (b, 2, ny, nx) float32; that of the background may be negative early in a
            training.
        """
        if level is None:
            level = self.level_of(counts)
        middle = level.to(counts.dtype)[:, None, None, None]
        stable = 2 * (counts.clamp(min=0) + 0.375).sqrt()
        two = torch.cat([(stable - middle) / 2, (middle / 4).expand_as(counts)], dim=1)
        h = self.stem(two)
        skips = []
        for k, block in enumerate(self.encoder):
            if k:
                skips.append(h)
                h = self.down[k - 1](h)
            h = block(h)
        h = self.decoder[-1](h)
        for k in reversed(range(len(skips))):
            h = functional.pixel_shuffle(self.up[k](h), 2) + skips[k]
            h = self.decoder[k](h)
        out = self.out(functional.leaky_relu(h, _SLOPE)).to(counts.dtype)
        source = functional.softplus(out[:, :1] - 1)
        background = _FOLLOW * middle / 2 + out[:, 1:]
        return torch.cat([source, background], dim=1)

    @staticmethod
    def level_of(counts: Tensor) -> Tensor:
        """Return the median of 2 sqrt(n + 3/8) over each image.

        Parameters
        ----------
        counts : torch.Tensor
            (b, 1, ny, nx).

        Returns
        -------
        torch.Tensor
            (b,); of two middle values the lower one.
        """
        return 2 * (counts.flatten(1).median(dim=1).values.clamp(min=0) + 0.375).sqrt()


class _Block(nn.Module):
    """Residual block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)  # starts as the identity: needs no norm
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        inner = self.first(functional.leaky_relu(h, _SLOPE))
        out: Tensor = h + self.second(functional.leaky_relu(inner, _SLOPE))
        return out


def _reach(levels: int) -> int:
    """Return the exact dependency radius, by carrying intervals through the net."""
    worst = 0
    for pixel in range(2 ** (levels - 1)):
        low, high = pixel - 1, pixel + 1  # output convolution
        for _ in range(levels - 1):  # decoder blocks, each followed by an up step
            low, high = (low - 2) // 2, (high + 2) // 2
        low, high = low - 2, high + 2  # the deepest decoder block
        for _ in range(levels - 1):  # encoder blocks, each led to by a down step
            low, high = 2 * (low - 2), 2 * (high + 2) + 1
        low, high = low - 2 - 1, high + 2 + 1  # first block and stem
        worst = max(worst, pixel - low, high - pixel)
    return worst
