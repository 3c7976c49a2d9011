"""The attention U-Net of the BGRem paper, as its published inference code builds it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SLOPE", "AttentionUNet", "sinusoids"]

SLOPE = 0.2
#: Rows of the widest layer that are there at once.
_STRIP = 128
_EMBED = 32
_MOST_LEVELS = 6


class AttentionUNet(nn.Module):
    """Predict the background of an image at a noise level.

    Parameters
    ----------
    widths : sequence of int, optional
        Channels per level, the deepest last.
    gates : int, optional
        Number of deepest skips with an attention gate.

    Attributes
    ----------
    radius : int
        Farthest input pixel that an output pixel depends on.
    pooling : int
        Sides must be a multiple of it.

    References
    ----------
    .. [1] arXiv:2510.04718 (network and embedding of the noise level).
    .. [2] Oktay et al., arXiv:1804.03999 (attention gate).
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        gates: int = 2,
    ) -> None:
        super().__init__()
        levels = len(widths) - 1
        if not 1 <= levels <= _MOST_LEVELS:
            raise ValueError(f"{len(widths)} widths are not 2 to {_MOST_LEVELS + 1}")
        self.pooling = 2**levels
        self.radius = _reach(levels)
        self.embed = nn.Conv2d(1, _EMBED, 1)
        inputs = [2 * _EMBED, *widths[:-1]]
        self.encoder = nn.ModuleList(
            _Pair(a, b) for a, b in zip(inputs, widths, strict=True)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 3, stride=2, padding=1, output_padding=1)
            for a, b in pairwise(widths)
        )
        self.gate = nn.ModuleList(
            _Gate(w) if k >= levels - gates else nn.Identity()
            for k, w in enumerate(widths[:-1])
        )
        self.decoder = nn.ModuleList(_Pair(2 * w, w) for w in widths[:-1])
        self.out = nn.Conv2d(widths[0], 1, 1)

    def forward(self, z: Tensor, level: Tensor, condition: Tensor) -> Tensor:  # noqa: ARG002
        """Predict the background.

        Parameters
        ----------
        z : torch.Tensor
            (b, 1, ny, nx) float32, units of the sky sigma.
        level : torch.Tensor
            (b,) noise level sigma_t.
        condition : torch.Tensor
            (b, 3), not used: the paper's network knows the level alone.

        Returns
        -------
        torch.Tensor
            (b, 1, ny, nx) x_hat.
        """
        sigma = sinusoids(level.float() ** 2)[:, :, None, None]
        skips: list[Tensor] = []
        h = self._first(z, sigma)
        for k, pair in enumerate(self.encoder):
            if k:
                skips.append(h)
                h = pair(functional.max_pool2d(h, 2))
        for k in reversed(range(len(self.up))):
            h = self.up[k](h)
            gate = self.gate[k]
            skip = gate(skips.pop(), h) if isinstance(gate, _Gate) else skips.pop()
            h = torch.cat([h, skip], dim=1)
            del skip  # large, as all of full size
            h = self.decoder[k](h)
        out: Tensor = self.out(h)
        return out

    def _first(self, z: Tensor, sigma: Tensor) -> Tensor:
        """Return what the first pair makes of the image and the noise level.

        Its input has 64 channels of the full size, more than all the rest of the
        network together: without gradients it is made, and forgotten, strip by strip.
        """
        pair = cast("_Pair", self.encoder[0])
        if torch.is_grad_enabled():
            wide = sigma.expand(-1, -1, *z.shape[2:])
            whole: Tensor = pair(torch.cat([self.embed(z), wide], dim=1))
            return whole
        framed = functional.pad(z, (1, 1, 1, 1), mode="replicate")
        strips = []
        for start in range(0, z.shape[2], _STRIP):
            part = framed[:, :, start : start + _STRIP + 2]
            wide = sigma.expand(-1, -1, *part.shape[2:])
            both = torch.cat([self.embed(part), wide], dim=1)
            first = pair.first
            strips.append(functional.conv2d(both, first.weight, first.bias))
        h = _activated(torch.cat(strips, dim=2))
        return _activated(pair.second(h))


class _Pair(nn.Module):
    """Two 3x3 convolutions; a border of 1 repeated is symmetric padding."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        pad = {"padding": 1, "padding_mode": "replicate"}
        self.first = nn.Conv2d(inputs, outputs, 3, **pad)  # type: ignore[arg-type]
        self.second = nn.Conv2d(outputs, outputs, 3, **pad)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        h = _activated(self.first(h))
        return _activated(self.second(h))


def _activated(fresh: Tensor) -> Tensor:
    """Activate what nobody else holds; with the same bits either way."""
    return functional.leaky_relu(fresh, SLOPE, inplace=not torch.is_grad_enabled())


class _Gate(nn.Module):
    """Attention gate: what the deeper level saw decides what the skip lets through."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.skip = nn.Sequential(nn.Conv2d(width, width, 1), nn.BatchNorm2d(width))
        self.deep = nn.Sequential(nn.Conv2d(width, width, 1), nn.BatchNorm2d(width))
        self.psi = nn.Conv2d(width, width, 1)

    def forward(self, skip: Tensor, deep: Tensor) -> Tensor:
        joint = functional.relu(self.skip(skip) + self.deep(deep))
        out: Tensor = skip * torch.sigmoid(self.psi(joint))
        return out


def sinusoids(variance: Tensor) -> Tensor:
    """Embed the square of the noise level.

    Parameters
    ----------
    variance : torch.Tensor
        (b,) float32 sigma_t squared.

    Returns
    -------
    torch.Tensor
        (b, 32) sines and cosines at frequencies from 1 to 1000.
    """
    frequency = torch.logspace(0, 3, _EMBED // 2, device=variance.device)
    angle = 2 * torch.pi * variance[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def _reach(levels: int) -> int:
    """Return the dependency radius, by carrying intervals through the net."""
    worst = 0
    for pixel in range(2**levels):
        low, high = pixel, pixel
        for _ in range(levels):  # decoder pair, then the transposed convolution
            low, high = (low - 2) // 2, (high + 3) // 2
        for _ in range(levels):  # deepest pair first, then the encoder's
            low, high = 2 * (low - 2), 2 * (high + 2) + 1
        low, high = low - 2, high + 2
        worst = max(worst, pixel - low, high - pixel)
    return worst
