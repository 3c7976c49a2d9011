"""Begin a training with weights that exist, instead of random ones."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from bgrem_core.errors import UsageError
from bgrem_core.model_card import ModelCard
from bgrem_core.models import find_file, load_model
from bgrem_core.networks import FastUNet
from bgrem_core.train.export import from_run, from_weights, tensors_digest

if TYPE_CHECKING:
    from torch import nn

    from bgrem_core.train.recipe import Recipe

__all__ = ["Start", "read_start"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """Weights that a training begins with.

    Attributes
    ----------
    name : str
        Of the weights, for messages.
    network : str
        Key of `bgrem_core.networks.NETWORKS`.
    config : mapping
        Arguments of the network.
    state : mapping of torch.Tensor
        Its numbers, by name.
    digest : str
        SHA-256 of the numbers, see `bgrem_core.train.export.tensors_digest`.
    """

    name: str
    network: str
    config: Mapping[str, Any]
    state: Mapping[str, torch.Tensor]
    digest: str

    def told(self, recipe: "Recipe") -> "Recipe":
        """Return the recipe with the digest of these weights in it.

        Parameters
        ----------
        recipe : Recipe
            Without a start, or with this one.

        Returns
        -------
        Recipe
            What decides the result, whole.

        Raises
        ------
        UsageError
            The recipe begins with other weights.
        """
        if recipe.start not in ("", self.digest):
            raise UsageError(
                f"recipe.start is {recipe.start[:16]}..., and the weights {self.name} "
                f"are {self.digest[:16]}...",
                "give the weights of the recipe, or leave start out of it",
            )
        return dataclasses.replace(recipe, start=self.digest)

    def put_into(self, network: "nn.Module", recipe: "Recipe") -> None:
        """Copy the weights into a network.

        Parameters
        ----------
        network : torch.nn.Module
            Of the recipe; changed in place. Heads that the weights do not have stay as
            they are.
        recipe : Recipe
            Says which network it is.

        Raises
        ------
        UsageError
            The weights belong to another network.
        """
        own = network.state_dict()
        whole = dict(self.state)
        if isinstance(network, FastUNet):
            heads = self.config.get("heads", ())
            if heads and set(heads) <= set(network.heads):
                rows = network.rows(heads)
                for name in ("out.weight", "out.bias"):
                    whole[name] = own[name].index_copy(
                        0, torch.tensor(rows), self.state[name]
                    )
        shapes = {name: tuple(value.shape) for name, value in whole.items()}
        fits = shapes == {name: tuple(value.shape) for name, value in own.items()}
        if recipe.network != self.network or not fits:
            raise UsageError(
                f"the weights {self.name} belong to another network than the recipe: "
                f"{self.network} with {dict(self.config)}",
                "set network and config of the recipe to these, or train without "
                "--from",
            )
        network.load_state_dict(whole)


def read_start(source: str | Path) -> Start:
    """Read the weights that a training is to begin with.

    Parameters
    ----------
    source : str or pathlib.Path
        Folder of a run (its averaged weights), a file of weights, or the name of
        weights that ship.

    Returns
    -------
    Start
        On the CPU.

    Raises
    ------
    ReadError
        The folder holds no run, or a damaged one.
    UsageError
        The run has not ended, or has no output for absolute errors.
    ModelError
        There are no such weights, or they are damaged.
    """
    if Path(source).is_dir():
        fields, arrays = from_run(Path(source))
        if not fields["training"]["finished"]:
            raise UsageError(
                f"the run {source} has not ended: its weights still change",
                "let it end, or export it and give the file",
            )
    else:
        load_model(str(source), device="cpu")  # checks what a user's file may be
        fields, arrays = from_weights(find_file(str(source)))
    card = ModelCard.from_dict(fields, where=str(source))
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Start(
        name=str(source), network=card.network, config=card.config, state=state,
        digest=tensors_digest(arrays),
    )  # fmt: skip
