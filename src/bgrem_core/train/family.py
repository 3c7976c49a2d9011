"""Family: what a kind of training brings to the bench."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from bgrem_core.train.recipe import Recipe

__all__ = ["Draw", "Family"]


class Draw(Protocol):
    """Batch of a step, from the recipe's seed and the step's number alone."""

    def __call__(
        self, step: int, *, held_out: bool
    ) -> "Mapping[str, NDArray[np.float32]]":
        """Return float32 arrays, first axis = batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Data, loss and description of one kind of model.

    Attributes
    ----------
    name : str
        Key in FAMILIES and value of a recipe's ``family``.
    data : type
        Frozen dataclass of the recipe's ``data``.
    networks : tuple of str
        Keys of `bgrem_core.networks.NETWORKS` that its loss can train.
    examples : callable
        ``examples(data)`` gives the number of examples of a batch and their side in
        pixels.
    prepare : callable
        ``prepare(recipe, folder)`` makes or reads what is simulated beforehand, kept
        in the folder, and returns a `Draw`. Worker processes call it too.
    loss : callable
        ``loss(network, batch, recipe)`` gives the loss of one equal part of a batch
        and named figures for the curve.
    describe : callable
        ``describe(recipe)`` gives the fields of the model card that the data decide:
        method, objective, normaliser, trained.
    """

    name: str
    data: type
    networks: tuple[str, ...]
    examples: "Callable[[Any], tuple[int, int]]"
    prepare: "Callable[[Recipe, Path], Draw]"
    loss: "Callable[[nn.Module, Mapping[str, Tensor], Recipe], tuple[Tensor, dict[str, float]]]"  # noqa: E501
    describe: "Callable[[Recipe], dict[str, Any]]"
