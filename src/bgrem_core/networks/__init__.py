"""Networks: plain modules, no files, no data.

``fast`` and ``attention`` predict the noise in an image, as
``network(z, level, condition)``:

- ``z`` (b, 1, ny, nx) float32: (image - offset) / sigma of the sky, sides a multiple
  of ``pooling``;
- ``level`` (b,) float32: noise level sigma_t of the schedule, 1 for a plain image;
- ``condition`` (b, 3) float32: neighbour correlation of the noise, log10 of the sky
  sigma in electrons (0 if unknown), 1 if that is known else 0;

and return x_hat (b, 1, ny, nx), so that ``z - level * x_hat`` is the estimate of the
image without noise. ``expectation`` parts photon counts, and ``context`` predicts the
noise of a diffusion step over a raw frame; their classes say how they are called.

Every network has ``radius``, the farthest input pixel that an output pixel depends on,
and ``pooling``, the grid on which tiles must start.
"""

from typing import TYPE_CHECKING, Any

from bgrem_core.errors import ModelError
from bgrem_core.networks.attention import AttentionUNet
from bgrem_core.networks.context import ContextUNet
from bgrem_core.networks.expectation import ExpectationUNet
from bgrem_core.networks.fast import FastUNet
from bgrem_core.networks.rewrites import rewritten

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "NETWORKS",
    "AttentionUNet",
    "ContextUNet",
    "ExpectationUNet",
    "FastUNet",
    "build",
    "rewritten",
]

NETWORKS: "dict[str, type[nn.Module]]" = {
    "attention": AttentionUNet,
    "context": ContextUNet,
    "expectation": ExpectationUNet,
    "fast": FastUNet,
}
"""Network classes by the name that weights and recipes use."""


def build(name: str, **config: Any) -> "nn.Module":
    """Build a network by name.

    Parameters
    ----------
    name : str
        A key of `NETWORKS`.
    **config
        Keyword arguments of that class.

    Returns
    -------
    torch.nn.Module
        With random weights, in training mode.

    Raises
    ------
    ModelError
        The name or an option is unknown.
    """
    if name not in NETWORKS:
        raise ModelError(
            f"network {name!r} is unknown", f"known: {', '.join(sorted(NETWORKS))}"
        )
    try:
        return NETWORKS[name](**config)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"network {name!r} does not take this configuration: {error}",
            "use weights that were made for this version",
        ) from error
