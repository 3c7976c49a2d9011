"""Plain losses of one output, as in appendix C of the paper."""

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PLAIN", "plain_loss"]

PLAIN = ("mae", "mse", "huber")


def plain_loss(error: "Tensor", kind: str) -> "tuple[Tensor, dict[str, float]]":
    """Return a loss of errors, with figures for the curve.

    Parameters
    ----------
    error : torch.Tensor
        Prediction less truth, any shape.
    kind : str
        One of `PLAIN`.

    Returns
    -------
    tuple
        The loss, and the mean absolute and squared error.
    """
    mae, mse = error.abs().mean(), error.square().mean()
    figures = {"mae": float(mae.detach()), "mse": float(mse.detach())}
    huber = functional.huber_loss(error, torch.zeros_like(error))
    return {"mae": mae, "mse": mse, "huber": huber}[kind], figures
