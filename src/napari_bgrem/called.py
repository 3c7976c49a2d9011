"""Called: the words for the layers of a result, as its method declares them."""

from typing import TYPE_CHECKING

from bgrem_core.words import DEFAULT, method_words, words_of
from napari_bgrem.mark import mark_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Layer

    from bgrem_core.words import Words

__all__ = ["ROLES", "layer_words", "part_name", "role_name"]

ROLES = ("original", "cleaned", "residual")
"""Roles of layers, in the order of the words."""
_METHOD = "BGRMETH"


def layer_words(layers: "Iterable[Layer]") -> "Words":
    """Return the words for layers that belong together.

    Parameters
    ----------
    layers : iterable of napari.layers.Layer
        Of one result; those that know it decide, else the header of a saved one.

    Returns
    -------
    tuple of str
        As `words_of` gives them.
    """
    said: Words = DEFAULT
    for layer in layers:
        mark = mark_of(layer)
        if mark is not None and mark.separation is not None:
            return words_of(mark.separation)
        header = layer.metadata.get("header")
        if header is not None and _METHOD in header:
            said = method_words(header[_METHOD])
    return said


def role_name(role: str, words: "Words") -> str:
    """Return how a layer of a role is called; roles without a word keep their name."""
    first, _, rest = role.partition(" ")
    if first not in ROLES:
        return role
    return f"{words[ROLES.index(first)].lower()} {rest}".strip()


def part_name(part: str, words: "Words") -> str:
    """Return how the layer of a part is called, apart from all that was taken."""
    return f"{part} (part)" if part == words[2].lower() else part
