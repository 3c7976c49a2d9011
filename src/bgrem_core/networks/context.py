"""A small U-Net that knows whole rows and columns, for diffused frames of sensors."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from bgrem_core.ddpm import ALPHA_BAR

__all__ = ["ContextUNet"]

_SLOPE = 0.1
_MOST_LEVELS = 6
_MOST_SHRINK = 4
_FREQUENCIES = 16
_SLOWEST = 1e4
_AXIAL = 5


class ContextUNet(nn.Module):
    """Predict the noise in a diffused frame.

    Banding is one number per row, too faint to be seen in any neighbourhood: means
    over whole rows and columns are carried beside the local features. There is no
    normalisation layer: the contents of a tile act on a pixel only through the rows
    and columns that cross it.

    Parameters
    ----------
    widths : sequence of int, optional
        Channels per level, from fine to coarse.
    blocks : int, optional
        Residual blocks per level, on the way down and again on the way up.
    shrink : int, optional
        Side of the pixel blocks that become channels before the first level.
    hidden : int, optional
        Width of the small network that turns the time into scales and shifts.

    Attributes
    ----------
    config : dict
        The arguments that built it.
    radius : int
        Farthest input pixel that an output pixel depends on *through convolutions*.
        Through the means it depends on all of the tile: tiles of one frame agree only
        as far as their rows and columns do, and a margin does not make them equal.
    pooling : int
        Sides must be a multiple of it.

    Notes
    -----
    What the layers give is v = sqrt(a) eps - sqrt(1 - a) x0 (a = alpha_bar), which has
    unit variance at every time if frames have; the predicted noise is then
    eps = sqrt(1 - a) x_t + sqrt(a) v [1]_.

    References
    ----------
    .. [1] Salimans & Ho 2022, "Progressive Distillation", arXiv:2202.00512, sec. 4.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (48, 72, 96),
        blocks: int = 1,
        shrink: int = 2,
        hidden: int = 96,
    ) -> None:
        super().__init__()
        if not 1 <= len(widths) <= _MOST_LEVELS:
            raise ValueError(f"{len(widths)} widths are not 1 to {_MOST_LEVELS}")
        if not 1 <= shrink <= _MOST_SHRINK or blocks < 1:
            raise ValueError(f"shrink={shrink} or blocks={blocks} is out of range")
        self.config = {
            "widths": list(widths),
            "blocks": blocks,
            "shrink": shrink,
            "hidden": hidden,
        }
        self.shrink = shrink
        self.pooling = shrink * 2 ** (len(widths) - 1)
        self.radius = _reach(len(widths), blocks, shrink)
        self.stem = nn.Conv2d(shrink**2, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_stage(w, blocks) for w in widths)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths)
        )
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(_stage(w, blocks) for w in widths[:-1])
        self.out = nn.Conv2d(widths[0], shrink**2, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]
        self.scales = [w for w in (*widths, *widths[:-1]) for _ in range(blocks)]
        self.film = nn.Sequential(
            nn.Linear(2 * _FREQUENCIES, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, 2 * sum(self.scales)),
        )
        nn.init.zeros_(self.film[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.film[-1].bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Predict the noise.

        Parameters
        ----------
        x : torch.Tensor
            (b, 1, ny, nx) float32 diffused frames.
        t : torch.Tensor
            (b,) float32, whole numbers from 0 to 999.

        Returns
        -------
        torch.Tensor
            (b, 1, ny, nx) float32 eps, the unit noise in x.
        """
        tables = iter(self.film(_embed(t)).split([2 * n for n in self.scales], dim=1))
        h = self.stem(functional.pixel_unshuffle(x, self.shrink))
        skips = []
        for k, stage in enumerate(self.encoder):
            if k:
                skips.append(h)
                h = self.down[k - 1](h)
            h = _run(stage, h, tables)
        # The stages of the way up lie in the order of `up`: tables are drawn likewise.
        late = [[next(tables) for _ in stage] for stage in self.decoder]  # type: ignore[attr-defined]
        for k in reversed(range(len(self.decoder))):
            h = functional.pixel_shuffle(self.up[k](h), 2) + skips[k]
            h = _run(self.decoder[k], h, iter(late[k]))
        v = self.out(functional.leaky_relu(h, _SLOPE))
        v = functional.pixel_shuffle(v, self.shrink).float()
        schedule = torch.tensor(ALPHA_BAR, dtype=torch.float32, device=x.device)
        kept = schedule[t.long()][:, None, None, None]
        return (1 - kept).sqrt() * x + kept.sqrt() * v


class _Block(nn.Module):
    """Residual block with row and column means; the time scales and shifts it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.rows = nn.Conv1d(width, width, _AXIAL, padding=_AXIAL // 2)
        self.columns = nn.Conv1d(width, width, _AXIAL, padding=_AXIAL // 2)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)  # starts as the identity: needs no norm
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor, table: Tensor) -> Tensor:
        scale, shift = table[:, :, None, None].chunk(2, dim=1)
        active = functional.leaky_relu(h, _SLOPE)
        inner = self.first(active)
        # Means of what is not yet bent: a mean over a row keeps its full strength.
        inner = inner + self.rows(h.mean(dim=3))[:, :, :, None]
        inner = inner + self.columns(h.mean(dim=2))[:, :, None, :]
        inner = inner * (1 + scale) + shift
        out: Tensor = h + self.second(functional.leaky_relu(inner, _SLOPE))
        return out


def _stage(width: int, blocks: int) -> nn.ModuleList:
    return nn.ModuleList(_Block(width) for _ in range(blocks))


def _run(stage: nn.Module, h: Tensor, tables: Iterator[Tensor]) -> Tensor:
    for block in stage:  # type: ignore[attr-defined]
        h = block(h, next(tables))
    return h


def _embed(t: Tensor) -> Tensor:
    """Return (b, 32) sines and cosines of the time."""
    order = torch.arange(_FREQUENCIES, device=t.device, dtype=torch.float32)
    angle = t[:, None].float() * _SLOWEST ** (-order / _FREQUENCIES)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def _reach(levels: int, blocks: int, shrink: int) -> int:
    """Return the exact radius of the convolutions, by carrying intervals."""
    wide = 2 * blocks
    worst = 0
    for pixel in range(shrink * 2**levels):
        low = high = pixel // shrink
        low, high = low - 1, high + 1  # output convolution
        for _ in range(levels - 1):  # way up, each stage fed by an up step
            low, high = (low - wide) // 2, (high + wide) // 2
        for _ in range(levels - 1):  # way down, each stage fed by a down step
            low, high = 2 * (low - wide), 2 * (high + wide) + 1
        low, high = low - wide - 1, high + wide + 1  # first stage and stem
        worst = max(worst, pixel - shrink * low, shrink * high + shrink - 1 - pixel)
    return worst
