"""Whether the network, the data and the loss of a recipe fit together."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bgrem_core.errors import ModelError, UsageError
from bgrem_core.networks import build
from bgrem_core.train.heads import HEADS

if TYPE_CHECKING:
    from torch import nn

    from bgrem_core.train.recipe import Recipe

__all__ = ["fitting_network"]

_MOST = 4096


def fitting_network(recipe: "Recipe") -> "nn.Module":
    """Build the network of a recipe, which its data and its loss can train.

    Parameters
    ----------
    recipe : Recipe
        What is to be trained.

    Returns
    -------
    torch.nn.Module
        With random weights, drawn from torch's own generator.

    Raises
    ------
    UsageError
        The network cannot be built, or the family cannot train it.
    """
    family = recipe.kind()
    if recipe.network not in family.networks:
        known = " or ".join(family.networks)
        raise _unfit(
            f"the family {family.name} trains the network {known}, "
            f"not {recipe.network[:80]!r}"
        )
    _check_config(recipe.config)
    try:
        network: Any = build(recipe.network, **recipe.config)
    except ModelError as error:
        raise _unfit(error.sentence) from error
    side = family.examples(recipe.data)[1]
    if side % network.pooling:
        raise _unfit(
            f"a side of {side} pix is no multiple of {network.pooling}, which the "
            "levels of the network need"
        )
    if getattr(recipe.data, "loss", "") == "heads":
        heads = set(getattr(network, "heads", ()))
        if "mae" not in heads or not heads <= set(HEADS):
            raise _unfit(
                "the loss 'heads' needs a network whose config.heads hold 'mae' and "
                f"others of {', '.join(HEADS)}"
            )
    return network  # type: ignore[no-any-return]


def _check_config(config: Mapping[str, Any]) -> None:
    """Refuse numbers that torch would take amiss, without a word or with a crash."""
    for name, value in config.items():
        least = 0 if name == "gates" else 1
        for item in value if isinstance(value, list | tuple) else [value]:
            if isinstance(item, str):
                continue
            if type(item) is not int or not least <= item <= _MOST:
                raise _unfit(
                    f"config.{name} holds {str(item)[:80]}, which is no whole number "
                    f"from {least} to {_MOST}"
                )


def _unfit(why: str) -> UsageError:
    return UsageError(f"the recipe cannot be used: {why}", "correct the recipe")
