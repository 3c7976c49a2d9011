"""Losses of the heads of an optical network: noise, its own error, artefacts.

References
----------
.. [1] Koenker & Bassett 1978, Econometrica 46, 33 (the loss of a quantile).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from bgrem_core.errors import UsageError
from bgrem_core.heads import NOISE, ODDS, QUANTILES

__all__ = ["HEADS", "heads_loss"]

HEADS = (*NOISE, *QUANTILES, *ODDS)
_LABELS = {"artefact": "hit", "centre": "centre"}
_SHARE = {"mae": 1.0, "mse": 1.0, "q68": 0.3, "q95": 0.3, "artefact": 3.0, "centre": 20}


def heads_loss(
    out: Tensor, names: Sequence[str], batch: Mapping[str, Tensor]
) -> tuple[Tensor, dict[str, float]]:
    """Return the sum of the losses of all heads.

    Parameters
    ----------
    out : torch.Tensor
        (b, heads, n, n) answers of the network.
    names : sequence of str
        Of the heads, from `HEADS`.
    batch : mapping of torch.Tensor
        ``noise``, ``spread``, ``hit``, ``centre`` (b, 1, n, n) and ``level`` (b,).

    Returns
    -------
    tuple
        The loss, and figures: absolute and squared error in units of the local noise
        at level 1, loss of quantiles, share of pixels within each, cross entropy.

    Raises
    ------
    UsageError
        A head is unknown, or quantiles are asked for without the head mae.
    """
    heads = dict(zip(names, out.float().chunk(len(names), dim=1), strict=True))
    if unknown := sorted(set(heads) - set(HEADS)):
        raise UsageError(
            f"config.heads has the unknown {unknown[0][:80]!r}",
            f"known: {', '.join(HEADS)}",
        )
    if "mae" not in heads:
        raise UsageError("config.heads lacks 'mae'", "add it: the others lean on it")
    # Times the level: the error of z - level * x_hat, so that the levels at which
    # noise cannot be told from light do not rule the gradient.
    weight = batch["level"][:, None, None, None] / batch["spread"]
    full = batch["level"] == 1
    error = ((heads["mae"] - batch["noise"]) * weight).abs()
    loss, figures = error.new_zeros(()), {}
    for name, answer in heads.items():
        if name in _LABELS:
            each = functional.binary_cross_entropy_with_logits(
                answer, batch[_LABELS[name]], reduction="none"
            )
        elif name in QUANTILES:
            # softplus: a width is positive. The trunk is not bent to make errors
            # predictable: their size is taken as given.
            width = functional.softplus(answer) * weight
            over = error.detach() - width
            each = torch.maximum(QUANTILES[name] * over, (QUANTILES[name] - 1) * over)
            figures[f"in_{name}"] = _at(full, (over <= 0).float())
        else:
            off = (answer - batch["noise"]) * weight
            each = off.abs() if name == "mae" else off.square()
        if name == "centre":  # where noise was taken off, the answer is easier
            each = each * batch["level"][:, None, None, None]
        loss = loss + _SHARE[name] * each.mean()
        figures[name] = _at(full, each)
    return loss, figures


def _at(full: Tensor, values: Tensor) -> float:
    return float(values.detach()[full].mean())
