"""The attention U-Net with fewer operations, for use."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from bgrem_core.networks.attention import SLOPE, AttentionUNet, sinusoids
from bgrem_core.networks.pointwise import pointwise

__all__ = ["RewrittenAttentionUNet"]


class RewrittenAttentionUNet(nn.Module):
    """`AttentionUNet` for inference, rewritten without approximation.

    - The 1x1 convolution of the image and the constant channels of the noise level go
      through the first 3x3 convolution: one input channel is left, and a bias that
      depends on the level. Padding repeats pixels, and repeats constants with them, so
      this holds at the edges, too.
    - Normalisation by stored statistics is part of the 1x1 convolutions of the gates.
    - A transposed 3x3 convolution of stride 2 is a 2x2 convolution to four times the
      channels: one for each of the four pixels that a pixel becomes.

    Parameters
    ----------
    network : AttentionUNet
        In evaluation mode; its weights are copied.

    Attributes
    ----------
    radius : int
        Farthest input pixel that an output pixel depends on.
    pooling : int
        Sides must be a multiple of it.
    """

    def __init__(self, network: AttentionUNet) -> None:
        super().__init__()
        self.radius, self.pooling = network.radius, network.pooling
        self.stem, self.told = _stem(network)
        pairs = [_copies(pair) for pair in network.encoder]
        self.encoder = nn.ModuleList([pairs[0][1:], *pairs[1:]])
        self.up = nn.ModuleList(_sub_pixel(up) for up in network.up)
        self.gate = nn.ModuleList(
            nn.Identity() if isinstance(gate, nn.Identity) else _Gate(gate)
            for gate in network.gate
        )
        self.decoder = nn.ModuleList(_copies(pair) for pair in network.decoder)
        self.out = _copy(network.out)
        self.requires_grad_(requires_grad=False)

    def forward(self, z: Tensor, level: Tensor, condition: Tensor) -> Tensor:  # noqa: ARG002
        """Predict the background.

        Parameters
        ----------
        z, level, condition : torch.Tensor
            As of `AttentionUNet.forward`.

        Returns
        -------
        torch.Tensor
            (b, 1, ny, nx) x_hat.
        """
        sigma = sinusoids(level.float() ** 2).to(self.told.weight.dtype)
        h = _bent(self.stem(z).add_(self.told(sigma)[:, :, None, None]))
        skips: list[Tensor] = []
        for k, stage in enumerate(self.encoder):
            if k:
                skips.append(h)
                h = functional.max_pool2d(h, 2)
            h = _run(stage, h)
        for k in reversed(range(len(self.up))):
            # What lies beyond the far edge is zero to a transposed convolution.
            h = self.up[k](functional.pad(h, (0, 1, 0, 1)))
            h = functional.pixel_shuffle(h, 2)
            gate, skip = self.gate[k], skips.pop()
            if isinstance(gate, _Gate):
                skip = gate(skip, h)
            h = torch.cat([h, skip], dim=1)
            del skip  # as large as half of h
            h = _run(self.decoder[k], h)
        return pointwise(self.out, h)


class _Gate(nn.Module):
    """Attention gate without its normalisation."""

    def __init__(self, gate: nn.Module) -> None:
        super().__init__()
        self.skip = _normed(*cast("nn.Sequential", gate.skip))
        self.deep = _normed(*cast("nn.Sequential", gate.deep))
        self.psi = _copy(cast("nn.Conv2d", gate.psi))

    def forward(self, skip: Tensor, deep: Tensor) -> Tensor:
        joint = pointwise(self.skip, skip).add_(pointwise(self.deep, deep))
        joint = functional.relu_(joint)
        return torch.sigmoid_(pointwise(self.psi, joint)).mul_(skip)


def _stem(network: AttentionUNet) -> tuple[nn.Conv2d, nn.Linear]:
    """Return the first convolution on the image alone, and the bias that is told."""
    embed = network.embed
    first = cast("nn.Conv2d", network.encoder[0].first)
    weight = _exact(first.weight)
    image, sigma = weight[:, : embed.out_channels], weight[:, embed.out_channels :]
    kernel = torch.einsum("oiyx,ic->ocyx", image, _exact(embed.weight)[:, :, 0, 0])
    bias = _exact(first.bias) + image.sum((2, 3)) @ _exact(embed.bias)
    stem = nn.Conv2d(1, len(kernel), 3, padding=1, padding_mode="replicate", bias=False)
    told = nn.Linear(sigma.shape[1], len(kernel))
    _put(stem.weight, kernel, first.weight)
    _put(told.weight, sigma.sum((2, 3)), first.weight)
    _put(told.bias, bias, first.weight)
    return stem, told


def _normed(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Return a convolution that normalises by the stored statistics."""
    spread = (_exact(norm.running_var) + norm.eps).sqrt()
    scale = _exact(norm.weight) / spread
    folded = _copy(conv)
    shift = (_exact(conv.bias) - _exact(norm.running_mean)) * scale
    _put(folded.weight, _exact(conv.weight) * scale[:, None, None, None], conv.weight)
    _put(folded.bias, shift + _exact(norm.bias), conv.weight)
    return folded


def _sub_pixel(up: nn.Module) -> nn.Conv2d:
    """Return a 2x2 convolution to the four pixels that a pixel becomes."""
    up = cast("nn.ConvTranspose2d", up)
    # Pixel j becomes 2j, which sees tap 1 of j alone, and 2j + 1, which sees tap 2 of
    # j and tap 0 of j + 1.
    taps = ((0, 0, 1), (1, 0, 2), (1, 1, 0))  # becomes, from, tap
    old = up.weight.detach()
    kernel = old.new_zeros(up.out_channels, 2, 2, up.in_channels, 2, 2)
    for dy, ky, ty in taps:
        for dx, kx, tx in taps:
            kernel[:, dy, dx, :, ky, kx] = old[:, :, ty, tx].T
    conv = nn.Conv2d(up.in_channels, 4 * up.out_channels, 2)
    _put(conv.weight, kernel.flatten(0, 2), old)
    _put(conv.bias, cast("Tensor", up.bias).repeat_interleave(4), old)
    return conv


def _copies(pair: nn.Module) -> nn.ModuleList:
    first, second = (cast("nn.Conv2d", c) for c in (pair.first, pair.second))
    return nn.ModuleList([_copy(first), _copy(second)])


def _copy(conv: nn.Conv2d) -> nn.Conv2d:
    made = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        cast("tuple[int, int]", conv.kernel_size),
        padding=conv.padding,  # type: ignore[arg-type]
        padding_mode=conv.padding_mode,
    )
    _put(made.weight, conv.weight, conv.weight)
    _put(made.bias, conv.bias, conv.weight)
    return made


def _run(stage: nn.Module, h: Tensor) -> Tensor:
    for conv in stage:  # type: ignore[attr-defined]
        h = _bent(conv(h))
    return h


def _bent(h: Tensor) -> Tensor:
    """Return the activation, in the place of its argument."""
    return functional.leaky_relu_(h, SLOPE)


def _exact(value: Tensor | None) -> Tensor:
    """Return constants wide enough that folding them rounds once, at the end."""
    return cast("Tensor", value).detach().double()


def _put(parameter: Tensor | None, value: Tensor | None, like: Tensor) -> None:
    """Give a new parameter its value, in the dtype and place of an old one."""
    cast("Tensor", parameter).data = cast("Tensor", value).detach().to(like, copy=True)
