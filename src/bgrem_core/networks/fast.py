"""The fast U-Net: norm-free, works at half resolution, sub-pixel up-sampling."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from bgrem_core.heads import NOISE

__all__ = ["SLOPE", "FastUNet", "features"]

_FREQUENCIES = 4
SLOPE = 0.1
_MOST_LEVELS = 6


class FastUNet(nn.Module):
    """Predict zero-mean noise from a noisy image, its level and its kind.

    No normalisation layer, hence the same answer for a tile and for the whole image
    wherever the tile's margin is at least ``radius``.

    Parameters
    ----------
    widths : sequence of int, optional
        Channels at 1/2, 1/4, 1/8 ... of the resolution.
    heads : sequence of str, optional
        Names of the outputs that are trained together; see `bgrem_core.heads`.
    head : str, optional
        The estimate of the noise that `forward` returns.
    hidden : int, optional
        Width of the small network that turns level and condition into scales.

    Attributes
    ----------
    radius : int
        Farthest input pixel that an output pixel depends on.
    pooling : int
        Sides must be a multiple of it.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (40, 72, 112),
        heads: Sequence[str] = ("mae", "mse"),
        head: str = "mae",
        hidden: int = 64,
    ) -> None:
        super().__init__()
        self.config = {"widths": list(widths), "hidden": hidden}
        if head not in heads:
            raise ValueError(f"head={head!r} is not one of {tuple(heads)}")
        if not 1 <= len(widths) <= _MOST_LEVELS:
            raise ValueError(f"{len(widths)} widths are not 1 to {_MOST_LEVELS}")
        self.heads = tuple(heads)
        self.head = self.heads.index(head)
        self.pooling = 2 ** len(widths)
        self.radius = _reach(len(widths))
        self.stem = nn.Conv2d(2 * 4, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_Block(w) for w in widths)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths)
        )
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(_Block(w) for w in widths[:-1])
        self.out = nn.Conv2d(widths[0], 4 * len(self.heads), 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]
        self.scales = [*widths, *widths[:-1]]
        self.film = nn.Sequential(
            nn.Linear(2 * _FREQUENCIES + 4, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, 2 * sum(self.scales)),
        )
        nn.init.zeros_(self.film[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.film[-1].bias)  # type: ignore[arg-type]

    def forward(self, z: Tensor, level: Tensor, condition: Tensor) -> Tensor:
        """Predict the noise.

        Parameters
        ----------
        z : torch.Tensor
            (b, 1, ny, nx) float32, units of the sky sigma.
        level : torch.Tensor
            (b,) noise level sigma_t.
        condition : torch.Tensor
            (b, 3) neighbour correlation, log10 of the sky sigma in electrons, known.

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
            As in `forward`.

        Returns
        -------
        torch.Tensor
            (b, heads, ny, nx).
        """
        film = self.film(features(level, condition))
        tables = film.split([2 * n for n in self.scales], dim=1)
        # Two views of one image: linear near the sky, logarithmic in stars.
        two = torch.cat([z.clamp(-8, 20) / 4, torch.asinh(z)], dim=1)
        h = self.stem(functional.pixel_unshuffle(two, 2))
        skips = []
        for k, block in enumerate(self.encoder):
            if k:
                skips.append(h)
                h = self.down[k - 1](h)
            h = block(h, tables[k])
        for k in reversed(range(len(self.decoder))):
            h = _plus(functional.pixel_shuffle(self.up[k](h), 2), skips.pop())
            h = self.decoder[k](h, tables[len(self.encoder) + k])
        out = self.out(functional.leaky_relu(h, SLOPE))
        return functional.pixel_shuffle(out, 2).float()

    def rows(self, heads: Sequence[str]) -> list[int]:
        """Return the rows of the last layer's weights that belong to some heads."""
        return [4 * self.heads.index(h) + k for h in heads for k in range(4)]

    def slim(self) -> "FastUNet":
        """Return a copy for use: without the other estimate of the noise."""
        chosen = self.heads[self.head]
        kept = [h for h in self.heads if h == chosen or h not in NOISE]
        slim = FastUNet(heads=kept, head=chosen, **self.config)  # type: ignore[arg-type]
        state = self.state_dict()
        own = self.rows(kept)
        state["out.weight"] = state["out.weight"][own]
        state["out.bias"] = state["out.bias"][own]
        slim.load_state_dict(state)
        slim.config = {**self.config, "heads": kept, "head": chosen}
        return slim


class _Block(nn.Module):
    """Residual block; scale and shift come from outside (FiLM)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)  # starts as the identity: needs no norm
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor, table: Tensor) -> Tensor:
        scale, shift = table[:, :, None, None].chunk(2, dim=1)
        inner = self.first(functional.leaky_relu(h, SLOPE))
        if _in_place(inner, scale):
            inner.mul_(1 + scale).add_(shift)
        else:
            inner = inner * (1 + scale) + shift
        inner = functional.leaky_relu(inner, SLOPE, inplace=_in_place(inner))
        return _plus(self.second(inner), h)


def _in_place(fresh: Tensor, *others: Tensor) -> bool:
    """Whether nobody needs what was there: not in training, nor to widen a type."""
    return not torch.is_grad_enabled() and all(o.dtype == fresh.dtype for o in others)


def _plus(fresh: Tensor, other: Tensor) -> Tensor:
    """Add to a tensor that nobody else holds; with the same bits either way."""
    return fresh.add_(other) if _in_place(fresh, other) else fresh + other


def features(level: Tensor, condition: Tensor) -> Tensor:
    """Embed what is told beside the image.

    Parameters
    ----------
    level : torch.Tensor
        (b,) noise level sigma_t.
    condition : torch.Tensor
        (b, 3), as in `FastUNet.forward`.

    Returns
    -------
    torch.Tensor
        (b, 12) numbers of order one.
    """
    octaves = torch.pi * 2.0 ** torch.arange(_FREQUENCIES, device=level.device)
    angle = level[:, None].float() * octaves
    rho, electrons, known = condition.float().unbind(1)
    rest = torch.stack([level, 2 * rho, (electrons - 1.5) * known, known], dim=1)
    return torch.cat([angle.sin(), angle.cos(), rest], dim=1)


def _reach(levels: int) -> int:
    """Return the exact dependency radius, by carrying intervals through the net."""
    worst = 0
    for pixel in range(2**levels):
        low, high = pixel // 2, pixel // 2
        low, high = low - 1, high + 1  # output convolution
        for _ in range(levels - 1):  # decoder blocks, each followed by an up step
            low, high = (low - 2) // 2, (high + 2) // 2
        for _ in range(levels - 1):  # encoder blocks, each led to by a down step
            low, high = 2 * (low - 2), 2 * (high + 2) + 1
        low, high = low - 2 - 1, high + 2 + 1  # first block and stem
        worst = max(worst, pixel - 2 * low, 2 * high + 1 - pixel)
    return worst
