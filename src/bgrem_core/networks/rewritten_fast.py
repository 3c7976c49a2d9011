"""The fast U-Net with fewer passes over its numbers, for use."""

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from bgrem_core.networks.fast import SLOPE, FastUNet, features
from bgrem_core.networks.pointwise import pointwise

__all__ = ["RewrittenFastUNet"]


class RewrittenFastUNet(nn.Module):
    """`FastUNet` for inference, rewritten without approximation.

    Level and condition hold for a whole image: the scales and shifts that they lead to
    are put into the weights of the convolutions before them, which are small, in place
    of two passes over each of their outputs. What is up-sampled is added where it
    belongs without being sorted first. What is not needed again is overwritten.

    Parameters
    ----------
    network : FastUNet
        Its weights are copied.

    Attributes
    ----------
    heads : tuple of str
        Names of the outputs.
    head : int
        Index of the estimate of the noise that `forward` returns.
    radius : int
        Farthest input pixel that an output pixel depends on.
    pooling : int
        Sides must be a multiple of it.
    """

    def __init__(self, network: FastUNet) -> None:
        super().__init__()
        self.heads, self.head, self.scales = network.heads, network.head, network.scales
        self.radius, self.pooling = network.radius, network.pooling
        own = copy.deepcopy(network)
        self.stem, self.encoder, self.down = own.stem, own.encoder, own.down
        self.up, self.decoder, self.out = own.up, own.decoder, own.out
        self.film = own.film
        for conv in self.up:
            _side_by_side(cast("nn.Conv2d", conv))
        self.requires_grad_(requires_grad=False)

    def forward(self, z: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        """Predict the noise.

        Parameters
        ----------
        z, level, condition : torch.Tensor
            As of `FastUNet.forward`.

        Returns
        -------
        torch.Tensor
            (b, 1, ny, nx) x_hat of the chosen head.
        """
        return self.forward_heads(z, level, condition)[:, self.head : self.head + 1]

    def forward_heads(self, z: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        """Predict the noise with every head.

        Parameters
        ----------
        z, level, condition : torch.Tensor
            As of `FastUNet.forward`.

        Returns
        -------
        torch.Tensor
            (b, heads, ny, nx).
        """
        return self.forward_some(z, level, condition, range(len(self.heads)))

    def forward_some(
        self, z: Tensor, level: Tensor, condition: Tensor, heads: Sequence[int]
    ) -> Tensor:
        """Predict the noise with some heads; the others are not computed.

        Parameters
        ----------
        z, level, condition : torch.Tensor
            As in `forward`.
        heads : sequence of int
            Indices into `heads`, rising.

        Returns
        -------
        torch.Tensor
            (b, len(heads), ny, nx).
        """
        if len(z) == 1:
            return self._one(z, level, condition, heads)
        one = [slice(k, k + 1) for k in range(len(z))]
        return torch.cat([self._one(z[k], level[k], condition[k], heads) for k in one])

    def _one(
        self, z: Tensor, level: Tensor, condition: Tensor, heads: Sequence[int]
    ) -> Tensor:
        film = self.film(features(level, condition))[0]
        tables = torch.split(film, [2 * n for n in self.scales])
        two = torch.cat([z.clamp(-8, 20).div_(4), _asinh(z)], dim=1)
        h = self.stem(functional.pixel_unshuffle(two, 2))
        skips = []
        for k, block in enumerate(self.encoder):
            if k:
                skips.append(h)
                h = self.down[k - 1](h)
            h = _through(block, h, tables[k])
        for k in reversed(range(len(self.decoder))):
            h = _up(cast("nn.Conv2d", self.up[k]), h, skips.pop())
            h = _through(self.decoder[k], h, tables[len(self.encoder) + k])
        weight, bias = self.out.weight, cast("Tensor", self.out.bias)
        if len(heads) < len(self.heads):
            rows = [4 * head + k for head in heads for k in range(4)]
            weight, bias = weight[rows], bias[rows]
        active = functional.leaky_relu_(h, SLOPE)
        out = functional.conv2d(active, weight, bias, padding=self.out.padding)
        return functional.pixel_shuffle(out, 2).float()


def _asinh(z: Tensor) -> Tensor:
    """Do what `torch.asinh` does in a fifth of its time: that has no vector code."""
    size = z.abs()
    root = (size * size).add_(1).sqrt_().add_(1)
    return torch.copysign((size / root).mul_(size).add_(size).log1p_(), z)


def _side_by_side(conv: nn.Conv2d) -> None:
    """Sort what a convolution makes for four pixels by pixel, not by channel."""
    for values in (conv.weight, cast("Tensor", conv.bias)):
        by_channel = values.data.reshape(-1, 4, *values.shape[1:])
        values.data = by_channel.transpose(0, 1).reshape(values.shape)


def _up(conv: nn.Conv2d, h: Tensor, skip: Tensor) -> Tensor:
    """Add what is up-sampled, sorted by pixel, to what skipped: in one pass."""
    batch, channels, ny, nx = skip.shape
    quarter = (batch, ny // 2, nx // 2, 2, 2, channels)
    fine = pointwise(conv, h).permute(0, 2, 3, 1).reshape(quarter)
    coarse = skip.permute(0, 2, 3, 1).view(batch, ny // 2, 2, nx // 2, 2, channels)
    coarse.add_(fine.transpose(2, 3))
    return skip


def _through(block: nn.Module, h: Tensor, table: Tensor) -> Tensor:
    """Apply a residual block whose first convolution scales and shifts as told."""
    first = cast("nn.Conv2d", block.first)
    scale, shift = table.chunk(2)
    keep = 1 + scale
    weight = first.weight * keep[:, None, None, None]
    bias = cast("Tensor", first.bias) * keep + shift
    active = functional.leaky_relu(h, SLOPE)
    inner = functional.conv2d(active, weight, bias, padding=first.padding)
    del active
    second = cast("nn.Conv2d", block.second)
    out: Tensor = second(functional.leaky_relu_(inner, SLOPE))
    return out.add_(h)
