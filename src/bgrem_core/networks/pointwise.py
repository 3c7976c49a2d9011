"""1x1 convolutions as products of matrices."""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["pointwise"]


def pointwise(conv: nn.Conv2d, h: Tensor) -> Tensor:
    """Apply a 1x1 convolution.

    Where the channels of a pixel lie side by side this is a product of two matrices as
    they lie in memory; torch's convolution copies them first.

    Parameters
    ----------
    conv : torch.nn.Conv2d
        Of size 1 x 1.
    h : torch.Tensor
        (b, channels, ny, nx), best in the memory format channels_last.

    Returns
    -------
    torch.Tensor
        (b, channels of ``conv``, ny, nx).
    """
    if torch.compiler.is_exporting():  # other engines know what to do with it
        out: Tensor = conv(h)
        return out
    weight = conv.weight[:, :, 0, 0]
    last = functional.linear(h.permute(0, 2, 3, 1), weight, conv.bias)
    return last.permute(0, 3, 1, 2)
